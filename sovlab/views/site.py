"""What a site's Prometheus has, in words and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sovlab.core.energy.report import PROCESSORS, SOURCE_WORDS
from sovlab.core.units import format_energy, format_power
from sovlab.telemetry.catalogue import exporter
from sovlab.views.document import printable, reading_document
from sovlab.views.table import UNKNOWN, Table

if TYPE_CHECKING:
    from sovlab.sensors.reading import Reading
    from sovlab.telemetry.asking import SiteReading
    from sovlab.telemetry.devices import SiteNumbers
    from sovlab.telemetry.job_totals import JobTotal
    from sovlab.telemetry.site import SiteAnswer

_MOST = 200
"""Devices in a table."""
_KINDS = ("gpu", "cpu", "memory", "node")


def site_words(total: JobTotal) -> str:
    """``12.1 Wh (counted, dcgm-exporter), 1.2% more than measured in the job``; "—" and why if not known."""
    site = total.site
    if site.value is None:
        return _line(f"— ({_clause(site.why) or 'it has nothing of this job'})")
    title = exporter(total.devices[0].exporter).title if total.devices else site.method
    own = total.own.value or 0.0
    text = f"{format_energy(site.value, own)} ({SOURCE_WORDS[site.source]}, {title})"
    if total.group == PROCESSORS:
        text = f"processors {text}"
    text += f", {_compared(total)}"
    if site.coverage < 0.95:
        text += f", scraped over {site.coverage:.0%} of its time"
    return _line(text + (f"; {_clause(site.why)}" if site.why else ""))


def _compared(total: JobTotal) -> str:
    own, difference = total.own.value, total.difference
    if own is None:
        return (
            f"not measured in the job ({_clause(total.own.why)})"
            if total.own.why
            else "not measured in the job"
        )
    if difference.value is None:
        measured = f"{format_energy(own, total.site.value or 0.0)} measured in the job"
        how = SOURCE_WORDS[total.own.source]
        return f"not compared with the {measured} ({how}): {_clause(difference.why)}"
    if not own:
        return f"and the job measured 0 J ({SOURCE_WORDS[total.own.source]})"
    share = abs(difference.value) / own
    if share < 0.0005:
        return "the same as measured in the job"
    whose = (
        ""
        if abs((total.site.value or 0.0) - own - difference.value) < 1e-6 * own
        else " on the devices of both"
    )
    return f"{share:.1%} {'more' if difference.value > 0 else 'less'} than measured in the job{whose}"


def _clause(text: str) -> str:
    return text.rstrip(".")


def totals_table(totals: Sequence[JobTotal]) -> Table:
    """A job's joules by sort of device, by both; the two are never added."""
    rows = [
        (total.group, who, _joules(reading), _from(reading))
        for total in totals
        for who, reading in (
            ("the job itself", total.own),
            ("the site's Prometheus", total.site),
            ("difference", total.difference),
        )
    ]
    return Table(("Devices", "Measured by", "Energy", "Source"), tuple(rows))


def totals_document(totals: Sequence[JobTotal], why: str = "") -> dict[str, Any]:
    """The same as JSON can say it; ``why`` tells why there are none."""
    return {
        "why": _line(why),
        "totals": [
            {
                "group": total.group,
                "own": reading_document(total.own),
                "site": reading_document(total.site),
                "difference": reading_document(total.difference),
                "devices": [_reading(each) for each in total.devices],
                "others": [_reading(each) for each in total.others],
            }
            for total in totals
        ],
    }


def devices_table(numbers: Mapping[str, SiteNumbers]) -> Table:
    """Devices, one a row for each exporter that measures it; where there are none, why not.

    Args:
        numbers: by quantity: ``power``, ``temperature``, ``throttled``.
    """
    rows: dict[tuple[str, str, str], dict[str, list[SiteReading]]] = {}
    for quantity, found in numbers.items():
        for each in found.readings:
            key = (each.kind, each.reading.device, each.exporter)
            rows.setdefault(key, {}).setdefault(quantity, []).append(each)
    if not rows:
        why = {title: text for found in numbers.values() for title, text in found.why.items()}
        cells = tuple((_line(title), _line(text)) for title, text in why.items())
        return Table(("Exporter", "Measures nothing because"), cells, "No exporter is known.")
    ordered = sorted(rows, key=lambda key: (_KINDS.index(key[0]) if key[0] in _KINDS else len(_KINDS), *key))
    shown = tuple(_device(*key, rows[key]) for key in ordered[:_MOST])
    if len(ordered) > _MOST:
        shown = (*shown, (f"and {len(ordered) - _MOST} more", *[""] * 5))
    return Table(("Device", "Kind", "Power", "Heat", "Slowed by", "Source"), shown)


def own_table(answers: Sequence[SiteAnswer]) -> Table:
    """What the site's own queries say, one series a row."""
    rows = [
        (
            _line(answer.name),
            _line(", ".join(part for part in (answer.of, reading.device) if part)) or UNKNOWN,
            f"{reading.value:.4g} {_line(reading.unit)}" if reading.value is not None else UNKNOWN,
            _from(reading),
        )
        for answer in answers
        for reading in answer.readings[:_MOST]
    ]
    return Table(("Query", "Of", "Value", "Source"), tuple(rows))


def power_document(
    where: str, numbers: Mapping[str, SiteNumbers], answers: Sequence[SiteAnswer]
) -> dict[str, Any]:
    """What a target's devices draw now, as JSON can say it."""
    return {
        "prometheus": _line(where),
        **{
            quantity: {
                "readings": [_reading(each) for each in found.readings],
                "why": {_line(title): _line(text) for title, text in found.why.items()},
            }
            for quantity, found in numbers.items()
        },
        "own": [
            {
                "name": _line(answer.name),
                "of": _line(answer.of),
                "readings": [_plain(reading) for reading in answer.readings],
            }
            for answer in answers
        ],
    }


def _device(kind: str, device: str, title: str, read: Mapping[str, Sequence[SiteReading]]) -> tuple[str, ...]:
    power = [each.reading.value for each in read.get("power", ()) if each.reading.value is not None]
    heat = [
        f"{each.place} {each.reading.value:.0f} °C".strip()
        for each in read.get("temperature", ())
        if each.reading.value is not None
    ]
    slowed = [each for each in read.get("throttled", ()) if each.reading.value is not None]
    causes = list(dict.fromkeys(each.place for each in slowed if each.reading.value))
    first = next(each for several in read.values() for each in several)
    return (
        _line(device) or UNKNOWN,
        kind,
        format_power(power[0]) if power else UNKNOWN,
        ", ".join(dict.fromkeys(heat)) or UNKNOWN,
        ", ".join(causes) or ("nothing" if slowed else UNKNOWN),
        _from(first.reading),
    )


def _joules(reading: Reading) -> str:
    if reading.value is None:
        return UNKNOWN
    return ("-" if reading.value < 0 else "") + format_energy(abs(reading.value))


def _from(reading: Reading) -> str:
    if reading.value is None:
        return _line(reading.why) or SOURCE_WORDS[reading.source]
    scope = "" if reading.scope in ("device", "job") else f", whole {reading.scope}"
    gaps = f", of {reading.coverage:.0%} of the time" if reading.coverage < 0.95 else ""
    note = f"; {reading.why}" if reading.why else ""
    return _line(f"{SOURCE_WORDS[reading.source]}: {reading.method}{scope}{gaps}{note}")


def _reading(each: SiteReading) -> dict[str, Any]:
    return {**_plain(each.reading), "kind": each.kind, "place": each.place, "exporter": each.exporter}


def _plain(reading: Reading) -> dict[str, Any]:
    return {**reading_document(reading), "device": _line(reading.device)}


def _line(text: str) -> str:
    """Text of a server as one line that can be shown."""
    return " ".join(printable(text).split())
