"""What queues say of themselves: whether they admit, and what is pending and used."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from tests.kube.apiserver.controllers.conditions import holds, set_condition
from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.kinds import CLUSTERQUEUES, LOCALQUEUES, WORKLOADS
from tests.kube.apiserver.protocol.values import written

from . import quota
from .gates import policy, why_inactive

if TYPE_CHECKING:
    from tests.kube.apiserver.protocol.calls import Call
    from tests.kube.apiserver.verbs.registry import Registry


def queue_status(registry: Registry, call: Call) -> None:
    """Brings the status of all queues up to date."""
    workloads = [entry.obj for entry in registry.store.all(WORKLOADS)]
    for entry in registry.store.all(CLUSTERQUEUES):
        _cluster_queue(registry, call, entry.obj, workloads)
    for entry in registry.store.all(LOCALQUEUES):
        _local_queue(registry, call, entry.obj, workloads)


def _cluster_queue(registry: Registry, call: Call, queue: Object, workloads: list[Object]) -> None:
    name = queue["metadata"]["name"]
    admitted = [w for w in workloads if _queue(w) == name]
    local = {e.key for e in registry.store.all(LOCALQUEUES) if e.obj["spec"].get("clusterQueue") == name}
    waiting = [w for w in workloads if _place(w) in local and _pending(w)]
    why = why_inactive(registry, queue)

    def edit(obj: Object) -> None:
        _counts(obj, admitted, waiting, _usage(queue, admitted))
        if why:
            set_condition(obj, "Active", False, *why)
        else:
            set_condition(obj, "Active", True, "Ready", "Can admit new workloads")

    registry.change(CLUSTERQUEUES, "", name, call, edit, "status")


def _local_queue(registry: Registry, call: Call, local: Object, workloads: list[Object]) -> None:
    key = (local["metadata"]["namespace"], local["metadata"]["name"])
    behind = registry.store.get(CLUSTERQUEUES, "", local["spec"].get("clusterQueue", ""))
    mine = [w for w in workloads if _place(w) == key]
    admitted = [w for w in mine if _queue(w)]

    def edit(obj: Object) -> None:
        flavors = _usage(behind.obj, admitted) if behind else []
        _counts(obj, admitted, [w for w in mine if _pending(w)], flavors)
        if policy(local) != "None":
            set_condition(obj, "Active", False, "Stopped", "LocalQueue is stopped")
        elif behind is None:
            text = "Can't submit new workloads to clusterQueue"
            set_condition(obj, "Active", False, "ClusterQueueDoesNotExist", text)
        elif why_inactive(registry, behind.obj):
            text = "Can't submit new workloads to clusterQueue"
            set_condition(obj, "Active", False, "ClusterQueueIsInactive", text)
        else:
            set_condition(obj, "Active", True, "Ready", "Can submit new workloads to localQueue")

    registry.change(LOCALQUEUES, *key, call, edit, "status")


def _counts(obj: Object, admitted: list[Object], waiting: list[Object], flavors: list[Object]) -> None:
    obj.setdefault("status", {}).update(
        pendingWorkloads=len(waiting),
        reservingWorkloads=len(admitted),
        admittedWorkloads=sum(1 for workload in admitted if holds(workload, "Admitted")),
        flavorsReservation=flavors,
        flavorsUsage=flavors,
    )


def _usage(queue: Object, admitted: list[Object]) -> list[Object]:
    used = quota.total([quota.usage_of(workload) for workload in admitted])
    found: dict[str, list[Object]] = {}
    for flavor, resource in quota.nominal(queue):
        amount = written(used.get((flavor, resource), Decimal(0)), resource)
        found.setdefault(flavor, []).append({"name": resource, "total": amount})
    return [{"name": flavor, "resources": resources} for flavor, resources in found.items()]


def _queue(workload: Object) -> str:
    if holds(workload, "Finished"):
        return ""
    return str(((workload.get("status") or {}).get("admission") or {}).get("clusterQueue", ""))


def _place(workload: Object) -> tuple[str, str]:
    return workload["metadata"]["namespace"], workload["spec"]["queueName"]


def _pending(workload: Object) -> bool:
    return not holds(workload, "QuotaReserved") and not holds(workload, "Finished")
