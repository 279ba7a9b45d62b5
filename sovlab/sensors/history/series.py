"""`Series`: the power of one device over time, in room that does not grow with it."""

from __future__ import annotations

from array import array
from collections import deque
from typing import Deque, Iterator, List, NamedTuple, Optional, Sequence, Tuple

STEPS = (1, 10, 60, 600, 3600)
"""Seconds of a point, the newest first; each step holds `POINTS` of them, the last as many as there are."""
POINTS = 600
_FIELDS = 4


class Stretch(NamedTuple):
    """The mean power of some seconds.

    Attributes:
        begin: the first of them, since the epoch.
        seconds: of how many it is known.
        watts: their mean.
        peak: the highest second in them.
    """

    begin: float
    seconds: float
    watts: float
    peak: float


class Series:
    """One device. Its newest seconds stay as they came, and are added up once they are old.

    A week of eight devices is five million seconds, so each is touched as seldom as may be. A week of one
    device is at most some 2400 points.
    """

    def __init__(self) -> None:
        self._newest: Deque[Tuple[int, Sequence[Optional[float]]]] = deque()
        self._length = 0
        self._levels = [array("d") for _ in STEPS[1:]]
        self.end = 0
        """The second after the last that was taken in; 0 before the first."""

    def add(self, begin: int, watts: Sequence[Optional[float]]) -> None:
        """Take in the seconds from ``begin`` on; None where nothing is known."""
        self._newest.append((begin, watts))
        self._length += len(watts)
        self.end = max(self.end, begin + len(watts))
        while self._length - len(self._newest[0][1]) >= POINTS:
            self._condense(*self._popped())

    def put(self, step: int, stretches: Sequence[Stretch]) -> None:
        """Take in means of ``step`` seconds, at least ten, that come after all that is known."""
        level = max(n for n, size in enumerate(STEPS[1:]) if size <= max(step, STEPS[1]))
        while self._newest:
            self._condense(*self._popped())
        for finer in range(level):  # what is finer stays newer
            points, self._levels[finer] = self._levels[finer], array("d")
            for at in range(0, len(points), _FIELDS):
                self._put(finer + 1, *points[at : at + _FIELDS])
        for stretch in stretches:
            self._put(level, *stretch)
            # Of one that is not whole, what is finer tells the rest.
            self.end = max(self.end, int(stretch.begin + min(stretch.seconds, step)))

    def levels(self) -> Iterator[Tuple[int, List[Stretch]]]:
        """All that is known, oldest first: means of so many seconds, and at last the seconds themselves."""
        for step, level in zip(reversed(STEPS[1:]), reversed(self._levels)):
            yield step, [Stretch(*level[at : at + _FIELDS]) for at in range(0, len(level), _FIELDS)]
        yield 1, self._seconds()

    def _popped(self) -> Tuple[int, Sequence[Optional[float]]]:
        oldest = self._newest.popleft()
        self._length -= len(oldest[1])
        return oldest

    def _seconds(self) -> List[Stretch]:
        found: List[Stretch] = []
        for begin, watts in self._newest:
            for second, mean in enumerate(watts, begin):
                if mean is None:
                    continue
                stretch = Stretch(float(second), 1.0, mean, mean)
                if found and found[-1].begin == second:  # two looks fell into it
                    _, seconds, before, peak = found.pop()
                    both = (before * seconds + mean) / (seconds + 1.0)
                    stretch = Stretch(float(second), seconds + 1.0, both, max(peak, mean))
                found.append(stretch)
        return found

    def _condense(self, begin: int, watts: Sequence[Optional[float]]) -> None:
        step, at = STEPS[1], 0
        while at < len(watts):
            end = at + step - (begin + at) % step
            known = [mean for mean in watts[at:end] if mean is not None]
            if known:
                self._put(0, float(begin + at), float(len(known)), sum(known) / len(known), max(known))
            at = end

    def _put(self, level: int, begin: float, seconds: float, watts: float, peak: float) -> None:
        step, points = STEPS[level + 1], self._levels[level]
        begin = begin // step * step
        if points and points[-_FIELDS] == begin:
            both = points[-3] + seconds
            points[-2] = (points[-2] * points[-3] + watts * seconds) / both
            points[-3], points[-1] = both, max(points[-1], peak)
            return
        points.extend((begin, seconds, watts, peak))
        if len(points) > POINTS * _FIELDS and level + 1 < len(self._levels):
            oldest = points[:_FIELDS]
            del points[:_FIELDS]
            self._put(level + 1, *oldest)
