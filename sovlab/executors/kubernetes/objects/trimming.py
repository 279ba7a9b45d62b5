"""What is kept of a Job, JobSet, TrainJob or Pod: tens of thousands of them fit into a notebook's memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from sovlab.kube import labels
from sovlab.kube.reading.pods import container_name

Object = dict[str, Any]

_ANNOTATIONS = (
    labels.SPEC,
    labels.SUBMITTED,
    labels.NONCE,
    labels.READY,
    labels.CANCELLED,
    labels.DELIVERY,
    labels.INDEX,
    labels.DEFAULT_CONTAINER,
)
_LABELS = (labels.JOB, labels.MANAGED_BY, labels.QUEUE, labels.INDEX)


class _Owner(TypedDict, total=False):
    kind: str


class _Meta(TypedDict, total=False):
    name: str
    uid: str
    resourceVersion: str
    creationTimestamp: str | None
    deletionTimestamp: str | None
    labels: dict[str, str] | None
    annotations: dict[str, str] | None
    ownerReferences: list[_Owner] | None


class _Container(TypedDict, total=False):
    name: str
    image: str


class _Spec(TypedDict, total=False):
    suspend: bool | None
    completions: int | None
    parallelism: int | None
    replicatedJobs: Any
    trainer: Any
    nodeName: str | None
    containers: list[_Container] | None


class _Condition(TypedDict, total=False):
    type: str
    status: str
    reason: str | None
    message: str | None
    lastTransitionTime: str | None


class _ContainerStatus(TypedDict, total=False):
    name: str
    image: str | None
    state: Any
    lastState: Any


class _Status(TypedDict, total=False):
    phase: str
    reason: str | None
    message: str | None
    startTime: str | None
    conditions: list[_Condition] | None
    containerStatuses: list[_ContainerStatus] | None


class Shape(TypedDict, total=False):
    """What is read of a Job, a JobSet, a TrainJob or a Pod in a list."""

    kind: str
    metadata: _Meta
    spec: _Spec
    status: _Status


def trim(obj: Object) -> Object | None:
    """What sovlab needs of a Job, JobSet, TrainJob or Pod; None if it is not one of ours."""
    meta = obj["metadata"]
    owners = meta.get("ownerReferences") or ()
    told = meta.get("annotations") or {}
    is_pod = obj.get("kind") == "Pod" or "containers" in (obj.get("spec") or {})
    if not is_pod and (
        any(o.get("kind") in ("JobSet", "TrainJob") for o in owners) or labels.SPEC not in told
    ):
        return None  # part of a JobSet or TrainJob, or an object of another tool that uses the same labels
    spec, state = obj.get("spec") or {}, obj.get("status") or {}
    marked = meta.get("labels") or {}
    return {
        "kind": obj.get("kind") or ("Pod" if is_pod else ""),
        "metadata": {
            **{
                k: meta[k]
                for k in ("name", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
                if k in meta
            },
            "labels": {k: marked[k] for k in _LABELS if k in marked},
            "annotations": {k: told[k] for k in _ANNOTATIONS if k in told},
        },
        "spec": _trim_pod(spec, container_name(obj)) if is_pod else _trim_workload(spec),
        "status": {
            k: state[k]
            for k in ("phase", "reason", "message", "conditions", "containerStatuses", "startTime", "active")
            if k in state
        },
    }


def _trim_pod(spec: Mapping[str, Any], name: str) -> Object:
    images = [{"image": c.get("image")} for c in spec.get("containers") or () if c.get("name") == name]
    return {"nodeName": spec.get("nodeName"), "containers": images}


def _trim_workload(spec: Mapping[str, Any]) -> Object:
    found = {k: spec[k] for k in ("suspend", "completions", "parallelism") if k in spec}
    sets = spec.get("replicatedJobs")
    if sets:
        inner = (sets[0].get("template") or {}).get("spec") or {}
        found["completions"] = inner.get("completions")
    if "trainer" in spec:
        found["completions"] = (spec["trainer"] or {}).get("numNodes")
    return found
