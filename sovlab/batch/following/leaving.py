"""A client that is told to end: what there is gets written, and it is said how to come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sovlab.batch.replaying import CANCELLED, LEFT, Replay
from sovlab.client.job import Job
from sovlab.core.interrupts import Interrupts, Terminated, terminations


@contextmanager
def leaving(
    job: Job, named: str, replay: Replay, say: Callable[[str], None], *, cancel: bool
) -> Iterator[None]:
    """A client that is told to end says how to come back; papermill writes what there is.

    Args:
        job: goes on, unless it is to be cancelled.
        named: as the shell's commands find it.
        replay: says what becomes of the cell that runs.
        say: called with a sentence.
        cancel: whether it ends with its client.
    """
    try:
        with terminations(), Interrupts():
            yield
    except (KeyboardInterrupt, Terminated) as end:
        replay.close(CANCELLED if cancel else LEFT)
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


def _is_command() -> bool:
    """Whether a command line runs papermill, and not a program that calls it."""
    import click

    return click.get_current_context(silent=True) is not None
