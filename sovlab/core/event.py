"""`Event`: what a job says while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from sovlab.core.job import JobStatus, Progress

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
class ProgressChanged:
    """The job called ``sovlab.progress``."""

    progress: Progress
    offset: Cursor = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChanged:
    """The job's state, reason or message changed; the last event of an ended job."""

    status: JobStatus


Event = LogChunk | ProgressChanged | StatusChanged
