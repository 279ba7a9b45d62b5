"""When lines that carry their number and the time of writing were read."""

from __future__ import annotations

import time
from typing import Any


class Arrivals:
    """Counts lines ``number nanoseconds …`` as they come in, in pieces of any size."""

    def __init__(self) -> None:
        self._rest = b""
        self._latencies: list[float] = []
        self._misplaced = 0
        self._written = 0
        self._read = 0

    def feed(self, data: bytes) -> None:
        """Take what was read just now."""
        now = time.time_ns()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            number, written = line.split()[:2]
            self._misplaced += int(number) != len(self._latencies)
            if not self._latencies:
                self._written = int(written)
            self._latencies.append((now - int(written)) / 1e9)
        if lines:
            self._read = now

    def answer(self, expected: int) -> dict[str, Any]:
        """Latencies in seconds, lines a second from the first written to the last read, and what is wrong."""
        seconds = (self._read - self._written) / 1e9
        return {
            "latencies": self._latencies,
            "rate": len(self._latencies) / seconds if seconds > 0 else 0.0,
            "lost": expected - len(self._latencies),
            "misplaced": self._misplaced + bool(self._rest),
        }
