"""Kueue: where a job is in its queue, and why it is not let go."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sovlab.errors import SpecError
from sovlab.kube import labels
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError, Forbidden, NotFound

VERSION = "v1beta2"
"""Of Kueue's API, since Kueue 0.14."""
_GROUP = f"kueue.x-k8s.io/{VERSION}"
_VISIBILITY = f"visibility.kueue.x-k8s.io/{VERSION}"
_AGE = 60.0
"""Seconds for which a queue that was seen counts as there."""

Object = Mapping[str, Any]


def why_waiting(api: Api, namespace: str, job: Object, queue: str) -> str:
    """Position and reason of a job that a queue has not let go yet."""
    workload = _workload(api, namespace, str(job["metadata"].get("uid")))
    place = _position(api, namespace, queue, workload) if workload else None
    return sentence(queue, workload, place)


def sentence(queue: str, workload: Object | None, ahead: int | None) -> str:
    """What to say of a job in a queue.

    Args:
        queue: name of the LocalQueue.
        workload: Kueue's Workload of the job; None if there is none yet.
        ahead: jobs before it in the queue; None if unknown.
    """
    where = (
        f"{ahead} ahead of you in queue {queue}"
        if ahead
        else f"first in queue {queue}"
        if ahead == 0
        else f"in queue {queue}"
    )
    if workload is None:
        return where
    found = {c.get("type"): c for c in (workload.get("status") or {}).get("conditions") or ()}
    evicted, reserved = found.get("Evicted") or {}, found.get("QuotaReserved") or {}
    told = ""
    if evicted.get("status") == "True":
        told = {
            "Preempted": "a job with a higher priority preempted it",
            "PodsReadyTimeout": "its pods did not all start in time",
            "NodeFailures": "one of its nodes failed",
            "Deactivated": "it was deactivated by an administrator",
        }.get(str(evicted.get("reason")), str(evicted.get("message") or ""))
        return f"requeued, because {told}; {where}" if told else f"requeued; {where}"
    if reserved.get("status") == "False":
        told = _plain(str(reserved.get("reason") or ""), str(reserved.get("message") or ""))
    return f"{where}; {told}" if told else where


def _plain(reason: str, message: str) -> str:
    text = " ".join(message.split()).rstrip(".")
    low = text.lower()
    if "doesn't exist" in low and "localqueue" in low.replace(" ", ""):
        return "this queue does not exist in the namespace"
    if "inactive" in low or "is stopped" in low:
        return "the queue is stopped"
    if reason == "ExceedsMaxQuota" or "exceeds" in low or "maximum capacity" in low:
        return f"it asks for more than the queue can ever give ({text})"
    short = "insufficient unused quota" in low or reason == "WaitingForQuota"
    if short:
        start = low.find("insufficient unused quota")
        return (
            f"the quota is in use ({text[start:] if start >= 0 else text})" if text else "the quota is in use"
        )
    return text


class Queues:
    """Sees that queues and priorities exist; what was there a moment ago is not asked for again.

    Args:
        api: of the cluster.
        namespace: of the queues.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._seen: dict[tuple[str, str], float] = {}

    def check(self, queue: str, priority: str) -> None:
        """See `check`; asks nothing where neither is named."""
        last = self._seen.get((queue, priority))
        if not (queue or priority) or (last is not None and time.monotonic() - last < _AGE):
            return
        check(self._api, self._namespace, queue, priority)
        self._seen[queue, priority] = time.monotonic()


def check(api: Api, namespace: str, queue: str, priority: str) -> None:
    """See that a queue and a priority exist, before anything is submitted to them.

    Args:
        api: of the cluster.
        namespace: of the queue.
        queue: a LocalQueue; empty for none.
        priority: a WorkloadPriorityClass where there is a queue, else a PriorityClass; empty for none.

    Raises:
        SpecError: there is no such queue or priority; the message names those that there are.
    """
    base = f"/apis/{_GROUP}"
    if queue:
        what = f"queue {queue!r} in namespace {namespace}"
        try:
            seen = _check(api, f"{base}/namespaces/{namespace}/localqueues", queue, what)
        except SpecError:
            if _installed(api):
                raise
            seen = False
        if not seen and not _installed(api):
            raise SpecError(f"There is no {what}: Kueue is not installed.", "Leave the queue out.")
    if priority and queue:
        what = f"priority {priority!r} for queues (WorkloadPriorityClass)"
        _check(api, f"{base}/workloadpriorityclasses", priority, what)
    elif priority:
        what = f"priority {priority!r} (PriorityClass)"
        seen = _check(api, "/apis/scheduling.k8s.io/v1/priorityclasses", priority, what)
        if not seen and not _takes(api, namespace, priority):
            raise SpecError(f"There is no {what}.", "Ask the cluster's administrators which there are.")


def queues(api: Api, namespace: str) -> list[str]:
    """The LocalQueues of a namespace. Raises `ApiError`."""
    found = api.get(f"/apis/{_GROUP}/namespaces/{namespace}/localqueues").get("items") or ()
    return sorted(str(item["metadata"]["name"]) for item in found)


def _check(api: Api, path: str, name: str, what: str) -> bool:
    """See that an object is there; False if one may not look: one may submit to what one may not see."""
    try:
        api.get(f"{path}/{name}")
    except NotFound:
        there: Sequence[str] = ()
        with contextlib.suppress(ApiError):
            there = [item["metadata"]["name"] for item in api.get(path).get("items") or ()]
        hint = f"There are: {', '.join(sorted(there))}." if there else "There are none."
        raise SpecError(f"There is no {what}.", hint) from None
    except Forbidden:
        return False
    return True


def _installed(api: Api) -> bool:
    """Whether Kueue is there, by what everybody may see."""
    return any(g.get("name") == _GROUP.partition("/")[0] for g in api.get("/apis").get("groups") or ())


def _takes(api: Api, namespace: str, priority: str) -> bool:
    """Whether the server would take a pod of a PriorityClass, for those who may not see the classes."""
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
    found = api.get(path, labelSelector=f"{labels.JOB_UID}={uid}").get("items") or []
    return found[0] if found else None


def _position(api: Api, namespace: str, queue: str, workload: Object) -> int | None:
    """How many are before it in the LocalQueue; None if the visibility API is not there or not for us."""
    path = f"/apis/{_VISIBILITY}/namespaces/{namespace}/localqueues/{queue}/pendingworkloads"
    try:
        pending = api.get(path, limit=1000).get("items") or []
    except ApiError:
        return None
    for item in pending:
        if item.get("metadata", {}).get("name") == workload["metadata"]["name"]:
            place = item.get("positionInLocalQueue")
            return int(place) if isinstance(place, int) else None
    return None
