"""Sizes and durations: parsed from what people type, shown as people read them."""

from __future__ import annotations

import math
import re

from sovlab.errors import SpecError

_BINARY = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "p": 10**15}
_SIZE = r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[kKMGTPmgtp]?)(?P<suffix>i?[bB]?)"
_DURATION = r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?"


def parse_bytes(text: str) -> int:
    """Bytes in ``text``: ``512M``, ``2G``, ``2Gi`` and ``1.5 GiB`` count in powers of 1024.

    ``2GB`` counts in powers of 1000, as on a disk's label; a bare number is bytes.

    Raises:
        SpecError: ``text`` is not a valid size, or not greater than zero.
    """
    match = re.fullmatch(_SIZE, text.strip())
    if match is None:
        raise SpecError(f"{text!r} is not a valid size.", "Write it like 512M, 2G or 1.5GiB.")
    unit, suffix = match["unit"], match["suffix"]
    decimal = suffix in ("B", "b") and unit
    factor = _DECIMAL[unit.lower()] if decimal else _BINARY[unit.upper()]
    size = int(float(match["number"]) * factor)
    if size <= 0:
        raise SpecError(f"A size must be greater than zero, not {text!r}.")
    return size


def format_bytes(size: float) -> str:
    """``size`` bytes as ``1.2 MB``, in powers of 1000, with at most one digit after the point."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(size) < 999.5 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 99.95 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def format_limit(size: int) -> str:
    """``size`` bytes as somebody asked for them, in whole GiB or MiB; else as `format_bytes` shows it."""
    for shift, unit in ((30, "GiB"), (20, "MiB")):
        if size % (1 << shift) == 0:
            return f"{size >> shift} {unit}"
    return format_bytes(size)


def parse_duration(text: str) -> float:
    """Seconds in ``text``: ``90``, ``90s``, ``15m``, ``1h30m`` or ``2d``.

    Raises:
        SpecError: ``text`` is not a valid duration, or not greater than zero.
    """
    match = re.fullmatch(_DURATION, text.strip().replace(" ", ""))
    if match is None or not any(match.groups()):
        raise SpecError(f"{text!r} is not a valid duration.", "Write it like 90s, 15m, 1h30m or 2d.")
    seconds = sum(float(n or 0) * k for n, k in zip(match.groups(), (86400, 3600, 60, 1), strict=True))
    if seconds <= 0:
        raise SpecError(f"A duration must be greater than zero, not {text!r}.")
    return seconds


def format_energy(joules: float, beside: float = 0.0) -> str:
    """``joules`` as ``85 J``, ``8.2 Wh``, ``139 Wh`` or ``1.67 kWh``, with digits that mean something.

    Args:
        joules: zero or more.
        beside: J that stand in the same sentence: the unit is that of the larger of the two.
    """
    size, unit = energy_unit(max(joules, beside))
    return f"{_digits(joules / size, precise=unit == 'kWh')} {unit}"


def energy_unit(joules: float) -> tuple[float, str]:
    """The unit in which so many joules are a number that can be read, as its J and its name."""
    return next((each for each in _ENERGIES if joules >= each[0] * _ROUND), _ENERGIES[-1])


_ENERGIES = ((3.6e6, "kWh"), (3600.0, "Wh"), (1.0, "J"))
_ROUND = 0.9995
"""What is shown as 1,000 of a unit is one of the next."""


def format_power(watts: float) -> str:
    """``watts`` as ``7.4 W``, ``802 W`` or ``2.1 kW``."""
    return f"{_digits(watts)} W" if watts < 999.5 else f"{_digits(watts / 1000)} kW"


def format_carbon(grams: float) -> str:
    """``grams`` of CO2 equivalent as ``4.1 g CO2e``, ``12 kg CO2e`` or ``1.3 t CO2e``."""
    for unit in ("g", "kg", "t"):
        if grams < 999.5 or unit == "t":
            return f"{_significant(grams)} {unit} CO2e"
        grams /= 1000
    raise AssertionError("unreachable")


def format_cost(amount: float, currency: str) -> str:
    """``amount`` as ``0.01 EUR``, ``0.0034 EUR`` or ``1,204.50 EUR``."""
    if amount >= 0.995:
        return f"{amount:,.2f} {currency}"
    whole, point, decimals = _significant(amount).partition(".")
    kept = decimals[:2] + decimals[2:].rstrip("0")
    return f"{whole}{point}{kept} {currency}"


def _significant(value: float) -> str:
    """Two digits that mean something, however small the value; not smaller than a millionth."""
    if value >= 9.95:
        return f"{value:,.0f}"
    if value < 1e-6:
        return "< 0.000001" if value > 0 else "0"
    return f"{value:.{max(1 - math.floor(math.log10(value)), 1)}f}"


def _digits(value: float, *, precise: bool = False) -> str:
    """Two digits, or three where they are worth it; what is not 0 is not shown as 0."""
    if value < 0.9995:
        return "0" if value <= 0 else "< 0.001" if value < 0.0005 else f"{value:.2g}"
    if precise and value < 99.95:
        return f"{value:.2f}" if value < 9.995 else f"{value:.1f}"
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}" if value < 9999.5 else f"{value:,.0f}"


def format_duration(seconds: float) -> str:
    """``seconds`` as ``40 ms``, ``0.4 s``, ``38 s``, ``3 min 38 s``, ``2 h 5 min`` or ``3 d 4 h``."""
    if seconds < 0.0995:
        return f"{max(seconds, 0.0) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for big, small, big_s, small_s in (
        ("d", "h", 86400, 3600),
        ("h", "min", 3600, 60),
        ("min", "s", 60, 1),
    ):
        if whole >= big_s:
            rest = whole % big_s // small_s
            return f"{whole // big_s} {big}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def format_clock(seconds: float) -> str:
    """``seconds`` that still pass, in whole ones: ``4 s``, ``2 min 14 s``."""
    return f"{max(int(seconds), 0)} s" if seconds < 10 else format_duration(int(seconds))
