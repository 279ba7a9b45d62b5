"""The best start before a deadline."""

from __future__ import annotations

from typing import NamedTuple

from sovlab.core.deferral.forecast import Forecast

_ALIKE = 1e-9
"""Share of the signal's range by which two means may differ through rounding alone."""


class Choice(NamedTuple):
    """When to start, and what that brings.

    Attributes:
        start: seconds since the epoch.
        mean: of the signal while the job runs, by the forecast.
        at_once: the same if it started now.
    """

    start: float
    mean: float
    at_once: float


def choose(forecast: Forecast, now: float, duration: float, latest: float, *, most: bool = False) -> Choice:
    """The start from now to ``latest`` with the best mean of the signal over the run, the first of equals.

    The mean over a window that moves along steps changes evenly until one of its ends comes to a bound. So
    the best start is now, the latest, or one where the run begins or ends with a step.

    Args:
        forecast: covers all from now until ``latest`` + ``duration``.
        now: seconds since the epoch.
        duration: seconds that it runs.
        latest: when it has to start, so as to end in time.
        most: whether more of the signal is better.
    """
    bounds = forecast.times
    candidates = {now, latest, *bounds, *(bound - duration for bound in bounds)}
    sign = -1.0 if most else 1.0
    means = [
        (start, forecast.mean(start, start + duration))
        for start in sorted(candidates)
        if now <= start <= latest and start + duration <= forecast.end
    ]
    least = min(sign * mean for _, mean in means)
    near = _ALIKE * max(map(abs, forecast.values))
    start, mean = next(each for each in means if sign * each[1] <= least + near)
    return Choice(start, mean, means[0][1])
