"""What is known of one run of a sweep, as a row."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from sovlab.client.sweeping.feeding import Run
from sovlab.core.job import JobState
from sovlab.views.sweep import NOT_SUBMITTED

if TYPE_CHECKING:
    from sovlab.client.job import Job
    from sovlab.core.job import JobRecord

_SMALL = 3072
"""Bytes of results that are loaded unasked, if they are plain: no class of the job's comes that way."""
_PLAIN = re.compile(r"NoneType|bool|int|float|complex|str|numpy\.(float|int|uint|bool)\w*")
_RUNS = "it has not ended yet"


def row_of(run: Run, values: bool | None) -> dict[str, Any]:
    """What is known of a run, see `sovlab.client.sweeping.Sweep.rows`; nothing is asked for but results.

    Args:
        run: of the sweep.
        values: whether what succeeded has a value; None is where that is small and plain: numbers, text.
    """
    row: dict[str, Any] = {
        "number": run.number,
        "repeat": run.point.repeat,
        "point": run.point.values,
        "id": None,
        "target": None,
        "state": NOT_SUBMITTED,
        "reason": "",
        "host": "",
        "started": None,
        "ended": None,
        "seconds": None,
        "joules": None,
        "source": "unavailable",
        "method": "",
        "scope": "",
        "coverage": 0.0,
        "of": "",
        "mean": None,
        "why": run.why,
    }
    job, record = run.job, run.record
    if job is None:
        return row
    row.update(id=job.id, target=job.target, state=str(JobState.UNKNOWN), why=run.trouble)
    if record is None or run.lost:
        return row
    status = record.status
    row.update(state=str(status.state), reason=str(status.reason), host=status.host)
    row.update(started=status.started, ended=status.ended, why=run.trouble or status.message or _RUNS)
    if status.state.ended:
        row.update(seconds=status.elapsed(time.time()), **_energy(job))
    if status.state is JobState.SUCCEEDED and values is not False:
        row.update(_value(job, record, whatever=values is True))
    return row


def _energy(job: Job) -> dict[str, Any]:
    energy = job.energy
    reading = energy.reading
    group = next((each for each in energy.groups if each.energy == reading), None)
    return {
        "joules": reading.value,
        "source": reading.source,
        "method": reading.method,
        "scope": reading.scope,
        "coverage": reading.coverage,
        "of": group.name if group is not None and reading.value is not None else "",
        "mean": energy.mean,
        "why": reading.why,
    }


def _value(job: Job, record: JobRecord, *, whatever: bool) -> dict[str, Any]:
    """What a run returned; nothing if that is nothing, not plain and small, or cannot be loaded here."""
    returned = record.status.returned
    plain = all(_PLAIN.fullmatch(each.type) for each in returned)
    if not returned or not (whatever or (plain and sum(each.size for each in returned) <= _SMALL)):
        return {}
    try:
        return {"value": job.result()}
    except Exception:  # whatever a class's own __setstate__ raises; results() says it
        return {}
