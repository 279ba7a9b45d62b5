"""Submits the runs of a sweep: of each lane so many at a time, the next one as one ends."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sovlab.errors import ExecutorError, JobNotFound, SovlabError, WaitTimeout

if TYPE_CHECKING:
    from sovlab.client.job import Job
    from sovlab.client.submitting import Prepared
    from sovlab.core.job import JobRecord
    from sovlab.executors.executor import Executor
    from sovlab.options.sweep import Point

WAITS = "it waits for its turn"
_USED = 1200.0
"""Seconds after which a payload that waits is marked as used: retention deletes what was not for an hour."""
_GIVE_UP = 3
"""Refusals in a row after which nothing more is submitted to a target."""
_LONGEST_PAUSE = 60.0


class Run:
    """One run of a sweep.

    Attributes:
        point: what was chosen for it.
        number: of the point, from 1; its repeats have the same.
        job: None until it is submitted.
        why: why it is not submitted; empty if it is.
        record: the last that is known of its job.
        trouble: why no more is known of its job; empty if its record could be read.
        lost: somebody has deleted its job.
        settled: set once it is submitted, or never will be.
    """

    def __init__(self, point: Point, job: Job | None = None, why: str = WAITS) -> None:
        self.point = point
        self.number = 0
        self.job = job
        self.why = why if job is None else ""
        self.record: JobRecord | None = None
        self.trouble = ""
        self.lost = False
        self.settled = threading.Event()

    def settle(self, job: Job | None, why: str = "") -> None:
        """It was submitted as ``job``, or will not be, and why."""
        self.job, self.why = job, why
        if job is not None:
            self.record = job.last
        self.settled.set()

    def lose(self, error: JobNotFound) -> None:
        """Its job is no longer there."""
        self.lost, self.trouble = True, str(error)


class Waiting(NamedTuple):
    """A run that is to be submitted."""

    run: Run
    prepared: Prepared
    executor: Executor


class Lane:
    """Runs of which at most so many are under way at a time.

    Args:
        waiting: in the order in which they are submitted.
        limit: how many; None is all of them.
    """

    def __init__(self, waiting: Sequence[Waiting], limit: int | None) -> None:
        self.waiting = deque(waiting)
        self.limit = limit if limit is not None and limit < len(waiting) else None
        self.refused = 0


class Feeder:
    """Submits what waits in lanes.

    Those that may be submitted now are when `begin` returns; threads that do not keep the interpreter from
    its end submit the others as they may.

    Args:
        name: of the sweep.
        lanes: of its runs.
        send: submits one.
    """

    def __init__(self, name: str, lanes: Sequence[Lane], send: Callable[[Prepared, Executor], Job]) -> None:
        self._name = name
        self._lanes = lanes
        self._send = send
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._all = sum(len(lane.waiting) for lane in lanes)

    @property
    def left(self) -> int:
        """How many wait."""
        return sum(len(lane.waiting) for lane in self._lanes)

    def begin(self) -> None:
        """Submit what may be submitted now.

        Raises:
            SovlabError: the first is refused; nothing was submitted.
        """
        is_first = True
        try:
            for lane in self._lanes:
                for _ in range(len(lane.waiting) if lane.limit is None else lane.limit):
                    job = self._submit_next(lane, raises=is_first)
                    if job is None:
                        break
                    is_first = False
                    if lane.limit is not None:
                        self._begin_thread(lane, job)
        except BaseException:
            self.stop("the sweep did not begin")
            raise
        if self.left:
            atexit.register(_tell, weakref.ref(self))

    def _begin_thread(self, lane: Lane, job: Job) -> None:
        name = f"sovlab-sweep {job.id}"
        threading.Thread(target=self._feed, args=(lane, job), name=name, daemon=True).start()

    def _feed(self, lane: Lane, job: Job | None) -> None:
        while job is not None:
            self._wait(lane, job)
            job = self._submit_next(lane)

    def _submit_next(self, lane: Lane, *, raises: bool = False) -> Job | None:
        """Submit the next that is not refused; None if none is left."""
        while True:
            with self._lock:  # whoever stops it waits for the one that is on its way
                if self._stopped.is_set() or not lane.waiting:
                    return None
                run, prepared, executor = lane.waiting.popleft()
                try:
                    job = self._send(prepared, executor)
                except Exception as error:
                    if raises:
                        raise
                    self._refused(lane, run, error)
                else:
                    lane.refused = 0
                    run.settle(job)
                    return job

    def _refused(self, lane: Lane, run: Run, error: Exception) -> None:
        why = str(error) if isinstance(error, SovlabError) else f"{type(error).__name__}: {error}"
        run.settle(None, why)
        lane.refused += 1
        if lane.refused == _GIVE_UP:
            while lane.waiting:
                lane.waiting.popleft().run.settle(None, f"{_GIVE_UP} before it were refused: {why}")

    def _wait(self, lane: Lane, job: Job) -> None:
        """Until ``job`` has ended. A target that does not answer is asked again."""
        pause = 1.0
        while not self._stopped.is_set():
            try:
                job.wait(_USED)
                return
            except JobNotFound:
                return  # somebody has deleted it, so it had ended
            except WaitTimeout:
                with self._lock:
                    paths = {waiting.prepared.payload for waiting in lane.waiting}
                for path in paths:
                    with contextlib.suppress(OSError):
                        os.utime(path)
            except ExecutorError:
                self._stopped.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def stop(self, why: str) -> None:
        """Submit no more. When this returns, nothing is on its way.

        Args:
            why: of those that wait, as a clause.
        """
        self._stopped.set()
        with self._lock:
            for lane in self._lanes:
                while lane.waiting:
                    lane.waiting.popleft().run.settle(None, why)

    def tell(self) -> None:
        """Say how many will not be submitted, because this process ends."""
        left = self.left
        if left and not self._stopped.is_set() and sys.stderr is not None:
            was = "was" if left == 1 else "were"
            sys.stderr.write(
                f"sovlab: {left} of {self._all} runs of sweep {self._name} {was} not submitted: this "
                "process, which submits one as another ends, is over. Call wait() of the sweep before.\n"
            )


def _tell(reference: weakref.ref[Feeder]) -> None:
    feeder = reference()
    if feeder is not None:
        with contextlib.suppress(OSError, ValueError):
            feeder.tell()
