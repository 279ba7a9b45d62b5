"""Tables for kubectl: the columns of the kinds that people look at, name and age for the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.kube.apiserver.objects.store import Entry, Object
from tests.kube.apiserver.protocol.kinds import EVENTS, JOBS, NODES, PODS, SERVICES, Kind
from tests.kube.apiserver.protocol.values import parse_time

Cells = Callable[[Object], list[Any]]


def age(text: str | None, now: float | None = None) -> str:
    """How long ago, as kubectl writes it."""
    if not text:
        return "<unknown>"
    return span(max(0.0, (now or time.time()) - parse_time(text)))


def span(seconds: float) -> str:
    """A duration, as kubectl writes it."""
    whole = int(seconds)
    if whole < 120:
        return f"{whole}s"
    if whole < 600:
        return f"{whole // 60}m{whole % 60}s" if whole % 60 else f"{whole // 60}m"
    if whole < 3 * 3600:
        return f"{whole // 60}m"
    if whole < 8 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60}m"
    if whole < 48 * 3600:
        return f"{whole // 3600}h"
    return f"{whole // 86400}d"


def pod_word(pod: Object) -> str:
    """The STATUS column of a pod."""
    status = pod.get("status") or {}
    word = status.get("reason") or status.get("phase") or "Unknown"
    for index, state in enumerate(status.get("initContainerStatuses") or []):
        inner = state.get("state") or {}
        if (inner.get("terminated") or {}).get("exitCode") == 0:
            continue
        total = len(pod["spec"].get("initContainers") or [])
        reason = (inner.get("terminated") or inner.get("waiting") or {}).get("reason")
        return f"Init:{reason}" if reason and reason != "PodInitializing" else f"Init:{index}/{total}"
    for state in status.get("containerStatuses") or []:
        inner = state.get("state") or {}
        word = (inner.get("waiting") or inner.get("terminated") or {}).get("reason") or word
    if "deletionTimestamp" in pod["metadata"]:
        return "Terminating"
    return str(word)


def _pod(pod: Object) -> list[Any]:
    states = (pod.get("status") or {}).get("containerStatuses") or []
    ready = sum(1 for state in states if state.get("ready"))
    restarts = sum(state.get("restartCount", 0) for state in states)
    status = pod.get("status") or {}
    return [
        f"{ready}/{len(pod['spec'].get('containers') or [])}",
        pod_word(pod),
        str(restarts),
        age(pod["metadata"].get("creationTimestamp")),
        status.get("podIP") or "<none>",
        pod["spec"].get("nodeName") or "<none>",
        "<none>",
        "<none>",
    ]


def _job(job: Object) -> list[Any]:
    spec, status = job["spec"], job.get("status") or {}
    done = {c["type"]: c for c in status.get("conditions") or [] if c.get("status") == "True"}
    word = next((w for w in ("Complete", "Failed") if w in done), "")
    if not word:
        terminating = "deletionTimestamp" in job["metadata"]
        word = "Terminating" if terminating else "Suspended" if "Suspended" in done else "Running"
        word = next((w for w in ("FailureTarget", "SuccessCriteriaMet") if w in done), word)
    wanted = spec.get("completions")
    completions = f"{status.get('succeeded', 0)}/{wanted if wanted is not None else 1}"
    took = ""
    if status.get("startTime"):
        end = status.get("completionTime")
        took = span((parse_time(end) if end else time.time()) - parse_time(status["startTime"]))
    containers = spec["template"]["spec"].get("containers") or []
    return [
        word,
        completions,
        took,
        age(job["metadata"].get("creationTimestamp")),
        ",".join(c["name"] for c in containers),
        ",".join(c["image"] for c in containers),
    ]


def _node(node: Object) -> list[Any]:
    conditions = (node.get("status") or {}).get("conditions") or []
    ready = next((c for c in conditions if c["type"] == "Ready"), {})
    word = "Ready" if ready.get("status") == "True" else "NotReady"
    if node.get("spec", {}).get("unschedulable"):
        word += ",SchedulingDisabled"
    version = (node["status"].get("nodeInfo") or {}).get("kubeletVersion", "")
    return [word, "<none>", age(node["metadata"].get("creationTimestamp")), version]


def _event(event: Object) -> list[Any]:
    about = event.get("involvedObject") or {}
    seen = event.get("lastTimestamp") or event.get("eventTime")
    what = f"{about.get('kind', '').lower()}/{about.get('name', '')}"
    return [age(seen), event.get("type"), event.get("reason"), what, (event.get("message") or "").strip()]


def _service(service: Object) -> list[Any]:
    spec = service["spec"]
    ports = ",".join(f"{p['port']}/{p.get('protocol', 'TCP')}" for p in spec.get("ports") or []) or "<none>"
    return [
        spec.get("type"),
        spec.get("clusterIP"),
        "<none>",
        ports,
        age(service["metadata"].get("creationTimestamp")),
    ]


_COLUMNS: dict[Kind, tuple[str, Cells]] = {
    PODS: ("Name Ready Status Restarts Age IP* Node* Nominated_Node* Readiness_Gates*", _pod),
    JOBS: ("Name Status Completions Duration Age Containers* Images*", _job),
    NODES: ("Name Status Roles Age Version", _node),
    EVENTS: ("Last_Seen Type Reason Object Message", _event),
    SERVICES: ("Name Type Cluster-IP External-IP Port(s) Age", _service),
}


def _plain(obj: Object) -> list[Any]:
    return [age(obj["metadata"].get("creationTimestamp"))]


def table(
    kind: Kind, entries: Sequence[Entry], include: str, rv: str, metadata: dict[str, Any] | None = None
) -> bytes:
    """The objects as rows."""
    names, cells = _COLUMNS.get(kind, ("Name Age", _plain))
    columns = [
        {
            "name": name.rstrip("*").replace("_", " "),
            "type": "string",
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": 1 if name.endswith("*") else 0,
        }
        for name in names.split()
    ]
    rows = []
    for entry in entries:
        found = cells(entry.obj)
        row: dict[str, Any] = {"cells": found if kind is EVENTS else [entry.key[1], *found]}
        if include == "Object":
            row["object"] = msgspec.Raw(entry.full)
        elif include != "None":
            head = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
            row["object"] = {**head, "metadata": entry.obj["metadata"]}
        rows.append(row)
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata or {"resourceVersion": rv}}
    return msgspec.json.encode({**head, "columnDefinitions": columns, "rows": rows})
