"""Jobs in words and in a table."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from sovlab.core.job import JobRecord, JobState, JobStatus
from sovlab.core.spec import JobSpec
from sovlab.core.units import format_clock, format_duration
from sovlab.views.table import UNKNOWN, Table, counted


def state_words(status: JobStatus, now: float) -> str:
    """A status in a few words: ``running 38 s``, ``waiting, 2 ahead``, ``failed: user error``."""
    if status.state is JobState.QUEUED:
        return f"waiting, {status.ahead} ahead" if status.ahead else "waiting"
    if status.due is not None and status.state is JobState.PENDING:
        from sovlab.core.deferral.clock import shown

        return f"waiting until {shown(status.due, now)}"
    elapsed = status.elapsed(now)
    if status.state is JobState.RUNNING and elapsed is not None:
        done = status.progress.fraction if status.progress else None
        return f"running {format_clock(elapsed)}" + (f", {done:.0%}" if done is not None else "")
    if status.state is JobState.FAILED and status.reason:
        return f"failed: {status.reason.replace('_', ' ')}"
    return str(status.state)


def hardware_words(spec: JobSpec) -> str:
    """What a job was given, in a few words: ``cuda, 2 nodes × 4 GPUs``."""
    parts = [spec.backend]
    each = []
    if spec.resources.gpus:
        each.append(counted(spec.resources.gpus, "GPU"))
    elif spec.procs > 1:
        each.append(counted(spec.procs, "process", "processes"))
    if spec.nodes > 1:
        parts.append(" × ".join([counted(spec.nodes, "node"), *each]))
    else:
        parts += each
    return ", ".join(parts)


def moment(time: float | None, now: float) -> str:
    """A time of day, with the date if it was not today; both in seconds since the epoch."""
    if time is None:
        return UNKNOWN
    then, today = (datetime.datetime.fromtimestamp(t).astimezone() for t in (time, now))
    return then.strftime("%H:%M:%S" if then.date() == today.date() else "%Y-%m-%d %H:%M")


def jobs_table(records: Sequence[JobRecord], now: float, *, owners: bool = False) -> Table:
    """Jobs, one a row.

    Args:
        records: of the jobs.
        now: seconds since the epoch.
        owners: whether a column says who submitted each.
    """
    rows = []
    for record in records:
        status, spec = record.status, record.spec
        elapsed = status.elapsed(now)
        rows.append(
            (
                record.name,
                state_words(status, now),
                hardware_words(spec) if spec else UNKNOWN,
                moment(status.submitted, now),
                format_duration(elapsed) if elapsed is not None else UNKNOWN,
                record.id,
                *([record.owner or UNKNOWN] if owners else []),
            )
        )
    return Table(
        ("Name", "State", "Hardware", "Submitted", "Ran", "Id", *(["Owner"] if owners else [])),
        tuple(rows),
        "No jobs yet. Submit one with %%sovsubmit above a cell, or: sovlab submit script.py",
    )
