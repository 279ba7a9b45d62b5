"""What waits in a queue of Kueue, and what its quota leaves, as far as the user may see.

The LocalQueue says how many wait in it; the ClusterQueue behind it, which as a rule only administrators may
read, how much quota there is and how many wait in it from all namespaces. What a waiting workload asks for is
read only if something waits.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sovlab.kube.quantities import parse
from sovlab.kube.reading.kueue import VERSION
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError

_BASE = f"/apis/kueue.x-k8s.io/{VERSION}"
_AGE = 15.0
"""Seconds for which a queue that was read is not read again."""
_MOST = 5000
"""Workloads that are looked at."""


class QueueState(NamedTuple):
    """A queue, as far as the user may see it.

    Attributes:
        left: quota that is left, by resource, in pieces: None for what is not known, and without what the
            queue has no quota of. None if its quota cannot be seen.
        waiting: how many wait, by resource that they ask for; None if that is not known.
        source: where that is from, and what is not in it.
    """

    left: Mapping[str, float | None] | None = None
    waiting: Mapping[str, int] | None = None
    source: str = ""

    def has(self, resource: str) -> bool:
        """Whether the queue may give any of a resource; else it admits nothing that asks for it."""
        return self.left is None or resource in self.left

    def left_of(self, resource: str) -> float | None:
        """Quota that is left of a resource; None if that is not known."""
        return None if self.left is None else self.left.get(resource, 0.0)

    def waiting_for(self, resource: str) -> int | None:
        """How many wait that ask for a resource; None if that is not known."""
        return None if self.waiting is None else self.waiting.get(resource, 0)


_SEEN: weakref.WeakKeyDictionary[Api, dict[tuple[str, str], tuple[float, QueueState]]] = (
    weakref.WeakKeyDictionary()
)
_LOCK = threading.Lock()


def queue_of(api: Api, namespace: str, name: str) -> QueueState:
    """A LocalQueue, read at most `_AGE` seconds ago.

    Args:
        api: as the user who submits.
        namespace: of the queue.
        name: of the queue.
    """
    with _LOCK:
        kept = _SEEN.setdefault(api, {}).get((namespace, name))
    if kept is not None and time.monotonic() - kept[0] < _AGE:
        return kept[1]
    state = _read(api, namespace, name)
    with _LOCK:
        _SEEN.setdefault(api, {})[namespace, name] = (time.monotonic(), state)
    return state


def _read(api: Api, namespace: str, name: str) -> QueueState:
    try:
        local = api.get(f"{_BASE}/namespaces/{namespace}/localqueues/{name}")
    except ApiError:
        return QueueState(source=f"queue {name} cannot be seen")
    behind = str((local.get("spec") or {}).get("clusterQueue") or "")
    try:
        cluster: Mapping[str, Any] | None = api.get(f"{_BASE}/clusterqueues/{behind}")
    except ApiError:
        cluster = None
    source = f"queue {name}"
    own = _pending(local)
    if cluster is None:
        source += " of this namespace; its quota needs the right to get clusterqueues"
        return QueueState(None, _waiting(api, namespace, {name}, own), source)
    everybody = _pending(cluster)
    left, note = _left(cluster)
    if everybody is not None and everybody != own:
        # Workloads of other namespaces, which name LocalQueues that nobody here knows.
        waiting, source = None, f"{source}; {everybody} wait in ClusterQueue {behind}, of all namespaces"
        if own is not None and own > 0 and (mine := _waiting(api, namespace, {name}, own)) is not None:
            source += f", {sum(mine.values())} of them of this one"
        return QueueState(left, waiting, source + note)
    return QueueState(left, _waiting(api, namespace, {name}, own), source + note)


def _pending(queue: Mapping[str, Any]) -> int | None:
    number = (queue.get("status") or {}).get("pendingWorkloads")
    return number if type(number) is int else None


def _waiting(api: Api, namespace: str, queues: set[str], pending: int | None) -> Mapping[str, int] | None:
    """How many workloads of a namespace wait for each resource."""
    if pending == 0:
        return {}
    try:
        items = api.get(f"{_BASE}/namespaces/{namespace}/workloads", limit=_MOST).get("items") or ()
    except ApiError:
        return None
    found: dict[str, int] = {}
    for item in items:
        spec = item.get("spec") or {}
        if spec.get("queueName") in queues and spec.get("active") is not False and not _is_admitted(item):
            for resource in set(_asked(spec)):
                found[resource] = found.get(resource, 0) + 1
    return found


def _is_admitted(workload: Mapping[str, Any]) -> bool:
    conditions = (workload.get("status") or {}).get("conditions") or ()
    return any(
        each.get("type") in ("QuotaReserved", "Finished") and each.get("status") == "True"
        for each in conditions
    )


def _asked(spec: Mapping[str, Any]) -> Iterator[str]:
    for pods in spec.get("podSets") or ():
        for container in ((pods.get("template") or {}).get("spec") or {}).get("containers") or ():
            yield from (container.get("resources") or {}).get("requests") or ()


def _left(queue: Mapping[str, Any]) -> tuple[Mapping[str, float | None], str]:
    """Quota that is left by resource, and what is to be known of it."""
    spec, status = queue.get("spec") or {}, queue.get("status") or {}
    used: dict[str, float] = {}
    for flavor in status.get("flavorsReservation") or ():
        for each in flavor.get("resources") or ():
            used[each["name"]] = used.get(each["name"], 0.0) + parse(str(each.get("total") or "0"))
    quota: dict[str, float | None] = {}
    borrows = bool(spec.get("cohortName") or spec.get("cohort"))
    for group in spec.get("resourceGroups") or ():
        for flavor in group.get("flavors") or ():
            for each in flavor.get("resources") or ():
                name, limit = each["name"], each.get("borrowingLimit")
                more = parse(str(limit)) if limit is not None else None if borrows else 0.0
                known = quota.get(name, 0.0)
                nominal = parse(str(each.get("nominalQuota") or "0"))
                # What a cohort lends without a limit is not known from here.
                quota[name] = None if known is None or more is None else known + nominal + more
    if _is_stopped(spec, status):
        return dict.fromkeys(quota, 0.0), "; the queue is stopped"
    return {n: None if q is None else max(q - used.get(n, 0.0), 0.0) for n, q in quota.items()}, ""


def _is_stopped(spec: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    inactive = any(
        c.get("type") == "Active" and c.get("status") == "False" for c in status.get("conditions") or ()
    )
    return inactive or spec.get("stopPolicy", "None") != "None"
