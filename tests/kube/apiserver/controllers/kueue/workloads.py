"""Workloads: what a Job asks of its queue, and the conditions that say how it fares."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal

from tests.kube.apiserver.controllers.conditions import condition, holds, set_condition
from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.kinds import JOBS, KUEUE_GROUP, Kind
from tests.kube.apiserver.protocol.values import now
from tests.kube.apiserver.rules.resources import requests_of

QUEUE = f"{KUEUE_GROUP}/queue-name"
PRIORITY = f"{KUEUE_GROUP}/priority-class"
JOB_UID = f"{KUEUE_GROUP}/job-uid"


def queue_of(obj: Object) -> str:
    """The LocalQueue that a Job names; empty if Kueue does not manage it."""
    return str((obj["metadata"].get("labels") or {}).get(QUEUE, ""))


def workload_name(kind: Kind, obj: Object) -> str:
    """As Kueue derives it: the kind, the name, and five letters of a hash."""
    metadata = obj["metadata"]
    parts = (kind.kind, kind.group, metadata["name"], metadata["uid"])
    digest = hashlib.sha1("\n".join(parts).encode(), usedforsecurity=False).hexdigest()
    prefix = f"{kind.kind.lower()}-{metadata['name']}"[:57]
    return f"{prefix}-{digest[:5]}"


def pod_sets(kind: Kind, obj: Object) -> list[Object]:
    """The sets of pods of a Job, or of a JobSet, that are admitted together."""
    if kind is JOBS:
        return [{"name": "main", "count": _count(obj["spec"]), "template": obj["spec"]["template"]}]
    return [
        {
            "name": job["name"],
            "count": job.get("replicas", 1) * _count(job["template"]["spec"]),
            "template": job["template"]["spec"]["template"],
        }
        for job in obj["spec"].get("replicatedJobs") or []
    ]


def _count(spec: Object) -> int:
    parallel = spec.get("parallelism")
    parallel = 1 if parallel is None else parallel
    completions = spec.get("completions")
    return int(parallel if completions is None else min(parallel, completions))


def requests(workload: Object) -> dict[str, dict[str, Decimal]]:
    """What each set of pods asks for, all its pods together."""
    found = {}
    for pods in workload["spec"]["podSets"]:
        one = requests_of(pods["template"]["spec"])
        count = Decimal(pods["count"])
        found[pods["name"]] = {**{name: amount * count for name, amount in one.items()}, "pods": count}
    return found


def new_workload(
    kind: Kind, obj: Object, sets: list[Object], priority: int, reference: Object | None
) -> Object:
    """The Workload of a Job."""
    metadata = obj["metadata"]
    return {
        "metadata": {
            "name": workload_name(kind, obj),
            "namespace": metadata["namespace"],
            "labels": {JOB_UID: metadata["uid"]},
            "finalizers": [f"{KUEUE_GROUP}/resource-in-use"],
            "ownerReferences": [
                {
                    "apiVersion": kind.api_version,
                    "kind": kind.kind,
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "active": True,
            "podSets": sets,
            "queueName": queue_of(obj),
            "priority": priority,
            **({"priorityClassRef": reference} if reference else {}),
        },
    }


def reserve(
    workload: Object, queue: str, flavors: dict[str, dict[str, str]], checks: Sequence[str] = ()
) -> None:
    """The workload has its quota, and with that it is admitted if nobody is to check it."""
    asked = requests(workload)
    workload.setdefault("status", {})["admission"] = {
        "clusterQueue": queue,
        "podSetAssignments": [
            {
                "name": pods["name"],
                "count": pods["count"],
                "flavors": flavors[pods["name"]],
                "resourceUsage": {
                    n: str(a) for n, a in asked[pods["name"]].items() if n in flavors[pods["name"]]
                },
            }
            for pods in workload["spec"]["podSets"]
        ],
    }
    set_condition(workload, "QuotaReserved", True, "QuotaReserved", f"Quota reserved in ClusterQueue {queue}")
    for kind in ("Evicted", "Preempted"):
        if holds(workload, kind):
            before = condition(workload, kind)["message"]
            set_condition(workload, kind, False, "QuotaReserved", f"Previously: {before}")
    if checks:
        known = {check["name"]: check for check in workload["status"].get("admissionChecks") or []}
        fresh = {"state": "Pending", "message": "", "lastTransitionTime": now()}
        workload["status"]["admissionChecks"] = [
            known.get(name) or {"name": name, **fresh} for name in checks
        ]
        text = "The workload has not all checks ready"
        set_condition(workload, "Admitted", False, "UnsatisfiedAdmissionChecks", text)
    else:
        set_condition(workload, "Admitted", True, "Admitted", "The workload is admitted")


def release(workload: Object, reason: str, message: str) -> None:
    """The workload has no quota."""
    set_condition(workload, "QuotaReserved", False, reason, message)
    workload["status"].pop("admission", None)
    if holds(workload, "Admitted"):
        set_condition(workload, "Admitted", False, "NoReservation", "The workload has no reservation")
