"""Waiting no longer than was said, whatever the other side does: what may hang is done in a thread."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from sovlab.errors import WaitTimeout

T = TypeVar("T")

_LAST = 1.0
"""Seconds that work gets to end once the time is over: what has ended just now is told."""


def within(
    timeout: float | None,
    work: Callable[[], T],
    late: Callable[[], WaitTimeout],
    *,
    stop: threading.Event | None = None,
) -> T:
    """What ``work`` returns or raises, within ``timeout`` seconds; a hung call is left behind in its thread.

    Args:
        timeout: in seconds; None waits as long as it takes, and needs no thread.
        work: what may hang.
        late: makes the error for work that has not ended by then.
        stop: set when the time is over, so that the work ends by itself if it can.

    Raises:
        WaitTimeout: it has not ended.
    """
    if timeout is None:
        return work()
    done: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=run, name="sovlab-within", daemon=True).start()
    try:
        try:
            value, error = done.get(timeout=max(timeout, 0.0))
        except queue.Empty:
            if stop is not None:
                stop.set()
            try:
                value, error = done.get(timeout=_LAST)
            except queue.Empty:
                raise late() from None
    finally:
        if stop is not None:
            stop.set()
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def until(deadline: float, items: Callable[[], Iterator[T]], stop: threading.Event) -> Iterator[T]:
    """What an iterator gives until ``deadline``, by `time.monotonic`; then ``stop`` is set, and it ends."""
    given: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            for item in items():
                given.put((item, None))
        except BaseException as error:
            given.put((None, error))
        else:
            given.put((None, StopIteration()))

    threading.Thread(target=run, name="sovlab-until", daemon=True).start()
    try:
        for end in (deadline, deadline + _LAST):
            with contextlib.suppress(queue.Empty):
                while True:
                    item, error = given.get(timeout=max(end - time.monotonic(), 0.0))
                    if isinstance(error, StopIteration):
                        return
                    if error is not None:
                        raise error
                    yield item  # type: ignore[misc]
            stop.set()
    finally:
        stop.set()
