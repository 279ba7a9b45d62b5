"""dcgm-exporter (of today, and with the names and labels of version 1), and nvidia_gpu_exporter.

dcgm-exporter repeats a board's watts and joules for each MIG instance and, with time slicing, for each pod;
the rows of one board differ a little, so the highest counts. Old versions give numbers beyond 1e9 for what a
board does not measure, and 0 °C for memory without a sensor.
"""

from __future__ import annotations

from sovlab.sensors.reading import COUNTER, SAMPLED
from sovlab.telemetry.exporters import shapes
from sovlab.telemetry.exporters.heat import temperature
from sovlab.telemetry.exporters.query import (
    CPU,
    DEVICES,
    ENERGY,
    JOB,
    LIMIT,
    POWER,
    TEMPERATURE,
    THROTTLED,
    Exporter,
    Query,
)

_COUNTER = "DCGM energy counter"
_SAMPLES = "DCGM power samples"
_HEAT = "DCGM temperature samples"
_REASON = "DCGM_FI_DEV_CLOCKS_EVENT_REASON_"


def _power(metric: str) -> tuple[Query, ...]:
    return (
        Query(
            quantity=POWER,
            of=JOB,
            text=shapes.shared_now(metric),
            needs=(metric,),
            source=SAMPLED,
            method=_SAMPLES,
            shared=True,
            key=("$board", "$pod"),
        ),
        Query(
            quantity=POWER,
            of=DEVICES,
            text=shapes.now(metric, "$where"),
            needs=(metric,),
            source=SAMPLED,
            method=_SAMPLES,
        ),
    )


def _limit(metric: str, method: str) -> Query:
    return Query(
        quantity=LIMIT,
        of=DEVICES,
        text=shapes.now(metric, "$where"),
        needs=(metric,),
        source=SAMPLED,
        method=method,
    )


def _energy(metric: str) -> tuple[Query, ...]:
    selector = f"${{p}}{metric}"
    return (
        Query(
            quantity=ENERGY,
            of=JOB,
            text=shapes.shared_increase(metric),
            needs=(metric,),
            scale=1e-3,
            source=COUNTER,
            method=_COUNTER,
            shared=True,
            key=("$board", "$pod"),
            base=f"{selector}{{$job}}",
        ),
        Query(
            quantity=ENERGY,
            of=DEVICES,
            text=shapes.increase(metric, "$where"),
            needs=(metric,),
            scale=1e-3,
            source=COUNTER,
            method=_COUNTER,
            base=f"{selector}{{$where}}",
        ),
    )


def _integrated(metric: str) -> Query:
    return Query(
        quantity=ENERGY,
        of=JOB,
        text=shapes.integrated(shapes.shared_now(metric)),
        needs=(metric,),
        source=SAMPLED,
        method=f"{_SAMPLES}, added up",
        shared=True,
        key=("$board", "$pod"),
        base=f"${{p}}{metric}{{$job}}",
    )


def _throttled(cause: str, method: str, *metrics: str) -> tuple[Query, ...]:
    queries = []
    for of, matchers in ((JOB, "$job"), (DEVICES, "$where")):
        # Nanoseconds, whatever older lists of DCGM's fields say: NVML's own unit, passed on.
        parts = [shapes.share_of_time(metric, matchers, "1e-9") for metric in metrics]
        queries.append(
            Query(
                quantity=THROTTLED,
                of=of,
                text=shapes.greater(*parts) if len(parts) == 2 else parts[0],
                needs=metrics,
                source=COUNTER,
                method=method,
                place=cause,
            )
        )
    return tuple(queries)


def _grace(quantity: str, metric: str, below: float) -> Query:
    return Query(
        quantity=quantity,
        of=DEVICES,
        text=f"max by ($host, cpu) (${{p}}{metric}{{$where}} > 0 < {below:g})",
        needs=(metric,),
        source=SAMPLED,
        method="DCGM samples of Grace CPUs",
        scope="package",
        kind=CPU,
        backend="cpu",
        apart="grace",
        key=("$host", "cpu"),
    )


DCGM = Exporter(
    name="dcgm",
    title="dcgm-exporter",
    backend="cuda",
    names=r"DCGM_FI_DEV_(?:POWER_USAGE|POWER_MGMT_LIMIT|ENFORCED_POWER_LIMIT|TOTAL_ENERGY_CONSUMPTION|GPU_TEMP|MEMORY_TEMP|CPU_.*|.*_VIOLATION"
    r"|CLOCKS_EVENT_REASON_.*)|dcgm_(?:power_usage|total_energy_consumption|gpu_temp|memory_temp)|dcgm_share",
    marks=("DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_GPU_TEMP", "dcgm_power_usage", "dcgm_gpu_temp"),
    pods=(("exported_namespace", "exported_pod"), ("pod_namespace", "pod_name"), ("namespace", "pod")),
    hosts=("node", "kubernetes_node", "nodename", "Hostname", "hostname", "instance"),
    devices=("UUID", "uuid"),
    slices=("GPU_I_ID", "vgpu"),
    sized="GPU_I_PROFILE",
    absent="dcgm-exporter, a part of NVIDIA's GPU operator, is not scraped, or there is no NVIDIA GPU.",
    queries=(
        *_power("DCGM_FI_DEV_POWER_USAGE"),
        *_power("dcgm_power_usage"),
        # A board may keep to less than what was set: the site's administrators can leave either out.
        _limit("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", "DCGM, the limit that is enforced"),
        _limit("DCGM_FI_DEV_POWER_MGMT_LIMIT", "DCGM, the limit that is set"),
        *_energy("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"),
        *_energy("dcgm_total_energy_consumption"),
        _integrated("DCGM_FI_DEV_POWER_USAGE"),
        _integrated("dcgm_power_usage"),
        *temperature("DCGM_FI_DEV_GPU_TEMP", "chip", _HEAT),
        *temperature("dcgm_gpu_temp", "chip", _HEAT),
        *temperature("DCGM_FI_DEV_MEMORY_TEMP", "memory", _HEAT),
        *temperature("dcgm_memory_temp", "memory", _HEAT),
        *_throttled(
            "heat", "clock event counters", f"{_REASON}SW_THERM_SLOWDOWN_NS", f"{_REASON}HW_THERM_SLOWDOWN_NS"
        ),
        *_throttled("heat", "violation counters", "DCGM_FI_DEV_THERMAL_VIOLATION"),
        *_throttled("power", "clock event counters", f"{_REASON}SW_POWER_CAP_NS"),
        *_throttled("power", "violation counters", "DCGM_FI_DEV_POWER_VIOLATION"),
        *_throttled("facility", "clock event counters", f"{_REASON}HW_POWER_BRAKE_SLOWDOWN_NS"),
        _grace(POWER, "DCGM_FI_DEV_CPU_POWER_UTIL_CURRENT", 1e5),
        _grace(TEMPERATURE, "DCGM_FI_DEV_CPU_TEMP_CURRENT", 200),
    ),
)


def _smi(quantity: str, text: str, metric: str, **more: str) -> Query:
    return Query(
        quantity=quantity,
        of=DEVICES,
        text=text,
        needs=(metric,),
        source=more.get("source", SAMPLED),
        method=more.get("method", "nvidia-smi samples"),
        place=more.get("place", ""),
        base=more.get("base", ""),
    )


_SMI = "nvidia_smi_"
_REASONS = f"{_SMI}clocks_event_reasons_counters_"

NVIDIA_GPU = Exporter(
    name="nvidia_gpu",
    title="nvidia_gpu_exporter",
    backend="cuda",
    names=r"nvidia_smi_(?:power_draw_.*|(?:enforced_)?power_limit_watts|energy_joules_total|temperature_(?:gpu|memory)"
    r"|clocks_event_reasons_counters_.*)",
    marks=(f"{_SMI}power_draw_watts", f"{_SMI}power_draw_average_watts", f"{_SMI}temperature_gpu"),
    hosts=("node", "nodename", "hostname", "instance"),
    devices=("uuid",),
    absent="nvidia_gpu_exporter is not scraped.",
    queries=(
        *(
            _smi(POWER, shapes.now(metric, "$where"), metric)
            for metric in (f"{_SMI}power_draw_average_watts", f"{_SMI}power_draw_watts")
        ),
        *(
            _smi(LIMIT, shapes.now(metric, "$where"), metric)
            for metric in (f"{_SMI}enforced_power_limit_watts", f"{_SMI}power_limit_watts")
        ),
        _smi(
            ENERGY,
            shapes.increase(f"{_SMI}energy_joules_total", "$where"),
            f"{_SMI}energy_joules_total",
            source=COUNTER,
            method="NVML energy counter",
            base=f"${{p}}{_SMI}energy_joules_total{{$where}}",
        ),
        _smi(
            TEMPERATURE,
            shapes.now(f"{_SMI}temperature_gpu", "$where", 200),
            f"{_SMI}temperature_gpu",
            place="chip",
        ),
        _smi(
            TEMPERATURE,
            shapes.now(f"{_SMI}temperature_memory", "$where", 200),
            f"{_SMI}temperature_memory",
            place="memory",
        ),
        Query(
            quantity=THROTTLED,
            of=DEVICES,
            text=shapes.greater(
                *(
                    shapes.share_of_time(f"{_REASONS}{each}_thermal_slowdown_seconds", "$where", "1")
                    for each in ("hw", "sw")
                )
            ),
            needs=(f"{_REASONS}hw_thermal_slowdown_seconds", f"{_REASONS}sw_thermal_slowdown_seconds"),
            source=COUNTER,
            method="clock event counters",
            place="heat",
        ),
        *(
            # They are counters, though they call themselves gauges.
            _smi(
                THROTTLED,
                shapes.share_of_time(f"{_REASONS}{reason}_seconds", "$where", "1"),
                f"{_REASONS}{reason}_seconds",
                source=COUNTER,
                method="clock event counters",
                place=cause,
            )
            for reason, cause in (
                ("hw_thermal_slowdown", "heat"),
                ("sw_power_cap", "power"),
                ("hw_power_brake_slowdown", "facility"),
            )
        ),
    ),
)
