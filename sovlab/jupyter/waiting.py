"""Waiting for a job in a cell, and what Interrupt offers then."""

from __future__ import annotations

from collections.abc import Callable

from sovlab.client.job import Job
from sovlab.core.job import JobStatus


def wait(
    job: Job, timeout: float | None = None, show: Callable[[], object] = lambda: None
) -> JobStatus | None:
    """Show ``job`` and block until it has ended; None if the user chose to detach.

    Interrupt asks whether to cancel the job or to detach from it; where nobody can be asked
    (papermill), and on a second Interrupt, it detaches: a job is never ended by accident.
    """
    try:
        show()
        return job.wait(timeout)
    except KeyboardInterrupt:
        name = job.name
        if _ask(f"Job {name} goes on. Cancel it (c and Enter), or detach (Enter)? ") == "c":
            job.cancel()
            print(f"Cancelling {name}: it has its grace time to save a checkpoint.")  # noqa: T201
            return job.wait()
        print(f"Detached: {name} goes on. %sovwait {job.id} waits for it again, %sovcancel {job.id} ends it.")  # noqa: T201
        return None


def _ask(prompt: str) -> str:
    try:
        return input(prompt).strip().lower()[:1]
    except (KeyboardInterrupt, EOFError):
        return ""
    except Exception as error:
        if type(error).__name__ == "StdinNotImplementedError":
            return ""
        raise
