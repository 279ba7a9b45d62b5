"""What a Job's status and pods say: how they are counted, and when it is over."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from tests.kube.apiserver.objects.store import Object
from tests.kube.apiserver.protocol.kinds import JOBS
from tests.kube.apiserver.protocol.values import now, parse_time

from . import jobpods


@dataclass
class Tally:
    """A Job's pods, sorted."""

    active: list[Object] = field(default_factory=list)
    terminating: list[Object] = field(default_factory=list)
    uncounted: list[Object] = field(default_factory=list)
    ready: int = 0
    restarts: int = 0


def finished(job: Object) -> bool:
    """Whether a Job is complete or has failed."""
    return any(ends(condition) for condition in (job.get("status") or {}).get("conditions") or [])


def ends(condition: Object) -> bool:
    return condition["type"] in ("Complete", "Failed") and condition["status"] == "True"


def owner_of(pod: Object) -> dict[str, Any] | None:
    for owner in pod["metadata"].get("ownerReferences") or []:
        if owner.get("controller") and owner["kind"] == JOBS.kind:
            return owner  # type: ignore[no-any-return]
    return None


def tally_of(pods: list[Object], job: Object) -> Tally:
    tally = Tally()
    for pod in pods:
        tally.restarts += jobpods.restarts(pod)
        over = jobpods.succeeded(pod) or jobpods.failed(pod, job)
        if over and jobpods.FINALIZER in (pod["metadata"].get("finalizers") or []):
            tally.uncounted.append(pod)
        if jobpods.active(pod):
            tally.active.append(pod)
            conditions = (pod.get("status") or {}).get("conditions") or []
            tally.ready += any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
        elif jobpods.terminating(pod):
            tally.terminating.append(pod)
    return tally


def complete(job: Object, status: Object, tally: Tally) -> bool:
    wanted = job["spec"].get("completions")
    if wanted is None:
        return bool(status.get("succeeded", 0)) and not tally.active and not tally.terminating
    return bool(status.get("succeeded", 0) >= wanted)


def time_left(job: Object, status: Object) -> float | None:
    limit = job["spec"].get("activeDeadlineSeconds")
    if limit is None or not status.get("startTime") or job["spec"].get("suspend"):
        return None
    return parse_time(status["startTime"]) + limit - time.time()


def sooner(one: float | None, other: float | None) -> float | None:
    found = [wait for wait in (one, other) if wait is not None]
    return max(0.0, min(found)) if found else None


def true_condition(status: Object, kind: str) -> Object | None:
    found = (c for c in status["conditions"] if c["type"] == kind and c["status"] == "True")
    return next(found, None)


def set_condition(status: Object, kind: str, value: bool, reason: str, message: str) -> Object:
    made = {
        "type": kind,
        "status": "True" if value else "False",
        "lastProbeTime": now(),
        "lastTransitionTime": now(),
        "reason": reason,
        "message": message,
    }
    status["conditions"] = [c for c in status["conditions"] if c["type"] != kind] + [made]
    return made


def without_finalizer(pod: Object) -> None:
    left = [name for name in pod["metadata"].get("finalizers") or [] if name != jobpods.FINALIZER]
    pod["metadata"]["finalizers"] = left
    if not left:
        del pod["metadata"]["finalizers"]
