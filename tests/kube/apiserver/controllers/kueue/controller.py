"""Kueue's controllers as one: it makes Workloads, admits them in order, preempts, starts and stops Jobs."""

from __future__ import annotations

from collections.abc import Iterable

from tests.kube.apiserver.controllers.conditions import holds, set_condition
from tests.kube.apiserver.objects.store import Change, Key, Object
from tests.kube.apiserver.protocol.kinds import (
    ADMISSION_CHECKS,
    CLUSTERQUEUES,
    FLAVORS,
    LOCALQUEUES,
    VISIBLE_QUEUES,
    WORKLOAD_PRIORITIES,
    WORKLOADS,
    Kind,
)
from tests.kube.apiserver.verbs.registry import Registry

from . import quota, workloads
from .gates import Gates, checks_of, policy, why_inactive
from .managing import MANAGED, child_of_another
from .status import queue_status
from .workloads import queue_of

_ALL: Key = ("", "*")
_WATCHED = (*MANAGED, WORKLOADS, LOCALQUEUES, CLUSTERQUEUES, FLAVORS, WORKLOAD_PRIORITIES, ADMISSION_CHECKS)


class Kueue(Gates):
    """Kueue.

    Args:
        registry: the API.
        recorder: for events.
    """

    def default(self, kind: Kind, obj: Object) -> None:
        """The webhook: a Job with a queue is made suspended, and gets the queue `default` if there is one."""
        metadata = obj["metadata"]
        if kind not in MANAGED or metadata.get("ownerReferences"):
            return
        if not queue_of(obj) and self._store.get(LOCALQUEUES, metadata["namespace"], "default"):
            metadata["labels"] = {**(metadata.get("labels") or {}), workloads.QUEUE: "default"}
        if queue_of(obj):
            obj.setdefault("spec", {})["suspend"] = True

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        if kind in _WATCHED and (kind not in MANAGED or queue_of(entry.obj)):
            yield _ALL

    def reconcile(self, key: Key) -> float | None:
        for kind in self._kinds:
            for entry in self._store.all(kind):
                if queue_of(entry.obj) and not child_of_another(entry.obj):
                    self._follow(kind, entry.obj)
        self._forget()
        for entry in self._store.all(WORKLOADS):
            if _open(entry.obj):
                self._gate(entry.obj)
        for entry in self._store.all(CLUSTERQUEUES):
            self._admit(entry.obj)
        self._inadmissible()
        for kind in self._kinds:
            for entry in self._store.all(kind):
                if queue_of(entry.obj) and not child_of_another(entry.obj):
                    self._drive(kind, entry.obj)
        queue_status(self._registry, self._call)
        return None

    def pending(self, kind: Kind, namespace: str, name: str) -> list[Object]:
        """What the visibility API says of a queue; 404 if there is none."""
        local = kind is VISIBLE_QUEUES
        self._registry.get(LOCALQUEUES if local else CLUSTERQUEUES, namespace, name)
        found = []
        for entry in self._store.all(CLUSTERQUEUES):
            counts: dict[tuple[str, str], int] = {}
            for position, workload in enumerate(self._waiting(entry.key[1])):
                metadata, queue = workload["metadata"], workload["spec"]["queueName"]
                place = (metadata["namespace"], queue)
                at = counts[place] = counts.get(place, -1) + 1
                if (local and place == (namespace, name)) or (not local and entry.key[1] == name):
                    kept = ("name", "namespace", "creationTimestamp", "ownerReferences")
                    found.append(
                        {
                            "metadata": {key: metadata[key] for key in kept if key in metadata},
                            "priority": workload["spec"].get("priority", 0),
                            "localQueueName": queue,
                            "positionInClusterQueue": position,
                            "positionInLocalQueue": at,
                        }
                    )
        return found

    def _forget(self) -> None:
        """Lets go of Workloads that are being deleted."""
        for entry in self._store.all(WORKLOADS):
            if "deletionTimestamp" in entry.obj["metadata"] and entry.obj["metadata"].get("finalizers"):
                self._registry.change(WORKLOADS, *entry.key, self._call, _unhold)

    def _waiting(self, queue: str) -> list[Object]:
        """The workloads without quota that a ClusterQueue will look at, in its order."""
        found = []
        for entry in self._store.all(WORKLOADS):
            workload = entry.obj
            if not _open(workload) or holds(workload, "QuotaReserved"):
                continue
            local = self._store.get(LOCALQUEUES, entry.key[0], workload["spec"]["queueName"])
            behind = local is not None and local.obj["spec"].get("clusterQueue") == queue
            if local is not None and behind and policy(local.obj) == "None":
                found.append(workload)
        return sorted(
            found, key=lambda workload: (-workload["spec"].get("priority", 0), *self._age(workload))
        )

    def _holding(self, queue: str) -> list[Object]:
        found = []
        for entry in self._store.all(WORKLOADS):
            admission = (entry.obj.get("status") or {}).get("admission") or {}
            if admission.get("clusterQueue") == queue and not holds(entry.obj, "Finished"):
                found.append(entry.obj)
        return found

    def _admit(self, queue: Object) -> None:
        name = queue["metadata"]["name"]
        if not active(self._registry, queue):
            return
        strict = queue["spec"].get("queueingStrategy") == "StrictFIFO"
        for workload in self._waiting(name):
            holding = self._holding(name)
            used = quota.total([quota.usage_of(one) for one in holding])
            verdict = quota.fit(queue, used, workload)
            if verdict.flavors is not None:
                flavors = verdict.flavors
                checks = checks_of(queue)
                self._change(
                    workload,
                    lambda w, flavors=flavors, checks=checks: workloads.reserve(w, name, flavors, checks),
                )
                text = f"Quota reserved in ClusterQueue {name}, wait time since queued was 0s"
                self._say(WORKLOADS, workload, "Normal", "QuotaReserved", text)
                if checks:
                    continue
                text = f"Admitted by ClusterQueue {name}, wait time since reservation was 0s"
                self._say(WORKLOADS, workload, "Normal", "Admitted", text)
                continue
            reason, message = verdict.reason, verdict.message
            if verdict.curable and (count := self._preempt(queue, workload, holding)):
                reason = "WaitingForPreemptedWorkloads"
                message += f". Pending the preemption of {count} workload(s)"
            self._refuse(workload, reason, message)
            if strict or reason == "WaitingForPreemptedWorkloads":
                return

    def _preempt(self, queue: Object, workload: Object, holding: list[Object]) -> int:
        """Evicts workloads of lower priority, the lowest and newest first; how many are on their way out."""
        policy = (queue["spec"].get("preemption") or {}).get("withinClusterQueue", "Never")
        if policy == "Never":
            return 0
        own = workload["spec"].get("priority", 0)
        leaving = [one for one in holding if holds(one, "Evicted")]
        staying = [one for one in holding if not holds(one, "Evicted")]
        able = sorted(
            (one for one in staying if one["spec"].get("priority", 0) < own),
            key=lambda one: (one["spec"].get("priority", 0), *(-each for each in self._age(one))),
        )
        victims: list[Object] = []
        while (
            quota.fit(queue, quota.total([quota.usage_of(one) for one in staying]), workload).flavors is None
        ):
            if not able:
                return 0
            victims.append(able.pop(0))
            staying.remove(victims[-1])
        for victim in victims:
            self._evict(victim, workload, queue["metadata"]["name"])
        return len(victims) + len(leaving)

    def _evict(self, victim: Object, by: Object, queue: str) -> None:
        uid, job = by["metadata"]["uid"], by["metadata"]["labels"][workloads.JOB_UID]
        message = (
            f"Preempted to accommodate a workload (UID: {uid}, JobUID: {job}) due to prioritization in the "
            f"ClusterQueue; preemptor path: /{queue}; preemptee path: /{queue}"
        )

        def edit(workload: Object) -> None:
            set_condition(workload, "Evicted", True, "Preempted", message)
            set_condition(workload, "Preempted", True, "InClusterQueue", message)

        self._change(victim, edit)
        self._say(WORKLOADS, victim, "Normal", "EvictedDueToPreempted", message)

    def _inadmissible(self) -> None:
        """Says so of workloads whose queues are not there."""
        for entry in self._store.all(WORKLOADS):
            workload = entry.obj
            if not _open(workload) or holds(workload, "QuotaReserved"):
                continue
            name = workload["spec"]["queueName"]
            local = self._store.get(LOCALQUEUES, entry.key[0], name)
            if local is None:
                self._refuse(workload, "Misconfigured", f"LocalQueue {name} doesn't exist")
                continue
            queue = local.obj["spec"].get("clusterQueue", "")
            found = self._store.get(CLUSTERQUEUES, "", queue)
            if found is None:
                self._refuse(workload, "Misconfigured", f"ClusterQueue {queue} doesn't exist")
            elif policy(found.obj) == "None" and not active(self._registry, found.obj):
                self._refuse(workload, "Suspended", f"ClusterQueue {queue} is inactive")


def active(registry: Registry, queue: Object) -> bool:
    """Whether a ClusterQueue admits."""
    return why_inactive(registry, queue) is None


def _open(workload: Object) -> bool:
    gone = "deletionTimestamp" in workload["metadata"]
    return not gone and not holds(workload, "Finished") and workload["spec"].get("active", True)


def _unhold(workload: Object) -> None:
    workload["metadata"].pop("finalizers", None)
