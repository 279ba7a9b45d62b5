"""The workloads and pods of a namespace: asked for one by one, or watched."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from sovlab.core.names import is_job_id
from sovlab.executors.kubernetes.objects.trimming import Object, Shape, damaged, read, trim
from sovlab.kube import labels
from sovlab.kube.objects import manifests
from sovlab.kube.reading.pods import container_name, index, newest
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ClusterError, Forbidden, Gone, NotFound
from sovlab.kube.transport.watching import Cache

_LEFT = 1000
"""Of how many jobs it is known what their pods said last that were deleted."""
_ANEW = 3
"""How often a list that is too old is asked for again at once."""


class WorkloadKind:
    """A kind of workload and where its objects are.

    Args:
        name: e.g. ``Job``.
        path: of its collection.
    """

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path


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
        self._left: dict[str, dict[int, Object]] = {}
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
                is_pods = path == self.pods_path
                name = next(
                    (kind.name for kind in (self.jobs, *self._more.values()) if kind.path == path), "Pod"
                )
                self._caches[path] = Cache(
                    self._api,
                    path,
                    labels.SELECTOR,
                    shape=Shape,
                    trim=trim if is_pods else self._trim_workload,
                    damaged=lambda obj, error: damaged(obj, name, error),
                    group=_job_of if is_pods else lambda obj: "",
                    gone=self._leave if is_pods else self._bury,
                )
            return self._caches[path]

    def _trim_workload(self, obj: Object) -> Object | None:
        kept = trim(obj)
        if kept is not None:
            pods = self._caches.get(self.pods_path)
            self._seen(kept, pods.of(kept["metadata"]["name"]) if pods is not None else [])
        return kept

    def _leave(self, pod: Object) -> None:
        left = self._left.setdefault(_job_of(pod), {})
        node = index(pod)
        left[node] = dict(newest([left.get(node, pod), pod])[0])
        if len(self._left) > _LEFT:
            self._left.pop(next(iter(self._left)), None)

    def _bury(self, workload: Object) -> None:
        self._left.pop(workload["metadata"]["name"], None)

    def left_by(self, job_id: str) -> list[Object]:
        """Of each node of a job, the last of its pods that was deleted while they were watched.

        A JobSet or Job that fails deletes those pods that have not ended. They end then, and what they say of
        it is seen in the watch only.
        """
        return list(self._left.get(job_id, {}).values())

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
            return JobObjects(found[0], read(found[1], found[0].name) or {}, self.pods(job_id))
        pods = self.pods(job_id)
        trains = any(container_name(pod) == labels.TRAINER for pod in pods)
        likely = sorted(self._more.values(), key=lambda kind: (kind.name == "TrainJob") is not trains)
        found = self._first(likely, job_id)
        if found is None:
            return None
        # Without pods, they may have come after the look at them.
        return JobObjects(found[0], read(found[1], found[0].name) or {}, pods or self.pods(job_id))

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
            if read(found, kind.name) is not None:
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
        for left in range(_ANEW, -1, -1):
            try:
                found = self._api.get(self.pods_path, labelSelector=selector).get("items") or []
                break
            except Gone:  # what a server's cache knows may be too old for a list, but not for the next one
                if not left:
                    raise
        return [kept for pod in found if (kept := read(pod, "Pod")) is not None]


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

    def failures(self) -> list[tuple[ClusterError, float]]:
        """Why it is not up to date now, each with when that began, by `time.monotonic`; none if it is."""
        return [failed for cache in self._caches if (failed := cache.failed) is not None]
