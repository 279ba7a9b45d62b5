"""What sovlab keeps in memory: in the kernel after ``%load_ext``, and its idle processes.

The kernel: resident memory of an ipykernel before and after ``%load_ext sovlab``, against the import of a
peer's client library. The processes: once jobs with torch have ended, everything that still runs with the
state directory of this measurement, by what it is called; where the system says so, the proportional share
too, which counts pages that several processes share only once.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import PurePath

import psutil

from benchmarks.kernel import kernel
from benchmarks.measuring import CaseFailed, Report, Series
from benchmarks.surroundings import Surroundings

_IDLE = 8.0
"""Seconds after the last job until idle processes are looked at."""


def run(surroundings: Surroundings) -> list[Report]:
    return [_kernel(surroundings), _processes(surroundings)]


def _kernel(surroundings: Surroundings) -> Report:
    added = {
        "%load_ext sovlab": (surroundings.python, "get_ipython().run_line_magic('load_ext', 'sovlab')"),
        "import torchx's runner": (surroundings.peers, "from torchx.runner import get_runner"),
        "import kubernetes' client": (surroundings.peers, "from kubernetes import client"),
        "import kubeflow's trainer client": (
            surroundings.peers,
            "from kubeflow.trainer import TrainerClient",
        ),
    }
    series = {name: Series(name, "B") for name in added}
    for _ in range(surroundings.repeats(5)):
        for name, (python, statement) in added.items():
            try:
                with kernel(python, surroundings.scratch, surroundings.environ) as started:
                    process = psutil.Process(started.pid)
                    before = process.memory_info().rss
                    started.run(statement)
                    series[name].samples.append(process.memory_info().rss - before)
            except CaseFailed as failed:
                series[name].note = str(failed)
    return Report("Memory added to a kernel", [*series.values()], "%load_ext sovlab")


def _processes(surroundings: Surroundings) -> Report:
    state = surroundings.scratch / "idle"
    with surroundings.driver("sovlab_client", state=state) as sovlab:
        for _ in range(2):
            sovlab.call("torch_cell")
            time.sleep(_IDLE)
        rows = []
        for process in sorted(surroundings.ours(state), key=lambda p: p.pid):
            with contextlib.suppress(psutil.Error):
                name = "client" if process.pid == sovlab.pid else _name(process)
                share = getattr(process.memory_full_info(), "pss", None)
                note = f"proportional share {share / 1e6:.1f} MB" if share is not None else ""
                rows.append(Series(name, "B", [process.memory_info().rss], note))
        surroundings.stop_agent(state, keep=sovlab.pid)
    return Report("Memory of idle processes, after jobs with torch", rows)


def _name(process: psutil.Process) -> str:
    """Its command line without directories."""
    words = [PurePath(word).name for word in process.cmdline()]
    return " ".join(w for w in words[:5] if len(w) < 40) or process.name()
