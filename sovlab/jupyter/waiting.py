"""Waiting for a job in a cell, and what Interrupt offers then."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

from sovlab.client.job import Job
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
        with _Interrupts():
            return wait()
    except KeyboardInterrupt:
        if _ask(question()) == "c":
            cancel()
            print(cancelled())  # noqa: T201
            return again()
        print(detached())  # noqa: T201
        return None


class _Interrupts:
    """Sees to it that an Interrupt is heard: one that Python loses comes again.

    What is raised in the callback of a weak reference or in ``__del__`` is printed and forgotten, a
    KeyboardInterrupt too, and each import has such callbacks. A handler of somebody else's is left alone.
    """

    _AGAIN = 0.3
    """Seconds after which an Interrupt that has ended nothing comes again."""

    def __init__(self) -> None:
        self._ours = self._over = False
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        is_main = threading.current_thread() is threading.main_thread()
        self._ours = is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._interrupt)

    def __exit__(self, *_: object) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._over:
            return
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(self._AGAIN, signal.pthread_kill, (threading.get_ident(), number))
            self._timer.daemon = True
            self._timer.start()
        raise KeyboardInterrupt


def _ask(prompt: str) -> str:
    try:
        return input(prompt).strip().lower()[:1]
    except (KeyboardInterrupt, EOFError):
        return ""
    except Exception as error:
        if type(error).__name__ == "StdinNotImplementedError":
            return ""
        raise
