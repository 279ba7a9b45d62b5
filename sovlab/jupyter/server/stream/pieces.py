"""A job's log as pieces that say whose they are and where they stand, by bytes of what each rank printed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sovlab.core.event import LogChunk
from sovlab.jupyter.server.models import LogPiece

Positions = dict[int | None, int]
"""Bytes that each rank has printed."""
_LONGEST = 32 << 10
"""Bytes of one piece."""


class Piece(NamedTuple):
    """Bytes that one rank printed, whole characters where they are UTF-8.

    Attributes:
        rank: None in a job of one process.
        start: bytes that the rank had printed before.
        data: never empty.
    """

    rank: int | None
    start: int
    data: bytes

    @property
    def end(self) -> int:
        """Bytes that the rank had printed after it."""
        return self.start + len(self.data)

    def after(self, start: int) -> Piece:
        """What of it comes after ``start`` bytes of its rank."""
        return Piece(self.rank, start, self.data[start - self.start :]) if start > self.start else self

    def shown(self) -> LogPiece:
        """As it is told."""
        text = self.data.decode("utf-8", "replace")
        return LogPiece(rank=self.rank, start=self.start, bytes=len(self.data), text=text)


class Pieces:
    """Makes pieces of chunks; what is not a whole character yet waits for the rest of it.

    Args:
        positions: what each rank had printed before the first chunk.
    """

    def __init__(self, positions: Mapping[int | None, int] | None = None) -> None:
        self.positions: Positions = dict(positions or {})
        self._halves: dict[int | None, bytes] = {}

    @property
    def whole(self) -> bool:
        """Whether nothing waits for the rest of a character."""
        return not self._halves

    def feed(self, chunk: LogChunk) -> Iterator[Piece]:
        """The pieces that a chunk completes."""
        data = self._halves.pop(chunk.rank, b"") + chunk.data
        cut = len(data) - _half(data)
        if cut < len(data):
            self._halves[chunk.rank] = data[cut:]
        yield from self._cut(chunk.rank, data[:cut])

    def rest(self) -> Iterator[Piece]:
        """At the end of a log: what never became whole characters."""
        for rank, data in list(self._halves.items()):
            yield from self._cut(rank, data)
        self._halves.clear()

    def _cut(self, rank: int | None, data: bytes) -> Iterator[Piece]:
        begin = 0
        while begin < len(data):
            end = min(begin + _LONGEST, len(data))
            if end < len(data):
                end -= _half(data[begin:end])
            start = self.positions.get(rank, 0)
            self.positions[rank] = start + end - begin
            yield Piece(rank, start, data[begin:end])
            begin = end


def _half(data: bytes) -> int:
    """Bytes at the end that begin a character of UTF-8 whose rest is missing; 0 to 3."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 == 0x80:
            continue
        length = (
            2 if 0xC2 <= byte <= 0xDF else 3 if 0xE0 <= byte <= 0xEF else 4 if 0xF0 <= byte <= 0xF4 else 1
        )
        return back if length > back else 0
    return 0


class Ring:
    """The newest pieces of a log, in bounded room, each with a number."""

    def __init__(self) -> None:
        self.pieces: deque[Piece] = deque()
        self.first = 0
        """Number of the oldest piece that is kept."""
        self._size = 0

    @property
    def next(self) -> int:
        """Number of the next piece."""
        return self.first + len(self.pieces)

    def add(self, piece: Piece, most: int) -> None:
        """Keep a piece, and no more than ``most`` bytes; a small one is joined to the last of its rank."""
        last = self.pieces[-1] if self.pieces else None
        if last is not None and last.rank == piece.rank and len(last.data) + len(piece.data) <= 2048:
            # A page may have taken the last one already; it is told by position what of it is new.
            self.pieces[-1] = Piece(last.rank, last.start, last.data + piece.data)
        else:
            self.pieces.append(piece)
        self._size += len(piece.data)
        while self._size > most and len(self.pieces) > 1:
            self._size -= len(self.pieces.popleft().data)
            self.first += 1

    def since(self, number: int) -> Iterator[Piece]:
        """Pieces from a number on, or from the oldest that is kept."""
        skip = max(number - self.first, 0)
        for at in range(skip, len(self.pieces)):
            yield self.pieces[at]
