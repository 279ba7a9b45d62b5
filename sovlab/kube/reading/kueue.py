"""Kueue: the position of a job in its queue, and why it is not admitted."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sovlab.core.untrusted import clean
from sovlab.errors import SpecError
from sovlab.kube import labels
from sovlab.kube.reading.queue_words import Wait, queue_trouble, sentence
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError, Forbidden, NotFound

VERSION = "v1beta2"
"""Version of Kueue's API, served since Kueue 0.14."""
_GROUP = f"kueue.x-k8s.io/{VERSION}"
_VISIBILITY = f"visibility.kueue.x-k8s.io/{VERSION}"
_AGE = 60.0
"""Seconds for which a queue that was checked is not checked again."""

Object = Mapping[str, Any]


def why_waiting(api: Api, namespace: str, job: Object, queue: str, age: float | None = None) -> Wait:
    """Position and reason of a job that its queue has not let start yet.

    Args:
        api: as a user who need not see more than jobs.
        namespace: of the job.
        job: the Job, JobSet or TrainJob.
        queue: the LocalQueue that it names.
        age: seconds since it could be taken up; None if unknown.

    Raises:
        ClusterError: the cluster does not answer.
    """
    try:
        workload = _workload(api, namespace, str(job["metadata"].get("uid")))
    except NotFound:
        return Wait(sentence(queue, None, None, trouble=_GONE))
    except Forbidden:
        hidden = "what Kueue says of it needs the right to list workloads"
        return Wait(sentence(queue, None, None, trouble=trouble_of(api, namespace, queue) or hidden))
    if workload is None:
        return Wait(sentence(queue, None, None, trouble=_not_taken(api, namespace, job, queue, age)))
    ahead = _position(api, namespace, queue, workload)
    trouble = trouble_of(api, namespace, queue) if _may_be_stopped(workload) else ""
    return Wait(sentence(queue, workload, ahead, trouble=trouble), ahead)


_GONE = "Kueue is not installed any more, so nothing lets it start: cancel it, and submit it without a queue"
_SLOW = 30.0
"""Seconds in which Kueue has taken up a job, unless something is wrong."""


_OF_QUEUES = ("inactive", "stopped", "pending evaluation", "exist", "missing", "not found")


def _may_be_stopped(workload: Object) -> bool:
    """Whether its queue is worth a look: a stopped one may say so of itself alone."""
    status = workload.get("status") or {}
    reserved: Object = next(
        (c for c in status.get("conditions") or () if c.get("type") == "QuotaReserved"), {}
    )
    if reserved.get("status") == "True":
        return False
    text = f"{reserved.get('reason')} {reserved.get('message')}".lower()
    return not reserved or any(word in text for word in _OF_QUEUES)


def trouble_of(api: Api, namespace: str, queue: str) -> str:
    """Why a queue lets nothing start, as far as the user may see."""
    base = f"/apis/{_GROUP}"
    try:
        local = api.get(f"{base}/namespaces/{namespace}/localqueues/{queue}")
    except NotFound:
        return "this queue does not exist in the namespace"
    except ApiError:
        return ""
    cluster = None
    with contextlib.suppress(ApiError):
        cluster = api.get(f"{base}/clusterqueues/{(local.get('spec') or {}).get('clusterQueue')}")
    return queue_trouble(local, cluster)


def _not_taken(api: Api, namespace: str, job: Object, queue: str, age: float | None) -> str:
    """Why Kueue has made no Workload of a job: it says so in events of the job only."""
    uid = str(job["metadata"].get("uid"))
    with contextlib.suppress(ApiError):
        events = api.get(f"/api/v1/namespaces/{namespace}/events", fieldSelector=f"involvedObject.uid={uid}")
        for event in reversed(events.get("items") or ()):
            if event.get("reason") == "WorkloadPriorityClassNotFound":
                named = re.search(r'"([^"]+)" not found', str(event.get("message")))
                name = f" {clean(named[1], 80)}" if named else " of that name"
                return (
                    f"there is no priority{name} (WorkloadPriorityClass), so the queue does not take it up: "
                    "cancel it, and submit it with another"
                )
            if event.get("type") == "Warning":
                return f'Kueue says "{clean(str(event.get("message") or ""), 300)}"'
    trouble = trouble_of(api, namespace, queue)
    if not trouble and age is not None and age > _SLOW:
        return "Kueue has not taken it up: does it run? Ask the cluster's administrators"
    return trouble


class Queues:
    """Checks that queues and priorities exist, each at most once in `_AGE` seconds.

    Args:
        api: as the user who submits.
        namespace: that of the LocalQueues.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._checked_at: dict[tuple[str, str], float] = {}

    def check(self, queue: str, priority: str) -> None:
        """As `check`; no request where neither is named."""
        last = self._checked_at.get((queue, priority))
        if not (queue or priority) or (last is not None and time.monotonic() - last < _AGE):
            return
        check(self._api, self._namespace, queue, priority)
        self._checked_at[queue, priority] = time.monotonic()


def check(api: Api, namespace: str, queue: str, priority: str) -> None:
    """Check that a queue and a priority exist, before anything is submitted to them.

    Args:
        api: as the user who submits.
        namespace: that of the LocalQueue.
        queue: a LocalQueue; empty for none.
        priority: a WorkloadPriorityClass where there is a queue, else a PriorityClass; empty for none.

    Raises:
        SpecError: there is no such queue or priority; the message names those that there are.
    """
    base = f"/apis/{_GROUP}"
    if queue:
        what = f"queue {queue!r} in namespace {namespace}"
        try:
            visible = _check(api, f"{base}/namespaces/{namespace}/localqueues", queue, what)
        except SpecError:
            if _installed(api):
                raise
            visible = False
        if not visible and not _installed(api):
            raise SpecError(f"There is no {what}: Kueue is not installed.", "Leave the queue out.")
    if priority and queue:
        what = f"priority {priority!r} for queues (WorkloadPriorityClass)"
        _check(api, f"{base}/workloadpriorityclasses", priority, what)
    elif priority:
        what = f"priority {priority!r} (PriorityClass)"
        visible = _check(api, "/apis/scheduling.k8s.io/v1/priorityclasses", priority, what)
        if not visible and not _takes(api, namespace, priority):
            raise SpecError(f"There is no {what}.", "Ask the cluster's administrators which there are.")


def queues(api: Api, namespace: str) -> list[str]:
    """Names of the LocalQueues of a namespace, sorted. Raises `ApiError`."""
    items = api.get(f"/apis/{_GROUP}/namespaces/{namespace}/localqueues").get("items") or ()
    return sorted(str(item["metadata"]["name"]) for item in items)


def _check(api: Api, path: str, name: str, what: str) -> bool:
    """Check that an object exists; False if the user may not see it, which is no reason to refuse."""
    try:
        api.get(f"{path}/{name}")
    except NotFound:
        names: Sequence[str] = ()
        with contextlib.suppress(ApiError):
            names = [item["metadata"]["name"] for item in api.get(path).get("items") or ()]
        hint = f"There are: {', '.join(sorted(names))}." if names else "There are none."
        raise SpecError(f"There is no {what}.", hint) from None
    except Forbidden:
        return False
    return True


def _installed(api: Api) -> bool:
    """Whether Kueue is installed, by the API groups, which everybody may see."""
    return any(g.get("name") == _GROUP.partition("/")[0] for g in api.get("/apis").get("groups") or ())


def _takes(api: Api, namespace: str, priority: str) -> bool:
    """Whether the server would accept a pod of a PriorityClass, for users who may not see the classes."""
    spec = {"priorityClassName": priority, "containers": [{"name": "none", "image": "none"}]}
    meta = {"name": "sovlab-priority", "namespace": namespace}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
    try:
        api.create(f"/api/v1/namespaces/{namespace}/pods", pod, dry_run=True)
    except ApiError as error:
        return "no PriorityClass" not in error.message  # what else it may have against this pod is no matter
    return True


def _workload(api: Api, namespace: str, uid: str) -> Object | None:
    path = f"/apis/{_GROUP}/namespaces/{namespace}/workloads"
    items = api.get(path, labelSelector=f"{labels.JOB_UID}={uid}").get("items") or []
    return items[0] if items else None


def _position(api: Api, namespace: str, queue: str, workload: Object) -> int | None:
    """How many jobs are before it in the LocalQueue; None without access to the visibility API."""
    path = f"/apis/{_VISIBILITY}/namespaces/{namespace}/localqueues/{queue}/pendingworkloads"
    try:
        pending = api.get(path, limit=1000).get("items") or []
    except ApiError:
        return None
    for item in pending:
        if item.get("metadata", {}).get("name") == workload["metadata"]["name"]:
            position = item.get("positionInLocalQueue")
            return int(position) if isinstance(position, int) else None
    return None
