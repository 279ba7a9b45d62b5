"""Cancelling a job."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sovlab.executors.kubernetes.holding import is_held
from sovlab.executors.kubernetes.objects.trimming import Object
from sovlab.executors.kubernetes.objects.workloads import WorkloadKind
from sovlab.kube import labels
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.reading import status
from sovlab.kube.reading.pods import container_name
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError, ClusterError, Forbidden, Invalid
from sovlab.kube.transport.exec import CommandFailed
from sovlab.kube.transport.exec_files import Container

_SHORT = 5
"""Seconds of grace for a pod that had not started."""
_TRIES, _PAUSE = 4, 0.5
_AT_ONCE = 16
"""Nodes that are told at a time."""
_MARGIN = 10.0
"""Seconds that a runner needs to end beside the grace that it gives the job."""
_LATEST = 60.0
"""Seconds by which a clock may be wrong, until what was put in the place of a cancelled pod is ended."""
_KILLED = 128 + 9


def is_queued(obj: Object) -> bool:
    """Whether a queue holds a job, or it is held back: nothing of it runs, and only deleting it ends that."""
    if not (obj.get("spec") or {}).get("suspend"):
        return False
    return labels.QUEUE in (obj["metadata"].get("labels") or {}) or is_held(obj)


class Cancelling:
    """Asks a job to end that no queue holds.

    In a running container an exec command does it, so that its pod stays, with log and termination message.
    Where nothing runs yet, or no command may be run, the workload is left without pods to run, and the
    cluster ends them with SIGTERM and their grace time: then they are deleted, and their logs with them.

    A pod that is going says nothing of the job's end: a queue or the cluster may put another in its place,
    which would run the code anew. Then the workload is left without pods too; and should a pod go between its
    cancelling and its end, the Job has a deadline.

    Of several nodes some may run before others, or before the cluster says so, which it does up to some
    seconds late. So long as those that are cancelled have not ended, the others are cancelled as they start.

    Args:
        api: as a user who may exec into the pods.
        profile: the target's cluster.
        kind: the workload's.
        obj: the workload, as the cluster has it.
        grace: seconds that the job's code gets between SIGTERM and SIGKILL.
    """

    def __init__(self, api: Api, profile: ClusterProfile, kind: WorkloadKind, obj: Object, grace: float):
        self._api = api
        self._profile = profile
        self._kind = kind
        self._obj = obj
        self._path = f"{kind.path}/{obj['metadata']['name']}"
        self._grace = grace
        self._cancelled: set[str] = set()
        self._asked: set[str] = set()

    def carry_out(self, pods: list[Object], look: Callable[[], list[Object]]) -> bool:
        """Mark the workload as cancelled, and end its pods.

        Args:
            pods: the job's, as they were read last.
            look: reads them again.

        Returns:
            Whether that ends it; False if a queue has taken it back meanwhile, and would let it go again.
        """
        if is_queued(self._mark()):
            return False
        current, refused, end = status.newest(pods), 0, time.monotonic() + self._grace + _MARGIN
        while True:
            running = [pod for pod in current if status.running_since(pod) is not None]
            try:
                refused += not self._cancel_running(running)
            except Forbidden:
                break
            if self._may_be_replaced(current):
                break
            if self._all_end(current, running):
                return True
            # What may have heard of it ends with its log; to delete it meanwhile would lose that.
            deaf = refused >= _TRIES and not any(_uid(pod) in self._asked for pod in running)
            if not running or deaf or time.monotonic() > end:
                break
            time.sleep(_PAUSE)
            current = status.newest(look())
        self._leave_without_pods()
        for pod in current:
            if status.running_since(pod) is None and status.ended(pod) is None:
                # A container that starts just now may not hear SIGTERM yet, and would get all of its grace.
                path = f"/api/v1/namespaces/{self._profile.namespace}/pods/{pod['metadata']['name']}"
                self._api.delete(path, grace=_SHORT)
        return True

    def _mark(self) -> Object:
        """Mark the workload as cancelled; as it is then."""
        now = time.time()
        change: Object = {"metadata": {"annotations": {labels.CANCELLED: repr(now)}}}
        begun = status.seconds((self._obj.get("status") or {}).get("startTime"))
        if self._kind.name == "Job" and begun is not None:
            deadline = max(now - begun, 0.0) + self._grace + _MARGIN + _LATEST
            try:
                return self._api.patch(
                    self._path, {**change, "spec": {"activeDeadlineSeconds": int(deadline)}}
                )
            except Invalid:
                pass
        return self._api.patch(self._path, change)

    def _may_be_replaced(self, current: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the one pod is going, and not because of a cancel: several are not replaced one by one."""
        return status.nodes(self._obj) == 1 and any(map(status.is_going, current))

    def _cancel_running(self, running: Sequence[Mapping[str, Any]]) -> bool:
        """Run the ``cancel`` command in each running container, once; False if one of them cannot be told.

        In all of them at a time: one that hears of it late may fail first, for want of those that have ended.
        """
        told = [pod for pod in running if _uid(pod) not in self._cancelled]
        if len(told) < 2:
            return all(map(self._cancel, told))
        with ThreadPoolExecutor(min(len(told), _AT_ONCE), thread_name_prefix="sovlab-cancel") as threads:
            return all(list(threads.map(self._cancel, told)))

    def _cancel(self, pod: Mapping[str, Any]) -> bool:
        """Run the ``cancel`` command in a pod's container; False if it cannot be told."""
        profile, name = self._profile, pod["metadata"]["name"]
        try:
            Container(self._api, profile.namespace, name, profile.python, container_name(pod)).cancel()
        except Forbidden:
            raise
        except ClusterError as error:
            if not _may_have_ended(error):
                return False
        else:
            self._cancelled.add(_uid(pod))
        self._asked.add(_uid(pod))
        return True

    def _all_end(self, current: Sequence[Mapping[str, Any]], running: Sequence[Mapping[str, Any]]) -> bool:
        """Whether each node is cancelled, or has ended and left a record: no other pod takes its place."""
        cancelled = sum(_uid(pod) in self._cancelled for pod in running)
        ended = [ending for pod in current if (ending := status.ended(pod)) is not None]
        over = sum(ending.is_by_itself and not ending.disrupted for ending in ended)
        return cancelled + over == status.nodes(self._obj)

    def _leave_without_pods(self) -> None:
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


def _uid(pod: Mapping[str, Any]) -> str:
    uid: str = pod["metadata"].get("uid", "")
    return uid


def _may_have_ended(error: ClusterError) -> bool:
    """Whether a command may have failed since its container has ended, which the cluster says seconds later.

    Then the command was killed with it, by SIGKILL, or there is no container any more to run it in.
    """
    if isinstance(error, CommandFailed):
        return error.status in (None, _KILLED)
    return isinstance(error, ApiError)
