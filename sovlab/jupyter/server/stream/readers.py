"""`Readers`: a few threads for each target, for what ends by itself and may block."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

AT_ONCE = 4
"""Threads of one target: a notebook of 100 cards whose jobs have ended needs no 100 of them."""


class Readers:
    """Does what it is given, in the order in which it came: of each target a few at a time.

    A target that hangs takes no thread from the others.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[Callable[[], None]]] = {}
        self._threads: dict[str, int] = {}

    def take(self, target: str, work: Callable[[], None]) -> None:
        """Have something done, in a thread.

        Args:
            target: that it asks.
            work: what is to be done; it raises nothing.
        """
        with self._lock:
            self._waiting.setdefault(target, deque()).append(work)
            if self._threads.get(target, 0) >= AT_ONCE:
                return
            self._threads[target] = self._threads.get(target, 0) + 1
        threading.Thread(
            target=self._run, args=(target,), name=f"sovlab-server-reader {target}", daemon=True
        ).start()

    def _run(self, target: str) -> None:
        while True:
            with self._lock:
                if not self._waiting[target]:
                    self._threads[target] -= 1
                    return
                work = self._waiting[target].popleft()
            work()
