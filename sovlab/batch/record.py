"""What a notebook says of the run that made it, in ``metadata.sovlab``: at most 4 kB, for people and for
`verify`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sovlab._version import __version__
from sovlab.client import Notebook
from sovlab.client.job import Job
from sovlab.core.job import JobStatus

if TYPE_CHECKING:
    from sovlab.batch.replaying import Replay

SCHEMA = 1


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
        said["accel"] = {"backend": spec.backend, "gpus": spec.resources.gpus}
        said["nodes"] = spec.nodes
    reading = job.energy.reading
    said["energy"] = {
        "joules": reading.value,
        "source": str(reading.source),
        "method": reading.method,
        "scope": reading.scope,
        "coverage": reading.coverage,
    }
    return said


def cells_digest(cells: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of what cells say: ids, outputs and counts are not in it, and ends of lines are LF.

    Args:
        cells: of a notebook; a source is text, or a list of lines as in a file.
    """
    said = [[cell["cell_type"], "".join(cell["source"]).replace("\r\n", "\n")] for cell in cells]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
