"""`Forecast`: what a signal is expected to be, as averages over steps without a gap between them."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence

MOST = 20_000
"""Steps that a forecast may have."""


class Forecast:
    """A signal over time, constant in each step: its published values are averages, not samples.

    Args:
        times: the bounds of the steps, ascending, seconds since the epoch; one more than there are steps.
        values: the average in each step.
    """

    def __init__(self, times: Sequence[float], values: Sequence[float]) -> None:
        self.times, self.values = tuple(times), tuple(values)
        parts = (
            value * (end - begin)
            for value, (begin, end) in zip(self.values, itertools.pairwise(self.times), strict=True)
        )
        self._sums = [0.0, *itertools.accumulate(parts)]

    @property
    def begin(self) -> float:
        """When its first step begins."""
        return self.times[0]

    @property
    def end(self) -> float:
        """When its last step ends."""
        return self.times[-1]

    def covers(self, begin: float, end: float) -> bool:
        """Whether all of a time lies in its steps."""
        return self.begin <= begin <= end <= self.end

    def mean(self, begin: float, end: float) -> float:
        """The average over a time that it covers; of a time without length, the value then."""
        if end <= begin:
            return self.values[min(self._step(begin), len(self.values) - 1)]
        return (self._sum(end) - self._sum(begin)) / (end - begin)

    def clipped(self, begin: float, end: float, most: int) -> Forecast:
        """What of it lies between two times that it covers, in ``most`` steps at most.

        Of more of them, neighbours become one with their average.
        """
        times = [begin, *(each for each in self.times if begin < each < end), end]
        while len(times) - 1 > most:
            times = [*times[:-1:2], times[-1]]
        return Forecast(times, [self.mean(*step) for step in itertools.pairwise(times)])

    def _step(self, moment: float) -> int:
        return bisect_right(self.times, moment) - 1

    def _sum(self, moment: float) -> float:
        step = min(self._step(moment), len(self.values) - 1)
        return self._sums[step] + self.values[step] * (moment - self.times[step])
