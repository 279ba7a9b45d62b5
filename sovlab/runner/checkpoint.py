"""`sovlab.checkpoint`: a last chance to save when a job must end."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Callable, List, Optional, Set, TypeVar

from sovlab.runner import context

if TYPE_CHECKING:
    from pathlib import Path

Hook = TypeVar("Hook", bound="Callable[[Path], object]")


class Checkpoint:
    """Decorates the function that saves the job's state: ``fn(directory)``.

    It is called once, when the job is asked to end because it was cancelled, its time is over or the
    machine is needed, and has the grace time of the job to finish. Then the job ends by `SystemExit`,
    so that ``finally`` blocks run. Of several functions the one decorated last is called. With several
    ranks only the first is asked, while the others still run and so finish what is collective: the
    function must not wait for the other ranks.
    """

    def __new__(cls) -> Checkpoint:
        """The one of this process."""
        # What a notebook has imported as ``checkpoint`` must be this one in the job, not a copy that nobody
        # asks: older packs hold copies.
        instance: Checkpoint = globals().get("checkpoint") or super().__new__(cls)
        return instance

    def __reduce__(self) -> str:
        return "checkpoint"

    def __setstate__(self, state: object) -> None:
        pass  # of a copy

    def __init__(self) -> None:
        self._hook: Optional[Callable[[Path], object]] = None
        self._begun = False
        self._masks: List[Set[int]] = []

    def __call__(self, fn: Hook) -> Hook:
        """Register ``fn``; it stays callable by its name."""
        self._hook = fn
        return fn

    @property
    def directory(self) -> Optional[Path]:
        """Where to save, and where an earlier try of the same job saved; None outside of a job."""
        job = context.current
        if job is None or not job.order.checkpoint:
            return None
        from pathlib import Path

        path = Path(job.order.checkpoint)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def install(self) -> None:
        """Let SIGTERM do this in this process, and what it always does in processes forked from it."""
        signal.signal(signal.SIGTERM, self.terminate)
        # A worker that is ended while it waits for a lock must die of the signal: a handler of Python's
        # would not run before the lock is there. Blocked meanwhile, the signal is neither lost nor ours.
        os.register_at_fork(before=self._block, after_in_parent=self._unblock, after_in_child=self._forget)

    def _block(self) -> None:
        self._masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]))

    def _unblock(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._masks.pop())

    def _forget(self) -> None:
        if signal.getsignal(signal.SIGTERM) == self.terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._unblock()

    def terminate(self, number: int, frame: object = None) -> None:
        """What SIGTERM does in a job: the hook, once, and then `SystemExit`."""
        if self._begun:
            return
        self._begun = True
        job = context.current
        directory = self.directory if self._hook is not None else None
        if self._hook is not None and directory is not None and job is not None and job.speaks:
            job.saving()
            try:
                self._hook(directory)
            except Exception as error:
                from sovlab.runner.output.tracebacks import Report

                sys.stderr.write(f"The checkpoint function failed:\n{Report(error).text}")
        raise SystemExit(128 + number)

    @property
    def ended_job(self) -> bool:
        """Whether this process was asked to end."""
        return self._begun


checkpoint = Checkpoint()
