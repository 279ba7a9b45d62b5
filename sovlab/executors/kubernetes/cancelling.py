"""Ending a job that somebody cancels."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from sovlab.executors.kubernetes.objects import Object, WorkloadKind
from sovlab.kube import labels
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.reading import status
from sovlab.kube.reading.pods import container_name
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ClusterError, Forbidden, Invalid, NotFound
from sovlab.kube.transport.exec_files import Container

_SHORT = 5
"""Seconds of grace for a pod that had not started."""
_TRIES, _PAUSE = 4, 0.5


def is_queued(obj: Object) -> bool:
    """Whether a queue holds a job: it has nothing to end, and only its going makes the queue forget it."""
    marked = obj["metadata"].get("labels") or {}
    return bool((obj.get("spec") or {}).get("suspend")) and labels.QUEUE in marked


def cancel(api: Api, profile: ClusterProfile, kind: WorkloadKind, obj: Object, pods: list[Object]) -> None:
    """Ask a job to end that no queue holds.

    A running container is told by a command in it, so that its pod stays, with log and last words. Where
    nothing runs yet, or no command may be run, the workload is left with nothing to do, and the cluster
    ends its pods with SIGTERM and their grace time.
    """
    path = f"{kind.path}/{obj['metadata']['name']}"
    api.patch(path, {"metadata": {"annotations": {labels.CANCELLED: repr(time.time())}}})
    current = status.newest(pods)
    running = [pod for pod in current if status.running_since(pod) is not None]
    if running and len(running) == status.nodes(obj) and _told(api, profile, running):
        return
    _starve(api, kind, path)
    for pod in current:
        if pod not in running:
            # A container that starts just now may not hear SIGTERM yet, and would get all of its grace time.
            api.delete(f"/api/v1/namespaces/{profile.namespace}/pods/{pod['metadata']['name']}", grace=_SHORT)


def _told(api: Api, profile: ClusterProfile, running: Sequence[Mapping[str, Any]]) -> bool:
    """Tell running containers that somebody cancels their job; False if one could not be told."""
    for pod in running:
        container = Container(
            api, profile.namespace, pod["metadata"]["name"], profile.python, container_name(pod)
        )
        for attempt in range(_TRIES):
            try:
                container.cancel()
                break
            except (Forbidden, NotFound):
                return False
            except ClusterError:
                if attempt == _TRIES - 1:
                    return False
                time.sleep(_PAUSE)  # it has only just started, or it has just ended
    return True


def _starve(api: Api, kind: WorkloadKind, path: str) -> None:
    """Leave the workload with no pods to run, so that it ends."""
    if kind.name != "Job":
        api.patch(path, {"spec": {"suspend": True}})
        return
    # Without pods to make it comes to its deadline as failed, and is deleted in its time as others are.
    change = {"spec": {"parallelism": 0, "suspend": False, "activeDeadlineSeconds": 1}}
    try:
        api.patch(path, change)
    except Invalid:
        api.patch(path, {"spec": {"suspend": True}})
