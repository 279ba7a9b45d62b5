"""Facts about a pod, as plain functions of its object."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sovlab.core.untrusted import moment
from sovlab.kube import labels

Object = Mapping[str, Any]


def newest(pods: Sequence[Object]) -> list[Object]:
    """The last pod of each node of a job, in the order of the nodes."""
    latest: dict[int, Object] = {}
    # Times are whole seconds: of two pods of one second, the one that has not ended replaced the other.
    for pod in sorted(pods, key=lambda p: (str(p["metadata"].get("creationTimestamp")), is_active(p))):
        latest[index(pod)] = pod
    return [latest[number] for number in sorted(latest)]


def index(pod: Object) -> int:
    """Number of the job's node that a pod is, from 0."""
    pod_labels = pod["metadata"].get("labels") or {}
    number = str(
        pod_labels.get(labels.INDEX) or (pod["metadata"].get("annotations") or {}).get(labels.INDEX) or "0"
    )
    return int(number) if number.isdecimal() and len(number) < 10 else 0


def is_active(pod: Object) -> bool:
    """Whether the pod's phase is not a final one."""
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def is_leaving(pod: Object) -> bool:
    """Whether the pod is being deleted; it may still run for its grace time."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def is_going(pod: Object) -> bool:
    """Whether the cluster takes a pod away, or has: another may take its place."""
    return is_leaving(pod) or condition(pod, "DisruptionTarget") is not None


def container_name(pod: Object) -> str:
    """Name of the job's container in a pod."""
    default = (pod["metadata"].get("annotations") or {}).get(labels.DEFAULT_CONTAINER)
    return labels.TRAINER if default == labels.TRAINER else labels.CONTAINER


def container(pod: Object) -> Object:
    """The status of the job's container in a pod; empty if there is none yet."""
    statuses, name = (pod.get("status") or {}).get("containerStatuses") or (), container_name(pod)
    return next((c for c in statuses if c.get("name") == name), {})


def running_since(pod: Object) -> float | None:
    """When the container of a pod started, in seconds since the epoch; None if it does not run."""
    state = (container(pod).get("state") or {}).get("running")
    return seconds(state.get("startedAt")) if state else None


def node(pod: Object) -> str:
    """Name of the cluster's node that a pod runs on; empty if it is not scheduled yet."""
    return str((pod.get("spec") or {}).get("nodeName") or "")


def hosts(pods: Sequence[Object]) -> str:
    """Names of the cluster's nodes that pods run on, for people: three at most, and how many more."""
    names = list(dict.fromkeys(filter(None, map(node, pods))))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def image(pod: Object) -> str:
    """The image of a pod's container, as the target names it."""
    containers: Sequence[Object] = (pod.get("spec") or {}).get("containers") or ({},)
    return str(containers[0].get("image") or container(pod).get("image") or "of the target")


_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")


def ran_image(pods: Sequence[Object]) -> str:
    """The image that the container of pods ran, as the target names it, ``name:tag@sha256:…``.

    The digest is the one by which the cluster had it from its registry; without it where the cluster tells
    none, as of images that were loaded onto a node, or where not all pods had the same.
    """
    names = {str(containers[0].get("image") or "") for pod in pods if (containers := _containers(pod))}
    digests = {found[1] if (found := _DIGEST.search(_image_id(pod))) else "" for pod in pods}
    name = names.pop() if len(names) == 1 else ""
    digest = digests.pop() if len(digests) == 1 else ""
    return f"{name.partition('@')[0]}@{digest}" if name and digest else name


def _containers(pod: Object) -> Sequence[Object]:
    return (pod.get("spec") or {}).get("containers") or ()


def _image_id(pod: Object) -> str:
    return str(container(pod).get("imageID") or "")


def condition(obj: Object, *kinds: str) -> Object | None:
    """The first condition of these types that is true."""
    for candidate in (obj.get("status") or {}).get("conditions") or ():
        if candidate.get("type") in kinds and str(candidate.get("status")) == "True":
            return candidate  # type: ignore[no-any-return]
    return None


def seconds(timestamp: Any) -> float | None:
    """An RFC 3339 time as seconds since the epoch; None for the epoch itself, which stands for "never"."""
    try:
        return moment(datetime.datetime.fromisoformat(timestamp).timestamp()) or None
    except (TypeError, ValueError, OverflowError):
        return None
