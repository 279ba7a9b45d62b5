"""Intel's xpumd: version 2 with the names of OpenTelemetry, and version 1.

``hw_sensor_location`` tells of what a value is: a card holds its package, and that its GPU and memory, so one
of them is taken, the card where it is measured. It names no pods: a job is found by its devices.
"""

from __future__ import annotations

from sovlab.sensors.reading import COUNTER, SAMPLED
from sovlab.telemetry.exporters.query import DEVICES, ENERGY, POWER, TEMPERATURE, THROTTLED, Exporter, Query

_PLACES = ("card", "package", "gpu")


def _by_place(shape: str) -> str:
    """Of each device the first of `_PLACES` that is there; ``PLACE`` stands for its matcher."""
    return " or ".join(shape.replace("PLACE", f'hw_sensor_location="{place}"') for place in _PLACES)


def _throttled(cause: str, reasons: str) -> Query:
    # A reason's series is there only once it has held, so times are counted against those of the power.
    status = f'hw_frequency_throttle_status{{com_intel_speed_throttle_reason=~"(?i){reasons}",$where}}'
    seen = f"max by ($board) (sum_over_time(${{p}}{status}[$span]))"
    return Query(
        quantity=THROTTLED,
        of=DEVICES,
        text=f"{seen} / on ($board) max by ($board) (count_over_time(${{p}}hw_power_watts{{$where}}[$span]))",
        needs=("hw_frequency_throttle_status", "hw_power_watts"),
        source=SAMPLED,
        method="throttle status",
        place=cause,
    )


XPUMD = Exporter(
    name="xpumd",
    title="Intel xpumd",
    backend="xpu",
    names=r"hw_(?:power_watts|energy_joules_total|temperature_celsius|frequency_throttle_status)",
    marks=("hw_power_watts", "hw_energy_joules_total"),
    hosts=("node", "nodename", "host_name", "instance"),
    devices=("pci_bdf", "hw_id"),
    absent="Intel's xpumd is not scraped, or there is no Intel GPU.",
    queries=(
        Query(
            quantity=POWER,
            of=DEVICES,
            text=_by_place("max by ($board) (${p}hw_power_watts{PLACE,$where} > 0 < 1e5)"),
            needs=("hw_power_watts",),
            source=SAMPLED,
            method="Sysman power",
        ),
        Query(
            quantity=ENERGY,
            of=DEVICES,
            text=_by_place("max by ($board) (increase(${p}hw_energy_joules_total{PLACE,$where}[$span]))"),
            needs=("hw_energy_joules_total",),
            source=COUNTER,
            method="Sysman energy counter",
            base='${p}hw_energy_joules_total{hw_sensor_location=~"card|package|gpu",$where}',
        ),
        *(
            Query(
                quantity=TEMPERATURE,
                of=DEVICES,
                text=f'max by ($board) (${{p}}hw_temperature_celsius{{hw_sensor_location=~"{where}",$where}} '
                "> 0 < 200)",
                needs=("hw_temperature_celsius",),
                source=SAMPLED,
                method="Sysman temperature",
                place=place,
            )
            for where, place in (("gpu|global|package|card", "chip"), ("memory", "memory"))
        ),
        _throttled("heat", ".*therm.*"),
        _throttled("power", ".*(?:pwr|power|burst|average|pl[124]).*"),
    ),
)

XPUM = Exporter(
    name="xpum",
    title="Intel xpumd 1",
    backend="xpu",
    names=r"xpum_(?:power_watts|energy_joules_total|temperature_celsius)",
    marks=("xpum_power_watts", "xpum_energy_joules_total"),
    hosts=("node", "nodename", "instance"),
    devices=("uuid", "pci_bdf", "dev_file"),
    absent="Version 1 of Intel's XPU Manager is not scraped.",
    queries=(
        Query(
            quantity=POWER,
            of=DEVICES,
            text="max by ($board) (${p}xpum_power_watts{$where} > 0 < 1e5)",
            needs=("xpum_power_watts",),
            source=SAMPLED,
            method="Sysman power",
        ),
        Query(
            quantity=ENERGY,
            of=DEVICES,
            text="max by ($board) (increase(${p}xpum_energy_joules_total{$where}[$span]))",
            needs=("xpum_energy_joules_total",),
            source=COUNTER,
            method="Sysman energy counter",
            base="${p}xpum_energy_joules_total{$where}",
        ),
        Query(
            quantity=TEMPERATURE,
            of=DEVICES,
            text='max by ($board) (${p}xpum_temperature_celsius{location=~"(?i)gpu|core|",$where} > 0 < 200)',
            needs=("xpum_temperature_celsius",),
            source=SAMPLED,
            method="Sysman temperature",
            place="chip",
        ),
        Query(
            quantity=TEMPERATURE,
            of=DEVICES,
            text='max by ($board) (${p}xpum_temperature_celsius{location=~"(?i)mem.*",$where} > 0 < 200)',
            needs=("xpum_temperature_celsius",),
            source=SAMPLED,
            method="Sysman temperature",
            place="memory",
        ),
    ),
)
