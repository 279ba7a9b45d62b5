"""`Marks`: places in logs where reading can begin, so that a part of a long one costs no more than itself."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from sovlab.core.event import Cursor
from sovlab.jupyter.server.stream.pieces import Positions

STEP = 1 << 20
"""Bytes between two marks."""
_JOBS, _EACH = 200, 2000


class Mark(NamedTuple):
    """A place in a log, between two characters.

    Attributes:
        cursor: where to read on.
        positions: bytes that each rank had printed before.
    """

    cursor: Cursor
    positions: Positions

    def before(self, rank: int | None) -> int:
        """Bytes before it, of one rank or, for None, of all of them."""
        return sum(self.positions.values()) if rank is None else self.positions.get(rank, 0)


_BEGIN = Mark(0, {})


class Marks:
    """Marks of the logs that were read last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marks: OrderedDict[tuple[str, str], list[Mark]] = OrderedDict()

    def note(self, key: tuple[str, str], cursor: Cursor, positions: Mapping[int | None, int]) -> None:
        """A log was read up to here, where no character is open; kept if it is far enough from the last mark.

        Args:
            key: the job's target and id.
            cursor: where to read on.
            positions: bytes that each rank had printed before.
        """
        total = sum(positions.values())
        with self._lock:
            marks = self._marks.get(key)
            if total < (marks[-1].before(None) if marks else 0) + STEP:
                return
            if marks is None:
                marks = self._marks[key] = []
                while len(self._marks) > _JOBS:
                    self._marks.popitem(last=False)
            self._marks.move_to_end(key)
            if len(marks) < _EACH:
                marks.append(Mark(cursor, dict(positions)))

    def at(self, key: tuple[str, str], rank: int | None, offset: int) -> Mark:
        """The last mark with no more than ``offset`` bytes before it; the begin if there is none."""
        with self._lock:
            marks = self._marks.get(key, ())
            return next((mark for mark in reversed(marks) if mark.before(rank) <= offset), _BEGIN)

    def tail(self, key: tuple[str, str], rank: int | None, most: int) -> Mark:
        """The last mark after which there are ``most`` bytes at least; the begin if none is known."""
        with self._lock:
            marks = self._marks.get(key)
            end = marks[-1].before(rank) if marks else 0
        return self.at(key, rank, end - most) if end >= most else _BEGIN
