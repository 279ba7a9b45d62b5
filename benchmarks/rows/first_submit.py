"""``%load_ext sovlab`` and the first ``%%sovsubmit`` of a fresh kernel: what somebody waits for.

Each sample is taken in a fresh ipykernel that has executed one cell before, by the clock inside of the
kernel: from before ``%load_ext`` until ``%%sovsubmit`` of a trivial cell has returned, with its card shown.
Usually other kernels of the user have submitted before, and the agent runs; apart from that also the very
first submit on a machine, which starts the agent. Against: a bare ``python -c`` (the floor); submitit's local
executor and torchx's local_cwd, each from before its import until its submit has returned, in kernels of the
peers' environment. Their jobs end before the next sample; that is not counted.
"""

from __future__ import annotations

import shutil

from benchmarks.kernel import kernel
from benchmarks.measuring import Hold, Report, ratio, take_turns
from benchmarks.surroundings import Surroundings

_SOVLAB = """
get_ipython().run_line_magic("load_ext", "sovlab")
get_ipython().run_cell_magic("sovsubmit", "", "answer = 42")
"""
_SUBMITIT = """
import submitit
executor = submitit.AutoExecutor(folder={folder!r}, cluster="local")
executor.update_parameters(timeout_min=10)
job = executor.submit(abs, -42)
"""
_TORCHX = """
from torchx import specs
from torchx.runner import get_runner
runner = get_runner()
role = specs.Role(name="r", image=".", entrypoint=sys.executable, args=["-c", "answer = 42"])
job = runner.run(specs.AppDef(name="app", roles=[role]), "local_cwd", {{"log_dir": {folder!r}}})
"""
_TIMED = "import sys\nbegun = time.perf_counter()\n{}\nseconds = time.perf_counter() - begun"
_FIRST = "sovlab, the first ever"


def run(surroundings: Surroundings) -> list[Report]:
    def seconds(python: str | None, code: str, ended: str, **environ: str) -> float:
        with kernel(python, surroundings.scratch, {**surroundings.environ, **environ}) as started:
            taken = float(started.run(_TIMED.format(code), "seconds"))
            started.run(ended)
        return taken

    def sovlab(**environ: str) -> float:
        return seconds(surroundings.python, _SOVLAB, 'get_ipython().run_line_magic("sovwait", "")', **environ)

    def very_first() -> float:
        state = surroundings.scratch / "first"
        try:
            return sovlab(SOVLAB_STATE_DIR=str(state))
        finally:
            surroundings.stop_agent(state)
            shutil.rmtree(state, ignore_errors=True)

    folder = str(surroundings.scratch / "submits")
    submitit, torchx = _SUBMITIT.format(folder=folder), _TORCHX.format(folder=folder)
    taken = take_turns(
        {
            "bare python -c": lambda: surroundings.bare("pass"),
            "sovlab": sovlab,
            _FIRST: very_first,
            "submitit local": lambda: seconds(surroundings.peers, submitit, "assert job.result() == 42"),
            "torchx local_cwd": lambda: seconds(
                surroundings.peers, torchx, "assert runner.wait(job, 0.01).state == specs.AppState.SUCCEEDED"
            ),
        },
        surroundings.repeats(15),
    )
    hold = Hold("sovlab / bare python -c", ratio(taken["sovlab"], taken["bare python -c"]), 8)
    title = "load_ext and the first %%sovsubmit of a fresh kernel"
    return [Report(title, [*taken.values()], "bare python -c", [hold])]
