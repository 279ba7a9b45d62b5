"""Kueue: the position of a job in its queue, and why it is not admitted."""

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
"""Version of Kueue's API, served since Kueue 0.14."""
_GROUP = f"kueue.x-k8s.io/{VERSION}"
_VISIBILITY = f"visibility.kueue.x-k8s.io/{VERSION}"
_AGE = 60.0
"""Seconds for which a queue that was checked is not checked again."""

Object = Mapping[str, Any]


def why_waiting(api: Api, namespace: str, job: Object, queue: str) -> str:
    """Position and reason of a job that its queue has not admitted yet."""
    workload = _workload(api, namespace, str(job["metadata"].get("uid")))
    ahead = _position(api, namespace, queue, workload) if workload else None
    return sentence(queue, workload, ahead)


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
    conditions = {c.get("type"): c for c in (workload.get("status") or {}).get("conditions") or ()}
    evicted, reserved = conditions.get("Evicted") or {}, conditions.get("QuotaReserved") or {}
    reason = ""
    if evicted.get("status") == "True":
        reason = {
            "Preempted": "a job with a higher priority preempted it",
            "PodsReadyTimeout": "its pods did not all start in time",
            "NodeFailures": "one of its nodes failed",
            "Deactivated": "it was deactivated by an administrator",
        }.get(str(evicted.get("reason")), str(evicted.get("message") or ""))
        return f"requeued, because {reason}; {where}" if reason else f"requeued; {where}"
    if reserved.get("status") == "False":
        reason = _plain(str(reserved.get("reason") or ""), str(reserved.get("message") or ""))
    return f"{where}; {reason}" if reason else where


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
