"""`ProcessorShare`: which part of the time in which a node's processors worked was a job's."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterator, Optional

from sovlab.sensors.machine import Machine, text
from sovlab.sensors.probes import processor_time as processor


class ProcessorShare:
    """Counts from when it is made.

    Args:
        machine: where the job runs.
        root: process above all of the job's.
        contained: whether the job has a cgroup to itself, which counts for it.
    """

    def __init__(self, machine: Machine, root: int, contained: bool) -> None:
        self._machine = machine
        self._root = root
        self._contained = contained and processor.job_seconds(machine) is not None
        self._began = self._counts()
        self._last = self._began

    def told(self) -> Dict[str, Any]:
        """CPU seconds of the job, of all that worked, and of all there were, as JSON; empty if not known."""
        self._last = self._counts() or self._last
        if self._began is None or self._last is None:
            return {}
        job, busy, total = (after - before for before, after in zip(self._began, self._last))
        if job < 0 or busy <= 0 or total <= 0:
            return {}
        return {"cpu": {"job": round(job, 2), "busy": round(max(busy, job), 2), "all": round(total, 2)}}

    def _counts(self) -> Optional[tuple]:  # type: ignore[type-arg]
        if self._contained:
            job = processor.job_seconds(self._machine)
        else:
            job = processor.tree_seconds(_tree(self._machine, self._root), self._machine)
        busy, total = processor.busy_seconds(self._machine), processor.all_seconds(self._machine)
        return None if job is None or busy is None or total is None else (job, busy, total)


def _tree(machine: Machine, root: int) -> Iterator[int]:
    """A process and those below it but this one, by what the kernel lists of each thread's children."""
    pending = [root]
    while pending:
        pid = pending.pop()
        if pid == os.getpid():
            continue
        yield pid
        folder = machine.at(f"/proc/{pid}/task")
        try:
            tasks = list(folder.iterdir())
        except OSError:
            continue
        for task in tasks:
            pending += [int(child) for child in text(task / "children").split()]
