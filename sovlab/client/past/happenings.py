"""What happened to a job and when, from its record and, on a cluster, from its objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sovlab.core.job import JobRecord, JobState
from sovlab.core.plan import Happening, Past
from sovlab.core.units import format_duration
from sovlab.errors import ExecutorError, JobNotFound
from sovlab.views.jobs import state_words

if TYPE_CHECKING:
    from sovlab.executors.executor import Executor

MOST = 1000
"""That are told of a job; of more the oldest are left out."""
_MOMENT = 1.0
"""Seconds below which nobody calls it waiting."""


def past(record: JobRecord, executor: Executor) -> Past:
    """What happened to a job up to now.

    Args:
        record: of the job.
        executor: of its target. What it cannot tell is said in a note.
    """
    told, notes = of_record(record), []
    ask = getattr(executor, "happenings", None)
    if ask is not None:
        try:
            more = ask(record.id)
            told, notes = [*told, *more.happenings], list(more.notes)
        except JobNotFound:
            notes.append("Its objects are no longer in the cluster.")
        except ExecutorError as error:
            notes.append(str(error))
    told.sort(key=lambda each: (each.time is None, each.time or 0.0))
    if len(told) > MOST:
        notes.append(f"The first {len(told) - MOST} are left out.")
        told = told[-MOST:]
    return Past(happenings=tuple(told), notes=tuple(notes))


def of_record(record: JobRecord) -> list[Happening]:
    """What the record itself says."""
    status, spec = record.status, record.spec
    told = []
    if status.submitted is not None:
        origin = f" from {spec.origin}" if spec is not None and spec.origin else ""
        told.append(Happening(time=status.submitted, text=f"It was submitted{origin} to {record.target}."))
        if spec is not None and spec.backend_why:
            told.append(Happening(time=status.submitted, text=f"Its backend: {spec.backend_why}"))
        if spec is not None and spec.resume:
            told.append(Happening(time=status.submitted, text=f"It goes on from job {spec.resume}."))
    if spec is not None and spec.deferral is not None:
        deferral = spec.deferral
        held = "It was held back until its start." if deferral.held else f"It starts at once: {deferral.why}"
        told.append(Happening(time=deferral.asked, text=held))
    if status.started is not None:
        waited = status.started - status.submitted if status.submitted is not None else 0.0
        after = f" after {format_duration(waited)}" if waited >= _MOMENT else ""
        host = f" on {status.host}" if status.host else ""
        told.append(Happening(time=status.started, text=f"It started{after}{host}."))
    if status.state.ended:
        bad = status.state is JobState.FAILED
        words = state_words(status, status.ended or 0.0)
        text = f"It ended: {words}. {status.message}".rstrip()
        told.append(Happening(time=status.ended, text=text, warning=bad))
    elif status.state is not JobState.RUNNING:
        ahead = f" {status.ahead} ahead of it." if status.ahead and "ahead" not in status.message else ""
        text = f"Now {status.state}: {status.message}".rstrip(": ") + ahead
        told.append(Happening(time=None, text=text, warning=status.state is JobState.UNKNOWN))
    return told
