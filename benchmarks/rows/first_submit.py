"""``%load_ext sovlab`` and the first ``%%sovsubmit`` of a fresh kernel: what somebody waits for.

Each sample is taken in a fresh ipykernel that has executed one cell before, by the clock inside of the
kernel: from before ``%load_ext`` until ``%%sovsubmit`` of a trivial cell has returned, with its card shown.
Usually other kernels of the user have submitted before, and the agent runs; apart from that also the very
first submit on a machine, which starts the agent. Against: a bare ``python -c`` (the floor); submitit's local
executor and torchx's local_cwd, each from before its import until its submit has returned, in kernels of the
peers' environment. A kernel has loaded much of what they import; so all three are also measured in a script,
by the clock inside of a fresh interpreter. Jobs end before the next sample; that is not counted.
"""

from __future__ import annotations

import shutil
import subprocess

from benchmarks.kernel import kernel
from benchmarks.measuring import CaseFailed, Hold, Report, ratio, take_turns
from benchmarks.surroundings import Surroundings

_MAGICS = """
get_ipython().run_line_magic("load_ext", "sovlab")
get_ipython().run_cell_magic("sovsubmit", "", "answer = 42")
"""
_MAGICS_END = 'get_ipython().run_line_magic("sovwait", "")'
_SOVLAB = """
import sovlab
job = sovlab.submit(abs, -42)
"""
_SUBMITIT = """
import submitit
executor = submitit.AutoExecutor(folder={folder!r}, cluster="local")
executor.update_parameters(timeout_min=10)
job = executor.submit(abs, -42)
"""
_RESULT = "assert job.result() == 42"
_TORCHX = """
from torchx import specs
from torchx.runner import get_runner
runner = get_runner()
role = specs.Role(name="r", image=".", entrypoint=sys.executable, args=["-c", "answer = 42"])
job = runner.run(specs.AppDef(name="app", roles=[role]), "local_cwd", {{"log_dir": {folder!r}}})
"""
_TORCHX_END = "assert runner.wait(job, 0.01).state == specs.AppState.SUCCEEDED"
_TIMED = "import sys, time\nbegun = time.perf_counter()\n{}\nseconds = time.perf_counter() - begun"


def run(surroundings: Surroundings) -> list[Report]:
    def cell(python: str | None, code: str, end: str, **environ: str) -> float:
        with kernel(python, surroundings.scratch, {**surroundings.environ, **environ}) as started:
            seconds = float(started.run(_TIMED.format(code), "seconds"))
            started.run(end)
        return seconds

    def script(python: str | None, code: str, end: str) -> float:
        if python is None:
            raise CaseFailed("not installed")
        done = subprocess.run(
            [python, "-c", f"{_TIMED.format(code)}\n{end}\nprint(seconds)"],
            cwd=surroundings.scratch,
            env=surroundings.environ,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise CaseFailed(f"failed: {done.stderr.strip().splitlines()[-1]}")
        return float(done.stdout.split()[-1])

    def very_first() -> float:
        state = surroundings.scratch / "first"
        try:
            return cell(ours, _MAGICS, _MAGICS_END, SOVLAB_STATE_DIR=str(state))
        finally:
            surroundings.stop_agent(state)
            shutil.rmtree(state, ignore_errors=True)

    ours, theirs = surroundings.python, surroundings.peers
    folder = str(surroundings.scratch / "submits")
    submitit, torchx = _SUBMITIT.format(folder=folder), _TORCHX.format(folder=folder)
    taken = take_turns(
        {
            "bare python -c": lambda: surroundings.bare("pass"),
            "sovlab": lambda: cell(ours, _MAGICS, _MAGICS_END),
            "sovlab, the first ever": very_first,
            "submitit local": lambda: cell(theirs, submitit, _RESULT),
            "torchx local_cwd": lambda: cell(theirs, torchx, _TORCHX_END),
            "sovlab, in a script": lambda: script(ours, _SOVLAB, _RESULT),
            "submitit local, in a script": lambda: script(theirs, submitit, _RESULT),
            "torchx local_cwd, in a script": lambda: script(theirs, torchx, _TORCHX_END),
        },
        surroundings.repeats(15),
    )
    hold = Hold("sovlab / bare python -c", ratio(taken["sovlab"], taken["bare python -c"]), 8)
    title = "load_ext and the first %%sovsubmit of a fresh kernel"
    return [Report(title, [*taken.values()], "bare python -c", [hold])]
