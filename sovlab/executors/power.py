"""The power of a job's devices, as its log tells it: frames are found by their first bytes, and few are read.

A sampler tells each hour once more in minutes, each day in tens of them, and at its end all that it has kept
(`sovlab.runner.process.telling`). So of a log of days its end is enough; of a job that runs or was killed,
its days, the hours after them, and what came then.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from sovlab.core import decoding
from sovlab.core.energy.decoding import PowerPast
from sovlab.core.energy.history import PowerHistory
from sovlab.runner.protocol import frames

_KINDS = ("device", "power", "past", "unseen", "limit")
_ALL, _WHOLE = b'"all":1', b'"all":2'
_TENS = b'"every":600,'
_MOST_DEVICES = 64
_HEAD = 100
"""Bytes from a frame's begin in which its mark stands."""
_DEVICES_TOLD = 64 << 10
"""Bytes before what is told at the end in which the devices are told."""


class Log(Protocol):
    """Bytes that can be looked through: `bytes`, `bytearray`, `mmap.mmap`."""

    def find(self, sub: bytes, start: int = ..., stop: int = ..., /) -> int:
        """As `bytes.find`."""

    def rfind(self, sub: bytes, start: int = ..., stop: int = ..., /) -> int:
        """As `bytes.rfind`."""

    def __getitem__(self, index: slice, /) -> bytes | bytearray: ...

    def __len__(self) -> int: ...


def history_in(log: Log, nonce: str) -> PowerHistory:
    """What a job's log tells of its power.

    Args:
        log: whole, or as much of it as there is.
        nonce: marks the job's frames.
    """
    found = _Frames(log, nonce)
    history = PowerHistory()
    begin = found.told_at_the_end()
    if begin is not None:
        kept = [place for place in found.places(("past",), begin) if _ALL in found.head(place)]
        last = [place for kind in ("power", "unseen") if (place := found.rfind(kind)) >= 0]
        _add(history, found, [*found.places(("device", "limit"), begin), *kept, *sorted(last)])
        return history
    days = [place for place in found.places(("past",)) if found.is_of_a_day(place)]
    hours = _hours(found, days[-1] if days else 0)
    if not days and len(hours) < 2:
        _add(history, found, found.places(_KINDS))
        return history
    _add(history, found, [*found.places(("device",))[-_MOST_DEVICES:], *days])
    whole = hours[:-1] or hours  # of the last one what was told at first is finer
    for hour in whole:
        for _, past in hour:
            history.add(past)
    # What came in the frame before it may be of the next hour.
    told = whole[-1][0][0] if whole else days[-1]
    since = found.rfind("power", told)
    _add(history, found, found.places(("power", "unseen", "limit"), since if since >= 0 else told))
    return history


def _hours(found: _Frames, begin: int) -> list[list[tuple[int, PowerPast]]]:
    """What was told of hours after a place, each with its own: a list for each time that this was done."""
    hours: list[list[tuple[int, PowerPast]]] = []
    for place in found.places(("past",), begin):
        if _ALL in found.head(place) or found.is_of_a_day(place):
            continue  # what was kept, of which the end is missing, or what was told of days
        past = found.read(place)
        if not isinstance(past, PowerPast):
            continue
        if not hours or past.number <= hours[-1][-1][1].number:
            hours.append([])
        hours[-1].append((place, past))
    return hours


def _add(history: PowerHistory, found: _Frames, places: Iterable[int]) -> None:
    for place in places:
        frame = found.read(place)
        if decoding.is_power(frame):
            history.add(frame)


class _Frames:
    """The frames in a log.

    Args:
        log: to be looked through.
        nonce: marks the job's frames.
    """

    def __init__(self, log: Log, nonce: str) -> None:
        self._log = log
        self._mark = f"\x1esovlab:{nonce} ".encode()

    def places(self, kinds: Sequence[str], begin: int = 0) -> list[int]:
        """Where frames of some kinds begin, in order."""
        return sorted(place for kind in kinds for place in self._places(kind, begin))

    def _places(self, kind: str, begin: int) -> Iterator[int]:
        wanted = self._wanted(kind)
        place = self._log.find(wanted, begin)
        while place >= 0:
            yield place
            place = self._log.find(wanted, place + len(wanted))

    def rfind(self, kind: str, before: int | None = None) -> int:
        """Where the last frame of a kind begins; below 0 if there is none."""
        return self._log.rfind(self._wanted(kind), 0, len(self._log) if before is None else before)

    def told_at_the_end(self) -> int | None:
        """Where that begins which the sampler has kept and told at its end; None if that is not whole."""
        place = self.rfind("past")
        if place < 0 or _WHOLE not in self.head(place):
            return None
        while (before := self.rfind("past", place)) >= 0 and _ALL in self.head(before):
            place = before
        # The devices are told before, as they were with the last hour: each time the same.
        devices = self.rfind("device", place)
        while (before := self.rfind("device", devices)) >= 0 and place - before < _DEVICES_TOLD:
            devices = before
        return devices if devices >= 0 else place

    def is_of_a_day(self, place: int) -> bool:
        """Whether a frame tells once more what was in a day."""
        head = self.head(place)
        return _TENS in head and _ALL not in head

    def head(self, place: int) -> bytes:
        """The first bytes of a frame."""
        return bytes(self._log[place : place + len(self._mark) + _HEAD])

    def read(self, place: int) -> decoding.Frame | None:
        """What a frame says; None if that is nothing that is known here."""
        return decoding.frame(bytes(self._log[place + len(self._mark) : self._end(place)]))

    def _end(self, place: int) -> int:
        end = self._log.find(b"\n", place, place + frames.MAX_READ)
        return end if end >= 0 else place

    def _wanted(self, kind: str) -> bytes:
        return self._mark + b'{"t":"%b"' % kind.encode()


class Sieve:
    """Keeps the frames of power of a log that comes in chunks; output of the user's it forgets.

    Args:
        nonce: marks the job's frames.
    """

    def __init__(self, nonce: str) -> None:
        self._mark = f"\x1esovlab:{nonce} ".encode()
        self._rest = b""
        self.kept = bytearray()
        """What was kept, in order."""

    def feed(self, data: bytes) -> None:
        """Take in the next bytes."""
        data = self._rest + data
        place = 0
        while (begin := data.find(self._mark, place)) >= 0:
            end = data.find(b"\n", begin, begin + frames.MAX_READ)
            if end < 0:
                if len(data) - begin < frames.MAX_READ:
                    break
                place = begin + 1
                continue
            kind = data[begin + len(self._mark) + 6 : begin + len(self._mark) + 16].partition(b'"')[0]
            if kind.decode("latin-1") in _KINDS:
                self.kept += data[begin : end + 1]
            place = end + 1
        self._rest = data[begin:] if begin >= 0 else data[max(len(data) - len(self._mark), place) :]
