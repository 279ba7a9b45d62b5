"""`Client`: the one composition root. Magics, CLI, server and engine talk to it and to nothing below."""

from __future__ import annotations

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
from sovlab.core.capacity import Capacity
from sovlab.core.job import JobRecord, JobsSeen, JobState, JobStatus, Reason
from sovlab.core.names import is_job_id, new_job_id
from sovlab.core.spec import JobSpec
from sovlab.errors import JobNotFound, SpecError
from sovlab.executors import registry
from sovlab.executors.executor import Executor
from sovlab.executors.provider import ConfiguredTarget
from sovlab.options.job import Options
from sovlab.settings import Settings, load, remove_target, use_target

if TYPE_CHECKING:
    from sovlab.client.site.power import SitePower
    from sovlab.client.site.site import Site
    from sovlab.client.sweeping import AtOnce, Planned, Sweep
    from sovlab.client.target_setup import TargetProposal
    from sovlab.core.cleaned import Cleaned
    from sovlab.core.energy.report import EnergyReport
    from sovlab.core.finding import Finding
    from sovlab.core.plan import Manifests, Plan
    from sovlab.core.target import TargetSummary
    from sovlab.options.target import NewTarget
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


class Client:
    """Submits jobs to targets and finds them again.

    Args:
        settings: None reads the user's settings files and environment.

    Raises:
        SettingsError: a file or variable is wrong.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._configure(settings if settings is not None else load())
        self._executors: dict[str, Executor] = {}
        self._sites: dict[str, Site] = {}
        self._lock = threading.Lock()

    def _configure(self, settings: Settings) -> None:
        self.settings = settings
        self._targets = registry.configure_all(settings)

    def _reload(self, changed: str | None = None) -> None:
        self._configure(load())
        with self._lock:
            self._executors.pop(changed or "", None)
            self._sites.pop(changed or "", None)

    def _configured(self, target: str | None) -> ConfiguredTarget:
        return self._targets[self.settings.target_named(target).name]

    def executor(self, target: str | None = None) -> Executor:
        """The executor that serves ``target``; None is the current target of the settings."""
        configured = self._configured(target)
        with self._lock:
            if configured.name not in self._executors:
                self._executors[configured.name] = registry.executor_of(configured)
            return self._executors[configured.name]

    def site(self, target: str | None = None) -> Site | None:
        """The Prometheus of a target; None if its settings name none.

        Raises:
            ExecutorError: its cluster cannot be asked.
        """
        configured = self._configured(target)
        if configured.prometheus is None:
            return None
        from sovlab.client.site.site import Site

        with self._lock:
            if configured.name not in self._sites:
                cluster = registry.provider(configured.target.executor).cluster
                self._sites[configured.name] = Site(
                    configured, cluster(configured) if cluster is not None else None
                )
            return self._sites[configured.name]

    # --- jobs

    def submit(self, code: Code, options: Options) -> Submitted:
        """Run ``code`` as a job; the handle is there as soon as the target has accepted it.

        Raises:
            UsageError: an option is wrong, or something that the code needs cannot travel.
            ExecutorError: the target does not accept it.
        """
        executor = self.executor(options.target)
        accepted = submitting.accept(code, options, executor, self.settings.defaults, self._objects)
        job = self.accepted(accepted.job_id, accepted.spec, executor)
        return Submitted(job, accepted.messages, accepted.bound)

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
        status = JobStatus(state=JobState.PENDING, submitted=time.time())
        return self.handle(JobRecord(id=job_id, target=executor.target, spec=spec, status=status))

    def plan(self, code: Code, options: Options, *, check: bool = False) -> Plan:
        """What `submit` would do; nothing is submitted and nothing is left behind.

        With ``check`` the cluster of the target is asked whether it would accept it.
        """
        executor = self.executor(options.target)
        return submitting.plan(code, options, executor, self.settings.defaults, check=check)

    def rerun(self, record: JobRecord, resume: bool | None = None) -> Job:
        """Submit the request of ``record`` again, as a new job with the same payload.

        Args:
            record: of the earlier job.
            resume: whether the new job finds what the earlier one saved in its checkpoint directory; None
                is yes if that was ended from outside, and no if it came to its own end.
        """
        executor = self.executor(record.target)
        spec, payload = executor.request(record.id)
        if resume is None:
            resume = record.status.reason in _ENDED_FROM_OUTSIDE
        job_id = new_job_id(spec.name)
        spec = replace(spec, resume=record.id if resume else "")
        executor.submit(job_id, spec, payload, dict(os.environ))
        return self.accepted(job_id, spec, executor)

    def job(self, name: str, target: str | None = None) -> Job:
        """The newest job called ``name``, or the one with that id.

        Raises:
            JobNotFound: there is none on the target.
        """
        executor = self.executor(target)
        if is_job_id(name):
            try:
                return self.handle(executor.record(name))
            except JobNotFound:
                pass  # a name may look like an id
        for record in executor.records():
            if record.name == name:
                return self.handle(record)
        raise JobNotFound(
            f"There is no job {name!r} on target {executor.target}.",
            "%sovjobs (in a shell: sovlab jobs) lists them.",
        )

    def jobs(self, target: str | None = None) -> list[JobRecord]:
        """All jobs of a target, newest first."""
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

    def clean(
        self,
        *,
        older_than: float | None = None,
        target: str | None = None,
        dry_run: bool = False,
        files: bool = False,
    ) -> Cleaned:
        """Delete ended jobs with all that they left; see `sovlab.client.retention.sweep`."""
        from sovlab.client.retention import sweep

        executor = self.executor(target)
        return sweep(executor, self.settings, older_than=older_than, dry_run=dry_run, files=files)

    # --- targets

    def targets(self) -> list[TargetSummary]:
        """All targets, by name."""
        return [self.target(name) for name in sorted(self._targets)]

    def target(self, name: str | None = None) -> TargetSummary:
        """A target with all its settings, and where each is set; None is the current one."""
        from sovlab.core.target import TargetSummary

        configured = self._configured(name)
        target, serves = configured.target, registry.provider(configured.target.executor)
        values, section = serves.values(configured), serves.section(target)
        keys = getattr(values, "__struct_fields__", ())
        prometheus = {f"prometheus.{key}": value for key, value in target.prometheus.items()}
        return TargetSummary(
            name=target.name,
            executor=target.executor,
            where=serves.where(configured.options),
            source=target.source,
            settings={key: getattr(values, key) for key in keys} | prometheus,
            sources={key: self.settings.source(f"{section}.{key}") for key in keys}
            | {key: self.settings.source(f"targets.{target.name}.{key}") for key in prometheus},
        )

    def add_target(
        self, name: str, new: NewTarget, *, use: bool = False, force: bool = False
    ) -> tuple[Path, TargetProposal]:
        """Look at a cluster and define a target on it in the user's settings.

        Args:
            name: of the target.
            new: what is said of it.
            use: make it the current one.
            force: write a target of that name anew.

        Returns:
            The file that was written, and what was found and written.

        Raises:
            UsageError: what is said is wrong, or there is such a target; nothing is written.
            ExecutorError: the cluster does not answer; nothing is written.
        """
        from sovlab.client.target_setup import EXECUTOR, propose
        from sovlab.settings import add_target, check_new_target

        check_new_target(name, force=force)
        proposal = propose(name, new, self.settings.state)
        path = add_target(name, EXECUTOR, proposal.values, force=force)
        if use:
            use_target(name)
        self._reload(name)
        return path, proposal

    def use_target(self, name: str) -> None:
        """Make a target the current one, in the user's settings."""
        use_target(self.settings.target_named(name).name)
        self._reload()

    def remove_target(self, name: str) -> Path:
        """Take a target out of the user's settings; the file that was written."""
        path = remove_target(name)
        self._reload(name)
        return path

    def examine(self, target: str | None = None) -> list[Finding]:
        """What the place of a target is like for jobs, each fact with what would make it better.

        Raises:
            ExecutorError: it does not answer.
        """
        configured = self._configured(target)
        findings = registry.provider(configured.target.executor).examine(configured)
        site = self.site(target)
        if site is None:
            return findings
        from sovlab.client.site.examining import site_findings

        return [*findings, *site_findings(site)]

    # --- hardware

    def capacity(self, target: str | None = None) -> list[Capacity]:
        """What a target has of each backend, and what of it is free."""
        return self.executor(target).capacity()

    @staticmethod
    def power(seconds: float = 1.0) -> EnergyReport:
        """What this machine draws now, and how hot it is: the mean of some seconds.

        Raises:
            ExecutorError: its sensors do not answer.
        """
        from sovlab.client.machine_power import machine_power

        return machine_power(seconds)

    def site_power(self, target: str | None = None) -> SitePower:
        """What a target's devices draw now, as its site's Prometheus has it.

        Raises:
            SpecError: the target names no Prometheus.
            ExecutorError: that gives no answer.
        """
        from sovlab.client.site.power import site_power

        return site_power(self._named_site(target))

    def recording_rules(self, target: str | None = None) -> Manifests:
        """Rules with which a Prometheus shows tenants what is about their own pods.

        Args:
            target: whose Prometheus is asked for the labels there; None makes rules for usual ones.

        Raises:
            SpecError: the target names no Prometheus, or rules cannot be made of what it has.
            ExecutorError: that gives no answer.
        """
        from sovlab.client.site.rules import recording_rules

        return recording_rules(self._named_site(target) if target is not None else None)

    def _named_site(self, target: str | None) -> Site:
        site = self.site(target)
        if site is None:
            name = self._configured(target).name
            raise SpecError(
                f"Target {name} names no Prometheus.",
                f"Set url in [targets.{name}.prometheus] of the settings.",
            )
        return site

    @staticmethod
    def backends() -> Sequence[str]:
        """Names of the backends that there are."""
        from sovlab.backends import known

        return list(known())

    @staticmethod
    def contexts() -> Sequence[str]:
        """Names of the contexts of the user's kubeconfig. Raises `CredentialsError` if it cannot be read."""
        from sovlab.kube.transport.connection import contexts

        return contexts()

    @property
    def _objects(self) -> Path:
        return self.settings.state / "objects"


@functools.lru_cache(maxsize=1)
def default() -> Client:
    """The client of this process, made from the user's settings at first use."""
    return Client()
