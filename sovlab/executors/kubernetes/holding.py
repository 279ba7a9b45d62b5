"""Jobs that are held back: suspended, and in no queue, until their start has come and somebody lets them go.

Nothing of ours runs in the cluster, so whoever looks at a job whose start has come lets it go: the transfer
agent on the submitter's machine, a card, a wait, a list, of any user of the namespace who may change its
workloads. The annotation that holds it goes in the same patch that tests for it, so that it is let go once.

Where Kueue puts jobs that name no queue into one of its own (LocalQueueDefaulting), a job that is held back
names a queue that does not exist: of that it gets no quota.
"""

from __future__ import annotations

import time
from typing import Any

from sovlab.core.spec import JobSpec
from sovlab.core.untrusted import moment
from sovlab.errors import ExecutorError
from sovlab.executors.kubernetes.objects.workloads import Objects
from sovlab.kube import labels
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError, ClusterError, Invalid, NotFound

Object = dict[str, Any]

_HELD, _OUT_OF, _QUEUE = (
    f"/metadata/{part}/{name.replace('/', '~1')}"
    for part, name in (
        ("annotations", labels.HELD),
        ("annotations", labels.HELD_QUEUE),
        ("labels", labels.QUEUE),
    )
)
_REFUSED = 30.0
"""Seconds after which a job that could not be let go is tried again."""
_ANEW = 3
"""How often a workload is looked at again that has changed just before it was let go."""


def held_marks(spec: JobSpec, profile: ClusterProfile, now: float) -> dict[str, str]:
    """What a workload is marked with that is held back; nothing if it is not."""
    due = spec.due(now)
    if due is None:
        return {}
    found = {labels.HELD: repr(due), labels.DEADLINE: repr(spec.finish_by)}
    return {**found, labels.HELD_QUEUE: profile.queue} if profile.queue else found


def is_held(obj: Object) -> bool:
    """Whether a workload is held back: though its start may have come, nobody has let it go."""
    return labels.HELD in (obj["metadata"].get("annotations") or {})


def is_due(obj: Object, now: float) -> bool:
    """Whether it is time to let a workload go that is held back and complete."""
    told = obj["metadata"].get("annotations") or {}
    if not is_held(obj) or labels.READY not in told or labels.CANCELLED in told:
        return False
    return (moment(told[labels.HELD]) or 0.0) <= now


def keep_out(api: Api, path: str, wanted: Object) -> None:
    """Change a manifest so that the cluster will not put it into a queue of its own.

    Args:
        api: of the cluster; it is asked what it would make of the manifest.
        path: of the collection.
        wanted: the manifest of a workload that is held back, without a queue.
    """
    try:
        queue = _queue(api.create(path, wanted, dry_run=True))
    except ApiError:
        return  # it is there already, or cannot be tried: what is made is looked at once more
    if queue:
        wanted["metadata"]["annotations"].setdefault(labels.HELD_QUEUE, queue)
        wanted["metadata"]["labels"][labels.QUEUE] = labels.NO_QUEUE


def put_out(api: Api, path: str, made: Object) -> Object:
    """Take a workload that was just made out of the queue that the cluster has put it into; as it is then.

    Raises:
        ExecutorError: the queue has let it go already.
    """
    queue, told = _queue(made), made["metadata"].get("annotations") or {}
    if not queue or queue == labels.NO_QUEUE:
        return made
    change: list[Object] = [
        {"op": "test", "path": "/spec/suspend", "value": True},
        {"op": "add", "path": _QUEUE, "value": labels.NO_QUEUE},
        {"op": "add", "path": _OUT_OF, "value": told.get(labels.HELD_QUEUE) or queue},
    ]
    try:
        return api.patch(f"{path}/{made['metadata']['name']}", change, kind="json")
    except Invalid as error:
        raise ExecutorError(
            f"The cluster put the job into queue {queue}, which let it go at once.",
            "Submit it again without --finish-by, or with a --queue.",
        ) from error


class Starting:
    """Lets jobs go whose start has come, when somebody looks at them.

    Args:
        api: of the cluster.
        objects: of the namespace.
    """

    def __init__(self, api: Api, objects: Objects) -> None:
        self._api = api
        self._objects = objects
        self._not_before: dict[str, float] = {}

    def look(self, obj: Object) -> bool:
        """Let a workload go if it is time; False if there was nothing to do, or it failed.

        One that cannot be let go says that its time has come; who may not change it can still look at it.
        """
        job_id = str(obj["metadata"]["name"])
        if not is_due(obj, time.time()) or time.monotonic() < self._not_before.get(job_id, 0.0):
            return False
        try:
            return let_go(self._api, f"{self._objects.kind(str(obj.get('kind'))).path}/{job_id}")
        except ClusterError:
            self._not_before[job_id] = time.monotonic() + _REFUSED
            return False


def let_go(api: Api, path: str) -> bool:
    """Put a workload that is held back into its queue, or where it has none, have it run.

    Args:
        api: of the cluster, as a user who may change it.
        path: of the workload.

    Returns:
        Whether this let it go; False if somebody else has, or it is gone.

    Raises:
        ClusterError: the cluster refuses, or does not answer.
    """
    for left in range(_ANEW, -1, -1):
        try:
            obj = api.get(path)
            if not is_held(obj):
                return False
            api.patch(path, _change(obj), kind="json")
            return True
        except NotFound:
            return False
        except Invalid:
            if not left:
                raise
    raise AssertionError("not reached")


def _change(obj: Object) -> list[Object]:
    marked, told = obj["metadata"].get("labels") or {}, obj["metadata"]["annotations"]
    queue, suspended = told.get(labels.HELD_QUEUE), (obj.get("spec") or {}).get("suspend")
    change: list[Object] = [
        {"op": "test", "path": _HELD, "value": told[labels.HELD]},
        {"op": "test", "path": "/metadata/labels", "value": marked},
        {"op": "remove", "path": _HELD},
    ]
    if not suspended:
        return change  # somebody had it run by hand
    if queue and _queue(obj) in ("", labels.NO_QUEUE):
        change.append({"op": "add", "path": _QUEUE, "value": queue})
    elif not _queue(obj):
        change.append({"op": "add", "path": "/spec/suspend", "value": False})
    return change


def _queue(obj: Object) -> str:
    """The queue that a workload names; empty if it names none."""
    return str((obj["metadata"].get("labels") or {}).get(labels.QUEUE) or "")
