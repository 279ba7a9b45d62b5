"""How the devices of a target do, by the Prometheus of its site."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sovlab.client.conditions.choosing import accelerators
from sovlab.client.conditions.look import Answer, Look
from sovlab.core.capacity import Capacity
from sovlab.core.energy.condition import Condition, Figure
from sovlab.telemetry.catalogue import exporter
from sovlab.telemetry.devices import SiteNumbers, of_backend
from sovlab.telemetry.exporters.query import GPU, LIMIT, POWER, TEMPERATURE, THROTTLED
from sovlab.telemetry.site import SiteAnswer, own_answers

if TYPE_CHECKING:
    from sovlab.client.site.site import Site
    from sovlab.sensors.reading import Reading
    from sovlab.telemetry.asking import SiteReading

HEADROOM = "headroom"
"""The site's own query of this name says how much more power the site can give, in W or kW."""
_BACKEND = "backend="
"""Label by which it may say that of one backend only."""
_QUANTITIES = (TEMPERATURE, THROTTLED, POWER, LIMIT)
_HEAT, _FACILITY = "heat", "facility"
_SCALES = {"W": 1.0, "kW": 1e3, "MW": 1e6}


def site_look(site: Callable[[], Site | None], where: str) -> Look:
    """Looks at the devices of a target by its site's Prometheus.

    Args:
        site: of the target.
        where: the Prometheus, for messages.
    """
    return Look(partial(_ask, site), where)


def _ask(site: Callable[[], Site | None], offers: Sequence[Capacity]) -> Answer:
    found = site()
    if found is None:
        return Answer(time.time(), {}, "the target names no Prometheus")
    return found.answered(partial(_answer, found, offers))


def _answer(site: Site, offers: Sequence[Capacity]) -> Answer:
    detected, now, seen = site.detection.get(), site.prometheus.now(), time.time()
    own = own_answers(site.prometheus, site.profile, (HEADROOM,), at=now)
    conditions = {}
    for offer in accelerators(offers):
        backend = offer.detection.backend
        nodes = offer.nodes or None
        numbers = {
            quantity: of_backend(site.prometheus, detected, backend, quantity, nodes=nodes, at=now)
            for quantity in _QUANTITIES
        }
        conditions[backend] = _condition(numbers, _own_headroom(own, backend), seen)
    return Answer(seen, conditions)


def _condition(numbers: dict[str, SiteNumbers], own: Figure | None, seen: float) -> Condition:
    by_quantity = {quantity: numbers[quantity].first(GPU) for quantity in _QUANTITIES}
    slowing = by_quantity[THROTTLED]
    everything = {key for each in by_quantity.values() for key in map(_key, each)}
    hot: dict[tuple[str, str], SiteReading] = {}
    for each in slowing:  # a device may be slowed by the heat of several of its parts
        if each.place == _HEAT and (_key(each) not in hot or each.reading.value):
            hot[_key(each)] = each
    slowed = [each for each in hot.values() if each.reading.value]
    braked = any(each.place == _FACILITY and each.reading.value for each in slowing)
    return Condition(
        celsius=_celsius(by_quantity[TEMPERATURE], numbers[TEMPERATURE], seen),
        slowed=_slowed(len(slowed), list(hot.values()), len(everything), numbers[THROTTLED], seen),
        headroom=_headroom(by_quantity, numbers, braked, own, seen),
    )


def _celsius(readings: Sequence[SiteReading], numbers: SiteNumbers, seen: float) -> Figure:
    known = [each for each in readings if each.reading.value is not None]
    if not known:
        return Figure(why=_why(numbers))
    return Figure(value=max(each.reading.value or 0.0 for each in known), source=_source(known), seen=seen)


def _slowed(
    count: int, told: Sequence[SiteReading], devices: int, numbers: SiteNumbers, seen: float
) -> Figure:
    # One that is slowed is enough to know; that none is, only all of them can tell.
    if not told:
        return Figure(why=_why(numbers))
    if not count and len(told) < devices:
        return Figure(why=f"only {len(told)} of {devices} devices tell it")
    return Figure(value=float(count), source=f"{_source(told)}, the last two minutes", seen=seen)


def _headroom(
    readings: dict[str, tuple[SiteReading, ...]],
    numbers: dict[str, SiteNumbers],
    braked: bool,
    own: Figure | None,
    seen: float,
) -> Figure:
    if braked:
        why = "the site's power brake is on"
        return Figure(value=0.0, source=_source(readings[THROTTLED]), seen=seen, why=why)
    # Both of one exporter, or a device that two measure would count twice.
    for name in dict.fromkeys(each.exporter for each in numbers[LIMIT].readings):
        power, limits = (_watts(numbers[quantity], name) for quantity in (POWER, LIMIT))
        left = [max(limits[device] - power[device], 0.0) for device in power.keys() & limits.keys()]
        if not left:
            continue
        if own is not None and own.value is not None and own.value < sum(left):
            return own  # the site cannot give what the devices may draw
        part = f"of {len(left)} of {len(power)} devices" if len(left) < len(power) else ""
        return Figure(value=sum(left), source=exporter(name).title, seen=seen, why=part)
    return own or Figure(why=_why(numbers[LIMIT if readings[POWER] else POWER]))


def _watts(numbers: SiteNumbers, name: str) -> dict[str, float]:
    """By device, as one exporter has it."""
    mine = (each for each in numbers.readings if each.exporter == name and each.kind == GPU)
    return {each.reading.device: each.reading.value for each in mine if each.reading.value is not None}


def _own_headroom(answers: Iterable[SiteAnswer], backend: str) -> Figure | None:
    """What the site's own query says of a backend; None if the site has none."""
    readings = [reading for answer in answers for reading in answer.readings]
    if not readings:
        return None
    of_it = [each for each in readings if f"{_BACKEND}{backend}" in each.device.split(",")]
    of_all = [each for each in readings if _BACKEND not in each.device]
    mine = [each for each in of_it or of_all if each.value is not None and each.unit in _SCALES]
    if not mine:
        unit = next((each.unit for each in of_all if each.unit not in _SCALES), "")
        why = f"the site's headroom is in {unit}, not in W" if unit else readings[0].why
        return Figure(why=why.rstrip(".") or "the site's own query does not tell of it")
    watts = sum((each.value or 0.0) * _SCALES[each.unit] for each in mine)
    return Figure(value=max(watts, 0.0), source=_own_source(mine[0]), seen=time.time())


def _own_source(reading: Reading) -> str:
    return reading.method or "the site's own query"


def _key(each: SiteReading) -> tuple[str, str]:
    return each.exporter, each.reading.device


def _source(readings: Iterable[SiteReading]) -> str:
    return ", ".join(dict.fromkeys(exporter(each.exporter).title for each in readings)) or "Prometheus"


def _why(numbers: SiteNumbers) -> str:
    return "; ".join(why.rstrip(".") for why in numbers.why.values()) or "not told"
