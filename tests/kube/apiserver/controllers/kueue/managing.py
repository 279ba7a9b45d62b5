"""The Jobs that Kueue manages: a Workload for each, and their starts and stops."""

from __future__ import annotations

import datetime
import zlib
from typing import Any

from tests.kube.apiserver.controllers import trainjobs
from tests.kube.apiserver.controllers.conditions import condition, holds, set_condition
from tests.kube.apiserver.controllers.plane import Controller
from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import (
    FLAVORS,
    JOBS,
    JOBSETS,
    TRAINJOBS,
    WORKLOAD_PRIORITIES,
    WORKLOADS,
    Kind,
)
from tests.kube.apiserver.verbs.events import Recorder
from tests.kube.apiserver.verbs.registry import Registry

from . import workloads

MANAGED = (JOBS, JOBSETS, TRAINJOBS)
_COMPONENT = "kueue-admission"


class Managing(Controller):
    """Follows Jobs.

    Args:
        registry: the API.
        recorder: for events.
    """

    def __init__(self, registry: Registry, recorder: Recorder) -> None:
        self._registry = registry
        self._store = registry.store
        self._recorder = recorder
        self._call = Call("system:serviceaccount:kueue-system:kueue-controller-manager", manager="kueue")
        self._kinds = [kind for kind in MANAGED if registry.kinds.of(kind.api_version, kind.kind)]

    def _workload(self, kind: Kind, obj: Object) -> Object | None:
        entry = self._store.get(WORKLOADS, obj["metadata"]["namespace"], workloads.workload_name(kind, obj))
        return entry.obj if entry else None

    def _follow(self, kind: Kind, obj: Object) -> None:
        """Has a Workload for a Job, and marks it as finished when the Job is."""
        workload = self._workload(kind, obj)
        ended = end_of(kind, obj)
        queue = workloads.queue_of(obj)
        waits = workload is not None and obj["spec"].get("suspend") and not holds(workload, "QuotaReserved")
        if workload is not None and waits and workload["spec"]["queueName"] != queue:
            self._change(workload, lambda w: w["spec"].update(queueName=queue), "")
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
        text = f"Created Workload: {namespace}/{entry.key[1]}"
        self._say(kind, obj, "Normal", "CreatedWorkload", text)

    def _sets(self, kind: Kind, obj: Object) -> list[Object] | None:
        if kind is not TRAINJOBS:
            return workloads.pod_sets(kind, obj)
        runtime = trainjobs.find_runtime(self._store, obj)
        return None if runtime is None else workloads.pod_sets(JOBSETS, trainjobs.build(obj, runtime))

    def _drive(self, kind: Kind, obj: Object) -> None:
        """Starts and stops a Job as its Workload says."""
        workload = self._workload(kind, obj)
        if workload is None or end_of(kind, obj):
            return
        suspended = bool(obj["spec"].get("suspend"))
        if holds(workload, "Evicted"):
            if not suspended:
                text = condition(workload, "Evicted")["message"]
                self._patch(kind, obj, lambda o: o["spec"].update(suspend=True))
                self._say(kind, obj, "Normal", "Stopped", text)
            elif holds(workload, "QuotaReserved") and not running(kind, obj):
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

    def _change(self, workload: Object, edit: Any, part: str = "status") -> None:
        metadata = workload["metadata"]
        self._registry.change(WORKLOADS, metadata["namespace"], metadata["name"], self._call, edit, part)

    def _patch(self, kind: Kind, obj: Object, edit: Any) -> None:
        self._registry.change(kind, obj["metadata"]["namespace"], obj["metadata"]["name"], self._call, edit)

    def _say(self, kind: Kind, obj: Object, word: str, reason: str, message: str) -> None:
        self._recorder.record(kind, obj, word, reason, message, _COMPONENT)

    def _age(self, workload: Object) -> tuple[int, int]:
        # Creation times have whole seconds only, and Kueue keeps no other: those of one come in any order.
        made = datetime.datetime.fromisoformat(workload["metadata"]["creationTimestamp"])
        return int(made.timestamp()), zlib.crc32(workload["metadata"]["uid"].encode())


def child_of_another(obj: Object) -> bool:
    return any(owner.get("controller") for owner in obj["metadata"].get("ownerReferences") or [])


def running(kind: Kind, obj: Object) -> bool:
    status = obj.get("status") or {}
    if kind is JOBS:
        return bool(status.get("active") or status.get("terminating"))
    jobs = status.get("replicatedJobsStatus" if kind is JOBSETS else "jobsStatus") or []
    return any(job.get("active") for job in jobs)


def end_of(kind: Kind, obj: Object) -> tuple[str, str] | None:
    """The reason and message of a Workload whose Job is over."""
    good, bad = ("Completed" if kind is JOBSETS else "Complete"), "Failed"
    for found in (obj.get("status") or {}).get("conditions") or []:
        if found["type"] in (good, bad) and found["status"] == "True":
            return ("Succeeded" if found["type"] == good else "Failed"), found.get("message", "")
    return None


def _requeue(workload: Object) -> None:
    text = condition(workload, "Evicted")["message"]
    for check in workload["status"].get("admissionChecks") or []:
        check.update(
            state="Pending", message="Reset to Pending after eviction. Previously: " + check["state"]
        )
    set_condition(workload, "Requeued", True, condition(workload, "Evicted")["reason"], text)
    workloads.release(workload, "PendingEvaluation", text)
