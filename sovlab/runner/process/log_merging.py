"""One log out of what several ranks print."""

from __future__ import annotations

import os
from typing import Dict, Optional, Tuple

from sovlab.runner.protocol import frames

_PATIENCE = 0.05
"""Seconds that the beginning of a line waits for its end, so that lines of ranks seldom mix."""
_LONGEST = 64 << 10


class Merger:
    r"""Writes to standard output, with a frame wherever the bytes are of another rank than before.

    The rank changes at line ends (``\r`` is one, so bars are redrawn), unless a line stays unfinished.

    Args:
        nonce: marks the frames of the job.
    """

    def __init__(self, nonce: str) -> None:
        self._nonce = nonce
        self._last: Optional[int] = None
        self._unfinished: Dict[int, Tuple[bytes, float]] = {}

    def feed(self, rank: int, data: bytes, now: float) -> None:
        """Take what a rank printed at ``now``, on the monotonic clock."""
        unfinished, since = self._unfinished.pop(rank, (b"", now))
        data = unfinished + data
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if len(data) - end > _LONGEST:
            end = len(data)
        if end:
            self._write(rank, data[:end])
            since = now
        if end < len(data):
            self._unfinished[rank] = (data[end:], since)

    def flush(self, now: float) -> Optional[float]:
        """Write what has waited long enough; when to call again, None if nothing waits."""
        for rank, (unfinished, since) in list(self._unfinished.items()):
            if now >= since + _PATIENCE:
                del self._unfinished[rank]
                self._write(rank, unfinished)
        waiting = [since for _, since in self._unfinished.values()]
        return min(waiting) + _PATIENCE if waiting else None

    def _write(self, rank: int, data: bytes) -> None:
        if rank != self._last:
            self._last = rank
            data = frames.encode(self._nonce, {"t": "rank", "rank": rank}) + data
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(1, rest) :]
        except OSError:
            return  # where the log cannot be written to, the job goes on
