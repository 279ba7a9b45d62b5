"""Parts of a job's log, by offset: what a page asks for that has a gap."""

from __future__ import annotations

from collections.abc import Iterator

from sovlab.client.job import Job
from sovlab.core.event import LogChunk, LogLost
from sovlab.jupyter.server.stream.marks import Mark, Marks
from sovlab.jupyter.server.stream.pieces import Piece, Pieces


class LogReader:
    """Reads the log of a job, or of one rank of it, from a mark before what is wanted.

    Args:
        marks: of the logs that were read before.
        key: the job's target and id.
        job: its handle.
        rank: None is all of them.
    """

    def __init__(self, marks: Marks, key: tuple[str, str], job: Job, rank: int | None) -> None:
        self._marks, self._key, self._job, self._rank = marks, key, job, rank
        self.lost = ""
        self.total = 0
        """Bytes that have been passed."""

    def pieces(self, mark: Mark) -> Iterator[Piece]:
        """All that there is now after a mark."""
        made = Pieces(mark.positions)
        self.total = mark.before(self._rank)
        for event in self._job.events(follow=False, offset=mark.cursor):
            if isinstance(event, LogLost):
                self.lost = self.lost or str(event.error)
            elif isinstance(event, LogChunk):
                yield from filter(self._wanted, made.feed(event))
                if made.whole:
                    self._marks.note(self._key, event.offset, made.positions)
        if self._job.last.status.state.ended:
            yield from filter(self._wanted, made.rest())

    def _wanted(self, piece: Piece) -> bool:
        return self._rank is None or piece.rank == self._rank

    def part(self, offset: int, limit: int) -> tuple[list[Piece], int, bool]:
        """Pieces from an offset on, how many bytes they are, and whether that was all."""
        found: list[Piece] = []
        size = 0
        for piece in self.pieces(self._marks.at(self._key, self._rank, offset)):
            begin, self.total = self.total, self.total + len(piece.data)
            if self.total <= offset:
                continue
            if size >= limit:
                return found, size, False
            new = piece.after(piece.start + max(offset - begin, 0))
            new, cut = _cut(new, limit - size)
            if new.data:
                found.append(new)
                size += len(new.data)
            if cut:
                return found, size, False
        return found, size, True

    def last(self, most: int) -> tuple[list[Piece], int]:
        """The last bytes, and how many come before them."""
        kept: list[Piece] = []
        size = 0
        for piece in self.pieces(self._marks.tail(self._key, self._rank, most)):
            self.total += len(piece.data)
            kept.append(piece)
            size += len(piece.data)
            while size - len(kept[0].data) >= most:
                size -= len(kept.pop(0).data)
        if size > most:
            kept[0] = kept[0].after(kept[0].start + _character(kept[0].data, size - most))
            size = sum(len(piece.data) for piece in kept)
        return kept, self.total - size


def first(pieces: list[Piece], limit: int) -> tuple[list[Piece], int]:
    """The first bytes of pieces, and how many they are."""
    found: list[Piece] = []
    size = 0
    for piece in pieces:
        new, cut = _cut(piece, limit - size)
        if new.data:
            found.append(new)
            size += len(new.data)
        if cut:
            break
    return found, size


def _cut(piece: Piece, most: int) -> tuple[Piece, bool]:
    """The first bytes of a piece, whole characters where there are some, and whether something was cut."""
    if len(piece.data) <= most:
        return piece, False
    end = most
    while end > 0 and end > most - 4 and piece.data[end] & 0xC0 == 0x80:
        end -= 1
    if most - end >= 4 or end == 0:
        end = most  # not UTF-8, or less room than one character takes
    return piece._replace(data=piece.data[:end]), True


def _character(data: bytes, at: int) -> int:
    """Where the first whole character at ``at`` or after it begins."""
    for begin in range(at, min(at + 4, len(data))):
        if data[begin] & 0xC0 != 0x80:
            return begin
    return at
