"""Threads for what may block: a few for each target, so that one that hangs takes none from the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from sovlab.client.waiting import in_thread
from sovlab.errors import WaitTimeout
from sovlab.jupyter.server.problems import RequestError

T = TypeVar("T")

AT_ONCE = 4
"""Questions that one target is asked at a time."""
_WAITING = 100
"""Requests that may wait for a target."""


class Pool:
    """Runs blocking calls in threads, from the server's loop."""

    def __init__(self) -> None:
        self._gates: dict[str, _Gate] = {}

    async def run(self, key: str, work: Callable[[], T], seconds: float) -> T:
        """What ``work`` returns or raises. After ``seconds`` it goes on without us, and holds its place.

        Args:
            key: the target that is asked; calls of one key share its few places.
            work: what may block.
            seconds: to wait at most, for a place and for the answer.

        Raises:
            WaitTimeout: it has not answered in time.
            RequestError: too many wait for that target.
        """
        gate = self._gates.setdefault(key, _Gate())
        if gate.waiting >= _WAITING:
            raise RequestError(503, f"{gate.waiting} requests wait for {key or 'the server'}.", "Try again.")
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        gate.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await gate.places.acquire()
        except TimeoutError:
            raise _late(key, seconds) from None
        finally:
            gate.waiting -= 1
        future = in_thread(work, f"sovlab-server {key}")

        def done(_: Future[T]) -> None:
            # At the server's end there may be no loop to tell.
            if not loop.is_closed():
                loop.call_soon_threadsafe(gate.places.release)

        future.add_done_callback(done)
        wrapped = asyncio.wrap_future(future)
        finished, _ = await asyncio.wait([wrapped], timeout=max(end - loop.time(), 0.0))
        if not finished:
            wrapped.add_done_callback(lambda each: each.cancelled() or each.exception())
            raise _late(key, seconds)
        return wrapped.result()


class _Gate:
    def __init__(self) -> None:
        self.places = asyncio.Semaphore(AT_ONCE)
        self.waiting = 0


def _late(key: str, seconds: float) -> WaitTimeout:
    what = f"Target {key}" if key else "The server"
    return WaitTimeout(f"{what} has not answered after {seconds:g} s.", "What it was asked for may go on.")
