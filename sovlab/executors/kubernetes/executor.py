"""`KubernetesExecutor`: jobs on a cluster, by nothing but what the `edit` role of a namespace may do."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sovlab import backends
from sovlab.core.capacity import Capacity
from sovlab.core.cleaned import Cleaned
from sovlab.core.deadlines import within
from sovlab.core.energy.history import PowerHistory
from sovlab.core.event import Cursor, Event, StatusChanged
from sovlab.core.job import JobRecord, JobsSeen, JobState, JobStatus, Reason
from sovlab.core.names import is_job_id
from sovlab.core.plan import Manifests, Past
from sovlab.core.spec import JobSpec
from sovlab.errors import (
    BackendError,
    JobNotFound,
    ResultError,
    SovlabError,
    SpecError,
    UsageError,
    WaitTimeout,
)
from sovlab.executors.kubernetes import describing
from sovlab.executors.kubernetes.cancelling import Cancelling, is_queued
from sovlab.executors.kubernetes.cleaning import Cleaning
from sovlab.executors.kubernetes.following import Following
from sovlab.executors.kubernetes.holding import Starting, is_held
from sovlab.executors.kubernetes.objects.records import Records, job_record
from sovlab.executors.kubernetes.objects.trimming import Object
from sovlab.executors.kubernetes.objects.workloads import JobObjects, Objects
from sovlab.executors.kubernetes.ownership import Ownership
from sovlab.executors.kubernetes.submitting import Submission, profile_for_job
from sovlab.executors.kubernetes.transfers.bucket import Bucket
from sovlab.executors.kubernetes.transfers.commands import CommandsInPods
from sovlab.executors.kubernetes.transfers.local_state import LocalState
from sovlab.executors.kubernetes.transfers.pods import PodTransfers
from sovlab.executors.kubernetes.transfers.transfer_agent import AgentConfiguration, ensure_agent
from sovlab.executors.kubernetes.transfers.volume import Volume
from sovlab.kube import labels
from sovlab.kube.objects.podspec import GRACE
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.reading import status
from sovlab.kube.reading.kueue import Queues
from sovlab.kube.reading.wait_reasons import Reasons
from sovlab.kube.survey.capacity import Counting, largest
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.connection import Login
from sovlab.kube.transport.errors import ClusterError
from sovlab.payload.shipping import small_runner

_LEAST = 0.1
"""Seconds between two lists at least, however much changes."""
_LOOK_STOP = 0.25


class KubernetesExecutor:
    """A target on a cluster.

    Args:
        target: name of the target.
        login: where the cluster is and who we are there.
        profile: what the target says of it.
        state: the user's state directory.
        key_file: has the key by which this user's requests are known; None is one of the state's own.
        agents: whether a process may be started that brings and fetches what a pod waits for.
    """

    shares_files = False
    defers = True
    has_queues = True

    def __init__(
        self,
        target: str,
        login: Login,
        profile: ClusterProfile,
        state: Path,
        *,
        key_file: Path | None = None,
        agents: bool = True,
    ) -> None:
        self.target = target
        self._profile = profile
        self._mission = AgentConfiguration(target, login, profile, str(state)) if agents else None
        self._api = Api(login)
        self.local_state = LocalState(state / "clusters" / target)
        self._ownership = Ownership(
            self._api, profile.namespace, self.local_state, key_file or state / "signing.key"
        )
        self._records = Records(target, lambda job_id: self._objects.left_by(job_id), self._ownership.of)
        self._objects = Objects(self._api, profile.namespace, self._records.prepare)
        self._runners = state / "runner"
        self._bucket = Bucket(profile.bucket, profile.s3_endpoint) if profile.bucket else None
        self._volume = Volume(self._api, profile) if profile.claim else None
        self._commands = CommandsInPods(self._api, profile.namespace)
        self._transfers = PodTransfers(self._api, profile, self.local_state)
        self._reasons = Reasons(self._api, profile.namespace)
        self._queues = Queues(self._api, profile.namespace)
        self._starting = Starting(self._api, self._objects)
        self._cleaning = Cleaning(
            self._api,
            target,
            self._objects,
            self._records,
            self.local_state,
            self._ownership,
            self._bucket or self._volume,
        )

    def submit(self, job_id: str, spec: JobSpec, payload: Path, environ: Mapping[str, str]) -> None:
        """See `Executor.submit`; the submitter's environment stays here."""
        submission = self._submission(job_id, spec, payload)
        if submission.delivery == "stream":
            self._commands.check(spec.name, payload.stat().st_size)
        submission.carry_out(self.local_state)
        self.local_state.note_own(job_id)
        holds = self._bucket is None and self._volume is None
        held = spec.due(time.time()) is not None
        if self._mission is not None and (holds or held or submission.delivery == "stream"):
            ensure_agent(self._mission, self.local_state, job_id)

    def manifests(self, job_id: str, spec: JobSpec, payload: Path, *, check: bool = False) -> Manifests:
        """See `Executor.manifests`."""
        return describing.planned(self._submission(job_id, spec, payload), check=check)

    def manifests_of(self, job_id: str) -> Manifests:
        """See `Executor.manifests_of`."""
        found = self._objects.workload(job_id)
        if found is None:
            raise self._unknown(job_id)
        return describing.existing(self._api, self._profile.namespace, *found)

    def manifest_for_everybody(self, job_id: str) -> Mapping[str, Any] | None:
        """See `Executor.manifest_for_everybody`."""
        found = None if self._buried(job_id) is not None else self._objects.workload(job_id)
        return describing.for_everybody(*found) if found is not None else None

    def happenings(self, job_id: str) -> Past:
        """See `Executor.happenings`."""
        from sovlab.executors.kubernetes.happenings import existing

        if self._buried(job_id) is not None:
            return Past(notes=("It was deleted in its queue: the cluster has nothing of it any more.",))
        found = self._objects.workload(job_id)
        if found is None:
            raise self._unknown(job_id)
        return existing(self._api, self._profile.namespace, found[0], job_id)

    def check(self, spec: JobSpec) -> None:
        """See `Executor.check`: image, size of the nodes, queue and priority."""
        backend = backends.get(spec.backend)
        if not self._profile.image_for(backend.name):
            raise BackendError(
                f"Target {self.target} names no image for backend {backend.name}.",
                f"Set image, or images.{backend.name}, under [targets.{self.target}.kubernetes].",
            )
        problem = largest(self._api, spec, backend, self._profile)
        if problem:
            raise SpecError(f"Job {spec.name} asks for {problem} on target {self.target}.", "Ask for less.")
        profile = profile_for_job(self._profile, spec)
        self._queues.check(profile.queue, profile.priority)

    def image(self, spec: JobSpec) -> str:
        """See `Executor.image`."""
        return self._profile.image_for(spec.backend)

    def _submission(self, job_id: str, spec: JobSpec, payload: Path) -> Submission:
        self.check(spec)
        profile = profile_for_job(self._profile, spec)
        backend = backends.get(spec.backend)
        runner = small_runner(self._runners)
        return Submission(
            self._api,
            self._objects,
            profile,
            job_id,
            spec,
            backend,
            payload,
            runner,
            self._ownership,
            self._bucket,
        )

    def record(self, job_id: str) -> JobRecord:
        """See `Executor.record`."""
        buried = self._buried(job_id)
        if buried is not None:
            return buried
        _, obj, pods = self._found(job_id)
        if self._look_after(obj):
            _, obj, pods = self._found(job_id)
        return self._record(obj, pods, explain=True)

    def _buried(self, job_id: str) -> JobRecord | None:
        return self.local_state.tombstone(job_id) if is_job_id(job_id) else None

    def request(self, job_id: str) -> tuple[JobSpec, Path]:
        """See `Executor.request`."""
        if self._buried(job_id) is not None:
            raise UsageError(
                f"Job {job_id} was cancelled in its queue, and what it would have run is no longer kept.",
                "Submit its code again.",
            )
        spec = self._spec(self._workload(job_id))
        if spec is None:
            raise UsageError(
                f"The record of job {job_id} is damaged, so it cannot run again.", "Submit its code again."
            )
        return self._transfers.request(job_id, spec)

    def records(self) -> list[JobRecord]:
        """See `Executor.records`."""
        found = self._records.newest_first(self._objects, self.local_state.tombstones())
        for record in found:
            if record.status.due is not None and (obj := self._objects.known(record.id)) is not None:
                self._look_after(obj)
        return found

    def _look_after(self, obj: Object) -> bool:
        """Let a job go whose start has come; False if that was not to be done.

        One of ours that is still held back has an agent again, where that has gone, as with the machine.
        """
        if self._starting.look(obj):
            return True
        job_id = obj["metadata"]["name"]
        if is_held(obj) and self._mission is not None and self.local_state.is_requested(job_id):
            ensure_agent(self._mission, self.local_state, job_id)
        return False

    def changes(self, stop: threading.Event) -> Iterator[JobsSeen]:
        """See `Executor.changes`; it is the one watch of this process that says so."""
        changed = threading.Event()
        with self._objects.watched() as watched:
            watched.listen(changed.set)
            try:
                while not stop.is_set():
                    changed.clear()
                    failure = next(iter(watched.failures()), None)
                    yield JobsSeen(
                        records=self.records(),
                        error=failure[0] if failure is not None else None,
                        since=time.time() - (time.monotonic() - failure[1]) if failure is not None else None,
                    )
                    while not changed.wait(_LOOK_STOP) and not stop.is_set():
                        pass
                    stop.wait(_LEAST)
            finally:
                watched.ignore(changed.set)

    def own_records(self, most: int) -> list[JobRecord]:
        """See `Executor.own_records`; asks nothing while the jobs of the target are watched anyway."""
        own = self.local_state.newest_own(most)
        if not own:
            return []
        with self._objects.watched() as watched:
            found = ((watched.workload(job_id), watched.pods_of(job_id)) for job_id in own)
            return [self._records.make(obj, pods) for obj, pods in found if obj is not None]

    def events(
        self, job_id: str, *, follow: bool = True, offset: Cursor = 0, stop: threading.Event | None = None
    ) -> Iterator[Event]:
        """See `Executor.events`."""
        buried = self._buried(job_id)
        if buried is not None:
            return iter([StatusChanged(status=buried.status)])
        self._workload(job_id)
        return self._events(job_id, follow=follow, offset=offset, stop=stop, log=True)

    def _events(
        self, job_id: str, *, follow: bool, offset: Cursor, stop: threading.Event | None, log: bool
    ) -> Iterator[Event]:
        with self._objects.watched() as watched:
            following = Following(
                self._api,
                self._profile.namespace,
                job_id,
                watched,
                lambda obj, pods: self._record(obj, pods, explain=True),
                lambda: self._objects.pods(job_id),
                cursor=offset,
                follow=follow,
                stop=stop,
                on_frame=lambda pod, frame: self._transfers.on_frame(job_id, pod, frame),
                why_not_fetched=self._commands.why_not_fetched,
                gone=lambda: self._buried(job_id),
                let_go=self._starting.look,
                log=log,
            )
            yield from following.events()

    def power_history(self, job_id: str) -> PowerHistory:
        """See `Executor.power_history`; the cluster keeps the end of a long log only."""
        from sovlab.executors.kubernetes.power import power_history

        if self._buried(job_id) is not None:
            return PowerHistory()
        nonce = self._workload(job_id)["metadata"]["annotations"].get(labels.NONCE, "-")
        return power_history(self._api, self._profile.namespace, self._objects.pods(job_id), nonce)

    def wait(self, job_id: str, timeout: float | None = None) -> JobRecord:
        """See `Executor.wait`. Results that the pod holds are fetched meanwhile."""
        buried = self._buried(job_id)
        if buried is not None:
            return buried
        stop = None if timeout is None else threading.Event()
        name = job_id

        def late() -> WaitTimeout:
            return WaitTimeout(f"Job {name} has not ended after {timeout:g} s.", "It goes on.")

        def wait() -> JobRecord:
            nonlocal name
            _, obj, pods = self._found(job_id)
            record = self._record(obj, pods)
            name = record.name
            if record.status.state.ended or record.status.state is JobState.UNKNOWN:
                return record
            last: JobStatus | None = None
            for event in self._events(job_id, follow=True, offset=0, stop=stop, log=True):
                if isinstance(event, StatusChanged):
                    last = event.status
            if last is None or not (last.state.ended or last.state is JobState.UNKNOWN):
                raise late()
            return replace(record, status=last)

        return within(timeout, wait, late, stop=stop)

    def cancel(self, job_id: str) -> None:
        """See `Executor.cancel`. A job that a queue holds is deleted there, and its record is kept here."""
        if self._buried(job_id) is not None:
            return
        kind, obj, pods = self._found(job_id)
        record = self._record(obj, pods)
        if record.status.state.ended:
            return
        if not is_queued(obj):
            grace = record.spec.grace if record.spec is not None else GRACE
            cancelling = Cancelling(self._api, self._profile, kind, obj, grace)
            if cancelling.carry_out(pods, lambda: self._objects.pods(job_id)):
                return
        message = "It was cancelled." if pods else "It was cancelled before it started."
        status_ = replace(
            record.status,
            state=JobState.CANCELLED,
            reason=Reason.CANCELLED,
            message=message,
            ended=time.time(),
            ahead=None,
            due=None,
        )
        self.local_state.put_tombstone(replace(record, status=status_))
        try:
            self._api.delete(f"{kind.path}/{job_id}")
        except ClusterError:
            self.local_state.drop_tombstone(job_id)  # it goes on
            raise
        self._objects.forget(job_id)

    def results(self, job_id: str) -> Path | None:
        """See `Executor.results`."""
        there = self.local_state.results(job_id) if is_job_id(job_id) else None
        if there is not None and there.exists():
            return there
        if self._buried(job_id) is not None:
            return None
        known = self._records.ended(job_id)  # what has ended is not asked for again
        obj, pods = known if known is not None else self._found(job_id)[1:]
        found = self._record(obj, pods).status.state
        if not (found.ended or found is JobState.UNKNOWN):
            return None  # which of its nodes explains its end is not known before
        if self._transfers.is_stored(pods):
            return self._from_store(job_id, obj)
        return self._transfers.results(job_id, pods)

    def _from_store(self, job_id: str, obj: Object) -> Path | None:
        target = self.local_state.make(job_id) / "results.pack"
        spec = self._spec(obj)
        if self._bucket is not None:
            self._bucket.fetch(job_id, target, self._ownership.folder_of(obj))
        elif self._volume is not None:
            self._volume.fetch(obj, spec.backend if spec is not None else "cpu", target)
        else:
            raise ResultError(
                f"The results of job {job_id} are in a store that target {self.target} no longer names.",
                "Set store in the target again.",
            )
        return target

    def delete(self, job_id: str) -> None:
        """See `Executor.delete`."""
        if self._buried(job_id) is not None:
            self.local_state.forget(job_id)
            return
        kind, obj, pods = self._found(job_id)
        state = self._record(obj, pods).status.state
        # What has ended stays so, though its pods may be gone before its workload says it.
        has_ended = state.ended or self._records.ended(job_id) is not None
        if not has_ended and state is not JobState.UNKNOWN:
            raise UsageError(f"Job {job_id} has not ended ({state}).", "Cancel it first.")
        self._cleaning.empty_store([job_id], [obj])
        self._cleaning.delete(kind, job_id)

    def trust(self, job_id: str) -> None:
        """See `Executor.trust`."""
        if self._buried(job_id) is None:
            self._ownership.trust(self._workload(job_id))
            self._records.forget(job_id)

    def clean(
        self, *, older_than: float, dry_run: bool = False, files: bool = False, all_users: bool = False
    ) -> Cleaned:
        """See `Executor.clean`; what interrupted submits left is deleted too."""
        return self._cleaning.carry_out(
            self.records(), older_than, dry_run=dry_run, files=files, all_users=all_users
        )

    def capacity(self, queue: str = "") -> list[Capacity]:
        """See `Executor.capacity`; through a queue of the namespace, by default that of the target."""
        counting = Counting(self._api, self._profile, queue=queue or self._profile.queue)
        waiting: dict[str, int] = {}
        with contextlib.suppress(SovlabError):
            for record in self.records():
                if record.spec is not None and record.status.state is JobState.QUEUED:
                    waiting[record.spec.backend] = waiting.get(record.spec.backend, 0) + 1
        known = {name: provider.backend for name, provider in backends.known().items()}
        # Where it cannot be seen what others have waiting, our own that wait are known, and nothing else.
        return [
            replace(capacity, queued=max(capacity.queued or 0, own)) if own else capacity
            for capacity in counting.capacities(known)
            for own in [waiting.get(capacity.detection.backend, 0)]
        ]

    def _unknown(self, job_id: str) -> JobNotFound:
        return JobNotFound(
            f"There is no job {job_id!r} on target {self.target}.",
            "%sovjobs (in a shell: sovlab jobs) lists them.",
        )

    def _found(self, job_id: str) -> JobObjects:
        found = self._objects.of_job(job_id)
        if found is None:
            raise self._unknown(job_id)
        return found

    def _workload(self, job_id: str) -> Object:
        found = self._objects.workload(job_id)
        if found is None:
            raise self._unknown(job_id)
        return found[1]

    def _spec(self, obj: Object) -> JobSpec | None:
        """The request that a workload was made from; None if it is damaged."""
        return job_record(obj, [], self.target).spec

    def _record(self, obj: Object, pods: list[Object], *, explain: bool = False) -> JobRecord:
        record = self._records.make(obj, pods)
        state = record.status.state
        if explain and state in (JobState.PENDING, JobState.QUEUED, JobState.SUSPENDED):
            why = self._reasons.of(obj, status.newest(pods))
            if why.text:
                return job_record(obj, pods, self.target, why=why, claim=self._ownership.of(obj))
        return record
