r"""Frames: what the runner says in the log, between the bytes that the user's code prints.

A frame is ``\x1esovlab:<nonce> {json}\n`` (RFC 7464's record separator first). A reader takes out
exactly that, from ``\x1e`` to ``\n``; what is left is the user's output byte for byte. The nonce is the
job's own, so a job that prints the log of another leaves it alone.
"""

from __future__ import annotations

import json
from typing import Any, Dict, List, Union

MAX_WRITE = 4096
"""Bytes of the longest frame: what POSIX systems write to a pipe or an appended file in one piece."""
MAX_READ = 64 << 10
"""Bytes after which something that began like a frame is the user's output after all."""


def encode(nonce: str, message: Dict[str, Any]) -> bytes:
    """A frame. Raises `ValueError` if it is longer than `MAX_WRITE`."""
    frame = b"\x1esovlab:%b %b\n" % (nonce.encode(), json.dumps(message, separators=(",", ":")).encode())
    if len(frame) > MAX_WRITE:
        raise ValueError(f"a frame of {len(frame)} bytes is too long")
    return frame


class FrameReader:
    """Splits a log into output and frames, wherever it is cut into chunks.

    Args:
        nonce: marks the frames of the job; those of other jobs are output.
    """

    def __init__(self, nonce: str) -> None:
        self._prefix = b"\x1esovlab:%b " % nonce.encode()
        self._pending = b""
        self._consumed = 0
        self.ends: List[int] = []
        """For each piece of the last `feed`: how many bytes of the log end with it."""

    @property
    def pending(self) -> int:
        """Bytes fed but not returned yet, because they may begin a frame."""
        return len(self._pending)

    def feed(self, data: bytes) -> List[Union[bytes, Dict[str, Any]]]:
        """What ``data`` adds: output as bytes, never empty, and frames as dicts, in order."""
        data = self._pending + data
        self._pending = b""
        pieces: List[Union[bytes, Dict[str, Any]]] = []
        ends: List[int] = []
        prefix = self._prefix
        start = at = 0
        while True:
            at = data.find(b"\x1e", at)
            if at < 0:
                at = len(data)
                break
            head = data[at : at + len(prefix)]
            if head != prefix:
                if at + len(head) == len(data) and prefix.startswith(head):
                    break
                at += 1
                continue
            end = data.find(b"\n", at, at + MAX_READ)
            if end < 0 and len(data) - at < MAX_READ:
                break
            message = _parse(data[at + len(prefix) : end]) if end > 0 else None
            if message is None:
                at += 1
                continue
            if start < at:
                pieces.append(data[start:at])
                ends.append(self._consumed + at)
            pieces.append(message)
            start = at = end + 1
            ends.append(self._consumed + at)
        if start < at:
            pieces.append(data[start:at])
            ends.append(self._consumed + at)
        self._pending = data[at:]
        self._consumed += at
        self.ends = ends
        return pieces

    def flush(self) -> List[Union[bytes, Dict[str, Any]]]:
        """At the end of the log: what looked like the beginning of a frame is output."""
        rest, self._pending = self._pending, b""
        return [rest] if rest else []


def _parse(text: bytes) -> Union[Dict[str, Any], None]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
