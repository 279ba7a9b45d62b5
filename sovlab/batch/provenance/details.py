"""What the file beside an executed notebook holds: all that the notebook's own record has no room for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sovlab.batch.provenance.private import Private
from sovlab.batch.verifying.cells import members
from sovlab.client.job import Job
from sovlab.core.energy.report import DeviceReport, EnergyReport
from sovlab.core.job import JobStatus
from sovlab.core.untrusted import clean
from sovlab.errors import SovlabError
from sovlab.payload.secrets import suspicious

SCHEMA = 1
_PACKAGES, _CELLS, _DEVICES, _POINTS = 3000, 5000, 128, 60
"""The most that are listed; points are those of each device's power over time."""


def details_of(
    job: Job,
    status: JobStatus,
    cells: Sequence[Mapping[str, Any]],
    environment: Mapping[str, Any],
    record: Mapping[str, Any],
) -> dict[str, Any]:
    """All that is known of an ended run and is not private.

    ``packages`` are lines ``name==version``; ``environment`` are names of variables that were set for the
    job, never their values. Names of machines are not in it, nor ids of devices, which tell them apart.

    Args:
        job: that ran it.
        status: its end.
        cells: of the executed notebook, as papermill has marked them.
        environment: what the job told of its environment, which nobody has checked.
        record: the notebook's.
    """
    private = Private.here()
    # One that quotes a secret is in the record without it.
    quotes = suspicious("", status.message)
    message = record["run"]["message"] if quotes else private.without(status.message)
    spec = job.last.spec
    packages, system = environment.get("all"), members(environment.get("system"))
    said: dict[str, Any] = {
        "schema": SCHEMA,
        "of": "sovlab run",
        "run": record["run"] | {"message": clean(message, 2000)},
        "notebook": record["notebook"],
        "packages": [
            clean(line, 200)
            for line in (packages[:_PACKAGES] if isinstance(packages, list) else [])
            if isinstance(line, str)
        ],
        "system": {
            key: clean(value, 100) for key, value in list(system.items())[:10] if isinstance(value, str)
        },
        "memory_peak_bytes": status.max_rss,
        "cpu_seconds": status.cpu_seconds,
        "cells": [_cell(number, cell) for number, cell in enumerate(cells[:_CELLS], 1)],
    }
    if spec is not None:
        resources = spec.resources
        said["asked"] = {
            "backend": spec.backend,
            "backend_why": spec.backend_why,
            "nodes": spec.nodes,
            "procs": spec.procs,
            "gpus": resources.gpus,
            "cpu": resources.cpu,
            "memory_bytes": resources.memory,
            "timeout_s": spec.timeout,
            "power_cap_w": spec.power_cap,
            "energy_budget_j": spec.energy_budget,
        }
        said["environment"] = sorted(spec.env)[:500]
    if status.energy is not None:
        said["energy"] = _energy(job, status.energy)
    return {**private.cleared(said), **_manifest(job, private)}


def _manifest(job: Job, private: Private) -> dict[str, Any]:
    """Of a job on a cluster the object that it is, with a digest that is another where that is."""
    try:
        found = private.cleared(job.manifest())
    except SovlabError:
        return {}
    if not found:
        return {}
    text = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return {"manifest": {"sha256": digest, "object": found}}


def _cell(number: int, cell: Mapping[str, Any]) -> dict[str, Any]:
    metadata = members(cell.get("metadata"))
    papermill = members(metadata.get("papermill"))
    ours = members(metadata.get("sovlab"))
    truth = ours.get("status")
    status = truth or ("failed" if papermill.get("exception") is True else papermill.get("status"))
    times = {key: papermill.get(key) for key in ("start_time", "end_time", "duration")}
    return {
        "number": number,
        "id": cell.get("id"),
        "type": cell.get("cell_type"),
        "status": status,
        **{key: value for key, value in times.items() if value is not None},
        **{key.lower(): ours[key] for key in ("energy_J", "energy_source") if key in ours},
    }


def _energy(job: Job, report: EnergyReport) -> dict[str, Any]:
    groups = {
        group.name: {
            **_reading(group.energy),
            "mean_w": group.mean,
            "peak_w": group.peak,
            "idle_j": group.idle,
            "devices": len(group.devices),
        }
        for group in report.groups()
    }
    return {
        "seconds": report.seconds,
        "nodes": report.nodes,
        "groups": groups,
        "devices": [_device(device) for device in report.devices[:_DEVICES]],
        "not_measured": {name: clean(why, 300) for name, why in list(report.unavailable.items())[:50]},
        "power": _power(job, report),
    }


def _device(device: DeviceReport) -> dict[str, Any]:
    known = {
        "kind": device.kind,
        "name": device.name,
        "index": device.index,
        "node": device.node,
        "energy": _reading(device.energy),
        "mean_w": device.mean,
        "peak_w": device.peak,
        "limit_w": device.limit,
        "hottest_c": dict(device.hottest),
        "slowed": dict(device.slowed),
        "not_measured": dict(device.missing),
    }
    return {key: value for key, value in known.items() if value not in (None, "", {})}


def _reading(reading: Any) -> dict[str, Any]:
    return {
        "joules": reading.value,
        "source": str(reading.source),
        "method": reading.method,
        "scope": reading.scope,
        "coverage": reading.coverage,
        "why": reading.why,
    }


def _power(job: Job, report: EnergyReport) -> list[dict[str, Any]]:
    """The power of each device over the run, in seconds from its begin, as means of some stretches."""
    try:
        curves = job.power_history()
    except SovlabError:
        return []
    names = {device.id: device for device in report.devices}
    begin = min((points[0].time for points in curves.values()), default=0.0)
    said = []
    for device, points in list(curves.items())[:_DEVICES]:
        every = -(-len(points) // _POINTS)
        parts = [points[at : at + every] for at in range(0, len(points), every)]
        known = names.get(device)
        said.append(
            {
                "kind": known.kind if known is not None else "",
                "name": known.name if known is not None else "",
                "index": known.index if known is not None else None,
                "source": curves.sources[device],
                "points": [
                    {
                        "s": round(part[0].time - begin, 1),
                        "mean_w": round(
                            sum(p.watts * p.seconds for p in part) / sum(p.seconds for p in part), 3
                        ),
                        "peak_w": round(max(p.peak for p in part), 3),
                    }
                    for part in parts
                    if sum(p.seconds for p in part) > 0
                ],
            }
        )
    return said
