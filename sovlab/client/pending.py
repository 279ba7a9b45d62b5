"""What to say of a name of ``--out`` whose value is not there yet, or will never be."""

from __future__ import annotations

import time

from sovlab.client.job import Job
from sovlab.core.job import JobState, JobStatus
from sovlab.core.units import format_clock
from sovlab.errors import PendingResultError


def pending(job: Job, name: str) -> PendingResultError:
    """The error for touching ``name`` before its value is there: where it comes from, and how to get it."""
    record = job.current
    state = record.status.state
    if state is JobState.SUCCEEDED:
        return PendingResultError(
            f"{name!r} has come back from job {record.name}, but this cell started before that.",
            "Run the cell again, or call " + f"sovlab.job({record.id!r}).result({name!r}).",
        )
    if state.ended:
        return PendingResultError(
            f"{name!r} was not produced: job {record.name} {state}.",
            _kept(record.status, name, record.id) or record.status.message or f"See %sovlogs {record.id}.",
        )
    elapsed = record.status.elapsed(time.time()) or 0.0
    since = f" for {format_clock(elapsed)}" if state is JobState.RUNNING and elapsed >= 1 else ""
    return PendingResultError(
        f"{name!r} comes from job {record.name}, which has not ended yet ({state}{since}).",
        f"Wait for it with %sovwait {record.id}.",
    )


def _kept(status: JobStatus, name: str, job_id: str) -> str:
    if status.state is JobState.SUCCEEDED or not any(r.name == name and not r.error for r in status.returned):
        return ""
    why = status.message.rstrip(".") or str(status.reason)
    return f"{why}. What it held by then is in sovlab.job({job_id!r}).partial()[{name!r}]."
