"""What a sampler has seen, told in the job's log: at once what is new, and now and then what has been.

Somebody may be looking at the card of a job that has just begun, and nobody looks each second for a week: so
the longer a job runs, the less often is told what is new, and after an hour in means. Each hour is told once
more in minutes, each day in tens of them, and at its end all that is kept, so that a reader need not read all
that came before, and finds it too where a cluster no longer keeps the begin of a log. A week of eight devices
takes some megabytes.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

from sovlab.sensors.history.packing import grouped, packed
from sovlab.sensors.history.series import Series, Stretch
from sovlab.sensors.sampler import Sampler

SHORTEST, LONGEST = 5.0, 60.0
"""Seconds between two frames."""
_PART = 60.0
"""Between two frames lies this part of the time that the job has run."""
FINE = 3600.0
"""Seconds for which each second is told."""
EVERY = 30
"""Seconds of which means are told afterwards."""
MINUTE, TEN_MINUTES, HOUR, DAY = 60, 600, 3600, 86_400
_DEVICES = 8
"""Devices in one frame: so many fit, as a rule."""

Message = Dict[str, Any]


class Telling:
    """Tells what a sampler has seen, in room that does not grow with time.

    Args:
        sampler: whose.
        say: puts a message into the log; raises `ValueError` if it is too long.
        nodes: machines of the job.
    """

    def __init__(self, sampler: Sampler, say: Callable[[Message], None], nodes: int = 1) -> None:
        self._sampler, self._say, self._nodes = sampler, say, nodes
        self._series = [Series() for _ in sampler.gauges]
        self._untold: List[List[Optional[float]]] = [[] for _ in sampler.gauges]
        # The longer ones first: a reader needs of the others what comes after them.
        self._past = (_Past(TEN_MINUTES, DAY), _Past(MINUTE, HOUR))

    def describe(self) -> None:
        """Say which devices there are."""
        for number, gauge in enumerate(self._sampler.gauges):
            self._say({"t": "device", "n": number, "nodes": self._nodes, **gauge.described()})

    @property
    def pause(self) -> float:
        """Seconds until something is to be told next."""
        return min(max(self._sampler.elapsed / _PART, SHORTEST), LONGEST)

    def tell(self, wall: float) -> None:
        """Say what is new.

        Args:
            wall: seconds since the epoch.
        """
        seen = self._sampler.seconds()
        for series, device in zip(self._series, seen):
            if device["w"]:
                series.add(int(wall) - len(device["w"]), device["w"])
        if self._sampler.elapsed < FINE:
            self._tell_devices({"t": "power", "at": round(wall, 3)}, seen, 0)
        else:
            self._tell_means(wall, seen)
        self._tell_past(wall)

    def finish(self) -> None:
        """Say all that is kept once more, if the job has run so long that reading the rest takes long."""
        if self._sampler.elapsed < FINE or not self._series:
            return
        self.describe()
        for number, series in enumerate(self._series):
            for step, stretches in series.levels():
                for told in packed(step, stretches):
                    self._say({"t": "past", "n": number, "all": 1, **told})
        # Only after it is the rest known to be there.
        self._say({"t": "past", "n": 0, "all": 2, "at": 0, "every": 1, "w": []})

    def _tell_means(self, wall: float, seen: List[Message]) -> None:
        for untold, device in zip(self._untold, seen):
            untold += device["w"]
        whole = min((len(untold) for untold in self._untold), default=0) // EVERY * EVERY
        left = 0
        for untold, device in zip(self._untold, seen):
            device["w"], device["p"] = grouped(EVERY, untold[:whole])
            del untold[:whole]
            left = max(left, len(untold))
            if device["j"] is not None:
                device["j"] = round(device["j"])
            if device["c"] is not None:
                device["c"] = round(device["c"])
            if not device["x"]:
                del device["x"]
        common = {device["s"] for device in seen}
        frame: Message = {"t": "power", "at": round(wall - left), "every": EVERY}
        if len(common) == 1:
            frame["s"] = common.pop()
            for device in seen:
                del device["s"]
        self._tell_devices(frame, seen, 0)

    def _tell_devices(self, frame: Message, seen: List[Message], first: int) -> None:
        for at in range(0, len(seen), _DEVICES):
            devices = seen[at : at + _DEVICES]
            try:
                self._say({**frame, "n": first + at, "d": devices})
            except ValueError:
                if len(devices) > 1:
                    half = len(devices) // 2
                    self._tell_devices(frame, devices[:half], first + at)
                    self._tell_devices(frame, devices[half:], first + at + half)

    def _tell_past(self, wall: float) -> None:
        """Say the minutes of the last hour, once one is over, and each ten minutes of the last day."""
        over = [past for past in self._past if past.is_over(wall)]
        if not over:
            return
        self.describe()
        for past in over:
            begin, end = past.take(wall)
            for number, series in enumerate(self._series):
                for told in packed(past.step, means(series, past.step, begin, end)):
                    self._say({"t": "past", "n": number, **told})


class _Past:
    """What is told once more.

    Args:
        step: seconds of a mean.
        span: seconds of which it is told at once, at least.
    """

    def __init__(self, step: int, span: int) -> None:
        self.step, self._span = step, span
        self._told = 0
        """Until when it has been told, since the epoch."""

    def is_over(self, wall: float) -> bool:
        """Whether there is so much to be told."""
        now = int(wall) // self.step * self.step
        if not self._told or now < self._told:  # the first time, or somebody has set the clock
            self._told = now
        return now >= self._told + self._span

    def take(self, wall: float) -> Tuple[int, int]:
        """From when to when it is to be told now."""
        begin, self._told = self._told, int(wall) // self.step * self.step
        return begin, self._told


def means(series: Series, step: int, begin: int, end: int) -> List[Stretch]:
    """Means of ``step`` seconds of what is known from ``begin`` to ``end``."""
    whole = Series()
    for _, stretches in series.levels():
        whole.put(step, [each for each in stretches if begin <= each.begin < end])
    return next(stretches for size, stretches in whole.levels() if size == step)
