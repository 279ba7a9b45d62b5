"""`Client`: the one composition root. Magics, CLI, server and engine talk to it and to nothing below."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sovlab.client import submitting
from sovlab.client.job import Job
from sovlab.client.targets import Targets
from sovlab.core.job import JobRecord, JobsSeen, JobState, JobStatus, Reason
from sovlab.core.names import is_job_id, new_job_id
from sovlab.core.spec import JobSpec
from sovlab.errors import JobNotFound, SovlabError
from sovlab.executors.executor import Executor
from sovlab.options.job import Options
from sovlab.settings.states import objects_of

if TYPE_CHECKING:
    from sovlab.client.sweeping import AtOnce, Planned, Sweep
    from sovlab.core.cleaned import Cleaned
    from sovlab.core.plan import Manifests, Past, Plan, Sent
    from sovlab.payload.code import Code

_ENDED_FROM_OUTSIDE = (Reason.LOST, Reason.KILLED, Reason.TIMEOUT, Reason.LIMIT, Reason.CANCELLED)


class Submitted(msgspec.Struct, frozen=True):
    """A job that was accepted, and what the user should know about how.

    Attributes:
        job: the live handle.
        messages: e.g. a name withheld because it looks like a secret.
        bound: names that the code binds, whether asked for or not.
    """

    job: Job
    messages: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()


class Client(Targets):
    """Submits jobs to targets and finds them again.

    Args:
        settings: None reads the user's settings files and environment.

    Raises:
        SettingsError: a file or variable is wrong.
    """

    def submit(self, code: Code, options: Options) -> Submitted:
        """Run ``code`` as a job; the handle is there as soon as the target has accepted it.

        Raises:
            UsageError: an option is wrong, or something that the code needs cannot travel.
            ExecutorError: the target does not accept it.
        """
        executor = self.executor(options.target)
        accepted = submitting.accept(
            code,
            options,
            executor,
            self.settings.defaults,
            self._objects,
            partial(self.look, options.target),
            self._defer(options, executor),
        )
        job = self.accepted(accepted.job_id, accepted.spec, executor)
        return Submitted(job, (*self.left_aside(), *accepted.messages), accepted.bound)

    def prepare(self, code: Code, options: Options) -> submitting.Prepared:
        """Pack ``code`` without submitting it: what it is, before `send` runs it. Raises as `submit`."""
        executor = self.executor(options.target)
        look = partial(self.look, options.target)
        spec = submitting.draft(code, options, executor, self.settings.defaults, look)
        prepared = submitting.prepare(code, options, executor, spec, self._objects)
        return submitting.deferred(prepared, self._defer(options, executor))

    def send(self, prepared: submitting.Prepared, target: str | None) -> Submitted:
        """Run what was prepared for a target as a job. Raises `ExecutorError`."""
        executor = self.executor(target)
        accepted = submitting.send(prepared, executor)
        job = self.accepted(accepted.job_id, accepted.spec, executor)
        return Submitted(job, (*self.left_aside(), *accepted.messages), accepted.bound)

    def sweep(self, planned: Sequence[Planned], options: Options, *, at_once: AtOnce = "auto") -> Sweep:
        """Run what is planned for each point as a job; see `sovlab.client.sweeping.preparing.begin`.

        Raises:
            UsageError: as `submit`, of any of them; nothing is submitted.
            ExecutorError: the target does not accept the first.
        """
        from sovlab.client.sweeping import preparing

        return preparing.begin(self, planned, options, self._objects, at_once=at_once)

    def plan_sweep(
        self, planned: Sequence[Planned], options: Options, *, check: bool = False
    ) -> list[JobSpec]:
        """The requests that `sweep` would submit, without their payloads; nothing is submitted.

        With ``check`` their clusters are asked whether they would accept them.
        """
        from sovlab.client.sweeping import preparing

        return preparing.plan(self, planned, options, check=check)

    def accepted(self, job_id: str, spec: JobSpec, executor: Executor) -> Job:
        """The handle of a job that an executor has just accepted."""
        now = time.time()
        status = JobStatus(state=JobState.PENDING, submitted=now)
        due = spec.due(now)
        if due is not None:
            from sovlab.core.deferral.words import held

            status = held(status, spec, due, now)
        return self.handle(JobRecord(id=job_id, target=executor.target, spec=spec, status=status))

    def plan(self, code: Code, options: Options, *, check: bool = False) -> Plan:
        """What `submit` would do; nothing is submitted and nothing is left behind.

        With ``check`` the cluster of the target is asked whether it would accept it.
        """
        executor = self.executor(options.target)
        look, defer = partial(self.look, options.target), self._defer(options, executor)
        return submitting.plan(code, options, executor, self.settings.defaults, look, defer, check=check)

    def _defer(self, options: Options, executor: Executor) -> submitting.Defer:
        """What chooses the start of a job that has a deadline."""
        if options.finish_by is None:
            return None
        from sovlab.client.deferral import deferring

        deferring.check(options.finish_by, time.time())
        return lambda spec: deferring.deferred(
            spec, executor, self.settings, partial(self.site, executor.target)
        )

    def rerun(self, record: JobRecord, resume: bool | None = None) -> Job:
        """Submit the request of ``record`` again, as a new job with the same payload.

        It starts at once, also where the earlier job had a deadline.

        Args:
            record: of the earlier job.
            resume: whether the new job finds what the earlier one saved in its checkpoint directory; None
                is yes if that was ended from outside, and no if it came to its own end.

        Raises:
            ForeignJob: it may be another's code, and is not trusted.
        """
        from sovlab.client.others import refuse_untrusted

        refuse_untrusted(record, "its code would run as yours")
        executor = self.executor(record.target)
        spec, payload = executor.request(record.id)
        if resume is None:
            resume = record.status.reason in _ENDED_FROM_OUTSIDE
        job_id = new_job_id(spec.name)
        spec = replace(spec, resume=record.id if resume else "", finish_by=None, deferral=None)
        executor.submit(job_id, spec, payload, dict(os.environ))
        return self.accepted(job_id, spec, executor)

    def job(self, name: str, target: str | None = None) -> Job:
        """This user's newest job called ``name``, or the one with that id, whoever submitted it.

        Args:
            name: of the job; an id is also found on another target than the one in use.
            target: where to look; None is the one in use, and for an id all others after it.

        Raises:
            JobNotFound: there is none.
        """
        executor = self.executor(target)
        if is_job_id(name):
            try:
                return self.handle(executor.record(name))
            except JobNotFound:
                pass  # a name may look like an id
        others: JobRecord | None = None
        for record in executor.records():
            if record.name == name and record.own:
                return self.handle(record)
            if record.name == name and others is None:
                others = record
        if target is None and is_job_id(name):
            # Cards and messages name the id alone, and the target in use may be another by now.
            for other in self.targets():
                if other.name != executor.target:
                    with contextlib.suppress(SovlabError):
                        return self.handle(self.executor(other.name).record(name))
        if others is not None:
            from sovlab.client.others import whose

            raise JobNotFound(
                f"You have no job {name!r} on target {executor.target}.",
                f"One of that name {whose(others)}; its id finds it: {others.id}.",
            )
        raise JobNotFound(
            f"There is no job {name!r} on target {executor.target}.",
            "%sovjobs (in a shell: sovlab jobs) lists them.",
        )

    def jobs(self, target: str | None = None) -> list[JobRecord]:
        """All jobs of a target, newest first, whoever submitted them: each says whether it is one's own."""
        return self.executor(target).records()

    def changes(self, target: str | None, stop: threading.Event) -> Iterator[JobsSeen]:
        """All jobs of a target, at once and again whenever one has changed; see `Executor.changes`."""
        from sovlab.client.waiting import changes

        return changes(self.executor(target), stop)

    def handle(self, record: JobRecord) -> Job:
        """The live handle of a job that was listed."""
        return Job(record.id, self.executor(record.target), self.rerun, record, **self._known(record.target))

    def attach(self, job_id: str, target: str) -> Job:
        """The live handle of the job with that id; nothing is asked for, not even whether it is there."""
        return Job(job_id, self.executor(target), self.rerun, **self._known(target))

    def _known(self, target: str) -> dict[str, Any]:
        """What a job's handle is told of its site."""
        asked = partial(self.site, target) if self._configured(target).prometheus is not None else None
        return {"site": self.settings.site, "prometheus": asked}

    def manifests(self, name: str, target: str | None = None) -> Manifests:
        """The objects of a job as its cluster has them; values of Secrets are their sizes.

        Raises:
            UsageError: there is no such job, or it runs on this machine.
        """
        job = self.job(name, target)
        return self.executor(target).manifests_of(job.id)

    def past(self, job_id: str, target: str | None = None) -> Past:
        """What happened to a job up to now, and when.

        Raises:
            JobNotFound: there is none of that id.
        """
        from sovlab.client.past.happenings import past

        executor = self.executor(target)
        return past(executor.record(job_id), executor)

    def sent(self, job_id: str, target: str | None = None) -> Sent:
        """What was sent for a job: its source, names and sizes; no value.

        Raises:
            JobNotFound: there is none of that id.
        """
        from sovlab.client.past.sent import sent

        executor = self.executor(target)
        return sent(job_id, executor.record(job_id).spec, executor)

    def clean(
        self,
        *,
        older_than: float | None = None,
        target: str | None = None,
        dry_run: bool = False,
        files: bool = False,
        all_users: bool = False,
    ) -> Cleaned:
        """Delete ended jobs with all that they left; see `sovlab.client.retention.sweep`."""
        from sovlab.client.retention import sweep

        return sweep(
            self.executor(target),
            self.settings,
            older_than=older_than,
            dry_run=dry_run,
            files=files,
            all_users=all_users,
        )

    def trust(self, job: Job) -> None:
        """From now on, take what a job leaves as if this user had submitted it."""
        trust = getattr(self.executor(job.target), "trust", None)
        if trust is not None:
            trust(job.id)

    @property
    def _objects(self) -> Path:
        return objects_of(self.settings.state)


@functools.lru_cache(maxsize=1)
def default() -> Client:
    """The client of this process, made from the user's settings at first use."""
    return Client()
