"""What a machine's devices draw, and how hot they are."""

from __future__ import annotations

from sovlab.core.energy.report import SOURCE_WORDS, DeviceReport, EnergyReport
from sovlab.core.units import format_power
from sovlab.views.table import UNKNOWN, Table


def power_table(report: EnergyReport) -> Table:
    """Devices, one a row; where nothing is measured, why not, one sensor a row."""
    if not report.devices:
        return unavailable_table(report)
    columns = ("Device", "Kind", "Power", "Heat", "Limit", "Slowed by", "Source")
    return Table(columns, tuple(_row(device) for device in report.devices))


def unavailable_table(report: EnergyReport) -> Table:
    """Why sensors measure nothing, one a row."""
    rows = tuple((name, why) for name, why in report.unavailable.items())
    return Table(("Sensor", "Measures nothing because"), rows, "No sensor is known.")


def _row(device: DeviceReport) -> tuple[str, ...]:
    return (
        device.name or device.id,
        device.kind + (f" {device.index}" if device.index is not None else ""),
        format_power(device.mean) if device.mean is not None else UNKNOWN,
        _celsius(device),
        format_power(device.limit) if device.limit is not None else UNKNOWN,
        _slowed(device),
        _source(device),
    )


def _celsius(device: DeviceReport) -> str:
    if not device.hottest:
        return UNKNOWN
    return ", ".join(f"{place} {value:.0f} °C" for place, value in device.hottest.items())


def _slowed(device: DeviceReport) -> str:
    causes = [cause for cause, share in device.slowed.items() if share > 0]
    return ", ".join(causes) if causes else ("nothing" if device.slowed else UNKNOWN)


def _source(device: DeviceReport) -> str:
    reading, heat = device.energy, "; heat sampled" if device.hottest else ""
    if reading.value is None:
        why = f"{'power ' if heat else ''}{SOURCE_WORDS[reading.source]}"
        return (f"{why}: {reading.why}" if reading.why else why) + heat
    scope = "" if reading.scope == "device" else f", whole {reading.scope}"
    return f"{SOURCE_WORDS[reading.source]}: {reading.method}{scope}{heat}"
