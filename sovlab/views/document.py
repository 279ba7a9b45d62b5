"""A job as one JSON document: what ``--json`` prints, and the card's data is built on. Pure.

Its schema is ``job.schema.json`` beside this module. Readers ignore members that they do not know; a change
that they would misread gets another version. What may be secret, environment and arguments, is not in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sovlab.core.job import JobRecord, JobStatus, Progress, ReturnedName
from sovlab.core.untrusted import clean, finite

if TYPE_CHECKING:
    from sovlab.core.energy.earlier import EarlierRuns
    from sovlab.core.energy.footprint import Footprint, Site
    from sovlab.core.energy.report import EnergyReport
    from sovlab.core.spec import Deferral, JobSpec
    from sovlab.sensors.reading import Reading

VERSION = 1

_LONGEST = 20_000
"""Characters of the longest text but a traceback."""
_TRACEBACK = 110_000
_TRACEBACK_HEAD, _TRACEBACK_TAIL = 20, 60
_METRIC = 60
_LARGEST = 1e308
_CONTROLS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def job_document(record: JobRecord, site: Site | None = None) -> dict[str, Any]:
    """What is known of a job, as JSON can say it: text that can be shown, and numbers that are finite.

    Args:
        record: of the job.
        site: what the site says of its electricity; only where it says something there is a footprint.
    """
    status, spec = record.status, record.spec
    document = {
        "version": VERSION,
        "id": record.id,
        "name": printable(record.name),
        "target": printable(record.target),
        "owner": _text(record.owner),
        "own": record.own,
        "kind": str(spec.kind) if spec else None,
        "origin": _text(spec.origin) if spec else "",
        "state": str(status.state),
        "reason": str(status.reason),
        "message": _text(status.message),
        "backend": _text(spec.backend) if spec else None,
        "backend_why": _text(spec.backend_why) if spec else "",
        "nodes": spec.nodes if spec else None,
        "procs": spec.procs if spec else None,
        "gpus": spec.resources.gpus if spec else None,
        "submitted": _number(status.submitted),
        "started": _number(status.started),
        "ended": _number(status.ended),
        "ahead": status.ahead,
        "progress": _progress(status.progress),
        "error": _error(status.error),
        "returned": [_returned(name) for name in status.returned],
        "unreturned": [_text(name) for name in status.unreturned],
        "exit_code": status.exit_code,
        "signal": _text(status.signal),
        "max_rss": status.max_rss,
        "cpu_seconds": _number(status.cpu_seconds),
        "python": _text(status.python),
        "host": _text(status.host),
        "energy": energy_document(status.energy) if status.energy is not None else None,
    }
    if spec is not None and spec.deferral is not None:
        document["deferral"] = _deferral(spec, spec.deferral, status)
    if site is not None and site.says_something:
        document["footprint"] = _footprint(status, site)
    return document


def _deferral(spec: JobSpec, deferral: Deferral, status: JobStatus) -> dict[str, Any]:
    from sovlab.core.deferral.words import brought, compared

    found = compared(deferral, status)
    return {
        "finish_by": _number(spec.finish_by),
        "start": _number(deferral.start),
        "duration": _number(deferral.duration) or None,
        "signal": _text(deferral.signal),
        "unit": _text(deferral.unit),
        "why": _text(deferral.why),
        "waited": _number(found.waited) if found is not None else None,
        "ran": _number(found.ran) if found is not None else None,
        "at_once": _number(found.at_once) if found is not None else None,
        "words": _text(brought(spec, status)),
    }


def _footprint(status: JobStatus, site: Site) -> dict[str, Any] | None:
    if status.energy is None:
        return None
    from sovlab.core.energy.footprint import footprint_of_report, steps_of

    found = footprint_of_report(status.energy, site, steps=steps_of(status))
    return footprint_document(found) if found is not None else None


def earlier_document(earlier: EarlierRuns) -> dict[str, Any]:
    """What earlier runs of the same code took, as JSON can say it."""
    return {
        "count": earlier.count,
        "seconds": _number(earlier.seconds),
        "energy": reading_document(earlier.energy),
        "words": _text(earlier.words),
    }


def footprint_document(footprint: Footprint) -> dict[str, Any]:
    """What an energy means at its site, as JSON can say it; null is what the site does not say."""
    names = ("energy", "carbon", "embodied", "per_step", "cost")
    readings = {name: getattr(footprint, name) for name in names}
    told = {name: reading_document(each) if each is not None else None for name, each in readings.items()}
    return {"pue": _number(footprint.pue), **told}


def printable(text: str) -> str:
    """Text without control characters and halves of surrogate pairs, so that it can be shown and saved."""
    return _CONTROLS.sub("", text).encode("utf-8", "replace").decode()


def traceback_lines(error: Mapping[str, Any] | None) -> list[str]:
    """The lines of a traceback, whole; none if there is none."""
    text = clean(str((error or {}).get("traceback") or ""), _TRACEBACK)
    return [printable(line) for line in text.rstrip("\n").split("\n")] if text.strip() else []


def shortened(traceback: Sequence[str]) -> list[str]:
    """The lines of a traceback that are shown of a long one."""
    left_out = len(traceback) - _TRACEBACK_HEAD - _TRACEBACK_TAIL
    if left_out <= 1:
        return list(traceback)
    return [*traceback[:_TRACEBACK_HEAD], f"… {left_out} lines …", *traceback[-_TRACEBACK_TAIL:]]


def _error(error: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not error:
        return None
    rank = error.get("rank")
    return {
        "type": _text(str(error.get("type") or "")),
        "message": _text(str(error.get("message") or "")),
        "traceback": "\n".join(shortened(traceback_lines(error))),
        "rank": rank if type(rank) is int else None,
    }


def _returned(name: ReturnedName) -> dict[str, Any]:
    return {
        "name": _text(name.name),
        "type": _text(name.type),
        "size": name.size,
        "detail": _text(name.detail),
        "error": _text(name.error),
    }


def energy_document(report: EnergyReport) -> dict[str, Any]:
    """What was measured, as JSON can say it: each number with where it is from."""
    from sovlab.sensors.reading import SAMPLED  # of which a submit needs nothing

    return {
        "seconds": _number(report.seconds),
        "groups": [
            {
                "name": group.name,
                "energy": reading_document(group.energy),
                "mean": _number(group.mean),
                "peak": _number(group.peak),
                "idle": _number(group.idle),
                "sources": _known(
                    mean=(group.mean, group.energy.source),
                    peak=(group.peak, group.drawn),
                    idle=(group.idle, group.energy.source),
                ),
                "devices": [_text(device) for device in group.devices],
            }
            for group in report.groups()
        ],
        "devices": [
            {
                "id": _text(device.id),
                "kind": _text(device.kind),
                "name": _text(device.name),
                "index": device.index,
                "node": device.node,
                "energy": reading_document(device.energy),
                "mean": _number(device.mean),
                "peak": _number(device.peak),
                "limit": _number(device.limit),
                "hottest": {_text(place): _number(value) for place, value in device.hottest.items()},
                "margin": _number(device.margin),
                "slowdown": _number(device.slowdown),
                "slowed": {_text(cause): _number(share) for cause, share in device.slowed.items()},
                "sources": _known(
                    mean=(device.mean, device.energy.source),
                    peak=(device.peak, device.drawn),
                    hottest=(device.hottest or None, SAMPLED),
                    margin=(device.margin, SAMPLED),
                ),
                "missing": {_text(what): _text(why) for what, why in device.missing.items()},
            }
            for device in report.devices
        ],
        "unavailable": {_text(name): _text(why) for name, why in report.unavailable.items()},
        "modelled": _modelled(report),
        "limits": {
            name: {
                "limit": _number(limit.limit),
                "used": _number(limit.used),
                "source": limit.source,
                "why": _text(limit.why),
            }
            for name, limit in report.limits.items()
        },
    }


def _known(**numbers: tuple[object, str]) -> dict[str, str]:
    """Where those numbers are from that are known."""
    return {name: source for name, (number, source) in numbers.items() if number is not None}


def _modelled(report: EnergyReport) -> dict[str, Any] | None:
    from sovlab.core.energy.model import modelled

    guess = modelled(report)
    if guess is None:
        return None
    low, high = _number(guess.low), _number(guess.high)
    return {"low": low, "high": high, "unit": "J", "source": "modelled", "method": guess.method}


def reading_document(reading: Reading) -> dict[str, Any]:
    """A number with where it is from, as JSON can say it."""
    return {
        "value": _number(reading.value),
        "unit": reading.unit,
        "source": reading.source,
        "method": _text(reading.method),
        "scope": _text(reading.scope),
        "coverage": _number(reading.coverage),
        "why": _text(reading.why),
    }


def _progress(progress: Progress | None) -> dict[str, Any] | None:
    if progress is None:
        return None
    # JSON has no NaN, and a diverged loss is worth telling.
    metrics = {
        _text(name, _METRIC): _text(str(value), _METRIC) if (number := _number(value)) is None else number
        for name, value in progress.metrics.items()
    }
    return {
        "step": _number(progress.step),
        "total": _number(progress.total),
        "fraction": _number(progress.fraction),
        "metrics": metrics,
        "time": _number(progress.time) or 0.0,
    }


def _number(value: object) -> float | None:
    return finite(value, -_LARGEST, _LARGEST)


def _text(text: str, most: int = _LONGEST) -> str:
    return printable(clean(text, most))
