"""The part of the one door (`sovlab.core.decoding`) through which numbers of power and heat come."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sovlab.core.energy.report import DeviceReport, EnergyReport, LimitReport, Phase
from sovlab.core.untrusted import LATEST, DamagedRecord, Part, clean, finite, shared
from sovlab.sensors.history.series import Stretch
from sovlab.sensors.reading import COUNTER, SAMPLED, SOURCES, UNAVAILABLE, Reading

_DEVICES, _PLACES, _POINTS, _PHASES = 64, 20, 600, 50
_WATTS, _JOULES, _SECONDS, _CELSIUS = 1e6, 1e15, 1e12, 1e3
_TEXT, _WORD = 300, 100
_NUMBERS: tuple[set[type], ...] = ({float}, {int}, {float, int})


@dataclass(frozen=True, slots=True)
class DeviceDescribed:
    """A device that is measured while the job runs.

    Attributes:
        number: by which `PowerSeen` names it.
        device: what is known of it; its energy is not yet.
        nodes: machines of the job: what its frames tell is of the first.
    """

    number: int
    device: DeviceReport
    nodes: int = 1


@dataclass(frozen=True, slots=True)
class Seen:
    """One device in the last seconds.

    Attributes:
        watts: means of whole seconds, or of `PowerSeen.every` of them, the last one last; None where its
            power was not known.
        celsius: how hot its hottest place is.
        joules: since the job began.
        slowing: why it is slowed now.
        source: where its joules are from.
        peaks: of means of more than a second, the highest second in each; else empty.
    """

    watts: tuple[float | None, ...]
    celsius: float | None
    joules: float | None
    slowing: tuple[str, ...]
    source: str = UNAVAILABLE
    peaks: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True)
class PowerSeen:
    """What was seen of some devices.

    Attributes:
        time: of the last second, since the epoch.
        first: number of the first device.
        devices: that and those after it.
        every: seconds of which each of their watts is the mean.
    """

    time: float
    first: int
    devices: tuple[Seen, ...]
    every: int = 1


@dataclass(frozen=True, slots=True)
class PowerPast:
    """What one device drew before, told once more.

    Attributes:
        number: of the device.
        every: seconds of a mean.
        stretches: the means that are known, oldest first.
        end: the second after the last of them.
    """

    number: int
    every: int
    stretches: tuple[Stretch, ...]
    end: int


@dataclass(frozen=True, slots=True)
class PowerLost:
    """Nothing looks at the devices any more, though the job goes on.

    Attributes:
        time: since the epoch.
        why: a sentence.
    """

    time: float
    why: str


LIMITS = ("energy_budget", "max_temperature", "power_cap")
LIMIT_STATES = ("warned", "reached", "unwatched")


@dataclass(frozen=True, slots=True)
class LimitSeen:
    """What became of a limit of a running job.

    Attributes:
        name: one of `LIMITS`.
        state: one of `LIMIT_STATES`.
        limit: how far it is used.
    """

    name: str
    state: str
    limit: LimitReport


PowerFrame: TypeAlias = "DeviceDescribed | PowerSeen | PowerPast | PowerLost | LimitSeen"
"""What a frame says of a job's devices, or of its limits."""


def measured(part: Part) -> EnergyReport:
    """What an exit record says was measured."""
    cpu = part.part("cpu")
    return EnergyReport(
        devices=part.items("devices", _DEVICES, _device),
        seconds=part.number("seconds", 0.0, _SECONDS) or 0.0,
        unavailable=_texts(part.part("unavailable")),
        cpu_job=None if cpu is None else cpu.number("job", 0.0, _SECONDS),
        cpu_busy=None if cpu is None else cpu.number("busy", 0.0, _SECONDS),
        cpu_all=None if cpu is None else cpu.number("all", 0.0, _SECONDS),
        phases=_phases(part.part("phases")),
        nodes=part.whole("nodes", 1, 10**5) or 1,
        limits=_limits(part.part("limits")),
    )


def unreadable(damage: DamagedRecord) -> EnergyReport:
    """The report in place of one that cannot be read."""
    return EnergyReport(unavailable={"sampling": f"What was measured cannot be read: {damage}."})


def _phases(part: Part | None) -> Mapping[str, Phase]:
    found = {}
    for name, value in () if part is None else part.members(_PHASES):
        phase = Part(f"phases.{clean(name, _WORD)}", value)
        joules = _numbers(phase.part("j"), -_JOULES, _JOULES, _DEVICES)
        found[clean(name, _WORD)] = Phase(
            count=phase.whole("count", 0, 2**53) or 0,
            seconds=phase.number("seconds", 0.0, _SECONDS) or 0.0,
            joules={int(key): max(j, 0.0) for key, j in joules.items() if key.isascii() and key.isdigit()},
        )
    return found


def _limits(part: Part | None) -> Mapping[str, LimitReport]:
    found = {}
    for name in LIMITS:
        told = None if part is None else part.part(name)
        if told is not None and (limit := told.number("limit", 0.0, _JOULES)) is not None:
            found[name] = _limit(told, name, limit)
    return found


def _limit(part: Part, name: str, limit: float) -> LimitReport:
    used, source = part.number("used", 0.0, _JOULES), part.text("source", _WORD)
    if name == "max_temperature" and used is not None:
        source = source or SAMPLED  # as all temperatures are
    if used is None or source not in SOURCES or source == UNAVAILABLE:
        used, source = None, UNAVAILABLE
    return LimitReport(limit=limit, used=used, source=source, why=part.text("why", _TEXT))


def limit_seen(part: Part) -> LimitSeen:
    """A frame that says what became of a limit."""
    name, state, limit = (
        part.text("what", _WORD),
        part.text("state", _WORD),
        part.number("limit", 0.0, _JOULES),
    )
    if name not in LIMITS or state not in LIMIT_STATES or limit is None:
        part.refuse("what", "a limit")
    return LimitSeen(name, state, _limit(part, name, limit))


def device_described(part: Part) -> DeviceDescribed:
    """A frame that says which device is measured."""
    number = part.whole("n", 0, _DEVICES)
    if number is None:
        part.refuse("n", "a number")
    return DeviceDescribed(number, _device_of(part), part.whole("nodes", 1, 10**5) or 1)


def power_seen(part: Part) -> PowerSeen:
    """A frame that says what was seen of devices."""
    time, first = part.number("at", 0.0, LATEST), part.whole("n", 0, _DEVICES)
    if time is None or first is None:
        raise DamagedRecord("the frame is not whole")
    every = part.whole("every", 1, 3601) or 1
    common = part.text("s", _WORD)
    return PowerSeen(
        time, first, part.items("d", _DEVICES, lambda name, value: _seen(name, value, common)), every
    )


def power_past(part: Part) -> PowerPast:
    """A frame that tells once more what a device drew before."""
    number, begin, every = (
        part.whole("n", 0, _DEVICES),
        part.whole("at", 0, int(LATEST)),
        part.whole("every", 1, 3601),
    )
    if number is None or begin is None or every is None:
        raise DamagedRecord("the frame is not whole")
    watts = _means(part, "w")
    peaks = _means(part, "p") if part.get("p") is not None else watts
    known = part.items("k", _POINTS, _known) if part.get("k") is not None else (every,) * len(watts)
    if not len(watts) == len(peaks) == len(known):
        raise DamagedRecord("the frame is not whole")
    stretches = tuple(
        Stretch(float(begin + n * every), float(seconds), mean, max(mean, peak or 0.0))
        for n, (mean, peak, seconds) in enumerate(zip(watts, peaks, known, strict=True))
        if mean is not None and seconds
    )
    return PowerPast(number, every, stretches, begin + len(watts) * every)


def power_lost(part: Part) -> PowerLost:
    """A frame that says that nothing looks at the devices any more."""
    time = part.number("at", 0.0, LATEST)
    if time is None:
        raise DamagedRecord("the frame is not whole")
    return PowerLost(time, part.text("why", _TEXT) or "The sensors are not read any more.")


def _device(name: str, value: object) -> DeviceReport:
    return _device_of(Part(name, value))


def _device_of(part: Part) -> DeviceReport:
    device = part.text("id", _WORD)
    scope = part.text("scope", _WORD) or "device"
    return DeviceReport(
        id=device,
        kind=part.text("kind", _WORD),
        name=part.text("name", _WORD),
        index=part.whole("index", 0, 10_000),
        scope=scope,
        covers=part.items("covers", _PLACES, _word),
        energy=_energy(part.part("energy"), device, scope),
        drawn=COUNTER if part.text("drawn", _WORD) == COUNTER else SAMPLED,
        mean=part.number("mean", 0.0, _WATTS),
        peak=part.number("peak", 0.0, _WATTS),
        hottest=_numbers(part.part("hottest"), -_CELSIUS, _CELSIUS),
        margin=part.number("margin", -_CELSIUS, _CELSIUS),
        slowdown=part.number("slowdown", 0.0, _CELSIUS),
        limit=part.number("limit", 0.0, _WATTS),
        lowest=part.number("lowest", 0.0, _WATTS),
        highest=part.number("highest", 0.0, _WATTS),
        slowed=_numbers(part.part("slowed"), 0.0, 1.0001),
        missing=_texts(part.part("missing")),
    )


def _energy(part: Part | None, device: str, scope: str) -> Reading:
    if part is None:
        return Reading("energy", "J", scope=scope, device=device)
    value = part.number("j", 0.0, _JOULES)
    source = part.text("source", _WORD)
    if source not in SOURCES or (value is None) != (source == UNAVAILABLE):
        part.refuse("source", "where a number is from")
    return Reading(
        "energy",
        "J",
        value,
        source,
        part.text("method", _TEXT),
        scope,
        part.number("coverage", 0.0, 1.0001) or 0.0,
        device,
        part.text("why", _TEXT),
    )


def _known(name: str, value: object) -> int:
    seconds = finite(value, 0.0, 3601.0)
    if seconds is None:
        raise DamagedRecord(f"{name} holds what is no time")
    return int(seconds)


def _seen(name: str, value: object, common: str) -> Seen:
    part = Part(name, value)
    source = source if (source := part.text("s", _WORD) or common) in SOURCES else UNAVAILABLE
    return Seen(
        watts=_means(part),
        celsius=part.number("c", -_CELSIUS, _CELSIUS),
        joules=part.number("j", 0.0, _JOULES) if source != UNAVAILABLE else None,
        slowing=part.items("x", _PLACES, _word),
        source=source,
        peaks=_means(part, "p") if part.get("p") is not None else (),
    )


def _means(part: Part, key: str = "w") -> tuple[float | None, ...]:
    found = part.get(key)
    # Nearly always a list of good numbers, and read millions of times: so they are looked at together.
    plain = type(found) is list and len(found) <= _POINTS and {*map(type, found)} in _NUMBERS
    if plain and min(found) >= 0.0 and max(found) < _WATTS and not math.isnan(sum(found)):
        return tuple(found)
    return part.items(key, _POINTS, _watts)


def _watts(name: str, value: object) -> float | None:
    if value is None:
        return None
    watts = finite(value, 0.0, _WATTS)
    if watts is None:
        raise DamagedRecord(f"{name} holds what is no power")
    return watts


def _word(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise DamagedRecord(f"{name} is not a list of words")
    return clean(value, _WORD)


def _texts(part: Part | None) -> Mapping[str, str]:
    if part is None:
        return {}
    return {shared(clean(key, _WORD)): part.text(key, _TEXT) for key, _ in part.members(_PLACES)}


def _numbers(part: Part | None, least: float, below: float, most: int = _PLACES) -> Mapping[str, float]:
    if part is None:
        return {}
    found = ((shared(clean(key, _WORD)), part.number(key, least, below)) for key, _ in part.members(most))
    return {key: value for key, value in found if value is not None}
