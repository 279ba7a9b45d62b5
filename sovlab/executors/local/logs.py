"""Reading a job's log from any place in it, while it grows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sovlab.core import decoding
from sovlab.core.event import Event, LogChunk, NotebookTold, PowerChanged, ProgressChanged
from sovlab.core.job import Progress
from sovlab.executors.local.store import JobDirectory
from sovlab.runner.protocol.frames import FrameReader

if TYPE_CHECKING:
    from sovlab.core.energy.history import PowerHistory

_CHUNK = 65536


class LogFile:
    """The log of one job, read on from where the last reading ended.

    Args:
        job: whose log.
        offset: bytes to leave out, as an event's offset says; it lies between two frames or outputs.
    """

    def __init__(self, job: JobDirectory, offset: int = 0) -> None:
        self._path = job / "log"
        self._nonce = job.nonce()
        self._reader = FrameReader(self._nonce)
        self._start = offset
        self._at = offset
        self._rank = self._rank_before(offset) if offset else None

    def more(self) -> Iterator[Event]:
        """What has come since, as events."""
        try:
            log = self._path.open("rb")
        except FileNotFoundError:
            return
        with log:
            log.seek(self._at)
            while data := log.read(_CHUNK):
                self._at += len(data)
                pieces = self._reader.feed(data)
                for piece, end in zip(pieces, self._reader.ends, strict=True):
                    event = self._event(piece, self._start + end)
                    if event is not None:
                        yield event

    def rest(self) -> Iterator[Event]:
        """At the end of the log: what looked like the begin of a frame and was none."""
        for piece in self._reader.flush():
            event = self._event(piece, self._at)
            if event is not None:
                yield event

    def _event(self, piece: bytes | dict[str, object], end: int) -> Event | None:
        if isinstance(piece, bytes):
            return LogChunk(data=piece, rank=self._rank, offset=end)
        frame = decoding.frame(piece)
        if isinstance(frame, decoding.RankNamed):
            self._rank = frame.rank
        if decoding.is_power(frame):
            return PowerChanged(seen=frame, offset=end)
        if isinstance(frame, decoding.NotebookPiece):
            return NotebookTold(piece=frame, offset=end)
        return ProgressChanged(progress=frame, offset=end) if isinstance(frame, Progress) else None

    def _rank_before(self, offset: int) -> int | None:
        """Which rank was printing at ``offset``: the last one that was named before."""
        mark = f"\x1esovlab:{self._nonce} ".encode()
        try:
            with self._path.open("rb") as log:
                end, after = offset, b""
                while end > 0:
                    start = max(end - _CHUNK, 0)
                    log.seek(start)
                    block = log.read(end - start) + after
                    at = block.rfind(mark)
                    while at >= 0:
                        frame = decoding.frame(block[at + len(mark) : block.find(b"\n", at)])
                        if isinstance(frame, decoding.RankNamed):
                            return frame.rank
                        at = block.rfind(mark, 0, at)
                    after, end = block[:4096], start
        except OSError:
            return None
        return None


def power_history(job: JobDirectory) -> PowerHistory:
    """What the log of a job tells of its power; its other parts are not read."""
    import mmap

    from sovlab.core.energy.history import PowerHistory
    from sovlab.executors.power import history_in

    try:
        with (job / "log").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
            return history_in(log, job.nonce())
    except (OSError, ValueError):  # there is none, or it is empty
        return PowerHistory()
