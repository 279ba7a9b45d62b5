"""Energies, powers and temperatures as people write limits of them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from sovlab.core.untrusted import clean
from sovlab.errors import SpecError

_QUANTITY = r"(?P<number>[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*(?P<unit>[^\s0-9.,].*)?"


class _Sort(NamedTuple):
    """A quantity that is written with its unit.

    Attributes:
        name: how it is called.
        article: that goes before it.
        units: what each is in the first of them.
        below: no limit is as large.
        example: of how it is written.
    """

    name: str
    article: str
    units: Mapping[str, float]
    below: float
    example: str

    @property
    def a(self) -> str:
        return f"{self.article} {self.name}"


_ENERGY = _Sort(
    "energy",
    "an",
    {"J": 1.0, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9, "Wh": 3600.0, "kWh": 3.6e6, "MWh": 3.6e9},
    1e15,
    "Write an energy like 2kWh, 500Wh or 3.6MJ.",
)
_POWER = _Sort("power", "a", {"W": 1.0, "kW": 1e3, "MW": 1e6}, 1e9, "Write a power like 300W or 0.3kW.")
_SORTS = (_ENERGY, _POWER)

_CELSIUS = r"(?:[°º]\s?)?[Cc]|℃"
_OTHER_DEGREES = r"(?:[°º]\s?)?(?P<scale>[FfKk])|℉"
_HOTTEST = 150.0
_WRITE_CELSIUS = "Write degrees Celsius like 85, 85C or 85°C."


def parse_energy(text: str) -> float:
    """Joules in ``text``: ``2kWh``, ``500 Wh``, ``3.6MJ``, ``1e6 J``.

    Raises:
        SpecError: ``text`` has no unit or one of something else, or is not a finite number greater than zero.
    """
    return _parse(text, _ENERGY)


def parse_power(text: str) -> float:
    """Watts in ``text``: ``300W``, ``0.3 kW``.

    Raises:
        SpecError: ``text`` has no unit or one of something else, or is not a finite number greater than zero.
    """
    return _parse(text, _POWER)


def parse_celsius(text: str) -> float:
    """Degrees Celsius in ``text``: ``85``, ``85C``, ``85 °C``.

    Raises:
        SpecError: ``text`` is of another scale, not a number, or not above 0 and at most 150, as limits of
            devices are.
    """
    match = re.fullmatch(_QUANTITY, text.strip())
    unit = (match["unit"] or "").strip() if match is not None else ""
    if match is not None and (other := re.fullmatch(_OTHER_DEGREES, unit)):
        scale = "kelvin" if (other["scale"] or "").lower() == "k" else "Fahrenheit"
        raise SpecError(f"{_quoted(text)} is in {scale}, not in degrees Celsius.", _WRITE_CELSIUS)
    if match is None or not re.fullmatch(f"(?:{_CELSIUS})?", unit):
        raise SpecError(f"{_quoted(text)} is not a valid temperature.", _WRITE_CELSIUS)
    celsius = float(match["number"])
    if not 0 < celsius <= _HOTTEST:
        raise SpecError(
            f"A limit of temperature must be above 0 and at most {_HOTTEST:.0f} °C, not {_quoted(text)}.",
            _WRITE_CELSIUS,
        )
    return celsius


def _parse(text: str, sort: _Sort) -> float:
    match = re.fullmatch(_QUANTITY, text.strip())
    if match is None:
        raise SpecError(f"{_quoted(text)} is not a valid {sort.name}.", sort.example)
    unit = (match["unit"] or "").strip()
    if not unit:
        raise SpecError(f"{_quoted(text)} has no unit.", sort.example)
    factor = _factor(unit, sort)
    if factor is None:
        for other in _SORTS:
            if _factor(unit, other) is not None:
                raise SpecError(f"{_quoted(text)} is {other.a}, not {sort.a}.", sort.example)
        raise SpecError(f"{_quoted(text)} has the unit {_quoted(unit)}, which is not known.", sort.example)
    value = float(match["number"]) * factor
    if not value > 0:
        raise SpecError(
            f"{sort.a.capitalize()} must be greater than zero, not {_quoted(text)}.", sort.example
        )
    if not math.isfinite(value) or value >= sort.below:
        raise SpecError(f"{_quoted(text)} is more than any job could take.", sort.example)
    return value


def _factor(unit: str, sort: _Sort) -> float | None:
    if unit in sort.units:
        return sort.units[unit]
    if unit.startswith("m"):  # that is milli, and whether mega was meant, 10⁹ times as much, is not guessed
        return None
    return next((factor for name, factor in sort.units.items() if name.lower() == unit.lower()), None)


def _quoted(text: str) -> str:
    return repr(" ".join(clean(text, 60).split()))
