"""The power of a job's devices over time, in room that does not grow with it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sovlab.core.energy.report import SOURCE_WORDS, DeviceReport
from sovlab.core.units import format_power
from sovlab.sensors.reading import worst

if TYPE_CHECKING:
    from sovlab.core.energy.decoding import DeviceDescribed, LimitSeen, PowerLost, PowerSeen, Seen

_STEPS = (1, 10, 60, 600, 3600)
"""Seconds of a point, the newest first; each step holds `_POINTS` of them, the last as many as there are."""
_POINTS = 600


class Point(NamedTuple):
    """The power of one device over some seconds.

    Attributes:
        time: when they began, since the epoch.
        seconds: how many they are.
        watts: their mean.
        peak: the highest second in them.
    """

    time: float
    seconds: float
    watts: float
    peak: float


class PowerCurves(dict[str, list[Point]]):
    """The power of devices over time, by their ids; oldest first.

    Attributes:
        sources: of each device, where its watts are from: ``sampled``, or ``counter`` where only its energy
            counter tells them, or ``attributed`` of a part of it.
        method: who measured it; empty if nobody has.
        why: why there is nothing, or what is to be known of it; else empty.
    """

    def __init__(
        self,
        points: Mapping[str, list[Point]],
        sources: Mapping[str, str],
        method: str = "",
        why: str = "",
    ) -> None:
        super().__init__(points)
        self.sources, self.method, self.why = dict(sources), method, why

    def __repr__(self) -> str:
        curves = [
            f"{device}: {len(points)} points, {format_power(min(p.watts for p in points))} to "
            f"{format_power(max(p.peak for p in points))} ({SOURCE_WORDS[self.sources[device]]})"
            for device, points in self.items()
        ]
        said = "; ".join(curves) or "—"
        return f"<PowerCurves {said}{f' ({self.why})' if self.why else ''}>"


class PowerHistory:
    """What has been seen of a job's devices: each second of the last ten minutes, and less of what preceded.

    A week of one device is at most some 2400 points.
    """

    def __init__(self) -> None:
        self.devices: dict[int, DeviceReport] = {}
        self.nodes = 1
        """Machines of the job; what is known is of the first."""
        self._series: dict[int, _Series] = {}
        self._now: dict[int, _Now] = {}
        self.limits: dict[str, LimitSeen] = {}
        """The last that was said of each limit of the job, by its name."""
        self.lost: PowerLost | None = None
        """That nothing looks at the devices any more; None as long as something does."""
        self.heard = time.time()
        """When something was said of the devices last, by this machine's clock."""

    def add(self, seen: DeviceDescribed | PowerSeen | PowerLost | LimitSeen) -> None:
        """Take in what a frame says; one that is not newer than what is known changes nothing."""
        from sovlab.core.energy.decoding import DeviceDescribed, LimitSeen, PowerLost

        self.heard = time.time()

        if isinstance(seen, DeviceDescribed):
            self.devices[seen.number] = seen.device
            self.nodes = seen.nodes
            return
        if isinstance(seen, LimitSeen):
            self.limits[seen.name] = seen
            return
        if isinstance(seen, PowerLost):
            self.lost = seen
            return
        self.lost = None
        for number, device in enumerate(seen.devices, seen.first):
            if number in self._now and seen.time <= self._now[number].time:
                continue
            last = next((watts for watts in reversed(device.watts) if watts is not None), None)
            if last is not None:
                series = self._series.setdefault(number, _Series())
                series.add(int(seen.time) - len(device.watts), device.watts)
            self._now[number] = _Now(seen.time, last, device)

    def points(self, number: int) -> list[Point]:
        """The power of one device, oldest first."""
        series = self._series.get(number)
        return series.points() if series is not None else []

    @property
    def numbers(self) -> list[int]:
        """Of the devices that were seen."""
        return sorted(self._now)

    def of(self, kind: str) -> list[int]:
        """Numbers of the devices of a kind that were seen."""
        return [n for n in self.numbers if n in self.devices and self.devices[n].kind == kind]

    def watts(self, numbers: Sequence[int]) -> float | None:
        """W of some devices at the last look; None if none of them is known."""
        return _sum([self._now[n].watts for n in numbers])

    def celsius(self, numbers: Sequence[int]) -> float | None:
        """°C of the hottest of some devices at the last look."""
        return max((c for n in numbers if (c := self._now[n].last.celsius) is not None), default=None)

    def joules(self, numbers: Sequence[int]) -> float | None:
        """J that some devices have taken since the job began."""
        return _sum([self._now[n].last.joules for n in numbers])

    def slowing(self, numbers: Sequence[int]) -> tuple[str, ...]:
        """Why some devices are slowed at the last look."""
        return tuple(sorted({cause for n in numbers for cause in self._now[n].last.slowing}))

    def source(self, numbers: Sequence[int]) -> str:
        """Where the joules of some devices are from: the worst source among them."""
        return worst(*(self._now[n].last.source for n in numbers))

    def sums(self, numbers: Sequence[int], most: int) -> list[float]:
        """The power of some devices together over the time, in at most ``most`` points; for a small curve."""
        points = [point for n in numbers for point in self.points(n)]
        if not points:
            return []
        begin = min(point.time for point in points)
        length = max(max(point.time + point.seconds for point in points) - begin, 1.0)
        width = max(length / most, 1.0)
        sums: dict[int, dict[int, list[float]]] = {}
        for n in numbers:
            for point in self.points(n):
                bins = sums.setdefault(int((point.time - begin) / width), {}).setdefault(n, [0.0, 0.0])
                bins[0] += point.watts * point.seconds
                bins[1] += point.seconds
        return [sum(w / s for w, s in by.values()) for _, by in sorted(sums.items())]


class _Now(NamedTuple):
    time: float
    watts: float | None
    last: Seen


class _Series:
    """One device. Its newest seconds stay as they came, and are added up once they are old.

    A week of eight devices is five million seconds, so each is touched as seldom as may be.
    """

    def __init__(self) -> None:
        self._newest: deque[tuple[int, Sequence[float | None]]] = deque()
        self._length = 0
        self._levels: list[deque[list[float]]] = [deque() for _ in _STEPS[1:]]

    def add(self, begin: int, watts: Sequence[float | None]) -> None:
        """Take in the seconds from ``begin`` on."""
        self._newest.append((begin, watts))
        self._length += len(watts)
        while self._length - len(self._newest[0][1]) >= _POINTS:
            first, oldest = self._newest.popleft()
            self._length -= len(oldest)
            self._condense(first, oldest)

    def _condense(self, begin: int, watts: Sequence[float | None]) -> None:
        step, at = _STEPS[1], 0
        while at < len(watts):
            end = at + step - (begin + at) % step
            known = [mean for mean in watts[at:end] if mean is not None]
            if known:
                self._put(0, [float(begin + at), float(len(known)), sum(known) / len(known), max(known)])
            at = end

    def _put(self, level: int, point: list[float]) -> None:
        step, points = _STEPS[level + 1], self._levels[level]
        begin = point[0] // step * step
        if points and points[-1][0] == begin:
            last = points[-1]
            seconds = last[1] + point[1]
            last[2] = (last[2] * last[1] + point[2] * point[1]) / seconds
            last[1], last[3] = seconds, max(last[3], point[3])
            return
        point[0] = begin
        points.append(point)
        if len(points) > _POINTS and level + 1 < len(self._levels):
            self._put(level + 1, points.popleft())

    def points(self) -> list[Point]:
        """All that is known, oldest first."""
        newest: list[Point] = []
        for begin, watts in self._newest:
            for second, mean in enumerate(watts, begin):
                if mean is None:
                    continue
                point = Point(float(second), 1.0, mean, mean)
                if newest and newest[-1].time == second:  # two looks fell into it
                    time, seconds, before, peak = newest.pop()
                    both = (before * seconds + mean) / (seconds + 1.0)
                    point = Point(time, seconds + 1.0, both, max(peak, mean))
                newest.append(point)
        return [Point(*point) for points in reversed(self._levels) for point in points] + newest


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
