"""What a target has of each backend, how its devices do, and which one ``auto`` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sovlab.core.capacity import Capacity
from sovlab.core.energy.condition import Condition, Figure
from sovlab.core.units import format_bytes, format_duration
from sovlab.views.document import printable
from sovlab.views.table import UNKNOWN, Table

_NONE = Condition()


def capacity_table(
    items: Sequence[Capacity], conditions: Mapping[str, Condition] | None = None, now: float | None = None
) -> Table:
    """Hardware, one backend a row.

    Args:
        items: what there is.
        conditions: how the devices of each backend do, by its name.
        now: seconds since the epoch, for the age of numbers; None shows none.
    """
    rows = []
    for item in items:
        detection = item.detection
        condition = (conditions or {}).get(detection.backend, _NONE)
        models = sorted({d.model for d in detection.devices if d.model})
        memory = sorted({d.memory for d in detection.devices if d.memory})
        what = ", ".join(models) + (f", {format_bytes(memory[-1])}" if memory else "")
        rows.append(
            (
                detection.backend,
                f"{_number(item.free)} of {_number(item.total)}" if item.total else "none here",
                _number(item.queued) if item.total or item.queued else UNKNOWN,
                _heat(condition),
                _watts(condition.headroom),
                what if detection.devices else detection.why,
                _source(item, condition, now),
            )
        )
    return Table(("Backend", "Free", "Waiting", "Heat", "Headroom", "What", "Source"), tuple(rows))


def hardware_document(
    items: Sequence[Capacity],
    conditions: Mapping[str, Condition],
    *,
    auto: str,
    why: str,
    passed: Mapping[str, str],
) -> list[dict[str, Any]]:
    """The same as JSON can say it, a member for each backend.

    Args:
        items: what there is.
        conditions: how the devices of each backend do, by its name.
        auto: the backend that ``auto`` takes.
        why: a sentence.
        passed: why others were not taken, by their names.
    """
    found = []
    for item in items:
        name = item.detection.backend
        condition = conditions.get(name, _NONE)
        found.append(
            {
                "detection": item.detection,
                "total": item.total,
                "free": item.free,
                "queued": item.queued,
                "source": item.source,
                "seen": item.seen,
                "celsius": _figure(condition.celsius, "°C"),
                "slowed": _figure(condition.slowed, "devices"),
                "headroom": _figure(condition.headroom, "W"),
                "auto": name == auto,
                "why": why if name == auto else passed.get(name, ""),
            }
        )
    return found


def _figure(figure: Figure, unit: str) -> dict[str, Any]:
    return {
        "value": figure.value,
        "unit": unit,
        "source": _line(figure.source),
        "seen": figure.seen,
        "why": _line(figure.why),
    }


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:g}"


def _heat(condition: Condition) -> str:
    celsius = UNKNOWN if condition.celsius.value is None else f"{condition.celsius.value:.0f} °C"
    return f"{celsius}, slowed" if condition.slowed.value else celsius


def _watts(figure: Figure) -> str:
    return UNKNOWN if figure.value is None else f"{figure.value:.0f} W"


def _source(item: Capacity, condition: Condition, now: float | None) -> str:
    """Where the numbers of a row are from and how old they are; of those that are not known, why."""
    parts = [item.source]
    by_source: dict[str, list[str]] = {}
    for word, figure in (
        ("heat", condition.celsius),
        ("slowing", condition.slowed),
        ("headroom", condition.headroom),
    ):
        if figure.value is None and not figure.why:
            continue
        if figure.value is None:
            text = f"not known: {figure.why}"
        else:
            note = f", {figure.why}" if figure.why else ""
            text = f"{figure.source}{note}{_age(figure.seen, now)}"
        by_source.setdefault(text, []).append(word)
    parts += [f"{_listed(words)} {text}" for text, words in by_source.items()]
    return _line("; ".join(part for part in parts if part))


def _listed(words: Sequence[str]) -> str:
    """``heat, slowing and headroom``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _age(seen: float | None, now: float | None) -> str:
    if seen is None or now is None:
        return ""
    seconds = max(now - seen, 0.0)
    if seconds < 1:
        return ", now"
    return f", {seconds:.0f} s ago" if seconds < 60 else f", {format_duration(seconds)} ago"


def _line(text: str) -> str:
    return " ".join(printable(text).split())
