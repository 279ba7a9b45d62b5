"""What is known of a job: its state, why, and what it leaves behind."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sovlab.core.spec import JobSpec
from sovlab.errors import SovlabError

if TYPE_CHECKING:
    from sovlab.core.energy.report import EnergyReport


class JobState(enum.StrEnum):
    """Where a job stands. `Reason` says why, for machines; a message says it for people."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    SUSPENDED = "suspended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Reason(enum.StrEnum):
    """Why a job is in its state."""

    NONE = ""
    WAITING = "waiting"
    """QUEUED: for other jobs to end."""
    DEFERRED = "deferred"
    """PENDING: it is held back until the start that was chosen for its ``--finish-by``."""
    USER_ERROR = "user_error"
    """FAILED: the user's code raised, or left with a status other than zero."""
    TIMEOUT = "timeout"
    LIMIT = "limit"
    """FAILED: it reached the energy or the heat that it was allowed."""
    CANCELLED = "cancelled"
    KILLED = "killed"
    """FAILED: a signal from outside ended it."""
    OUT_OF_MEMORY = "out_of_memory"
    LOST = "lost"
    """FAILED: gone without an exit record, with its runner or its machine."""
    PAYLOAD = "payload"
    """FAILED: what was sent could not be loaded in the job, e.g. another Python."""
    RUNNER = "runner"
    """FAILED: the runner itself could not do its work, e.g. the disk is full."""
    UNREADABLE = "unreadable"
    """UNKNOWN: its record is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a job says it is.

    Attributes:
        step: units of work done.
        total: units in all; None if the job does not know.
        metrics: what else it reported with the step, e.g. a loss.
        time: when, seconds since the epoch.
    """

    step: float
    total: float | None = None
    metrics: Mapping[str, float | int | str] = field(default_factory=dict)
    time: float = 0.0

    @property
    def fraction(self) -> float | None:
        """Between 0 and 1; None where the total is not known."""
        try:
            return min(max(self.step / self.total, 0.0), 1.0) if self.total else None
        except OverflowError:  # whole numbers that no float holds
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedName:
    """One name of ``--out`` and what the job could send for it.

    Attributes:
        name: the variable.
        type: its class, qualified, as it was in the job.
        size: bytes it takes in the results.
        detail: what a reader wants to know of it: ``(360, 64) float32``, ``50 items``.
        error: why it could not be sent; empty if it was.
    """

    name: str
    type: str = ""
    size: int = 0
    detail: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """A job at one moment.

    Attributes:
        message: one plain sentence: why it waits or how it ended; empty where the state says all.
        submitted, started, ended: seconds since the epoch; None if it has not happened or is unknown.
        exit_code: of the user's process, None if it did not exit by itself.
        signal: name of the signal that ended it, e.g. ``SIGKILL``.
        ahead: jobs before it in the queue, None when it does not wait in one.
        due: when one that is held back is to start, seconds since the epoch; None for others.
        progress: the last that the job reported.
        returned: what came back, once it has ended.
        unreturned: names a cell bound that nobody asked for in ``--out``.
        files: what it wrote beside its code elsewhere, and what it saved in a store: the first paths.
        error: the exception as the runner describes it: type, message, traceback (text), frames.
        max_rss: peak resident memory of the user's process, in bytes.
        cpu_seconds: processor time of the user's process and its children.
        python: version of the interpreter that ran it.
        host: machine that ran it.
        image: that it ran in, ``name:tag@sha256:…``, the digest if the cluster tells it; empty without one.
        energy: what was measured while it ran, once it has ended; None if nothing was looked at.
    """

    state: JobState
    reason: Reason = Reason.NONE
    message: str = ""
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    exit_code: int | None = None
    signal: str = ""
    ahead: int | None = None
    due: float | None = None
    progress: Progress | None = None
    returned: tuple[ReturnedName, ...] = ()
    unreturned: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    error: Mapping[str, Any] | None = None
    max_rss: int | None = None
    cpu_seconds: float | None = None
    python: str = ""
    host: str = ""
    image: str = ""
    energy: EnergyReport | None = None

    def elapsed(self, now: float) -> float | None:
        """Seconds it has run, up to ``now`` if it still does; None if it never started."""
        if self.started is None:
            return None
        return max((self.ended if self.ended is not None else now) - self.started, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What an executor knows of a job.

    Attributes:
        id: the durable id, a DNS label.
        target: the target it was submitted to.
        spec: the request; None if the job's record is damaged.
        owner: who submitted it, as the place calls them; empty where all jobs are one user's.
        own: whether it is this user's, as far as its object tells.
        trusted: whether what it left may be loaded unasked: it is this user's for certain.
    """

    id: str
    target: str
    spec: JobSpec | None
    status: JobStatus
    owner: str = ""
    own: bool = True
    trusted: bool = True

    @property
    def name(self) -> str:
        """What people call it; its id if the record is damaged."""
        return self.spec.name if self.spec else self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsSeen:
    """All jobs of a target as they were seen last.

    Attributes:
        records: newest first; of a job that has not changed it is the same object as before.
        error: why they may have changed since; None if they are as they are now.
        since: when that began, in seconds since the epoch; None if they are as they are now.
    """

    records: Sequence[JobRecord]
    error: SovlabError | None = None
    since: float | None = None


def load_types() -> None:
    """Load what annotations here name, for what makes a `JobRecord` by them; nothing else needs it."""
    from sovlab.core.energy.report import EnergyReport

    globals()["EnergyReport"] = EnergyReport
