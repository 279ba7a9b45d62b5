"""A client that is told to end: what there is gets written, and it is said how to come back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from sovlab.client.job import Job
from sovlab.core.interrupts import Interrupts


class Terminated(BaseException):
    """SIGTERM came."""


@contextmanager
def leaving(job: Job, named: str, say: Callable[[str], None], *, cancel: bool) -> Iterator[None]:
    """A client that is told to end says how to come back; papermill writes what there is.

    Args:
        job: goes on, unless it is to be cancelled.
        named: as the shell's commands find it.
        say: called with a sentence.
        cancel: whether it ends with its client.
    """
    try:
        with terminations(), Interrupts():
            yield
    except (KeyboardInterrupt, Terminated) as end:
        if cancel:
            job.cancel()
            say(f"Job {job.id} is cancelled.")
        else:
            say(
                f"The run goes on as job {job.id}. The same command again follows it to its end; "
                f"sovlab cancel {named} ends it."
            )
        if isinstance(end, Terminated):
            raise SystemExit(143) from None
        if _is_command():
            raise SystemExit(130) from None
        raise


@contextmanager
def terminations() -> Iterator[None]:
    """SIGTERM raises `Terminated` meanwhile, unless somebody else has a handler for it."""
    ours = threading.current_thread() is threading.main_thread()
    heard = ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if heard:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        if heard:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def _is_command() -> bool:
    """Whether a command line runs papermill, and not a program that calls it."""
    import click

    return click.get_current_context(silent=True) is not None
