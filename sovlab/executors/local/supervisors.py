"""The supervisors of running jobs, as the agent sees them: which process each is, and when it has ended."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
from collections.abc import Callable, Mapping

from sovlab.executors.local.command import Command
from sovlab.executors.local.store import JobDirectory
from sovlab.runner.system import processes


class Supervisors:
    """The supervisor of each running job, until it ends.

    Args:
        selector: the agent's, whose keys have their callbacks as data; pidfds are registered with it.
        on_end: called once with the job's id and the supervisor's pid when that has ended.
    """

    def __init__(self, selector: selectors.BaseSelector, on_end: Callable[[str, int], None]) -> None:
        self._selector = selector
        self._on_end = on_end
        self._pids: dict[str, int] = {}
        self._pidfds: dict[str, int] = {}
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def unwatched(self) -> list[str]:
        """Ids of jobs of whose end the system does not tell: `look` at them now and then."""
        return [job_id for job_id in self._pids if job_id not in self._pidfds]

    def start(self, job: JobDirectory, command: Command, environ: Mapping[str, str]) -> None:
        """Start the supervisor of a job as a child of this process. Raises `OSError`."""
        with (job / "log").open("ab") as log:
            process = subprocess.Popen(
                command.argv("run", str(job / "order.json")),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environ,
                start_new_session=True,
            )
        self._children[process.pid] = process
        self.watch(job.id, process.pid)

    def watch(self, job_id: str, pid: int) -> None:
        """Wait for the end of a supervisor, whoever has started it."""
        self._pids[job_id] = pid
        with contextlib.suppress(OSError, AttributeError):
            descriptor = os.pidfd_open(pid)
            self._pidfds[job_id] = descriptor
            self._selector.register(descriptor, selectors.EVENT_READ, lambda _: self.look(job_id))

    def look(self, job_id: str) -> None:
        """See whether the supervisor of a job has ended."""
        if job_id not in self._pids:
            return  # it has been seen already: its forkserver and the system both tell
        pid = self._pids[job_id]
        if self._is_running(pid):
            return
        descriptor = self._pidfds.pop(job_id, -1)
        if descriptor >= 0:
            self._selector.unregister(descriptor)
            os.close(descriptor)
        del self._pids[job_id]
        self._on_end(job_id, pid)

    def _is_running(self, pid: int) -> bool:
        child = self._children.get(pid)
        if child is None:
            process = processes.process(pid)
            return process is not None and not process.zombie
        if child.poll() is None:
            return True
        del self._children[pid]
        return False
