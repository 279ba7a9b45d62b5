"""`Sampler`: looks at the devices of a machine again and again, and says what it has seen."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from sovlab.sensors.history.packing import shortened
from sovlab.sensors.meter import Joules, Meter
from sovlab.sensors.reading import COUNTER, SAMPLED, UNAVAILABLE
from sovlab.sensors.sensor import FACILITY, HEAT, POWER, Probe, Sample, Unavailable

LONGEST = 30.0
"""Seconds between two looks at an energy counter, at most: Intel's count only while somebody reads them, and
those of processors wrap within minutes."""
_THOROUGH = 1.0
"""Seconds between two looks at temperatures and clocks, at least."""
_SECOND = 1.0
"""Seconds of which a value of the history is the mean."""


class Sampler:
    """Looks when it is told to, at all devices; what it keeps does not grow with time.

    Args:
        probes: of the devices.
        period: seconds between two looks at the power; 0 looks at energy counters only.
        clock: seconds that nobody sets.
        longest: seconds between two looks, at most.
    """

    def __init__(
        self,
        probes: Sequence[Probe],
        period: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        longest: float = LONGEST,
    ) -> None:
        self.gauges = [Gauge(probe, period) for probe in probes]
        self._clock = clock
        self._powered = period > 0
        self._pause = min([period or longest, longest, *(probe.period for probe in probes)])
        self._began = self._due = clock()
        self._thorough = self._began

    @property
    def due(self) -> float:
        """When the next look is due, by the clock."""
        return self._due

    def look(self) -> None:
        """Look at all devices now."""
        now = self._clock()
        thorough = now >= self._thorough
        if thorough:
            self._thorough = now + _THOROUGH * 0.99
        for gauge in self.gauges:
            gauge.look(self._clock(), thorough, self._powered)
        # On a grid, so that what a look takes does not add up; looks that were missed are not made up for.
        self._due += self._pause * max(1, -(-(now - self._due + 1e-9) // self._pause))

    def look_now(self) -> None:
        """Look at power and energy now, besides the looks that are due."""
        for gauge in self.gauges:
            gauge.look(self._clock(), False, self._powered)

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return self._clock() - self._began

    def totals(self) -> List[Dict[str, Any]]:
        """What each device took, and how hot it was, from the begin to the last look."""
        return [gauge.total(self.elapsed) for gauge in self.gauges]

    def seconds(self) -> List[Dict[str, Any]]:
        """What has been seen since this was asked last: for each device means of whole seconds."""
        return [gauge.take() for gauge in self.gauges]

    def close(self) -> None:
        """Let go of the devices."""
        for gauge in self.gauges:
            gauge.probe.close()


class Gauge:
    """One device: its joules, its highest temperatures, and how long it was slowed.

    Args:
        probe: reads it.
        period: seconds between two looks at its power.
    """

    def __init__(self, probe: Probe, period: float) -> None:
        self.probe = probe
        # Without samples of its power, the steps of its counter tell what it draws.
        self._drawn = COUNTER if probe.energy_method and not (probe.power_method and period) else SAMPLED
        self.meter = Meter(probe, period)
        self.limits = probe.limits()
        self.last = Sample()
        self.gone = ""
        self._hottest: Dict[str, float] = {}
        self._margin: Optional[float] = None
        self._slowed: Dict[str, List[float]] = {}
        self._counts: Dict[str, Tuple[float, float]] = {}
        self._looked: Optional[float] = None
        self._seen: Dict[str, float] = {}
        self._watched = 0.0
        self._second: List[float] = []
        self._means: List[Optional[float]] = []
        self._second_began: Optional[float] = None

    def look(self, now: float, thorough: bool, powered: bool) -> None:
        """Read it once.

        Args:
            now: seconds on the sampler's clock.
            thorough: whether to read temperatures and clocks too.
            powered: whether its power counts.
        """
        try:
            sample = self.probe.read(thorough)
            self.gone = ""
        except Unavailable as reason:
            sample, self.gone = Sample(), str(reason)
        if not powered:
            sample = sample._replace(power=None)
        self.meter.add(now, sample)
        self._remember(now)
        if thorough:
            self.last = sample
            for place, value in sample.temperatures.items():
                self._hottest[place] = max(value, self._hottest.get(place, value))
            if sample.margin is not None:
                self._margin = sample.margin if self._margin is None else min(self._margin, sample.margin)
            self._add_slowed(now, sample)

    def total(self, seconds: float) -> Dict[str, Any]:
        """What it took in ``seconds``, as JSON; what is not known is left out."""
        joules = self.meter.joules()
        covered = min(joules.covered / seconds, 1.0) if seconds > 0 else 0.0
        found: Dict[str, Any] = {
            **self.described(),
            "energy": {**self._provenance(joules), "coverage": round(covered, 4)},
            "hottest": {place: round(value, 1) for place, value in self._hottest.items()},
            "slowed": self._shares(),
        }
        if joules.joules is not None and joules.covered:
            found["mean"] = round(joules.joules / joules.covered, 3)
        for key, value in (("peak", self.meter.peak), ("margin", self._margin)):
            if value is not None:
                found[key] = round(value, 3)
        if self.probe.missing:
            found["missing"] = self.probe.missing
        return found

    def described(self) -> Dict[str, Any]:
        """Which device it is, and its bounds, as JSON; what is not known is left out."""
        device = self.probe.device
        known = {key: value for key, value in vars(device).items() if value not in ("", None, ())}
        limits = self.limits
        bounds = (
            ("limit", limits.power),
            ("lowest", limits.lowest),
            ("highest", limits.highest),
            ("slowdown", limits.slowdown),
        )
        told = {key: round(value, 3) for key, value in bounds if value is not None}
        return {**known, **told, "drawn": self._drawn}

    def take(self) -> Dict[str, Any]:
        """The means of the whole seconds since the last time, and what is the case now."""
        means, self._means = self._means, []
        joules, hottest = self._provenance(self.meter.joules()), self.last.temperatures
        return {
            "w": [shortened(mean) for mean in means],
            "c": round(max(hottest.values()), 1) if hottest else None,
            "j": joules.get("j"),
            "s": joules["source"],
            "x": sorted(self.last.slowing or ()),
        }

    def _provenance(self, joules: Joules) -> Dict[str, Any]:
        if joules.joules is None:
            why = self.gone or self.probe.missing.get("energy", "") or self.probe.missing.get("power", "")
            return {"source": UNAVAILABLE, "why": joules.why if self.meter.power else why or joules.why}
        counted = joules.counted > joules.sampled
        method = self.probe.energy_method if counted else self.probe.power_method
        why = f"; {joules.why}" if joules.why else ""
        part = f"{joules.sampled:.0f} s of it by its power" if counted and joules.sampled >= 1 else ""
        return {
            "j": round(joules.joules, 3),
            "source": COUNTER if counted else SAMPLED,
            "method": method,
            **({"why": (part + why).strip("; ")} if part or why else {}),
        }

    def _add_slowed(self, now: float, sample: Sample) -> None:
        for cause, (slowed, of) in sample.slowed.items():
            before = self._counts.get(cause)
            self._counts[cause] = (slowed, of)
            if before is not None and slowed >= before[0] and of > before[1]:
                counts = self._slowed.setdefault(cause, [0.0, 0.0])
                counts[0] += slowed - before[0]
                counts[1] += of - before[1]
        if sample.slowing is not None and self._looked is not None:
            self._watched += now - self._looked
            for cause in sample.slowing:
                self._seen[cause] = self._seen.get(cause, 0.0) + now - self._looked
        self._looked = now

    def _shares(self) -> Dict[str, float]:
        """For which share of the time it was slowed, by cause: as it counted, else as was seen at looks."""
        shares = {cause: seconds / self._watched for cause, seconds in self._seen.items() if self._watched}
        if self._watched:
            shares = {**dict.fromkeys((HEAT, POWER, FACILITY), 0.0), **shares}
        shares.update({cause: slowed / of for cause, (slowed, of) in self._slowed.items() if of > 0})
        return {cause: round(min(share, 1.0), 4) for cause, share in shares.items()}

    def _remember(self, now: float) -> None:
        if self._second_began is None or now < self._second_began:
            self._second_began = now
        if now - self._second_began >= _SECOND * 0.99:
            mean = sum(self._second) / len(self._second) if self._second else None
            seconds = max(int(now - self._second_began + 0.01), 1)
            if self._drawn == COUNTER:  # its last step is the mean of all of them
                self._means += [self.meter.power] * seconds
            else:
                self._means += [mean] + [None] * (seconds - 1)
            del self._means[:-600]
            self._second, self._second_began = [], now
        if self.meter.power is not None:
            self._second.append(self.meter.power)
