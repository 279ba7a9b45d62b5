"""How many joules a device took, put together from its energy counter and its power.

Neither is believed alone. Counters wrap, are set back by a driver that is loaded again, stand still, step
backwards, or print an error as a number; a power is a sample, and misses what lies between two. So a step of
the counter counts only if the power that it means is plausible; the counter as a whole only if it agrees with
the power within a factor of ten, as Zeus asks of AMD's (zeus/device/gpu/amd.py). What a counter does not
cover is filled by the power where there is some; what neither covers is in the coverage, not in the joules.
"""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Tuple

from sovlab.sensors.sensor import Probe, Sample

AGREE = 10.0
"""Factor by which counter and power may differ; in between lie bad calibration and short peaks."""
_CHECK = 10.0
"""Seconds of counter and power side by side after which they are compared."""
_FIRST_CHECK = 1.0
"""Seconds of them that are enough to compare them in a job that has no more."""
_GAP = 5.0
"""Seconds between two samples of power, at least, for which a line between them is drawn."""


_STUBBORN = 3
"""Comparisons in a row that must fail before a counter that was good is given up."""
_SHORT = 3
"""Steps of the counter below which its joules are mostly rounding."""
_MOST = 0.8
"""Share of a step's time that the power must cover to be compared with it."""


class Joules(NamedTuple):
    """What a device took.

    Attributes:
        joules: None if it is not known.
        counted: seconds of them that its counter covers.
        sampled: seconds that only samples of its power cover.
        why: what is to be known of it: why there is no number, or why the counter was not used.
    """

    joules: Optional[float]
    counted: float
    sampled: float
    why: str = ""

    @property
    def covered(self) -> float:
        """Seconds of which the joules are."""
        return self.counted + self.sampled


class _Part(NamedTuple):
    joules: float
    seconds: float

    def plus(self, other: _Part) -> _Part:
        return _Part(self.joules + other.joules, self.seconds + other.seconds)

    def minus(self, other: _Part) -> _Part:
        return _Part(self.joules - other.joules, self.seconds - other.seconds)


class _Count(NamedTuple):
    at: float
    joules: float


class _Beside(NamedTuple):
    """What the counter and the power say of the same seconds."""

    counted: float
    sampled: float
    seconds: float


_NOTHING = _Part(0.0, 0.0)


class Meter:
    """Adds up one device.

    Args:
        probe: tells how its counter behaves, and which watts are plausible.
        period: seconds between two samples of power as planned.
    """

    def __init__(self, probe: Probe, period: float = 1.0) -> None:
        self._wraps_at = probe.wraps_at
        self._forgets_at = probe.forgets_at
        self._resolution = probe.resolution
        self._settling = probe.settling
        self._bound = probe.plausible
        self._gap = max(_GAP, 3 * period)
        self._last: Optional[Tuple[float, Optional[float]]] = None
        self._base: Optional[_Count] = None
        self._base_is_good = False
        self._doubtful: Optional[_Count] = None
        self._before_doubt = _NOTHING
        self._counted = self._filled = self._since_base = self._by_power = _NOTHING
        self._beside = _Beside(0.0, 0.0, 0.0)
        self._checks = self._disagreed = 0
        self._distrust = ""
        self._notes: Dict[str, float] = {}
        self.power: Optional[float] = None
        """W at the last look; by the counter's step if the device tells no power."""
        self.peak: Optional[float] = None
        """The highest W that was seen."""

    def add(self, at: float, sample: Sample) -> None:
        """Take in a look at the device.

        Args:
            at: seconds on a clock that nobody sets; a look that is not after the last one is left out.
            sample: what was seen.
        """
        if self._last is not None and at <= self._last[0]:
            return
        power = sample.power if sample.power is not None and 0 < sample.power <= self._bound else None
        if self._last is not None and self._last[1] is not None and power is not None:
            seconds = at - self._last[0]
            if seconds <= self._gap:
                area = _Part((power + self._last[1]) / 2 * seconds, seconds)
                self._since_base, self._by_power = self._since_base.plus(area), self._by_power.plus(area)
        self._last = (at, power)
        self.power = power
        if sample.energy is not None and sample.energy >= 0:
            self._count(_Count(at, sample.energy))
        if self.power is not None:
            self.peak = self.power if self.peak is None else max(self.peak, self.power)

    def joules(self) -> Joules:
        """What the device took up to the last look."""
        distrust = self._distrust or ("" if self._checks else self._compared(_FIRST_CHECK))
        short = self._counted.seconds < _SHORT * self._resolution
        if self._by_power.seconds and (distrust or short):
            if not self._by_power.joules:
                return Joules(None, 0.0, 0.0, "too little was drawn to be told")
            return Joules(self._by_power.joules, 0.0, self._by_power.seconds, distrust)
        filled = self._filled.plus(self._since_base)
        if not self._counted.seconds and not filled.seconds:
            return Joules(None, 0.0, 0.0, "there were no two looks at it")
        joules = self._counted.joules + filled.joules
        if not joules:
            why = f"the time was too short: its counter moves every {self._resolution:g} s"
            return Joules(None, 0.0, 0.0, why if short else "its counter did not move")
        notes = "; ".join(f"{what} ({seconds:.0f} s)" for what, seconds in self._notes.items())
        if short and not notes:
            notes = f"short for a counter that moves every {self._resolution:g} s"
        return Joules(joules, self._counted.seconds, filled.seconds, notes)

    # --- the counter

    def _count(self, now: _Count) -> None:
        base, doubtful, self._doubtful = self._base, self._doubtful, None
        if base is None:
            self._begin(now, self._since_base)
        elif self._settling:
            self._settling -= 1
            self._begin(now, self._since_base)
        elif self._ambiguous(base, now):
            self._note("looked at so late that its counter may have wrapped more than once", now.at - base.at)
            self._begin(now, self._since_base)
        elif (step := self._step(base, now)) is not None:
            self._take(step, base, now, self._since_base)
        elif doubtful is not None and (step := self._step(doubtful, now)) is not None:
            # Two looks agree with each other, and not with what was before them.
            self._set_back(base, doubtful)
            before = self._before_doubt
            self._filled = self._filled.plus(before)
            self._take(step, doubtful, now, self._since_base.minus(before))
        else:
            # One bad reading leaves the base as it is: the next look may go on from there.
            self._doubtful, self._before_doubt = now, self._since_base

    def _begin(self, now: _Count, fill: _Part) -> None:
        """Count from here; up to here only the power tells."""
        self._filled = self._filled.plus(fill)
        self._base, self._since_base, self._base_is_good = now, _NOTHING, False

    def _take(self, joules: float, since: _Count, now: _Count, beside: _Part) -> None:
        seconds = now.at - since.at
        self._counted = self._counted.plus(_Part(joules, seconds))
        self._base, self._since_base, self._base_is_good = now, _NOTHING, True
        if self.power is None and seconds >= self._resolution:
            self.power = joules / seconds or None
        if beside.seconds >= _MOST * seconds:
            counted, sampled, length = self._beside
            self._beside = _Beside(counted + joules, sampled + beside.joules, length + beside.seconds)
            if self._beside.seconds >= _CHECK:
                self._check()

    def _step(self, since: _Count, now: _Count) -> Optional[float]:
        """J from one count to the next; None if that is not plausible."""
        joules, seconds = now.joules - since.joules, now.at - since.at
        # A counter that moves ten times a second may show a step more than fits between two looks.
        most = self._bound * (seconds + self._resolution)
        if joules < 0 and self._wraps_at is not None:
            joules += self._wraps_at
            if since is self._base and self._since_base.seconds >= _MOST * seconds:
                # Near its end, a counter that is set back looks as if it had wrapped: the power tells.
                most = min(most, 2 * self._since_base.joules + self._bound * self._resolution)
        return joules if 0 <= joules <= most else None

    def _ambiguous(self, since: _Count, now: _Count) -> bool:
        most = self._bound * (now.at - since.at)
        return any(end is not None and most >= end for end in (self._wraps_at, self._forgets_at))

    def _set_back(self, before: _Count, after: _Count) -> None:
        seconds = after.at - before.at
        if not self._base_is_good:
            return
        if after.joules < before.joules and after.joules > self._bound * (seconds + self._resolution):
            # A counter that was set back begins at 0; nothing explains this one.
            self._distrust = "its counter went backwards"
        self._note("its counter was set back", seconds)

    def _note(self, what: str, seconds: float) -> None:
        self._notes[what] = self._notes.get(what, 0.0) + seconds

    # --- the counter beside the power

    def _check(self) -> None:
        complaint = self._compared(_CHECK)
        self._beside = _Beside(0.0, 0.0, 0.0)
        self._disagreed = self._disagreed + 1 if complaint else 0
        if complaint and (not self._checks or self._disagreed >= _STUBBORN):
            self._distrust = complaint
        self._checks += 1

    def _compared(self, enough: float) -> str:
        """What is wrong with the counter beside the power; empty if nothing is, or there is too little."""
        counted, sampled, seconds = self._beside
        if seconds < enough or not sampled:
            return ""
        if counted * AGREE < sampled:
            return "its counter stands still, or counts too little" if counted else "its counter stands still"
        return "its counter counts more than its power allows" if counted > sampled * AGREE else ""
