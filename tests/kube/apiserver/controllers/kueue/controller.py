"""Kueue's controllers as one: it makes Workloads, admits them in order, preempts, starts and stops Jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.kube.apiserver.calls import Call
from tests.kube.apiserver.controllers import trainjobs
from tests.kube.apiserver.controllers.conditions import condition, holds, set_condition
from tests.kube.apiserver.controllers.plane import Controller
from tests.kube.apiserver.errors import ApiError
from tests.kube.apiserver.events import Recorder
from tests.kube.apiserver.kinds import (
    CLUSTERQUEUES,
    FLAVORS,
    JOBS,
    JOBSETS,
    LOCALQUEUES,
    TRAINJOBS,
    VISIBLE_QUEUES,
    WORKLOAD_PRIORITIES,
    WORKLOADS,
    Kind,
)
from tests.kube.apiserver.registry import Registry
from tests.kube.apiserver.store import Change, Key, Object

from . import quota, workloads
from .status import missing_flavors, queue_status
from .workloads import queue_of

_ALL: Key = ("", "*")
_MANAGED = (JOBS, JOBSETS, TRAINJOBS)
_WATCHED = (*_MANAGED, WORKLOADS, LOCALQUEUES, CLUSTERQUEUES, FLAVORS, WORKLOAD_PRIORITIES)
_COMPONENT = "kueue-admission"


def suspend(kind: Kind, obj: Object) -> None:
    """The webhook: a Job with a queue is created suspended, whatever it says."""
    if kind in _MANAGED and queue_of(obj) and not obj["metadata"].get("ownerReferences"):
        obj.setdefault("spec", {})["suspend"] = True


class Kueue(Controller):
    """Kueue.

    Args:
        registry: the API.
        recorder: for events.
    """

    def __init__(self, registry: Registry, recorder: Recorder) -> None:
        self._registry = registry
        self._store = registry.store
        self._recorder = recorder
        self._call = Call("system:serviceaccount:kueue-system:kueue-controller-manager", manager="kueue")
        self._order: dict[str, int] = {}
        self._kinds = [kind for kind in _MANAGED if registry.kinds.of(kind.api_version, kind.kind)]

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        if kind in _WATCHED and (kind not in _MANAGED or queue_of(entry.obj)):
            yield _ALL

    def reconcile(self, key: Key) -> float | None:
        for kind in self._kinds:
            for entry in self._store.all(kind):
                if queue_of(entry.obj) and not _child(entry.obj):
                    self._follow(kind, entry.obj)
        self._forget()
        for entry in self._store.all(CLUSTERQUEUES):
            self._admit(entry.obj)
        self._inadmissible()
        for kind in self._kinds:
            for entry in self._store.all(kind):
                if queue_of(entry.obj) and not _child(entry.obj):
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

    def _workload(self, kind: Kind, obj: Object) -> Object | None:
        entry = self._store.get(WORKLOADS, obj["metadata"]["namespace"], workloads.workload_name(kind, obj))
        return entry.obj if entry else None

    def _follow(self, kind: Kind, obj: Object) -> None:
        """Has a Workload for a Job, and marks it as finished when the Job is."""
        workload = self._workload(kind, obj)
        ended = _end(kind, obj)
        if workload is None:
            if not ended and "deletionTimestamp" not in obj["metadata"]:
                self._make(kind, obj)
            return
        if ended and not holds(workload, "Finished"):
            reason, message = ended
            self._change(workload, lambda w: set_condition(w, "Finished", True, reason, message))
            name = f"{workload['metadata']['namespace']}/{workload['metadata']['name']}"
            self._say(kind, obj, "Normal", "FinishedWorkload", f"Workload '{name}' is declared finished")

    def _make(self, kind: Kind, obj: Object) -> None:
        labels = obj["metadata"].get("labels") or {}
        name, value, reference = labels.get(workloads.PRIORITY), 0, None
        if name:
            found = self._store.get(WORKLOAD_PRIORITIES, "", name)
            if found is None:
                text = f'WorkloadPriorityClass.kueue.x-k8s.io "{name}" not found'
                self._say(kind, obj, "Warning", "WorkloadPriorityClassNotFound", text)
                return
            value = found.obj.get("value", 0)
            reference = {"group": "kueue.x-k8s.io", "kind": "WorkloadPriorityClass", "name": name}
        sets = self._sets(kind, obj)
        if sets is None:
            return
        made = workloads.new_workload(kind, obj, sets, value, reference)
        namespace = obj["metadata"]["namespace"]
        try:
            entry = self._registry.create(WORKLOADS, namespace, made, self._call)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            return
        self._age(entry.obj)
        text = f"Created Workload: {namespace}/{entry.key[1]}"
        self._say(kind, obj, "Normal", "CreatedWorkload", text)

    def _sets(self, kind: Kind, obj: Object) -> list[Object] | None:
        if kind is not TRAINJOBS:
            return workloads.pod_sets(kind, obj)
        runtime = trainjobs.find_runtime(self._store, obj)
        return None if runtime is None else workloads.pod_sets(JOBSETS, trainjobs.build(obj, runtime))

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
            if local is not None and local.obj["spec"].get("clusterQueue") == queue:
                found.append(workload)
        return sorted(found, key=lambda workload: (-workload["spec"].get("priority", 0), self._age(workload)))

    def _age(self, workload: Object) -> int:
        # Creation times have whole seconds only; the order in which they were made is kept beside.
        return self._order.setdefault(workload["metadata"]["uid"], len(self._order))

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
                self._change(workload, lambda w, flavors=flavors: workloads.reserve(w, name, flavors))
                text = f"Quota reserved in ClusterQueue {name}, wait time since queued was 0s"
                self._say(WORKLOADS, workload, "Normal", "QuotaReserved", text)
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
            key=lambda one: (one["spec"].get("priority", 0), -self._age(one)),
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

    def _refuse(self, workload: Object, reason: str, message: str) -> None:
        known = condition(workload, "QuotaReserved")
        if (known.get("reason"), known.get("message")) != (reason, message):
            self._change(workload, lambda w: workloads.release(w, reason, message))
            self._say(WORKLOADS, workload, "Warning", reason, message)

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
            elif not active(self._registry, found.obj):
                self._refuse(workload, "Suspended", f"ClusterQueue {queue} is inactive")

    def _drive(self, kind: Kind, obj: Object) -> None:
        """Starts and stops a Job as its Workload says."""
        workload = self._workload(kind, obj)
        if workload is None or _end(kind, obj):
            return
        suspended = bool(obj["spec"].get("suspend"))
        if holds(workload, "Evicted"):
            if not suspended:
                text = condition(workload, "Evicted")["message"]
                self._patch(kind, obj, lambda o: o["spec"].update(suspend=True))
                self._say(kind, obj, "Normal", "Stopped", text)
            elif holds(workload, "QuotaReserved") and not _running(kind, obj):
                self._change(workload, _requeue)
        elif holds(workload, "Admitted") and suspended:
            self._patch(kind, obj, lambda o: self._start(kind, o, workload))
            queue = workload["status"]["admission"]["clusterQueue"]
            self._say(kind, obj, "Normal", "Started", f"Admitted by clusterQueue {queue}")
        elif not holds(workload, "Admitted") and not suspended:
            self._patch(kind, obj, lambda o: o["spec"].update(suspend=True))
            self._say(kind, obj, "Normal", "Stopped", "Not admitted by cluster queue")

    def _start(self, kind: Kind, obj: Object, workload: Object) -> None:
        obj["spec"]["suspend"] = False
        for pods in workload["status"]["admission"]["podSetAssignments"]:
            labels: dict[str, str] = {}
            for flavor in set(pods["flavors"].values()):
                found = self._store.get(FLAVORS, "", flavor)
                labels |= ((found.obj.get("spec") or {}).get("nodeLabels") or {}) if found else {}
            if labels and kind is JOBS:
                obj["spec"]["template"]["spec"].setdefault("nodeSelector", {}).update(labels)

    def _change(self, workload: Object, edit: Any) -> None:
        metadata = workload["metadata"]
        self._registry.change(WORKLOADS, metadata["namespace"], metadata["name"], self._call, edit, "status")

    def _patch(self, kind: Kind, obj: Object, edit: Any) -> None:
        self._registry.change(kind, obj["metadata"]["namespace"], obj["metadata"]["name"], self._call, edit)

    def _say(self, kind: Kind, obj: Object, word: str, reason: str, message: str) -> None:
        self._recorder.record(kind, obj, word, reason, message, _COMPONENT)


def active(registry: Registry, queue: Object) -> bool:
    """Whether a ClusterQueue admits."""
    if queue["spec"].get("stopPolicy", "None") != "None":
        return False
    return not missing_flavors(registry, queue)


def _child(obj: Object) -> bool:
    return any(owner.get("controller") for owner in obj["metadata"].get("ownerReferences") or [])


def _open(workload: Object) -> bool:
    gone = "deletionTimestamp" in workload["metadata"]
    return not gone and not holds(workload, "Finished") and workload["spec"].get("active", True)


def _running(kind: Kind, obj: Object) -> bool:
    status = obj.get("status") or {}
    if kind is JOBS:
        return bool(status.get("active") or status.get("terminating"))
    jobs = status.get("replicatedJobsStatus" if kind is JOBSETS else "jobsStatus") or []
    return any(job.get("active") for job in jobs)


def _end(kind: Kind, obj: Object) -> tuple[str, str] | None:
    """The reason and message of a Workload whose Job is over."""
    good, bad = ("Completed" if kind is JOBSETS else "Complete"), "Failed"
    for found in (obj.get("status") or {}).get("conditions") or []:
        if found["type"] in (good, bad) and found["status"] == "True":
            return ("Succeeded" if found["type"] == good else "Failed"), found.get("message", "")
    return None


def _requeue(workload: Object) -> None:
    text = condition(workload, "Evicted")["message"]
    set_condition(workload, "Requeued", True, condition(workload, "Evicted")["reason"], text)
    workloads.release(workload, "PendingEvaluation", text)


def _unhold(workload: Object) -> None:
    workload["metadata"].pop("finalizers", None)
