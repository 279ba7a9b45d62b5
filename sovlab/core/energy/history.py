"""The power of a job's devices over time, in room that does not grow with it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sovlab.core.energy.report import SOURCE_WORDS, DeviceReport
from sovlab.core.units import format_power
from sovlab.sensors.history.series import Series, Stretch
from sovlab.sensors.reading import worst

if TYPE_CHECKING:
    from sovlab.core.energy.decoding import LimitSeen, PowerFrame, PowerLost, PowerPast, Seen


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
        names: of each device, what people call it, where that is known.
    """

    def __init__(
        self,
        points: Mapping[str, list[Point]],
        sources: Mapping[str, str],
        method: str = "",
        why: str = "",
        names: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(points)
        self.sources, self.method, self.why = dict(sources), method, why
        self.names = dict(names or {})

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
        self._series: dict[int, Series] = {}
        self._now: dict[int, _Now] = {}
        self.limits: dict[str, LimitSeen] = {}
        """The last that was said of each limit of the job, by its name."""
        self.lost: PowerLost | None = None
        """That nothing looks at the devices any more; None as long as something does."""
        self.heard = time.time()
        """When something was said of the devices last, by this machine's clock."""

    def add(self, seen: PowerFrame) -> None:
        """Take in what a frame says; one that is not newer than what is known changes nothing."""
        from sovlab.core.energy.decoding import DeviceDescribed, LimitSeen, PowerLost, PowerPast

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
        if isinstance(seen, PowerPast):
            self._add_past(seen)
            return
        self.lost = None
        for number, device in enumerate(seen.devices, seen.first):
            if number in self._now and seen.time <= self._now[number].time:
                continue
            last = next((watts for watts in reversed(device.watts) if watts is not None), None)
            if last is not None:
                self._add_seen(number, int(seen.time), device, seen.every)
            self._now[number] = _Now(seen.time, last, device)

    def _add_seen(self, number: int, end: int, device: Seen, every: int) -> None:
        series = self._series.setdefault(number, Series())
        begin, watts = end - every * len(device.watts), device.watts
        if every == 1:
            # Looks may fall into one second; more is what has been told once more.
            known = series.end - begin if series.end - begin > 1 else 0
            series.add(begin + known, watts[known:])
            return
        peaks = device.peaks if len(device.peaks) == len(device.watts) else device.watts
        stretches = [
            Stretch(float(begin + n * every), float(every), mean, max(mean, peak or 0.0))
            for n, (mean, peak) in enumerate(zip(watts, peaks, strict=True))
            if mean is not None and begin + n * every >= series.end - 1
        ]
        if stretches:
            series.put(every, stretches)

    def _add_past(self, seen: PowerPast) -> None:
        """Take in what is not known, which is what a reader has not seen that begins late."""
        series = self._series.setdefault(seen.number, Series())
        newer = [stretch for stretch in seen.stretches if stretch.begin >= series.end]
        if not newer:
            return
        if seen.every > 1:
            series.put(seen.every, newer)
            return
        seconds: list[float | None] = [None] * (seen.end - int(newer[0].begin))
        for stretch in newer:
            seconds[int(stretch.begin - newer[0].begin)] = stretch.watts
        series.add(int(newer[0].begin), seconds)

    def points(self, number: int) -> list[Point]:
        """The power of one device, oldest first."""
        series = self._series.get(number)
        if series is None:
            return []
        return [Point(*stretch) for _, level in series.levels() for stretch in level]

    @property
    def drawn(self) -> list[int]:
        """Numbers of the devices whose power over time is known."""
        return sorted(number for number, series in self._series.items() if series.end)

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


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
