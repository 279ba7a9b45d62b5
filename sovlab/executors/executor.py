"""The protocol that every executor fulfils; its tests are one file for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sovlab.core.capacity import Capacity
    from sovlab.core.cleaned import Cleaned
    from sovlab.core.energy.history import PowerHistory
    from sovlab.core.event import Cursor, Event
    from sovlab.core.job import JobRecord, JobsSeen
    from sovlab.core.plan import Manifests, Past
    from sovlab.core.spec import JobSpec


class Executor(Protocol):
    """Where and how jobs run. Stateless, keyed by job id: any process may ask about any job.

    Methods raise `JobNotFound` for an unknown id and `ExecutorError` when the place does not answer.
    """

    target: str
    """Name of the target this executor serves."""
    shares_files: bool
    """Whether jobs see the submitter's files under the same paths; one that does not say so, does not."""
    defers: bool
    """Whether it holds a job back until the start that `JobSpec.due` tells: PENDING, with `Reason.DEFERRED`,
    and holding nothing that others could use; one that does not say so, does not."""

    has_queues: bool
    """Whether `capacity` takes ``queue``, the name of one; an executor that does not say so, does not."""

    def happenings(self, job_id: str) -> Past:
        """What happened to the objects of a job, beside what its record says; what may not be seen is a note.

        One without this method has nothing to add to the record.
        """
        ...

    def check(self, spec: JobSpec) -> None:
        """Refuse what could never run there; asked before anything is packed.

        Raises:
            UsageError: the request names what the place does not have, or more than it has.
        """
        ...

    def image(self, spec: JobSpec) -> str:
        """The image that a job would run in, as the settings name it; empty where there is none.

        One without this method has none.
        """
        ...

    def submit(self, job_id: str, spec: JobSpec, payload: Path, environ: Mapping[str, str]) -> None:
        """Accept a job. Doing it again with the same ``job_id`` changes nothing.

        Either the job is accepted when this returns, or nothing of it is left behind.

        Args:
            job_id: chosen by the caller before (`sovlab.core.names.new_job_id`).
            spec: what to run.
            payload: a pack whose SHA-256 is ``spec.payload``; not needed once this returns.
            environ: the submitter's environment. Only executors on the same machine pass it on, without
                what a launcher of ranks has told the submitter.
        """
        ...

    def manifests(self, job_id: str, spec: JobSpec, payload: Path, *, check: bool = False) -> Manifests:
        """The objects that `submit` would make; none where jobs are not made of objects.

        Args:
            job_id: chosen by the caller.
            spec: the request.
            payload: its pack.
            check: have the place check them without making them.

        Raises:
            ExecutorError: the place would refuse them.
            SpecError: ``check``, and there is nobody to ask.
        """
        ...

    def manifests_of(self, job_id: str) -> Manifests:
        """The objects of a job as the place has them.

        Raises:
            UsageError: jobs are not made of objects there.
        """
        ...

    def manifest_for_everybody(self, job_id: str) -> Mapping[str, Any] | None:
        """The object that a job is, without what is secret, private or of this job alone; None if it is gone.

        One without this method makes no objects of jobs.
        """
        ...

    def record(self, job_id: str) -> JobRecord:
        """What is known of one job now."""
        ...

    def request(self, job_id: str) -> tuple[JobSpec, Path]:
        """The whole request of a job, to submit it again: what a record may leave out, and the payload.

        Raises:
            UsageError: its payload is no longer kept.
        """
        ...

    def records(self) -> list[JobRecord]:
        """All jobs, newest first. One that cannot be read is UNKNOWN and hides no other."""
        ...

    def own_records(self, most: int) -> list[JobRecord]:
        """The newest jobs that this user has submitted from this machine, for what earlier runs took.

        In no order, and at no more than the cost of a list; one without this method has no history to tell.

        Args:
            most: how many are looked at.
        """
        ...

    def changes(self, stop: threading.Event) -> Iterator[JobsSeen]:
        """All jobs, at once and again whenever one has changed, come or gone. Setting ``stop`` ends it soon.

        However much changes, it is told ten times a second at most. When the place stops answering this says
        so, with what was known last, and goes on by itself. One without this method is asked for `records`
        every two seconds.

        Raises:
            ExecutorError: the place does not answer at first.
        """
        ...

    def events(
        self,
        job_id: str,
        *,
        follow: bool = True,
        offset: Cursor = 0,
        stop: threading.Event | None = None,
    ) -> Iterator[Event]:
        """The job's events from ``offset`` on, in order, none lost and none doubled.

        Begins with a `StatusChanged`. With ``follow`` it waits, without polling, for more, for the job
        to start if need be, and ends after the `StatusChanged` of an ended job, when all of the log
        has been given. Without ``follow`` it gives what there is. Setting ``stop`` ends it soon.
        """
        ...

    def wait(self, job_id: str, timeout: float | None = None) -> JobRecord:
        """Block until the job has ended.

        Raises:
            WaitTimeout: it has not, after ``timeout`` seconds.
        """
        ...

    def cancel(self, job_id: str) -> None:
        """Ask the job to end: SIGTERM, its grace time, SIGKILL. Returns at once.

        A queued job ends without having started. Cancelling an ended job does nothing.
        """
        ...

    def power_history(self, job_id: str) -> PowerHistory:
        """What its log tells of the power of its devices on the first node, without reading all of it.

        It may be missing in executors of other packages: then `events` are asked.
        """
        ...

    def results(self, job_id: str) -> Path | None:
        """A local file with the results pack, fetched if need be; None if the job left none."""
        ...

    def delete(self, job_id: str) -> None:
        """Forget an ended job and all that it left. Refuses one that has not ended (`UsageError`)."""
        ...

    def trust(self, job_id: str) -> None:
        """From now on, take what this job leaves as if this user had submitted it.

        One without this method has no other's jobs.
        """
        ...

    def clean(
        self, *, older_than: float, dry_run: bool = False, files: bool = False, all_users: bool = False
    ) -> Cleaned:
        """Delete this user's jobs that ended more than ``older_than`` seconds ago; never one that has not.

        Args:
            older_than: seconds.
            dry_run: delete nothing, only say what would be.
            files: delete those too that hold files which they wrote themselves, e.g. checkpoints.
            all_users: delete others' jobs, too. It is said only to an executor whose records tell owners.
        """
        ...

    def capacity(self) -> list[Capacity]:
        """What there is of each known backend, what is free of it, and how many wait for it.

        What is not known is None. Where jobs go through a queue, what its quota leaves is free.
        """
        ...
