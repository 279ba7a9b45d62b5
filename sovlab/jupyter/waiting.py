"""Waiting for a job in a cell, and what Interrupt offers then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sovlab.client.job import Job
from sovlab.core.interrupts import Interrupts
from sovlab.core.job import JobStatus

T = TypeVar("T")


def wait(
    job: Job, timeout: float | None = None, show: Callable[[], object] = lambda: None
) -> JobStatus | None:
    """Show ``job`` and block until it has ended; None if the user chose to detach.

    Interrupt asks whether to cancel the job or to detach from it; where nobody can be asked
    (papermill), and on a second Interrupt, it detaches: a job is never ended by accident.
    """
    begun = time.monotonic()

    def ended() -> JobStatus:
        show()
        return job.wait(None if timeout is None else max(timeout - (time.monotonic() - begun), 0.0))

    return interruptible(
        ended,
        lambda: f"Job {job.name} goes on. Cancel it (c and Enter), or detach (Enter)? ",
        cancel=job.cancel,
        cancelled=lambda: f"Cancelling {job.name}: it has its grace time to save a checkpoint.",
        again=job.wait,
        detached=lambda: (
            f"Detached: {job.name} goes on. %sovwait {job.id} waits for it again, "
            f"%sovcancel {job.id} ends it."
        ),
    )


def interruptible(
    wait: Callable[[], T],
    question: Callable[[], str],
    *,
    cancel: Callable[[], object],
    cancelled: Callable[[], str],
    again: Callable[[], T],
    detached: Callable[[], str],
) -> T | None:
    """What ``wait`` returns; None if the user chose to detach on an Interrupt, see `wait`.

    Args:
        wait: blocks.
        question: whether to cancel or to detach.
        cancel: what to do on the answer ``c``.
        cancelled: what to say then.
        again: waits for the end then.
        detached: what to say on any other answer.
    """
    try:
        with Interrupts():
            return wait()
    except KeyboardInterrupt:
        if _ask(question()) == "c":
            cancel()
            print(cancelled())  # noqa: T201
            return again()
        print(detached())  # noqa: T201
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
