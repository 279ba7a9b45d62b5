"""AMD's device-metrics-exporter: all of its series call themselves gauges, energy and residencies too.

In a partitioned GPU (CPX) partition 0 has the power, energy and heat of the whole; the others show 0 W, and
no energy at all. So the board's numbers are those of partition 0, whoever holds that, and are shared out by
the partitions that pods hold. Boards are told apart by their serial number, where they have one.
"""

from __future__ import annotations

from sovlab.sensors.reading import COUNTER, SAMPLED
from sovlab.telemetry.exporters.query import (
    DEVICES,
    ENERGY,
    JOB,
    POWER,
    TEMPERATURE,
    THROTTLED,
    Exporter,
    Query,
)

_POWER = ("gpu_package_power", "gpu_average_package_power", "gpu_power_usage")
_ENERGY = "gpu_energy_consumed"
_TICKS = "gpu_violation_current_accumulated_counter"
_WHOLE = 'gpu_partition_id="0"'
_HOLDERS = "max by ($board, $pod) ($share)"
"""The job's pods on each board, with their share."""


def _power(metric: str) -> tuple[Query, ...]:
    board = f"max by ($board) (${{p}}{metric}{{{_WHOLE}}} > 0 < 1e5)"
    return (
        Query(
            quantity=POWER,
            of=JOB,
            text=f"{board} * on ($board) group_right () {_HOLDERS}",
            needs=(metric,),
            source=SAMPLED,
            method="package power samples",
            shared=True,
            key=("$board", "$pod"),
        ),
        Query(
            quantity=POWER,
            of=DEVICES,
            text=f"max by ($board) (${{p}}{metric}{{{_WHOLE},$where}} > 0 < 1e5)",
            needs=(metric,),
            source=SAMPLED,
            method="package power samples",
        ),
    )


def _integrated(metric: str) -> Query:
    power = _power(metric)[0].text
    return Query(
        quantity=ENERGY,
        of=JOB,
        text=f"sum_over_time(({power})[$span:$step]) * $stride",
        needs=(metric,),
        source=SAMPLED,
        method="package power samples, added up",
        shared=True,
        key=("$board", "$pod"),
        base=f"${{p}}{metric}{{$job}}",
    )


def _energy() -> tuple[Query, ...]:
    # delta(), as a step back is no reset of a counter here: it has been seen, and is left out.
    own = f"max by ($board, $pod) (delta(${{p}}{_ENERGY}{{{_WHOLE},$job}}[$span]) >= 0)"
    whole = f"max by ($board) (delta(${{p}}{_ENERGY}{{{_WHOLE}}}[$span]) >= 0)"
    part = "avg_over_time($share[$span:$step])"
    return (
        Query(
            quantity=ENERGY,
            of=JOB,
            text=f"{own} * on ($board, $pod) {part} or {whole} * on ($board) group_right () {part}",
            needs=(_ENERGY,),
            scale=1e-6,
            source=COUNTER,
            method="energy accumulator",
            shared=True,
            key=("$board", "$pod"),
            base="${p}$mark{$job}",
        ),
        Query(
            quantity=ENERGY,
            of=DEVICES,
            text=f"max by ($board) (delta(${{p}}{_ENERGY}{{{_WHOLE},$where}}[$span]) >= 0)",
            needs=(_ENERGY,),
            scale=1e-6,
            source=COUNTER,
            method="energy accumulator",
            base=f"${{p}}{_ENERGY}{{{_WHOLE},$where}}",
        ),
    )


def _temperature(metric: str, place: str) -> tuple[Query, ...]:
    high = f"max by ($board) (max_over_time(${{p}}{metric}{{{_WHOLE}}}[$span])) > 0 < 200"
    return (
        Query(
            quantity=TEMPERATURE,
            of=JOB,
            text=f"{high} and on ($board) sum by ($board) (sum_over_time($share[$span:$step]))",
            needs=(metric,),
            source=SAMPLED,
            method="temperature samples",
            place=place,
        ),
        Query(
            quantity=TEMPERATURE,
            of=DEVICES,
            text=f"max by ($board) (${{p}}{metric}{{{_WHOLE},$where}} > 0 < 200)",
            needs=(metric,),
            source=SAMPLED,
            method="temperature samples",
            place=place,
        ),
    )


def _throttled(cause: str, *causes: str) -> tuple[Query, ...]:
    """One query for each counter of residency: the tick they count in has a counter of its own."""
    queries = []
    for each in causes:
        metric = f"gpu_violation_{each}_residency_accumulated"
        for of, matchers, only in (
            (JOB, "", " and on ($board) sum by ($board) (sum_over_time($share[$span:$step]))"),
            (DEVICES, ",$where", ""),
        ):
            part = f"max by ($board) (delta(${{p}}{metric}{{{_WHOLE}{matchers}}}[$span]) >= 0)"
            ticks = f"max by ($board) (delta(${{p}}{_TICKS}{{{_WHOLE}{matchers}}}[$span]) > 0)"
            queries.append(
                Query(
                    quantity=THROTTLED,
                    of=of,
                    text=f"{part} / on ($board) {ticks}{only}",
                    needs=(metric, _TICKS),
                    source=COUNTER,
                    method=f"violation residency ({each})",
                    place=cause,
                    variant=each,
                )
            )
    return tuple(queries)


AMD = Exporter(
    name="amd",
    title="AMD device-metrics-exporter",
    backend="rocm",
    names=r"gpu_(?:(?:average_)?package_power|power_usage|energy_consumed|(?:junction|memory)_temperature"
    r"|violation_.*)|amd_share",
    marks=_POWER,
    # honorLabels is the default of its chart, so the plain labels are its own.
    pods=(("exported_namespace", "exported_pod"), ("namespace", "pod")),
    hosts=("node", "nodename", "hostname", "instance"),
    devices=("serial_number", "gpu_id"),
    slices=("gpu_id", "gpu_partition_id"),
    prefixes=("", "amd_"),
    absent="AMD's device-metrics-exporter is not scraped, or there is no AMD GPU.",
    queries=(
        *(query for metric in _POWER for query in _power(metric)),
        *_energy(),
        *(_integrated(metric) for metric in _POWER),
        *_temperature("gpu_junction_temperature", "chip"),
        *_temperature("gpu_memory_temperature", "memory"),
        *_throttled("heat", "socket_thermal", "hbm_thermal", "vr_thermal", "processor_hot"),
        *_throttled("power", "ppt"),
    ),
)
