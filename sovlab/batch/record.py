"""What a notebook says of the run that made it, in ``metadata.sovlab``: at most 4 kB, for people and for
`verify`; the rest is beside it, see `sovlab.batch.provenance`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sovlab._version import __version__
from sovlab.batch.provenance.images import parts_of
from sovlab.batch.provenance.private import Private
from sovlab.client import Notebook
from sovlab.client.job import Job
from sovlab.core.job import JobStatus
from sovlab.core.untrusted import DamagedRecord, Part, clean
from sovlab.payload.secrets import suspicious

if TYPE_CHECKING:
    from sovlab.batch.replaying import Replay

SCHEMA = 1
LARGEST = 3600
"""Bytes of a record; what names the file beside the notebook, some 400 more, is still to come."""
_PACKAGES = 1000
"""Characters of names and versions of packages."""


def of(
    job: Job,
    status: JobStatus,
    code: Notebook,
    replay: Replay,
    commit: Mapping[str, Any] | None = None,
    attempts: int = 1,
) -> dict[str, Any]:
    """The record of an ended run. No user name, host or path is in it.

    Args:
        job: that ran it.
        status: its end.
        code: the notebook with its parameters.
        replay: what it told.
        commit: of its code when it was submitted, see `sovlab.batch.provenance.commits.commit_of`.
        attempts: how often its job has begun, as far as that was seen: more than once if it was requeued.
    """
    spec, private = job.last.spec, Private.here()
    said: dict[str, Any] = {
        "schema": SCHEMA,
        "sovlab": __version__,
        "run": {
            "id": job.id,
            "target": clean(job.target, 63),
            "status": str(status.state),
            "reason": str(status.reason),
            "message": told_message(status.message, private)[:300],
            "started": status.started,
            "finished": status.ended,
            "queued_s": _queued(status, attempts),
            "attempt": max(attempts, 1),
        },
        "notebook": {"sha256": cells_digest(code.cells)},
        "kernel": {
            "wanted": clean(code.kernel, 100),
            "used": clean(str(replay.kernel.get("used") or ""), 100),
        },
        "python": clean(status.python, 40),
    }
    given = code.metadata.get("papermill", {}).get("parameters", {})
    said["parameters"] = {"sha256": parameters_digest(given), "count": len(given)}
    if commit:
        said["code"] = dict(commit)
    if spec is not None:
        said["payload_sha256"] = spec.payload
        said["accel"] = _accelerators(spec.backend, spec.resources.gpus, status, replay.environment)
        said["nodes"] = spec.nodes
        runtime = _runtime(spec.backend, replay.determinism)
        if runtime:
            said["accel"]["runtime"] = runtime
    said["lock"] = _lock(replay.environment)
    switches = _switches(replay.determinism)
    if switches:
        said["determinism"] = switches
    reading = job.energy.reading
    said["energy"] = {
        "joules": reading.value,
        "source": str(reading.source),
        "method": clean(reading.method, 200),
        "scope": clean(reading.scope, 40),
        "coverage": reading.coverage,
    }
    group = next((each for each in job.energy.groups if each.energy == reading), None)
    if group is not None and reading.value is not None:
        said["energy"]["of"] = group.name
    said = private.cleared(said)
    if status.image:  # as the settings name it, which is nothing else if a part of it is a user's name
        said["image"] = parts_of(status.image)
    return fitted(said)


def _queued(status: JobStatus, attempts: int) -> float | None:
    """Seconds that it waited; of one that was requeued only the begin of its last attempt is known."""
    if status.started is None or status.submitted is None or attempts > 1:
        return None
    return round(max(status.started - status.submitted, 0.0), 3)


def of_begun(job: Job, code: Notebook) -> dict[str, Any]:
    """The record of a run that goes on: which job it is, as far as is known without asking. See `of`."""
    run = {"id": job.id, "target": clean(job.target, 63), "status": str(job.last.status.state)}
    said: dict[str, Any] = Private.here().cleared(
        {
            "schema": SCHEMA,
            "sovlab": __version__,
            "run": run,
            "notebook": {"sha256": cells_digest(code.cells)},
        }
    )
    return said


_SWITCHES = {
    "torch_seed": str,
    "torch_deterministic": bool,
    "cudnn_deterministic": bool,
    "cudnn_benchmark": bool,
    "PYTHONHASHSEED": str,
    "CUBLAS_WORKSPACE_CONFIG": str,
}
"""What is kept of what a kernel says at its end, which nobody has checked. Seeds are texts: they have up to
64 bits, and what saves a notebook may know numbers of 53 only."""


def _switches(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: clean(value, 40) if isinstance(value, str) else value
        for name, kind in _SWITCHES.items()
        if type(value := found.get(name)) is kind
    }


def _runtime(backend: str, found: Mapping[str, Any]) -> str:
    """CUDA or ROCm, as torch was built with it, where it was of use."""
    key, name = {"cuda": ("cuda", "CUDA"), "rocm": ("hip", "ROCm")}.get(backend, ("", ""))
    version = found.get(key)
    return f"{name} {clean(version, 40)}" if isinstance(version, str) and version else ""


def fitted(record: dict[str, Any]) -> dict[str, Any]:
    """A record of at most `LARGEST` bytes: what goes first is what the file beside the notebook has, too."""
    lock, run, accel = (record.get(key) or {} for key in ("lock", "run", "accel"))
    while _size(record) > LARGEST and len(lock.get("packages", ())) > 8:
        lock["packages"].pop()
    for part, key, most in ((run, "message", 60), (lock, "packages", 0), (accel, "devices", 1)):
        if _size(record) > LARGEST and part.get(key):
            part[key] = clean(part[key], most) if isinstance(part[key], str) else part[key][:most]
    for key in ("image", "code"):
        if _size(record) > LARGEST:
            record.pop(key, None)
    return record


def _size(record: Mapping[str, Any]) -> int:
    return len(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace"))


def parameters_digest(parameters: Mapping[str, Any]) -> str:
    """SHA-256 of parameters as canonical JSON; numbers that JSON lacks are texts, as ``NaN``."""
    text = json.dumps(plain(parameters), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def plain(value: Any) -> Any:
    """A value as JSON has it: numbers that it lacks are texts, and so is what is no value of JSON."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def told_message(message: str, private: Private) -> str:
    """What is kept of how a run ended: an error may quote a password, and then only its kind is.

    What is private is taken out of all of it: of a path that was cut before, nobody knows that it is one.
    """
    message = private.without(message)
    if not suspicious("", message):
        return message
    kinds = re.match(r"(?:[A-Za-z]+: |In \[\d*\] failed: )*", message)
    return f"{kinds[0] if kinds else ''}(left out: it looks like a secret)"


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


def lock_digest(lines: Iterable[str]) -> str:
    """SHA-256 of packages, as jobs have it.

    Args:
        lines: ``name==version``, sorted.
    """
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def cells_digest(cells: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 of what cells say: ids, outputs and counts are not in it, and ends of lines are LF.

    Args:
        cells: of a notebook; a source is text, or a list of lines as in a file.
    """
    said = [[cell["cell_type"], "".join(cell["source"]).replace("\r\n", "\n")] for cell in cells]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()
