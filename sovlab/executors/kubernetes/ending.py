"""Ending a job that somebody cancels."""

from __future__ import annotations

import time

from sovlab.executors.kubernetes.objects import Kind, Object
from sovlab.kube import names, status
from sovlab.kube.api import Api
from sovlab.kube.copying import Container
from sovlab.kube.errors import ClusterError, Invalid
from sovlab.kube.place import Place


def is_queued(obj: Object) -> bool:
    """Whether a queue holds a job: it has nothing to end, and only its going makes the queue forget it."""
    labels = obj["metadata"].get("labels") or {}
    return bool((obj.get("spec") or {}).get("suspend")) and names.QUEUE in labels


def cancel(api: Api, place: Place, kind: Kind, obj: Object, pods: list[Object]) -> None:
    """Ask a job to end that no queue holds.

    A running container is told by a command in it, so that its pod stays, with log and last words. Where
    nothing runs yet, or no command may be run, the workload is left with nothing to do, and the cluster
    ends its pods with SIGTERM and their grace time.
    """
    path = f"{kind.path}/{obj['metadata']['name']}"
    api.patch(path, {"metadata": {"annotations": {names.CANCELLED: repr(time.time())}}})
    current = status.newest(pods)
    running = [pod for pod in current if status.running_since(pod) is not None]
    if running and len(running) == status.nodes(obj):
        try:
            for pod in running:
                Container(api, place.namespace, pod["metadata"]["name"], place.python).cancel()
        except ClusterError:
            pass  # it has just ended, or it is not for us to run commands
        else:
            return
    _starve(api, kind, path)


def _starve(api: Api, kind: Kind, path: str) -> None:
    """Leave the workload with no pods to run, so that it ends."""
    if kind.name == "JobSet":
        api.patch(path, {"spec": {"suspend": True}})
        return
    # Without pods to make it comes to its deadline as failed, and is deleted in its time as others are.
    change = {"spec": {"parallelism": 0, "suspend": False, "activeDeadlineSeconds": 1}}
    try:
        api.patch(path, change)
    except Invalid:
        api.patch(path, {"spec": {"suspend": True}})
