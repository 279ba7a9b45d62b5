"""The objects of sovlab's jobs in a cluster: which are ours, and the request that one was made from."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypedDict

import msgspec

from sovlab.core.job import JobRecord, JobState, JobStatus, Reason
from sovlab.core.names import is_job_id
from sovlab.core.spec import JobSpec
from sovlab.core.untrusted import clean
from sovlab.errors import SpecError
from sovlab.kube import labels
from sovlab.kube.objects import manifests
from sovlab.kube.reading import status
from sovlab.kube.reading.pods import container_name
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import Forbidden, NotFound
from sovlab.kube.transport.watching import Cache

Object = dict[str, Any]

_DAMAGE = (
    *(msgspec.MsgspecError, SpecError, RecursionError),
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
)
"""What reading an object raises whose members are not what sovlab and the cluster write."""
_ANNOTATIONS = (
    labels.SPEC,
    labels.SUBMITTED,
    labels.NONCE,
    labels.READY,
    labels.CANCELLED,
    labels.DELIVERY,
    labels.INDEX,
    labels.DEFAULT_CONTAINER,
)
_LABELS = (labels.JOB, labels.MANAGED_BY, labels.QUEUE, labels.INDEX)


class _Owner(TypedDict, total=False):
    kind: str


class _Meta(TypedDict, total=False):
    name: str
    uid: str
    resourceVersion: str
    creationTimestamp: str | None
    deletionTimestamp: str | None
    labels: dict[str, str] | None
    annotations: dict[str, str] | None
    ownerReferences: list[_Owner] | None


class _Container(TypedDict, total=False):
    name: str
    image: str


class _Spec(TypedDict, total=False):
    suspend: bool | None
    completions: int | None
    parallelism: int | None
    replicatedJobs: Any
    trainer: Any
    nodeName: str | None
    containers: list[_Container] | None


class _Condition(TypedDict, total=False):
    type: str
    status: str
    reason: str | None
    message: str | None
    lastTransitionTime: str | None


class _ContainerStatus(TypedDict, total=False):
    name: str
    image: str | None
    state: Any
    lastState: Any


class _Status(TypedDict, total=False):
    phase: str
    reason: str | None
    message: str | None
    startTime: str | None
    conditions: list[_Condition] | None
    containerStatuses: list[_ContainerStatus] | None


class Shape(TypedDict, total=False):
    """What is read of a Job, a JobSet, a TrainJob or a Pod in a list."""

    kind: str
    metadata: _Meta
    spec: _Spec
    status: _Status


class WorkloadKind:
    """A kind of workload and where its objects are.

    Args:
        name: e.g. ``Job``.
        path: of its collection.
    """

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path


def marks(spec: JobSpec, nonce: str, submitted: float, delivery: str) -> dict[str, str]:
    """What a workload is marked with.

    Environment and arguments may hold secrets, and everybody who may see the workload can read these: they
    are in the Secret only. The names of cells are there too, for their length.
    """
    told = replace(spec, env={}, args=(), labels={})
    return {
        labels.SPEC: msgspec.json.encode(told).decode(),
        labels.SUBMITTED: repr(submitted),
        labels.NONCE: nonce,
        labels.DELIVERY: delivery,
    }


def trim(obj: Object) -> Object | None:
    """What sovlab needs of a Job, JobSet, TrainJob or Pod; None if it is not one of ours."""
    meta = obj["metadata"]
    owners = meta.get("ownerReferences") or ()
    told = meta.get("annotations") or {}
    is_pod = obj.get("kind") == "Pod" or "containers" in (obj.get("spec") or {})
    if not is_pod and (
        any(o.get("kind") in ("JobSet", "TrainJob") for o in owners) or labels.SPEC not in told
    ):
        return None  # part of a JobSet or TrainJob, or an object of another tool that uses the same labels
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    marked = meta.get("labels") or {}
    return {
        "kind": obj.get("kind") or ("Pod" if is_pod else ""),
        "metadata": {
            **{
                k: meta[k]
                for k in ("name", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
                if k in meta
            },
            "labels": {k: marked[k] for k in _LABELS if k in marked},
            "annotations": {k: told[k] for k in _ANNOTATIONS if k in told},
        },
        "spec": _trim_pod(spec, container_name(obj)) if is_pod else _trim_workload(spec),
        "status": {
            k: state[k]
            for k in ("phase", "reason", "message", "conditions", "containerStatuses", "startTime", "active")
            if k in state
        },
    }


def _trim_pod(spec: Mapping[str, Any], name: str) -> Object:
    images = [{"image": c.get("image")} for c in spec.get("containers") or () if c.get("name") == name]
    return {"nodeName": spec.get("nodeName"), "containers": images}


def _trim_workload(spec: Mapping[str, Any]) -> Object:
    found = {k: spec[k] for k in ("suspend", "completions", "parallelism") if k in spec}
    sets = spec.get("replicatedJobs")
    if sets:
        inner = (sets[0].get("template") or {}).get("spec") or {}
        found["completions"] = inner.get("completions")
    if "trainer" in spec:
        found["completions"] = (spec["trainer"] or {}).get("numNodes")
    return found


def record(obj: Object, pods: list[Object], target: str, *, why: str = "") -> JobRecord:
    """What a workload and its pods say. Damage makes the job UNKNOWN, never an error."""
    job_id = str(obj["metadata"]["name"])
    try:
        spec = msgspec.json.decode(obj["metadata"]["annotations"][labels.SPEC], type=JobSpec)
        found = status.status(obj, pods, now=time.time(), why=why)
    except _DAMAGE as error:
        kind, why = obj.get("kind") or "object", clean(str(error), 300)
        damaged = JobStatus(
            state=JobState.UNKNOWN,
            reason=Reason.UNREADABLE,
            message=f"Its {kind} in the cluster cannot be read ({why}).",
            submitted=status.seconds(obj["metadata"].get("creationTimestamp")),
        )
        return JobRecord(id=job_id, target=target, spec=None, status=damaged)
    return JobRecord(id=job_id, target=target, spec=spec, status=found)


class JobObjects(NamedTuple):
    """What a job is made of in the cluster, as far as it tells how the job stands.

    Attributes:
        kind: of its workload.
        workload: as `trim` leaves it.
        pods: likewise, those of earlier tries too.
    """

    kind: WorkloadKind
    workload: Object
    pods: list[Object]


def _trimmed(kind: WorkloadKind, workload: Object) -> Object:
    return trim({"kind": kind.name, **workload}) or {}


def _job_of(obj: Object) -> str:
    return str(obj["metadata"]["labels"].get(labels.JOB, ""))


class Objects:
    """The workloads and pods of a namespace, each kind with one watch for the whole process.

    Args:
        api: of the cluster.
        namespace: where they are.
        seen: called with each workload and its pods when news of it come, from the thread that reads them.
    """

    def __init__(
        self, api: Api, namespace: str, seen: Callable[[Object, list[Object]], None] = lambda obj, pods: None
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._seen = seen
        self._lock = threading.Lock()
        self._kinds: list[WorkloadKind] | None = None
        self._caches: dict[str, Cache] = {}
        core = f"/api/v1/namespaces/{namespace}"
        self.pods_path = f"{core}/pods"
        self.jobs = WorkloadKind("Job", f"/apis/batch/v1/namespaces/{namespace}/jobs")
        self._more = {
            made: WorkloadKind(
                made, f"/apis/{manifests.API_VERSIONS[made]}/namespaces/{namespace}/{made.lower()}s"
            )
            for made in manifests.API_VERSIONS
            if made != "Job"
        }

    def kind(self, name: str) -> WorkloadKind:
        """A kind of workload by its name."""
        return self._more.get(name, self.jobs)

    def kinds(self) -> list[WorkloadKind]:
        """The kinds of workload that the cluster knows."""
        with self._lock:
            if self._kinds is None:
                groups = self._api.get("/apis").get("groups") or ()
                known = {g.get("name") for g in groups}
                more = [kind for kind in self._more.values() if kind.path.split("/")[2] in known]
                self._kinds = [self.jobs, *filter(self._may_list, more)]
            return self._kinds

    def _may_list(self, kind: WorkloadKind) -> bool:
        """Whether a kind is for us: what is installed need not be in everybody's role."""
        try:
            self._api.get(kind.path, limit=1)
        except (Forbidden, NotFound):
            return False
        return True

    def cache(self, path: str) -> Cache:
        """What is known of a collection."""
        with self._lock:
            if path not in self._caches:
                if path == self.pods_path:
                    cache = Cache(self._api, path, labels.SELECTOR, shape=Shape, trim=trim, group=_job_of)
                else:
                    cache = Cache(self._api, path, labels.SELECTOR, shape=Shape, trim=self._trim_workload)
                self._caches[path] = cache
            return self._caches[path]

    def _trim_workload(self, obj: Object) -> Object | None:
        kept = trim(obj)
        if kept is not None:
            pods = self._caches.get(self.pods_path)
            self._seen(kept, pods.of(kept["metadata"]["name"]) if pods is not None else [])
        return kept

    @contextlib.contextmanager
    def watched(self) -> Iterator[LiveObjects]:
        """Workloads and pods, kept up to date while the context lasts."""
        with contextlib.ExitStack() as stack:
            caches = [self.cache(self.pods_path), *(self.cache(kind.path) for kind in self.kinds())]
            yield LiveObjects([stack.enter_context(cache.open()) for cache in caches])

    def workload(self, job_id: str) -> tuple[WorkloadKind, Object] | None:
        """One workload as the cluster has it now, whole; None if there is none of ours."""
        if not is_job_id(job_id):
            return None
        return self._first((self.jobs, *self._more.values()), job_id)

    def of_job(self, job_id: str) -> JobObjects | None:
        """A job's objects as the cluster has them now; None if there is none of ours.

        Two requests for a Job. For another kind it is three: the pods, which are read anyway, tell which.
        """
        if not is_job_id(job_id):
            return None
        found = self._first((self.jobs,), job_id)
        if found is not None:
            return JobObjects(found[0], _trimmed(*found), self.pods(job_id))
        pods = self.pods(job_id)
        trains = any(container_name(pod) == labels.TRAINER for pod in pods)
        likely = sorted(self._more.values(), key=lambda kind: (kind.name == "TrainJob") is not trains)
        found = self._first(likely, job_id)
        if found is None:
            return None
        # Without pods, they may have come after the look at them.
        return JobObjects(found[0], _trimmed(*found), pods or self.pods(job_id))

    def _first(self, kinds: Iterable[WorkloadKind], job_id: str) -> tuple[WorkloadKind, Object] | None:
        """The workload of the first kind that has one of ours by that name."""
        for kind in kinds:
            try:
                found = self._api.get(f"{kind.path}/{job_id}")
            except NotFound:
                continue
            except Forbidden:
                if kind is self.jobs:
                    raise
                continue  # what is installed need not be in everybody's role
            if trim({"kind": kind.name, **found}) is not None:
                return kind, found
        return None

    def known(self, job_id: str) -> Object | None:
        """One workload as it was last seen in a list; None if it was not."""
        with self._lock:
            caches = list(self._caches.values())
        found = (cache.get(job_id) for cache in caches)
        return next((obj for obj in found if obj is not None and obj.get("kind") != "Pod"), None)

    def forget(self, job_id: str) -> None:
        """Take a workload that was deleted out of what is known, before the watch says so."""
        with self._lock:
            caches = list(self._caches.values())
        for cache in caches:
            cache.drop(job_id)

    def pods(self, job_id: str) -> list[Object]:
        """The pods of one job as the cluster has them now."""
        selector = f"{labels.MANAGED_BY}={labels.MANAGER},{labels.JOB}={job_id}"
        found = self._api.get(self.pods_path, labelSelector=selector).get("items") or []
        return [kept for pod in found if (kept := trim({"kind": "Pod", **pod})) is not None]


class LiveObjects:
    """Workloads and pods as they are now.

    Args:
        caches: of pods, then of each kind of workload.
    """

    def __init__(self, caches: list[Cache]) -> None:
        self._caches = caches
        self._pods, *self._workloads = caches

    def workload(self, job_id: str) -> Object | None:
        """One workload."""
        return next((found for cache in self._workloads if (found := cache.get(job_id))), None)

    def workloads(self) -> list[Object]:
        """All workloads."""
        return [obj for cache in self._workloads for obj in cache.all()]

    def pods(self) -> dict[str, list[Object]]:
        """All pods, by job."""
        return self._pods.groups()

    def pods_of(self, job_id: str) -> list[Object]:
        """The pods of one job."""
        return self._pods.of(job_id)

    def listen(self, listener: Any) -> None:
        """Have ``listener`` called at each change."""
        for cache in self._caches:
            cache.listen(listener)

    def ignore(self, listener: Any) -> None:
        """Take back `listen`."""
        for cache in self._caches:
            cache.ignore(listener)

    @property
    def failure(self) -> Exception | None:
        """Why it is not up to date now; None if it is."""
        return next((cache.failure for cache in self._caches if cache.failure is not None), None)
