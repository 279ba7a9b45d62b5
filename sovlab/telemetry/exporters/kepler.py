"""Kepler 0.10 and newer: what it attributes to pods, and the processors and GPUs of nodes.

A pod's watts are the node's *active* ones, shared out by CPU time: what the node draws idle belongs to nobody
there. Its zones overlap, so one is taken. ``state`` is a label: a pod that ends goes on as another series. A
pod's counter begins at 0 with it, so its highest value is what it took; a restart of Kepler loses what was.
"""

from __future__ import annotations

from sovlab.sensors.reading import ATTRIBUTED, COUNTER, SAMPLED
from sovlab.telemetry.exporters.query import CPU, DEVICES, ENERGY, GPU, JOB, NODE, POWER, Exporter, Query

_ACTIVE = "without what the node draws idle"
_POD = "shared out by Kepler by CPU time"
_POD_GPU = "shared out by Kepler by GPU use"


def _pods(kind: str, method: str, zone: str) -> tuple[Query, ...]:
    watts, joules = f"kepler_pod_{kind}_watts", f"kepler_pod_{kind}_joules_total"
    by = "max by ($host, $pod)"
    return (
        Query(
            quantity=POWER,
            of=JOB,
            text=f"{by} (${{p}}{watts}{{{zone}$job}} >= 0 < 1e5)",
            needs=(watts,),
            source=ATTRIBUTED,
            method=method,
            scope="job",
            kind=kind,
            key=("$host", "$pod"),
            note=_ACTIVE,
        ),
        Query(
            quantity=ENERGY,
            of=JOB,
            text=f"{by} (max_over_time(${{p}}{joules}{{{zone}$job}}[$span]))",
            needs=(joules,),
            source=ATTRIBUTED,
            method=method,
            scope="job",
            kind=kind,
            key=("$host", "$pod"),
            base=f"${{p}}{joules}{{{zone}$job}}",
            note=_ACTIVE,
        ),
    )


def _nodes(quantity: str, metric: str, text: str, source: str, kind: str, key: tuple[str, ...]) -> Query:
    return Query(
        quantity=quantity,
        of=DEVICES,
        text=text,
        needs=(metric,),
        source=source,
        method="RAPL by Kepler" if kind == CPU else "NVML by Kepler" if kind == GPU else "BMC by Kepler",
        scope={CPU: "package", GPU: "device", NODE: "node"}[kind],
        kind=kind,
        backend={CPU: "cpu", GPU: "cuda", NODE: ""}[kind],
        key=key,
        base=f"${{p}}{metric}{{$where}}" if quantity == ENERGY else "",
    )


_CPU_W, _CPU_J = "kepler_node_cpu_watts", "kepler_node_cpu_joules_total"
_GPU_W, _GPU_J = "kepler_node_gpu_watts", "kepler_node_gpu_joules_total"
_PACKAGE = 'zone=~"package.*"'

KEPLER = Exporter(
    name="kepler",
    title="Kepler",
    backend="cpu",
    names=r"kepler_(?:node|pod)_(?:cpu|gpu)_(?:watts|joules_total)|kepler_platform_watts",
    marks=("kepler_pod_cpu_watts", "kepler_node_cpu_watts", "kepler_node_cpu_joules_total"),
    pods=(("pod_namespace", "pod_name"),),
    hosts=("node_name", "node", "instance"),
    devices=("node_name", "instance"),
    absent="Kepler (0.10 or newer) is not scraped; it does not run where there is no RAPL, as on most VMs.",
    queries=(
        *_pods(CPU, _POD, 'zone="package",'),
        *_pods(GPU, _POD_GPU, ""),
        _nodes(
            POWER,
            _CPU_W,
            f"max by ($host, zone, path) (${{p}}{_CPU_W}{{{_PACKAGE},$where}} >= 0 < 1e5)",
            SAMPLED,
            CPU,
            ("$host", "zone", "path"),
        ),
        _nodes(
            ENERGY,
            _CPU_J,
            f"max by ($host, zone, path) (increase(${{p}}{_CPU_J}{{{_PACKAGE},$where}}[$span]))",
            COUNTER,
            CPU,
            ("$host", "zone", "path"),
        ),
        _nodes(
            POWER,
            _GPU_W,
            f"max by (gpu_uuid) (${{p}}{_GPU_W}{{$where}} > 0 < 1e5)",
            SAMPLED,
            GPU,
            ("gpu_uuid",),
        ),
        _nodes(
            ENERGY,
            _GPU_J,
            f"max by (gpu_uuid) (increase(${{p}}{_GPU_J}{{$where}}[$span]))",
            COUNTER,
            GPU,
            ("gpu_uuid",),
        ),
        _nodes(
            POWER,
            "kepler_platform_watts",
            "max by ($host, chassis_id, source_id) (${p}kepler_platform_watts{$where} >= 0 < 1e5)",
            SAMPLED,
            NODE,
            ("$host", "chassis_id", "source_id"),
        ),
    ),
)
