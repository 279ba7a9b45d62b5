"""Several jobs at once, in the words of `concurrent.futures`: `as_completed` and `wait`; all jobs: `changes`.

Those of the standard library take futures only, whose inside they use.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, Future
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sovlab.client.job import Job
from sovlab.core.job import JobRecord, JobsSeen, JobState
from sovlab.errors import SpecError, WaitTimeout

if TYPE_CHECKING:
    from sovlab.executors.executor import Executor

_LOOK = 2.0
"""Seconds between two lists of an executor that tells of no changes itself."""

T = TypeVar("T")


class Waited(NamedTuple):
    """What `wait` returns.

    Attributes:
        done: jobs that have ended, however.
        not_done: the others.
    """

    done: set[Job]
    not_done: set[Job]


def as_completed(jobs: Iterable[Job], timeout: float | None = None) -> Iterator[Job]:
    """The jobs as they end, however they do; those that have ended come first, and each comes once.

    Args:
        jobs: of any targets.
        timeout: seconds from the call until the last; None waits as long as it takes.

    Raises:
        WaitTimeout: not all have ended by then; they go on.
        ExecutorError: a target does not answer.
    """
    all_ = _checked(jobs)
    return _as_completed(all_, timeout, None if timeout is None else time.monotonic() + timeout)


def _as_completed(jobs: list[Job], timeout: float | None, deadline: float | None) -> Iterator[Job]:
    ended: queue.SimpleQueue[Job] = queue.SimpleQueue()
    futures = {job: job.when_ended() for job in jobs}
    for job, future in sorted(futures.items(), key=lambda item: not item[1].done()):
        future.add_done_callback(lambda _, job=job: ended.put(job))  # type: ignore[misc]
    for count in range(len(jobs)):
        try:
            job = ended.get(timeout=None if deadline is None else max(deadline - time.monotonic(), 0.0))
        except queue.Empty:
            left = len(jobs) - count
            raise WaitTimeout(
                f"{left} of {len(jobs)} jobs {'has' if left == 1 else 'have'} not ended after {timeout:g} s.",
                "They go on.",
            ) from None
        futures[job].result()
        yield job


def wait(jobs: Iterable[Job], timeout: float | None = None, return_when: str = ALL_COMPLETED) -> Waited:
    """Wait until jobs have ended: ``done, not_done = sovlab.wait(jobs)``.

    Args:
        jobs: of any targets.
        timeout: seconds to wait at most; None waits as long as it takes. What has not ended by then goes on.
        return_when: ``ALL_COMPLETED``, ``FIRST_COMPLETED``, or ``FIRST_EXCEPTION``: once one has failed.

    Raises:
        ExecutorError: a target does not answer.
    """
    words = (ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION)
    if return_when not in words:
        raise SpecError(f"return_when is {return_when!r}.", f"Give one of {', '.join(words)}.")
    all_ = _checked(jobs)
    done: set[Job] = set()
    try:
        for job in as_completed(all_, timeout):
            done.add(job)
            failed = return_when == FIRST_EXCEPTION and job.last.status.state is JobState.FAILED
            if return_when == FIRST_COMPLETED or failed:
                break
    except WaitTimeout:
        pass
    done.update(job for job in all_ if job.when_ended().done())
    return Waited(done, set(all_) - done)


def _checked(jobs: Iterable[Job]) -> list[Job]:
    if isinstance(jobs, Job):
        raise SpecError("A single job was given, not several.", "Call job.wait(), or pass a list.")
    found = list(dict.fromkeys(jobs))
    for job in found:
        if not isinstance(job, Job):
            raise SpecError(f"{job!r:.100} is not a job.", "Pass what sovlab.submit returns.")
    return found


async def awaited(job: Job) -> Any:
    """The result of a job, while the event loop goes on: threads wait for the end, and load it."""
    import asyncio

    def outcome() -> tuple[Any, BaseException | None]:
        # Not raised there: a future does not take every exception.
        try:
            return job.result(), None
        except BaseException as error:
            return None, error

    await asyncio.wrap_future(job.when_ended())
    value, error = await asyncio.wrap_future(in_thread(outcome, f"sovlab-result {job.id}"))
    if error is not None:
        raise error
    return value


def changes(executor: Executor, stop: threading.Event) -> Iterator[JobsSeen]:
    """See `Executor.changes`; one without that method is asked for its list every two seconds."""
    told = getattr(executor, "changes", None)
    yield from told(stop) if told is not None else _lists(executor, stop)


def _lists(executor: Executor, stop: threading.Event) -> Iterator[JobsSeen]:
    last: Sequence[JobRecord] | None = None
    while not stop.is_set():
        records = executor.records()
        if records != last:
            last = records
            yield JobsSeen(records=records)
        stop.wait(_LOOK)


def in_thread(work: Callable[[], T], name: str) -> Future[T]:
    """What a function gives, from a thread that does not keep the interpreter from its end."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # whoever stops waiting cancels nothing for others

    def run() -> None:
        try:
            value = work()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(value)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future
