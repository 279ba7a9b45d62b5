"""The results of a job: fetched once, opened once, and what is missing of them said in words."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sovlab.client.others import refuse_untrusted
from sovlab.core.deadlines import within
from sovlab.errors import ExecutorError, ResultError, UserCodeError, WaitTimeout, remote_cause
from sovlab.payload.results import Results

if TYPE_CHECKING:
    from sovlab.client.job import Job
    from sovlab.executors.executor import Executor


class Loader:
    """Loads what one job left.

    Args:
        job: whose results they are.
        executor: fetches them.
    """

    def __init__(self, job: Job, executor: Executor) -> None:
        self._job = job
        self._executor = executor
        self._opened: Results | None = None
        self.trusting = False
        """The user said that this job's values are to be loaded, whoever submitted it."""

    def open(self, path: Path) -> Results:
        """The results in a file, opened once. Nothing of it is loaded: that may run code."""
        if self._opened is None:
            self._opened = Results(path, main=vars(sys.modules["__main__"]))
        return self._opened

    def results(self, end: float | None = None) -> Results:
        """What the job left.

        Args:
            end: until when to fetch it, by `time.monotonic`; None is as long as it takes.

        Raises:
            ForeignJob: they may be another's.
            ResultError: it left nothing.
            WaitTimeout: it could not be fetched by then.
        """
        if not self.trusting:
            refuse_untrusted(self._job.last, "what it left would run code here, as you")
        path = self._fetched(end)
        if path is not None:
            return self.open(path)
        spec = self._job.last.spec
        named = ", ".join(spec.outputs) if spec is not None else ""
        advice = "Name what it should return with --out."
        if named:
            advice = f"It was to return {named}, but had bound nothing of that by its end."
        raise ResultError(f"Job {self._job.name} left no results.", advice)

    def missing(self, name: str, asked: Sequence[str], returned: Sequence[str]) -> ResultError:
        """Why the job has not returned ``name``, though it was asked for something."""
        job = self._job
        got = f"It returned {', '.join(returned)}." if returned else "It returned nothing."
        if name not in asked:
            return ResultError(f"Job {job.name} was asked for {', '.join(asked)}, not for {name!r}.", got)
        why = next((each.error for each in job.last.status.returned if each.name == name), "")
        return ResultError(
            f"Job {job.name} did not return {name!r}: {why or f'the code did not bind {name}'}.",
            f"{got} Bind {name} on every way through the code.",
        )

    def user_exception(self, message: str, traceback: str, end: float | None) -> BaseException:
        """The user's own exception as the job sent it; else one of ours with its words."""
        path = None
        if self.trusting or self._job.last.trusted:
            with contextlib.suppress(ResultError, ExecutorError):  # its words are in its record
                path = self._fetched(end)
        found = self.open(path).exception() if path is not None else None
        if found is None:
            return UserCodeError(message, job_id=self._job.id, traceback_text=traceback)
        found.__cause__ = remote_cause(traceback)
        lines = traceback.splitlines()
        if lines:
            # IPython asks the exception itself how to be shown: as it was in the job, not as raised here.
            found._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
        return found

    def _fetched(self, end: float | None) -> Path | None:
        def late() -> WaitTimeout:
            return WaitTimeout(
                f"Job {self._job.name} has ended, but its results could not be fetched in that time.",
                "Ask again.",
            )

        left = None if end is None else max(end - time.monotonic(), 0.0)
        return within(left, lambda: self._executor.results(self._job.id), late)
