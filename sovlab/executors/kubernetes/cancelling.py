"""Ending a job that somebody cancels."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sovlab.executors.kubernetes.objects import Object, WorkloadKind
from sovlab.kube import labels
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.reading import status
from sovlab.kube.reading.pods import container_name
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ClusterError, Forbidden, Invalid
from sovlab.kube.transport.exec_files import Container

_SHORT = 5
"""Seconds of grace for a pod that had not started."""
_TRIES, _PAUSE = 4, 0.5
_MARGIN = 10.0
"""Seconds that a runner needs to end beside the grace that it gives the job."""


def is_queued(obj: Object) -> bool:
    """Whether a queue holds a job: nothing of it runs, and only deleting it takes it out of the queue."""
    workload_labels = obj["metadata"].get("labels") or {}
    return bool((obj.get("spec") or {}).get("suspend")) and labels.QUEUE in workload_labels


class Cancelling:
    """Asks a job to end that no queue holds.

    A running container is told by a command in it, so that its pod stays, with log and last words. Where
    nothing runs yet, or no command may be run, the workload is left with nothing to do, and the cluster
    ends its pods with SIGTERM and their grace time: then they are deleted, and their logs with them.

    Of several nodes some may run before others, or before the cluster says so, which it does up to some
    seconds late. So long as those that were told have not ended, the others are told as they begin.

    Args:
        api: of the cluster.
        profile: what the target says of it.
        kind: of the workload.
        obj: the workload.
        grace: seconds that the job's code gets between SIGTERM and SIGKILL.
    """

    def __init__(self, api: Api, profile: ClusterProfile, kind: WorkloadKind, obj: Object, grace: float):
        self._api = api
        self._profile = profile
        self._kind = kind
        self._obj = obj
        self._path = f"{kind.path}/{obj['metadata']['name']}"
        self._grace = grace
        self._told: set[str] = set()

    def carry_out(self, pods: list[Object], look: Callable[[], list[Object]]) -> None:
        """Do it.

        Args:
            pods: of the job, as they were a moment ago.
            look: reads them anew.
        """
        self._api.patch(self._path, {"metadata": {"annotations": {labels.CANCELLED: repr(time.time())}}})
        current, refused, end = status.newest(pods), 0, time.monotonic() + self._grace + _MARGIN
        while True:
            running = [pod for pod in current if status.running_since(pod) is not None]
            try:
                self._tell(running)
            except Forbidden:
                break
            except ClusterError:  # a container has only just started, or has just ended
                refused += 1
            if self._all_end(current, running):
                return
            if not running or refused == _TRIES or time.monotonic() > end:
                break
            time.sleep(_PAUSE)
            current = status.newest(look())
        self._starve()
        for pod in current:
            if status.running_since(pod) is None and status.ended(pod) is None:
                # A container that starts just now may not hear SIGTERM yet, and would get all of its grace.
                path = f"/api/v1/namespaces/{self._profile.namespace}/pods/{pod['metadata']['name']}"
                self._api.delete(path, grace=_SHORT)

    def _tell(self, running: Sequence[Mapping[str, Any]]) -> None:
        """Tell running containers that somebody cancels their job."""
        for pod in running:
            name, uid = pod["metadata"]["name"], pod["metadata"].get("uid", "")
            if uid not in self._told:
                profile = self._profile
                Container(self._api, profile.namespace, name, profile.python, container_name(pod)).cancel()
                self._told.add(uid)

    def _all_end(self, current: Sequence[Mapping[str, Any]], running: Sequence[Mapping[str, Any]]) -> bool:
        """Whether each node has been told, or has ended and said how: no other pod takes its place."""
        told = sum(pod["metadata"].get("uid", "") in self._told for pod in running)
        ended = [found for pod in current if (found := status.ended(pod)) is not None]
        over = sum(found.is_by_itself and not found.disrupted for found in ended)
        return told + over == status.nodes(self._obj)

    def _starve(self) -> None:
        """Leave the workload with no pods to run, so that it ends."""
        if self._kind.name != "Job":
            self._api.patch(self._path, {"spec": {"suspend": True}})
            return
        # Without pods to make it comes to its deadline as failed, and is deleted in its time as others are.
        change = {"spec": {"parallelism": 0, "suspend": False, "activeDeadlineSeconds": 1}}
        try:
            self._api.patch(self._path, change)
        except Invalid:
            self._api.patch(self._path, {"spec": {"suspend": True}})
