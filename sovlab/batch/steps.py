"""What the run of a notebook tells, from the pieces in its log: see `sovlab.runner.notebook.telling`.

The log is a job's, and a job may print what it likes: a batch that cannot be read is left out, and noted.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterator
from typing import Any

from sovlab.core.decoding import NotebookPiece

_LARGEST = 32 << 20
"""Bytes of a batch, unpacked."""
_PIECES = 4096


class Steps:
    """Puts pieces together.

    Attributes:
        complete: whether every piece has come, in its turn, and could be read.
    """

    def __init__(self) -> None:
        self.complete = True
        self._next = 0
        self._parts: list[str] = []

    def take(self, piece: NotebookPiece) -> Iterator[dict[str, Any]]:
        """The steps that a piece completes. One that came before, as after a reconnect, gives none."""
        if piece.number < self._next:
            return
        if piece.number > self._next:
            self.complete = False
            self._parts.clear()
        self._next = piece.number + 1
        self._parts.append(piece.data)
        if piece.more and len(self._parts) < _PIECES:
            return
        text, self._parts = "".join(self._parts), []
        for step in self._read(text):
            if isinstance(step, dict) and isinstance(step.get("op"), str):
                yield step

    def _read(self, text: str) -> list[Any]:
        try:
            unpacking = zlib.decompressobj()
            data = unpacking.decompress(base64.b64decode(text, validate=True), _LARGEST)
            if unpacking.unconsumed_tail or not unpacking.eof:
                raise ValueError("it is too long, or a part of it is missing")
            steps = json.loads(data)
        except (ValueError, binascii.Error, zlib.error, RecursionError):
            self.complete = False
            return []
        return steps if isinstance(steps, list) else []
