"""The digest of a file, with as many cores as there are.

Up to one block it is the SHA-256 of the bytes. Of more it is the SHA-256 of the blocks' SHA-256s, one
after the other: hashing one after the other would take longer than the writing.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from typing import Dict, List, Optional, Tuple

BLOCK = 4 << 20
_THREADS = max(1, min(4, os.cpu_count() or 1))

_Work = Optional[Tuple[int, List[memoryview]]]


class BlockHash:
    """Hashes what it is given, in threads beside the caller from the second block on.

    Nothing is copied: what was given must stay as it is until `digest`. A hash that is abandoned must be
    closed: `close` ends the threads.
    """

    def __init__(self) -> None:
        self._pieces: List[memoryview] = []
        self._filled = 0
        self._blocks = 0
        self._digests: Dict[int, bytes] = {}
        self._queue: queue.Queue[_Work] = queue.Queue(maxsize=2 * _THREADS)
        self._threads: List[threading.Thread] = []

    def update(self, view: memoryview) -> None:
        """Append the bytes of a flat view."""
        start = 0
        while start < len(view):
            if self._filled == BLOCK:
                self._submit()
            piece = view[start : start + BLOCK - self._filled]
            self._pieces.append(piece)
            self._filled += len(piece)
            start += len(piece)

    def digest(self) -> str:
        """The digest, in hex; nothing can be appended after."""
        if not self._blocks:
            return _hash(self._pieces).hex()
        self._submit()
        self.close()
        joined = b"".join(self._digests[number] for number in range(self._blocks))
        return hashlib.sha256(joined).hexdigest()

    def close(self) -> None:
        """End the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads = []

    def _submit(self) -> None:
        if not self._threads:
            for _ in range(_THREADS):
                thread = threading.Thread(target=self._work, daemon=True, name="sovlab-hash")
                thread.start()
                self._threads.append(thread)
        self._queue.put((self._blocks, self._pieces))
        self._blocks += 1
        self._pieces, self._filled = [], 0

    def _work(self) -> None:
        while True:
            work = self._queue.get()
            if work is None:
                return
            number, pieces = work
            self._digests[number] = _hash(pieces)


def _hash(pieces: List[memoryview]) -> bytes:
    block = hashlib.sha256()
    for piece in pieces:
        block.update(piece)
    return block.digest()
