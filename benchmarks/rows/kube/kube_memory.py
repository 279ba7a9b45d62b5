"""Memory of the processes that attend to 20 running jobs on a cluster.

20 cells are submitted that print a line each second. The client follows the log of each, as 20 cards do; the
transfer agent was started by the submits. Resident memory, once all 20 have printed for a while; where the
system says so, the proportional share too. Beside: that process before its first submit.
"""

from __future__ import annotations

import contextlib
import time

import psutil

from benchmarks.measuring import Report, Series
from benchmarks.surroundings import Surroundings

JOBS, QUICK = 20, 4
_WHILE = 5.0


def run(surroundings: Surroundings) -> list[Report]:
    cluster, count, state = (
        surroundings.cluster,
        QUICK if surroundings.quick else JOBS,
        surroundings.scratch / "kube-memory",
    )
    rows = []
    with (
        cluster.namespace() as namespace,
        cluster.sovlab(namespace, state=state, cpu=0.005, memory=8 << 20) as sovlab,
    ):
        rows.append(_row("client, before its first submit", psutil.Process(sovlab.pid)))
        sovlab.call("follow", count=count)
        time.sleep(_WHILE)
        rows.append(_row(f"client that follows {count} jobs", psutil.Process(sovlab.pid)))
        for process in surroundings.ours(state):
            with contextlib.suppress(psutil.Error):
                if "sovlab.executors.kubernetes" in process.cmdline():
                    rows.append(_row(f"transfer agent of {count} jobs", process))
        sovlab.call("leave")
        surroundings.stop_agent(state, keep=sovlab.pid)
    return [Report(f"Memory with {count} running jobs, on {cluster.name}", rows, notes=[cluster.told])]


def _row(name: str, process: psutil.Process) -> Series:
    share = getattr(process.memory_full_info(), "pss", None)
    note = f"proportional share {share / 1e6:.1f} MB" if share is not None else ""
    return Series(name, "B", [process.memory_info().rss], note)
