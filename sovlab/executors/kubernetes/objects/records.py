"""The records of jobs from their objects, and the request that each was made from."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

import msgspec

from sovlab import codec
from sovlab.core.decoding import check_request
from sovlab.core.job import JobRecord, JobState, JobStatus, Reason
from sovlab.core.names import is_job_id
from sovlab.core.spec import JobSpec
from sovlab.core.units import format_limit
from sovlab.core.untrusted import clean
from sovlab.errors import SpecError
from sovlab.executors.kubernetes.objects.claims import OWN, Claim
from sovlab.executors.kubernetes.objects.trimming import DAMAGE, UNFIT, Object
from sovlab.executors.kubernetes.objects.workloads import Objects
from sovlab.kube import labels
from sovlab.kube.reading import status
from sovlab.kube.reading.queue_words import UNTOLD, Wait

_Known = tuple[Object, list[Object], JobRecord, list[Object]]
"""A workload and its pods as they were read last, the record, and its pods with those that are gone since."""
_NONE: list[Object] = []
_LATE = 5.0
"""Seconds by which a JobSet may say later that it was let start than its pods were made."""


def marks(spec: JobSpec, nonce: str, submitted: float, delivery: str) -> dict[str, str]:
    """What a workload is marked with.

    Environment and arguments may hold secrets, and everybody who may see the workload can read these: they
    are in the Secret only. The names of cells are there too, for their length.
    """
    told = replace(spec, env={}, args=(), labels={}, sources={}, script="")
    return {
        labels.SPEC: msgspec.json.encode(told).decode(),
        labels.SUBMITTED: repr(submitted),
        labels.NONCE: nonce,
        labels.DELIVERY: delivery,
    }


def job_record(
    obj: Object, pods: list[Object], target: str, *, why: Wait = UNTOLD, claim: Claim = OWN
) -> JobRecord:
    """What a workload and its pods say. Damage makes the job UNKNOWN, never an error.

    Args:
        obj: the workload.
        pods: of the job.
        target: name of the target.
        why: why it waits.
        claim: whose it is.
    """
    job_id = str(obj["metadata"]["name"])
    bad = next((part for part in (obj, *pods) if part.get(DAMAGE)), None)
    if bad is not None:
        return _unreadable(obj, target, bad, bad[DAMAGE], claim)
    try:
        spec = codec.decode(obj["metadata"]["annotations"][labels.SPEC], JobSpec)
        check_request(spec)
        now = time.time()
        found = _with_limit(status.status(obj, pods, now=now, why=why), spec)
        if found.due is not None:
            from sovlab.core.deferral.words import held

            found = held(found, spec, found.due, now)
    except (SpecError, *UNFIT) as error:
        return _unreadable(obj, target, obj, clean(str(error), 300), claim)
    return JobRecord(id=job_id, target=target, spec=spec, status=found, **claim._asdict())


def _with_limit(found: JobStatus, spec: JobSpec) -> JobStatus:
    """Of a job that ran out of memory how much that was, which the cluster does not say of its end."""
    memory = spec.resources.memory
    if found.reason is not Reason.OUT_OF_MEMORY or memory is None:
        return found
    given = f"than the {format_limit(memory)} that it was given"
    return replace(found, message=found.message.replace("than it was given", given))


def _unreadable(obj: Object, target: str, bad: Object, why: str, claim: Claim) -> JobRecord:
    """The record of a job of which one object, its workload or a pod, is damaged."""
    damaged = JobStatus(
        state=JobState.UNKNOWN,
        reason=Reason.UNREADABLE,
        message=f"Its {bad.get('kind') or 'object'} in the cluster cannot be read ({why}).",
        submitted=status.seconds(obj["metadata"].get("creationTimestamp")),
    )
    name = str(obj["metadata"]["name"])
    return JobRecord(id=name, target=target, spec=None, status=damaged, **claim._asdict())


class Records:
    """The records of all workloads.

    That of a job that has ended is made once, and counts until its objects are replaced: what is kept of
    objects is never changed.

    Args:
        target: name of the target.
        left_by: the pods of a job that were deleted, see `Objects.left_by`.
        whose: tells whose a workload is; without it all are the user's.
    """

    def __init__(
        self,
        target: str,
        left_by: Callable[[str], list[Object]] = lambda job_id: _NONE,
        whose: Callable[[Object], Claim] = lambda obj: OWN,
    ) -> None:
        self._target = target
        self._whose = whose
        self._left_by = left_by
        self._known: dict[str, _Known] = {}
        self._wanted = False

    def prepare(self, obj: Object, pods: list[Object]) -> None:
        """Make the record of a job that has ended, while the server still makes the rest of a list.

        Nothing is made where nobody has asked for records, as when only one job is followed.
        """
        job_id = obj["metadata"]["name"]
        if (
            self._wanted
            and is_job_id(job_id)
            and status.condition(obj, "Complete", "Completed", "Failed") is not None
        ):
            self.make(obj, pods)

    def newest_first(self, objects: Objects, others: Iterable[JobRecord] = ()) -> list[JobRecord]:
        """All of them as they are now, and others."""
        self._wanted = True
        with objects.watched() as watched:
            pods, workloads = watched.pods(), watched.workloads()
        found, there = [*others], set()
        for obj in workloads:
            job_id = obj["metadata"]["name"]
            there.add(job_id)
            mine, last = pods.get(job_id, _NONE), self._known.get(job_id)
            if last is not None and last[0] is obj and (last[1] is mine or _are_same(last[1], mine)):
                found.append(last[2])
            elif is_job_id(job_id):
                found.append(self.make(obj, mine))
        for gone in set(self._known) - there:
            self._known.pop(gone, None)
        found.sort(key=lambda r: (r.status.submitted or 0.0, r.id), reverse=True)
        return found

    def make(self, obj: Object, pods: list[Object]) -> JobRecord:
        """The record of a job from its workload and all of its pods."""
        whole = self._with_left(obj, pods)
        made = job_record(obj, whole, self._target, claim=self._whose(obj))
        known = self._known.get(made.id)
        if known is not None and made.status.state is not JobState.UNKNOWN and _is_of_one(known[0], obj):
            # What was told of an end stays, though its pods go. Where it succeeded its results go with them.
            told, now = known[2].status, made.status
            if not told.state is now.state is JobState.SUCCEEDED:
                made = replace(made, status=replace(told, submitted=now.submitted))
        if made.status.state.ended:
            before = known[3] if known is not None else _NONE
            self._known[made.id] = (obj, pods or _NONE, made, _with(before, whole))
        return made

    def _with_left(self, obj: Object, pods: list[Object]) -> list[Object]:
        """The pods of a job; of one of several nodes, or that failed, with those that were deleted."""
        if len(pods) >= status.nodes(obj):
            return pods
        failed = status.condition(obj, "Failed", "FailureTarget") is not None
        cancelled = labels.CANCELLED in (obj["metadata"].get("annotations") or {})
        since = status.resumed(obj) if status.nodes(obj) > 1 and not cancelled else None
        if not failed and since is None:
            return pods  # another pod may take its place
        there = {status.index(pod) for pod in pods}
        left = [
            status.gone(pod)
            for pod in self._left_by(obj["metadata"]["name"])
            if status.index(pod) not in there
        ]
        # Those of a try before count only for how it failed.
        made = [status.seconds(pod["metadata"].get("creationTimestamp")) or 0.0 for pod in left]
        since = 0.0 if failed or since is None else since - _LATE
        return pods + [dict(pod) for pod, begun in zip(left, made, strict=True) if begun >= since]

    def ended(self, job_id: str) -> tuple[Object, list[Object]] | None:
        """The workload and the pods of a job that has ended, also those that are gone, if pods were there."""
        known = self._known.get(job_id)
        return (known[0], known[3]) if known is not None and known[3] else None

    def forget(self, job_id: str) -> None:
        """Take out a job that was deleted."""
        self._known.pop(job_id, None)


def _with(before: list[Object], pods: list[Object]) -> list[Object]:
    """Pods with what is known of them now; one that has ended stays so, for news of a watch may be older."""
    found = {pod["metadata"]["name"]: pod for pod in before}
    for pod in pods:
        last = found.get(pod["metadata"]["name"])
        is_older = last is not None and _is_of_one(last, pod) and status.ended(last) and not status.ended(pod)
        if not is_older:
            found[pod["metadata"]["name"]] = pod
    return list(found.values())


def _is_of_one(some: Object, other: Object) -> bool:
    """Whether two versions are of one object, and not of one that took the name of another."""
    return bool(some["metadata"].get("uid") == other["metadata"].get("uid"))


def _are_same(some: list[Object], others: list[Object]) -> bool:
    return len(some) == len(others) and all(map(operator.is_, some, others))
