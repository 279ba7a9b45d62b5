"""What is kept of a Job, JobSet, TrainJob or Pod: tens of thousands of them fit into a notebook's memory."""

from __future__ import annotations

from collections.abc import Mapping
from sys import intern
from typing import Any, TypedDict

import msgspec

from sovlab import codec
from sovlab.core.untrusted import clean
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
    labels.HELD,
    labels.OWNER_NAME,
    labels.SIGNATURE,
    labels.INDEX,
    labels.DEFAULT_CONTAINER,
)
_KNOWN = ("name", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
_LABELS = (labels.JOB, labels.MANAGED_BY, labels.QUEUE, labels.INDEX, labels.OWNER)


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


class _Running(TypedDict, total=False):
    startedAt: str | None


class _Waiting(TypedDict, total=False):
    reason: str | None
    message: str | None


class _Terminated(TypedDict, total=False):
    exitCode: int | None
    reason: str | None
    message: str | None
    startedAt: str | None
    finishedAt: str | None


class _State(TypedDict, total=False):
    running: _Running | None
    waiting: _Waiting | None
    terminated: _Terminated | None


class _ContainerStatus(TypedDict, total=False):
    name: str
    image: str | None
    imageID: str | None
    state: _State | None
    lastState: _State | None


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
    spec: _Spec | None
    status: _Status | None


DAMAGE = "damage"
"""Key of a trimmed object that could not be read: why, as a phrase. Then it has little else."""
UNFIT = (
    *(msgspec.MsgspecError, RecursionError),
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
)
"""What reading an object raises whose members are not what sovlab and the cluster write."""


def read(obj: object, kind: str) -> Object | None:
    """`trim` for an object as the API sent it, whatever is in it; None if it is none of ours.

    One that cannot be read is trimmed to what makes it known, and to why.

    Args:
        obj: as JSON was decoded.
        kind: of the collection that it is in.
    """
    try:
        named = {"kind": kind, **obj} if isinstance(obj, dict) else obj
        shaped: Any = codec.convert(named, Shape)
        return trim(shaped)
    except UNFIT as error:
        return damaged(obj, kind, error)


def damaged(obj: object, kind: str, error: Exception) -> Object | None:
    """What is kept of an object that cannot be read; None if nothing says that it is one of ours."""
    meta = obj.get("metadata") if isinstance(obj, dict) else None
    if not isinstance(meta, dict) or not isinstance(meta.get("name"), str):
        return None
    marked, told = (
        {k: v for k in keys if isinstance(v := inner.get(k), str)} if isinstance(inner, dict) else {}
        for inner, keys in ((meta.get("labels"), _LABELS), (meta.get("annotations"), _ANNOTATIONS))
    )
    if kind != "Pod" and labels.SPEC not in told and isinstance(meta.get("annotations"), dict | None):
        return None
    known = {k: v for k in _KNOWN if isinstance(v := meta.get(k), str)}
    why = clean(str(error) or type(error).__name__, 300)
    metadata = {**known, "labels": marked, "annotations": told}
    return {"kind": kind, "metadata": metadata, "spec": {}, "status": {}, DAMAGE: why}


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
    for container in state.get("containerStatuses") or ():
        if container.get("imageID"):
            container["imageID"] = intern(container["imageID"])  # ten thousand pods have the same
    return {
        "kind": obj.get("kind") or ("Pod" if is_pod else ""),
        "metadata": {
            **{k: meta[k] for k in _KNOWN if k in meta},
            "labels": {k: intern(marked[k]) for k in _LABELS if k in marked},
            "annotations": {k: told[k] for k in _ANNOTATIONS if k in told},
        },
        "spec": _trim_pod(spec, container_name(obj)) if is_pod else _trim_workload(spec),
        "status": {
            k: _shared(state[k]) if k == "conditions" else state[k]
            for k in ("phase", "reason", "message", "conditions", "containerStatuses", "startTime", "active")
            if k in state
        },
    }


_ENDS = ("Complete", "Completed", "Failed", "Ready")
"""Conditions after which it does not matter when a workload was let start; pods were not."""


def _shared(conditions: Any) -> Any:
    """The conditions that hold, and why a pod is not placed; texts that many have are in memory once.

    Of a workload that has not ended also when it was let start.
    """
    kept = [c for c in conditions or () if c.get("status") == "True" or c.get("type") == "PodScheduled"]
    if not any(c.get("type") in _ENDS for c in kept):
        kept += [c for c in conditions or () if c.get("type") == "Suspended" and c not in kept]
    return [{key: intern(v) if isinstance(v, str) else v for key, v in each.items()} for each in kept]


def _trim_pod(spec: Mapping[str, Any], name: str) -> Object:
    images = [{"image": c.get("image")} for c in spec.get("containers") or () if c.get("name") == name]
    return {"nodeName": spec.get("nodeName"), "containers": images}


def _trim_workload(spec: Mapping[str, Any]) -> Object:
    found = {k: spec[k] for k in ("suspend", "completions", "parallelism") if k in spec}
    sets = spec.get("replicatedJobs")
    if sets:
        inner = (sets[0].get("template") or {}).get("spec") or {}
        found["completions"] = _count(inner.get("completions"))
    if "trainer" in spec:
        found["completions"] = _count((spec["trainer"] or {}).get("numNodes"))
    return found


def _count(nodes: object) -> int | None:
    if nodes is not None and type(nodes) is not int:
        raise TypeError("its number of nodes is not a whole number")
    return nodes
