"""The reports of several nodes of one job, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sovlab.core.energy.report import DeviceReport, EnergyReport, LimitReport, Phase
from sovlab.sensors.reading import worst


def together(found: Mapping[int, EnergyReport], nodes: int) -> EnergyReport | None:
    """One report of all nodes; None if none of them has one.

    Args:
        found: what was measured on each node, by its index; nodes that left nothing are not in it.
        nodes: that the job ran on.
    """
    if not found:
        return None
    parts = [
        replace(report, nodes=1, devices=tuple(_of_node(device, index, nodes) for device in report.devices))
        for index, report in sorted(found.items())
    ]
    if nodes == 1:
        return parts[0]
    return EnergyReport(
        devices=tuple(device for part in parts for device in part.devices),
        seconds=max(part.seconds for part in parts),
        unavailable={name: why for part in reversed(parts) for name, why in part.unavailable.items()},
        cpu_job=None if None in (times := [part.cpu_job for part in parts]) else sum(filter(None, times)),
        phases=_phases(parts),
        nodes=nodes,
        limits=_limits(parts),
        parts=tuple(parts),
    )


def _of_node(device: DeviceReport, index: int, nodes: int) -> DeviceReport:
    """The device as one of several nodes: what is called the same on each is told apart."""
    if nodes == 1 or device.kind == "gpu":
        return replace(device, node=index)
    named = f"node-{index}/{device.id}"
    return replace(device, node=index, id=named, energy=device.energy._replace(device=named))


def _phases(parts: Sequence[EnergyReport]) -> Mapping[str, Phase]:
    found: dict[str, Phase] = {}
    first = 0
    for part in parts:
        for name, phase in part.phases.items():
            known = found.get(name, Phase(count=0, seconds=0.0))
            found[name] = Phase(
                count=max(known.count, phase.count),
                seconds=max(known.seconds, phase.seconds),
                joules={**known.joules, **{first + n: joules for n, joules in phase.joules.items()}},
            )
        first += len(part.devices)
    return found


def _limits(parts: Sequence[EnergyReport]) -> Mapping[str, LimitReport]:
    names = dict.fromkeys(name for part in parts for name in part.limits)
    return {name: _limit([part.limits[name] for part in parts if name in part.limits]) for name in names}


def _limit(each: Sequence[LimitReport]) -> LimitReport:
    """The one of which most is used: each node keeps to its own part."""
    most = max(each, key=lambda limit: (limit.used or 0.0) / limit.limit if limit.limit else 0.0)
    unwatched = next((limit.why for limit in each if limit.why), "")
    return replace(most, source=worst(*(limit.source for limit in each)), why=unwatched)
