"""node_exporter: RAPL, GPUs by the kernel's hwmon without a vendor's exporter, and the meters of Grace.

RAPL's counters wrap, AMD's after minutes under load: `increase` loses up to one scrape interval at each wrap.
Watts are what was counted between the last two scrapes: `rate` takes time without a sample for time at 0 W.
Power and energy of a GPU are those of the drivers amdgpu, xe and i915; `node_hwmon_chip_names` has the names.
"""

from __future__ import annotations

from dataclasses import replace

from sovlab.sensors.reading import COUNTER, SAMPLED
from sovlab.telemetry.exporters.query import (
    CPU,
    DEVICES,
    ENERGY,
    GPU,
    MEMORY,
    NODE,
    POWER,
    TEMPERATURE,
    Exporter,
    Query,
)

_CHIPS = "node_hwmon_chip_names"
_RAPL = 'path!~".*intel-rapl-mmio.*",'
"""The same package a second time."""
_WRAPS = "RAPL's counter wraps, and each wrap loses up to one scrape interval"


def _rapl(metric: str, matchers: str, kind: str) -> tuple[Query, ...]:
    selector = f"${{p}}{metric}{{{matchers}{_RAPL}$where}}"
    key = ("$host", "index", "path")
    by = "max by ($host, index, path)"
    common = {
        "of": DEVICES,
        "needs": (metric,),
        "source": COUNTER,
        "method": "RAPL",
        "scope": "package",
        "kind": kind,
        "key": key,
        "note": _WRAPS,
    }
    return (
        Query(quantity=POWER, text=f"{by} (irate({selector}[$span]))", **common),  # type: ignore[arg-type]
        Query(
            quantity=ENERGY,
            text=f"{by} (increase({selector}[$span]))",
            base=selector,
            **common,  # type: ignore[arg-type]
        ),
    )


def _chip(selector: str, chips: str) -> str:
    """A selector's series of the chips with certain names."""
    named = f'group by (instance, chip) (${{p}}{_CHIPS}{{chip_name=~"{chips}"}})'
    return f"{selector} * on (instance, chip) group_left () {named}"


def _hwmon(
    quantity: str,
    metric: str,
    chips: str,
    *,
    kind: str,
    scope: str = "device",
    place: str = "",
    note: str = "",
    backend: str | None = None,
    by_chip: bool = True,
) -> Query:
    below = 200 if quantity == TEMPERATURE else 1e5
    key = ("$host", "chip") if by_chip else ("$host",)
    value = _chip(f"(${{p}}{metric}{{$where}} > 0 < {below:g})", chips)
    return Query(
        quantity=quantity,
        of=DEVICES,
        text=f"max by ({', '.join(key)}) ({value})",
        needs=(metric, _CHIPS),
        source=SAMPLED,
        method="hwmon",
        kind=kind,
        backend=backend,
        variant=chips,
        scope=scope,
        place=place,
        note=note,
        key=key,
    )


_XE = "node_hwmon_energy_joule_total"


def _energy(quantity: str, function: str) -> Query:
    selector = f"${{p}}{_XE}{{$where}}"
    return Query(
        quantity=quantity,
        of=DEVICES,
        text=f"max by ($host, chip) ({_chip(f'{function}({selector}[$span])', 'xe|i915')})",
        needs=(_XE, _CHIPS),
        source=COUNTER,
        method="hwmon energy counter",
        variant="intel",
        backend="xpu",
        key=("$host", "chip"),
        base=selector if quantity == ENERGY else "",
    )


_AVERAGE, _INPUT = "node_hwmon_power_average_watt", "node_hwmon_power_watt"


def _amdgpu(*metrics: str) -> Query:
    """Power of AMD GPUs: a chip has a mean, or a present value, or both."""
    each = [_hwmon(POWER, metric, "amdgpu", kind=GPU) for metric in metrics]
    text = " or ".join(query.text for query in each)
    return replace(each[0], text=text, needs=(*metrics, _CHIPS), variant="amdgpu", backend="rocm")


_OVERLAP = "of several meters that may overlap (module, socket, CPU) the highest"

NODE_EXPORTER = Exporter(
    name="node_exporter",
    title="node_exporter",
    backend="cpu",
    names=r"node_(?:rapl_(?:[a-z]+_)?joules_total|hwmon_(?:chip_names|power_(?:average_)?watt"
    r"|energy_joule_total|temp_celsius)|uname_info)",
    marks=(
        "node_rapl_package_joules_total",
        "node_rapl_joules_total",
        "node_hwmon_power_watt",
        "node_hwmon_power_average_watt",
        "node_hwmon_energy_joule_total",
        "node_hwmon_temp_celsius",
    ),
    hosts=("node", "instance"),
    devices=("chip", "instance"),
    absent="node_exporter is not scraped, or what it runs on has neither RAPL nor hwmon, as most VMs.",
    queries=(
        *_rapl("node_rapl_package_joules_total", "", CPU),
        *_rapl("node_rapl_joules_total", 'rapl_zone=~"package.*",', CPU),
        *_rapl("node_rapl_dram_joules_total", "", MEMORY),
        _amdgpu(_AVERAGE, _INPUT),
        _amdgpu(_AVERAGE),
        _amdgpu(_INPUT),
        _energy(POWER, "irate"),
        _energy(ENERGY, "increase"),
        *(
            _hwmon(TEMPERATURE, "node_hwmon_temp_celsius", chips, kind=GPU, place="chip", backend=backend)
            for chips, backend in (("amdgpu", "rocm"), ("xe|i915", "xpu"))
        ),
        _hwmon(
            TEMPERATURE,
            "node_hwmon_temp_celsius",
            "coretemp|k10temp|zenpower",
            kind=CPU,
            scope="package",
            place="package",
        ),
        *(
            _hwmon(
                metric=metric,
                quantity=POWER,
                chips="power_meter",
                kind=NODE,
                scope="meter",
                backend="",
                note=_OVERLAP,
                by_chip=False,
            )
            for metric in (_AVERAGE, _INPUT)
        ),
    ),
)
