"""What goes over the socket, as types; `extension/PROTOCOL.md` tells the order in which it does."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from sovlab.jupyter.server.asked import Asked, JobId, TargetName
from sovlab.jupyter.server.models import (
    Answer,
    Health,
    JobDocument,
    JobRow,
    LogPiece,
    May,
    Problem,
    Reading,
    Telemetry,
)

MOST_TARGETS = 50
"""Targets that one page may watch."""
MOST_FOLLOWED = 100
"""Jobs that one page may follow."""
SNAPSHOT = 200
"""Rows of a snapshot, the newest; the others are had by pages."""
LONGEST_MESSAGE = 64 << 10
"""Bytes of the longest message that a page may send."""

_Targets = Annotated[list[TargetName], Meta(max_length=MOST_TARGETS)]

# --- what a page says


class Watch(Asked, tag_field="type", tag="watch", frozen=True, kw_only=True):
    """Tell me of the jobs of these targets, and of no others.

    Attributes:
        targets: empty ends it.
        epoch: that the page knows, after a reconnect; empty if it knows none.
        known: the revision up to which the page knows each target: then only what has changed is told, if
            that is still told apart.
    """

    targets: _Targets
    epoch: Annotated[str, Meta(max_length=100)] = ""
    known: Annotated[
        dict[TargetName, Annotated[int, Meta(ge=0, le=1 << 53)]], Meta(max_length=MOST_TARGETS)
    ] = msgspec.field(default_factory=dict)


class Look(Asked, tag_field="type", tag="look", frozen=True, kw_only=True):
    """Tell me what the devices of these targets draw, and of no others; empty ends it."""

    targets: _Targets


class Follow(Asked, tag_field="type", tag="follow", frozen=True, kw_only=True):
    """Tell me all of one job: its document when it changes, its log, its power.

    Attributes:
        job: its id.
        target: null is the current one.
        have: bytes of the log that the page has, by rank (``""`` of a job of one process); null asks for
            the end of the log.
    """

    job: JobId
    target: TargetName | None = None
    have: (
        Annotated[
            dict[
                Annotated[str, Meta(pattern="^[0-9]{0,7}$", max_length=7)],
                Annotated[int, Meta(ge=0, le=1 << 50)],
            ],
            Meta(max_length=10_000),
        ]
        | None
    ) = None


class Unfollow(Asked, tag_field="type", tag="unfollow", frozen=True, kw_only=True):
    """Tell me no more of a job."""

    job: JobId
    target: TargetName | None = None


ClientMessage = Watch | Look | Follow | Unfollow

# --- what the server says


class Hello(Answer, tag_field="type", tag="hello", frozen=True, kw_only=True):
    """The first message.

    Attributes:
        protocol: as in `Version`.
        version: of the package.
        epoch: changes when the server starts again.
        may: what the user may do.
    """

    protocol: int
    version: str
    epoch: str
    may: May


class HealthChanged(Answer, tag_field="type", tag="health", frozen=True, kw_only=True):
    """Whether what is shown of a target is true now."""

    health: Health


class Snapshot(Answer, tag_field="type", tag="snapshot", frozen=True, kw_only=True):
    """The jobs of a target, in place of all that was known of them.

    Attributes:
        target: its name.
        revision: of the snapshot.
        total: jobs of the target.
        counts: jobs by state.
        jobs: the newest, and all that have not ended, up to 200; the others are had by pages.
    """

    target: str
    revision: int
    total: int
    counts: dict[str, int]
    jobs: list[JobRow]


class Records(Answer, tag_field="type", tag="records", frozen=True, kw_only=True):
    """What has changed in the jobs of a target.

    Attributes:
        target: its name.
        revision: up to which this tells all.
        total, counts: as in a snapshot.
        jobs: new or changed; the newest state of each.
        removed: ids of those that are gone.
    """

    target: str
    revision: int
    total: int
    counts: dict[str, int]
    jobs: list[JobRow]
    removed: list[str]


class JobChanged(Answer, tag_field="type", tag="job", frozen=True, kw_only=True):
    """What is known of a job that is followed.

    Attributes:
        target: of the job.
        job: its document.
        ended: it has ended and all of its log was told: nothing more will come of it.
    """

    target: str
    job: JobDocument
    ended: bool


class Log(Answer, tag_field="type", tag="log", frozen=True, kw_only=True):
    """A part of the log of a job that is followed.

    Attributes:
        target: of the job.
        job: its id.
        pieces: in the order in which they were printed.
    """

    target: str
    job: str
    pieces: list[LogPiece]


class Gap(Answer, tag_field="type", tag="gap", frozen=True, kw_only=True):
    """A part of the log that is not told here; the route of the log has it by rank, offset and limit.

    Attributes:
        target: of the job.
        job: its id.
        rank: whose; null in a job of one process.
        start, end: bytes of that rank's log: from, and up to.
        why: ``skipped``: told faster than the page has taken it, or before it asked. Else why it is lost.
    """

    target: str
    job: str
    rank: int | None
    start: int
    end: int | None
    why: str


class Watts(Answer, frozen=True, kw_only=True):
    """A device of a job at the last look.

    Attributes:
        id, kind, name, index: of the device.
        power: W; null in it if it is not known.
        celsius: of its hottest place.
        joules: since the job began.
        slowed: why it is slowed now.
    """

    id: str
    kind: str
    name: str
    index: int | None
    power: Reading
    celsius: float | None
    joules: Reading
    slowed: list[str]


class Readings(Answer, tag_field="type", tag="readings", frozen=True, kw_only=True):
    """What the devices of a job that is followed draw; the newest only, `Power` has the curve.

    Attributes:
        target: of the job.
        job: its id.
        time: of the last second of it.
        devices: those that are measured.
        limits: what became of its limits, a sentence each.
    """

    target: str
    job: str
    time: float
    devices: list[Watts]
    limits: list[str]


class TelemetryChanged(Answer, tag_field="type", tag="telemetry", frozen=True, kw_only=True):
    """What the devices of a target draw.

    Attributes:
        target: its name.
        telemetry: null if it cannot be had.
        problem: why.
    """

    target: str
    telemetry: Telemetry | None
    problem: Problem | None


class Refused(Answer, tag_field="type", tag="refused", frozen=True, kw_only=True):
    """A message of the page was not carried out, or something that was begun cannot go on.

    Attributes:
        about: which: ``follow``, ``watch``, …; empty if it could not be read.
        target, job: of what it was about; empty if of none.
        problem: why.
    """

    about: Literal["", "watch", "look", "follow", "unfollow"]
    target: str
    job: str
    problem: Problem


ServerMessage = (
    Hello
    | HealthChanged
    | Snapshot
    | Records
    | JobChanged
    | Log
    | Gap
    | Readings
    | TelemetryChanged
    | Refused
)
