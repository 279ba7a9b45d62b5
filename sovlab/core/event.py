"""`Event`: what a job says while it runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sovlab.core.job import JobRecord, JobState, JobStatus, Progress
from sovlab.errors import ExecutorError

if TYPE_CHECKING:
    from sovlab.core.decoding import NotebookPiece
    from sovlab.core.energy.decoding import PowerFrame

Cursor = int | str
"""A place in a job's log, as an executor gives and takes it; 0 is the start, anything else is opaque."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogChunk:
    r"""Bytes that the job printed, as it printed them (``\r`` too).

    Attributes:
        data: never empty; chunks joined in order are the log, byte for byte.
        rank: global rank that printed it; None in a job of one process.
        offset: where to go on reading after this chunk, for `Executor.events`; opaque.
    """

    data: bytes
    rank: int | None = None
    offset: Cursor = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLost(LogChunk):
    """The rest of the log, or of one rank's, cannot be read; as a chunk it says so. The job goes on.

    Attributes:
        error: why, and what to do.
        refused: whether that is said of the whole log, and will go on being said.
    """

    error: ExecutorError
    refused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressChanged:
    """The job called ``sovlab.progress``."""

    progress: Progress
    offset: Cursor = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerChanged:
    """The job's devices were looked at, or a limit; `sovlab.core.energy.history.PowerHistory` keeps these."""

    seen: PowerFrame
    offset: Cursor = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookTold:
    """A piece of what the run of a notebook tells; `sovlab.batch.steps` puts them together.

    Attributes:
        piece: of one attempt; their numbers begin anew with each.
        attempt: which one of those that the job has begun, after it was requeued; opaque.
        offset: as that of `LogChunk`.
    """

    piece: NotebookPiece
    attempt: str = ""
    offset: Cursor = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged:
    """The job's state, reason or message changed; the last event of an ended job."""

    status: JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAway:
    """The target does not answer, so nobody knows how the job stands; it comes again while that goes on.

    Attributes:
        error: why; None once it answers again.
        seconds: for how long.
    """

    error: ExecutorError | None
    seconds: float


Event = LogChunk | ProgressChanged | PowerChanged | NotebookTold | StatusChanged | TargetAway


def after(record: JobRecord, event: Event) -> JobRecord:
    """What is known of a job after one of its events."""
    known = record.status
    if isinstance(event, ProgressChanged):
        # Whoever reads a log from its begin hears of reports that are known already.
        if known.state is not JobState.RUNNING or (
            known.progress is not None and event.progress.time < known.progress.time
        ):
            return record
        return replace(record, status=replace(known, progress=event.progress))
    if not isinstance(event, StatusChanged):
        return record
    status = event.status
    if status.state is known.state is JobState.RUNNING and status.started == known.started:
        status = replace(status, progress=status.progress or known.progress)
    return replace(record, status=status)
