"""What an executed notebook says of the run that made it, in words; nobody has checked what is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sovlab.batch.provenance.sidecar import Sidecar
from sovlab.batch.record import cells_digest, lock_digest
from sovlab.batch.results import recorded_values
from sovlab.batch.verifying.cells import members
from sovlab.core.energy.report import SOURCE_WORDS
from sovlab.core.job import JobState
from sovlab.core.units import format_duration, format_energy
from sovlab.core.untrusted import clean
from sovlab.sensors.reading import UNAVAILABLE
from sovlab.views.document import printable
from sovlab.views.sweep import value_words
from sovlab.views.table import UNKNOWN, Table

_LONGEST = 300
_LARGEST = 1e15
_WHOLE = 0.95
"""Part of a run's time of which its energy must be known for a mean power."""
_MARKER = "papermill-error-cell-tag"
"""Of cells in which papermill itself tells of an error; they are no part of the notebook."""


def without_markers(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook without the cells in which papermill tells of an error."""
    found = notebook.get("cells")
    cells = found if isinstance(found, list) else []
    return {**notebook, "cells": [cell for cell in cells if _MARKER not in _tags(cell)]}


def record_of(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """What a notebook holds of its run, ``metadata.sovlab``; empty if it holds nothing."""
    return dict(members(members(notebook.get("metadata")).get("sovlab")))


def with_packages(notebook: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook with all packages of the run in its record, as ``lock.all``.

    They are there only if they are those that the record's digest is of.
    """
    record, packages = record_of(notebook), details.get("packages")
    lock = members(record.get("lock"))
    lines = [each for each in packages if isinstance(each, str)] if isinstance(packages, list) else []
    if not lines or lock.get("sha256") != lock_digest(lines):
        return dict(notebook)
    whole = {**record, "lock": {**lock, "all": lines}}
    return {**notebook, "metadata": {**members(notebook.get("metadata")), "sovlab": whole}}


def was_changed(notebook: Mapping[str, Any]) -> bool:
    """Whether its cells are not those of its record; False where the record does not say."""
    digest = members(record_of(notebook).get("notebook")).get("sha256")
    try:
        return bool(digest) and digest != cells_digest(without_markers(notebook)["cells"])
    except (KeyError, TypeError):
        return True


def recorded_table(notebook: Mapping[str, Any], beside: Sidecar | None = None) -> Table:
    """A row for each thing that is known of the run; "—" where something is not.

    Args:
        notebook: the executed one.
        beside: the file beside it; None if nobody has looked for it.
    """
    record = record_of(notebook)
    run, accel = members(record.get("run")), members(record.get("accel"))
    papermill = members(members(notebook.get("metadata")).get("papermill"))
    begun, ended = _number(run.get("started")), _number(run.get("finished"))
    took = f" in {format_duration(ended - begun)}" if begun and ended and ended >= begun else ""
    attempt = _number(run.get("attempt"))
    took += f", at attempt {attempt:g}" if attempt and attempt > 1 else ""
    why = f": {_text(run.get('message'))}" if _text(run.get("message")) else ""
    kernel = members(record.get("kernel"))
    used, wanted = _text(kernel.get("used")), _text(kernel.get("wanted"))
    instead = f" in place of {wanted}" if used and wanted and used != wanted else ""
    gpus, nodes = _number(accel.get("gpus")), _number(record.get("nodes"))
    hardware = [_text(accel.get("backend"))]
    hardware += [f"{gpus:g} accelerator{'s' * (gpus > 1)} each" if gpus else ""]
    hardware += [f"{nodes:g} nodes" if nodes and nodes > 1 else ""]
    parameters = members(papermill.get("parameters"))
    python = _text(record.get("python"))
    rows = [
        (
            "Run",
            _text(run.get("id")) + (f" on target {_text(run.get('target'))}" if run.get("target") else ""),
        ),
        ("Outcome", f"{_text(run.get('status'))}{took}{why}" if run.get("status") else ""),
        ("Kernel", f"{used or wanted}{instead}" + (f", Python {python}" if python else "")),
        ("Hardware", ", ".join(filter(None, hardware))),
        ("Energy", _energy(members(record.get("energy")))),
        (
            "Parameters",
            ", ".join(f"{_text(name)} = {_text(str(value))}" for name, value in parameters.items()),
        ),
        (
            "Recorded",
            ", ".join(f"{name} = {value_words(name, v)}" for name, v in recorded_values(notebook).items()),
        ),
        ("Cells", _cells(notebook)),
        ("Code", _code(members(record.get("code")))),
        ("Image", _image(members(record.get("image")))),
        ("Packages", _packages(members(record.get("lock")))),
        ("Sources", "changed since that run" if was_changed(notebook) else "as they were run"),
    ]
    if beside is not None:
        rows.append(("More", _beside(beside)))
    return Table(("Of the run", ""), tuple((label, text or UNKNOWN) for label, text in rows))


def row_of_record(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """What a notebook says of a run that succeeded, as a row of `sovlab.client.sweeping.Sweep.rows`."""
    record = record_of(notebook)
    run, energy = members(record.get("run")), members(record.get("energy"))
    started, ended = _positive(run.get("started")), _positive(run.get("finished"))
    seconds = ended - started if started is not None and ended is not None and ended >= started else None
    source = _text(energy.get("source"))
    joules = _positive(energy.get("joules")) if source in SOURCE_WORDS else None
    coverage = _positive(energy.get("coverage")) or 0.0
    whole = joules is not None and seconds and coverage >= _WHOLE
    return {
        "id": _text(run.get("id")) or None,
        "target": _text(run.get("target")) or None,
        "state": str(JobState.SUCCEEDED),
        "started": started,
        "ended": ended,
        "seconds": seconds,
        "joules": joules,
        "source": source if joules is not None else UNAVAILABLE,
        "method": _text(energy.get("method")),
        "scope": _text(energy.get("scope")),
        "coverage": coverage,
        "of": _text(energy.get("of")),
        "mean": joules / seconds if whole and joules is not None and seconds else None,
        "why": "" if joules is not None else "its notebook has no energy",
    }


def _positive(value: object) -> float | None:
    number = _number(value)
    return number if number is not None and number >= 0 else None


def _energy(energy: Mapping[str, Any]) -> str:
    joules, source = _number(energy.get("joules")), SOURCE_WORDS.get(_text(energy.get("source")))
    if joules is None or source is None or source == SOURCE_WORDS["unavailable"]:
        return f"{UNKNOWN} not measured"
    coverage = _number(energy.get("coverage"))
    part = f", {coverage:.0%} of its time" if coverage is not None and coverage < 0.995 else ""
    method = f", {_text(energy.get('method'))}" if energy.get("method") else ""
    return f"{format_energy(joules)} ({source}{method}{part})"


def _code(code: Mapping[str, Any]) -> str:
    commit, remote = _text(code.get("commit"))[:12], _text(code.get("remote"))
    if not commit:
        return ""
    changed = ", with changes that are in no commit" if code.get("dirty") is True else ""
    return f"commit {commit}" + (f" of {remote}" if remote else "") + changed


def _image(image: Mapping[str, Any]) -> str:
    registry, name, tag, digest = (_text(image.get(key)) for key in ("registry", "name", "tag", "digest"))
    if not name:
        return ""
    whole = f"{registry}/{name}" if registry else name
    return whole + (f":{tag}" if tag else "") + (f", {digest[:19]}…" if digest else ", digest not told")


def _packages(lock: Mapping[str, Any]) -> str:
    count, digest = _number(lock.get("count")), _text(lock.get("sha256"))
    named = lock.get("packages")
    some = [_text(each) for each in named[:6]] if isinstance(named, list) else []
    if not count or not digest:
        return ""
    words = f", with {', '.join(filter(None, some))}" if any(some) else ""
    return f"{count:g} installed{words}"


def _beside(beside: Sidecar) -> str:
    name = _text(beside.name)
    return f"{name} {beside.problem}" if beside.problem else name


def _cells(notebook: Mapping[str, Any]) -> str:
    said: Counter[str] = Counter()
    for cell in without_markers(notebook)["cells"]:
        if members(cell).get("cell_type") != "code":
            continue
        metadata = members(members(cell).get("metadata"))
        truth = members(metadata.get("sovlab")).get("status")
        papermill = members(metadata.get("papermill"))
        status = "failed" if papermill.get("exception") is True else papermill.get("status")
        said[_text(truth) or _text(status) or "not run"] += 1
    return ", ".join(f"{count} {status}" for status, count in said.most_common(8))


def _tags(cell: object) -> list[Any]:
    tags = members(members(cell).get("metadata")).get("tags")
    return tags if isinstance(tags, list) else []


def _number(value: object) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < _LARGEST else None  # type: ignore[arg-type]


def _text(value: object) -> str:
    return printable(" ".join(clean(value, _LONGEST).split())) if isinstance(value, str) else ""
