"""What single cells took: of those that ran for long enough, by the power of the run's devices meanwhile.

A cell's begin and end are by the kernel's clock, and the times of the power by that of the process that reads
the sensors beside it, on one machine: no clock of the client is in it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sovlab.batch.verifying.cells import members
from sovlab.client.job import Job
from sovlab.core.energy.history import Point
from sovlab.core.energy.report import EnergyReport
from sovlab.errors import SovlabError
from sovlab.sensors.reading import COUNTER, SAMPLED

_POINTS = 10
"""How many times as long as a point of power a cell must run: of the first and the last a part is its own."""
_WHOLE = 0.9
"""Part of its time in which the power must be known; the rest is taken for what that is."""
_BEGIN, _END = "iopub.execute_input", "shell.execute_reply"


def mark_energy(job: Job, report: EnergyReport | None, cells: Sequence[Any]) -> None:
    """Say of cells what they took, in ``metadata.sovlab``: ``energy_J`` and ``energy_source``.

    It is of the devices that the run is told by, as is their sum; of a cell that was too short, of a run on
    several nodes, and where the devices' power was not measured itself, nothing is said.

    Args:
        job: that ran them.
        report: what was measured; None if nothing was.
        cells: of the executed notebook, as papermill has it.
    """
    group = report.best if report is not None and report.nodes == 1 else None
    if group is None or group.energy.value is None:
        return
    try:
        curves = job.power_history()
    except SovlabError:
        return
    sources = {curves.sources.get(device, "") for device in group.devices}
    if not sources or not sources <= {COUNTER, SAMPLED} or group.energy.source not in (COUNTER, SAMPLED):
        return
    for cell in cells:
        begin, end = _times(members(cell.get("metadata")))
        if begin is None or end is None:
            continue
        parts = [energy_between(curves.get(device, ()), begin, end) for device in group.devices]
        known = [joules for joules in parts if joules is not None]
        if len(known) == len(parts):
            said = members(cell.metadata.get("sovlab"))
            source = SAMPLED if SAMPLED in sources else COUNTER
            cell.metadata["sovlab"] = {**said, "energy_J": round(sum(known), 3), "energy_source": source}


def energy_between(points: Iterable[Point], begin: float, end: float) -> float | None:
    """J between two times, in seconds since the epoch; None where the power is not known well enough."""
    joules = covered = 0.0
    for point in points:
        seconds = min(end, point.time + point.seconds) - max(begin, point.time)
        if seconds <= 0:
            continue
        if point.seconds * _POINTS > end - begin:
            return None
        joules += point.watts * seconds
        covered += seconds
    whole = end - begin
    return joules / covered * whole if covered > 0 and covered >= _WHOLE * whole else None


def _times(metadata: Mapping[str, Any]) -> tuple[float | None, float | None]:
    execution = members(metadata.get("execution"))
    begin, end = (_seconds(execution.get(key)) for key in (_BEGIN, _END))
    return begin, end


def _seconds(text: object) -> float | None:
    try:
        return datetime.datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None
