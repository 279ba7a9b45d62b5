"""What a notebook says of the run that made it, in ``metadata.sovlab``: at most 4 kB, for people and for
`verify`.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sovlab._version import __version__
from sovlab.client import Notebook
from sovlab.client.job import Job
from sovlab.core.job import JobStatus
from sovlab.core.untrusted import DamagedRecord, Part, clean

if TYPE_CHECKING:
    from sovlab.batch.replaying import Replay

SCHEMA = 1
_PACKAGES = 1000
"""Characters of names and versions of packages."""


def of(job: Job, status: JobStatus, code: Notebook, replay: Replay) -> dict[str, Any]:
    """The record of an ended run. No user name, host or path is in it.

    Args:
        job: that ran it.
        status: its end.
        code: the notebook with its parameters.
        replay: what it told.
    """
    spec = job.last.spec
    queued = None if None in (status.started, status.submitted) else status.started - status.submitted  # type: ignore[operator]
    said: dict[str, Any] = {
        "schema": SCHEMA,
        "sovlab": __version__,
        "run": {
            "id": job.id,
            "target": job.target,
            "status": str(status.state),
            "reason": str(status.reason),
            "message": status.message[:300],
            "started": status.started,
            "finished": status.ended,
            "queued_s": None if queued is None else round(max(queued, 0.0), 3),
        },
        "notebook": {"sha256": cells_digest(code.cells)},
        "kernel": {"wanted": code.kernel, "used": str(replay.kernel.get("used") or "")},
        "python": status.python,
    }
    if spec is not None:
        said["payload_sha256"] = spec.payload
        said["accel"] = _accelerators(spec.backend, spec.resources.gpus, status, replay.environment)
        said["nodes"] = spec.nodes
    said["lock"] = _lock(replay.environment)
    reading = job.energy.reading
    said["energy"] = {
        "joules": reading.value,
        "source": str(reading.source),
        "method": reading.method,
        "scope": reading.scope,
        "coverage": reading.coverage,
    }
    group = next((each for each in job.energy.groups if each.energy == reading), None)
    if group is not None and reading.value is not None:
        said["energy"]["of"] = group.name
    return said


def _lock(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Packages, as the job told them, which nobody has checked."""
    lock = environment.get("lock")
    part = Part("lock", lock if isinstance(lock, dict) else {})
    named = lock.get("packages") if isinstance(lock, dict) else None
    lines = (
        [clean(each, 100) for each in named[:40] if isinstance(each, str)] if isinstance(named, list) else []
    )
    while sum(map(len, lines)) > _PACKAGES:
        lines.pop()
    try:
        return {
            "sha256": part.text("sha256", 64),
            "count": part.whole("count", 0, 10**6) or 0,
            "python": part.text("python", 40),
            "packages": lines,
        }
    except DamagedRecord:
        return {}


def _accelerators(
    backend: str, gpus: int, status: JobStatus, environment: Mapping[str, Any]
) -> dict[str, Any]:
    """Devices by name, as their sensors told them; of a job on processors the processor."""
    found = [d.name for d in (status.energy.devices if status.energy else ()) if d.kind == "gpu" and d.name]
    processor, driver = environment.get("processor"), environment.get("driver")
    if not found and backend == "cpu" and isinstance(processor, str):
        found = [processor]
    counted = [{"name": clean(name, 100), "count": count} for name, count in Counter(found).items()]
    said: dict[str, Any] = {"backend": backend, "gpus": gpus, "devices": counted[:4]}
    if backend != "cpu" and isinstance(driver, str) and driver:
        said["driver"] = clean(driver, 40)
    return said


def cells_digest(cells: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of what cells say: ids, outputs and counts are not in it, and ends of lines are LF.

    Args:
        cells: of a notebook; a source is text, or a list of lines as in a file.
    """
    said = [[cell["cell_type"], "".join(cell["source"]).replace("\r\n", "\n")] for cell in cells]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
