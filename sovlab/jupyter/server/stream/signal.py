"""`Signal`: threads tell the pages on the server's loop that there is something to take."""

from __future__ import annotations

import asyncio
import threading


class Signal:
    """An `asyncio.Event` that any thread may set, however often: the loop is called once until it has looked.

    Args:
        loop: of the server.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._event = asyncio.Event()
        self._lock = threading.Lock()
        self._called = False

    def set(self) -> None:
        """Tell whoever waits, or will."""
        with self._lock:
            if self._called or self._loop.is_closed():
                return
            self._called = True
        try:
            self._loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # closed between the two lines
            pass

    def _wake(self) -> None:
        with self._lock:
            self._called = False
        self._event.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until it is set, and unset it; False if ``seconds`` have passed first."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
