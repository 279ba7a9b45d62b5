"""Submitting a job, so that a break leaves nothing behind and a repetition changes nothing."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

import msgspec

from sovlab.core.backend import Backend
from sovlab.core.spec import JobSpec
from sovlab.errors import ExecutorError, SovlabError
from sovlab.executors.kubernetes import holding
from sovlab.executors.kubernetes.objects.records import marks
from sovlab.executors.kubernetes.objects.trimming import Object
from sovlab.executors.kubernetes.objects.workloads import Objects, WorkloadKind
from sovlab.executors.kubernetes.ownership import Ownership
from sovlab.executors.kubernetes.transfers.bucket import Bucket
from sovlab.executors.kubernetes.transfers.local_state import LocalState
from sovlab.executors.ordering import order_for
from sovlab.kube import labels
from sovlab.kube.objects import manifests
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.survey.dry_run import try_objects
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import AlreadyExists, Invalid
from sovlab.runner.protocol.order import Order

_ANEW = 3
"""How often a workload is looked at again whose labels have changed just before it was let go."""
_ARRIVAL = 24 * 3600.0
_ROOM = manifests.SECRET_LIMIT - 4096
_KNOWN_IN_THE_CONTAINER = {"payload": "", "results": "", "exit": "", "workdir": ""}
"""Paths of an order, which the container's first process sets itself."""


class Submission:
    """One submit of one job.

    Args:
        api: of the cluster.
        objects: of the namespace.
        profile: of the target.
        job_id: of the job.
        spec: the request.
        backend: that it names.
        payload: its pack.
        runner: the program that runs it, as a ``.pyz``.
        ownership: marks it as this user's.
        bucket: the store, if it is one of S3.
    """

    def __init__(
        self,
        api: Api,
        objects: Objects,
        profile: ClusterProfile,
        job_id: str,
        spec: JobSpec,
        backend: Backend,
        payload: Path,
        runner: bytes,
        ownership: Ownership,
        bucket: Bucket | None = None,
    ) -> None:
        self._api = api
        self._objects = objects
        self._profile = profile
        self._job_id = job_id
        self._spec = spec
        self._backend = backend
        self._payload = payload
        self._runner = runner
        self._bucket = bucket
        self._payload_url = self._results_url = ""
        self._ownership = ownership
        # The same for each try, so that a repetition whose first answer was lost makes the same objects.
        self._nonce = ownership.nonce(job_id)
        self._kind: WorkloadKind = objects.kind(manifests.kind(spec, profile))

    def manifests(self, uid: str = "") -> list[Object]:
        """All objects, in the order in which they are made; Secrets with what they hold.

        Args:
            uid: of the workload, empty before it is there.
        """
        workload = self._manifest()
        owner = {**workload, "metadata": {**workload["metadata"], "uid": uid}}
        return [workload, *self._belongings(owner)]

    @property
    def delivery(self) -> str:
        """How the payload gets into the pod."""
        if self._payload.stat().st_size <= _ROOM:
            return "secret"
        return "store" if self._bucket is not None else "stream"

    def carry_out(self, kept: LocalState) -> Object:
        """Make the objects, and let the job go; the workload as it is then.

        Raises:
            ExecutorError: the cluster refuses, or does not answer; then nothing is left behind.
        """
        if self.delivery == "stream":
            kept.put_payload(self._job_id, self._payload)
        workload, made = self._workload()
        if labels.READY in (workload["metadata"].get("annotations") or {}):
            return workload
        try:
            if holding.is_held(workload):
                workload = holding.put_out(self._api, self._kind.path, workload)
            self._use_bucket()
            for obj in self._belongings({**workload, "kind": self._kind.name}):
                with contextlib.suppress(AlreadyExists):
                    self._api.create(_collection(obj, self._profile.namespace), obj)
            return self._let_go(workload)
        except BaseException:
            if made:
                with contextlib.suppress(SovlabError):
                    self._api.delete(f"{self._kind.path}/{self._job_id}")
                kept.forget(self._job_id)
            raise

    def check(self) -> list[str]:
        """Have the server check the objects, and make none; what could not be checked.

        Raises:
            ApiError: it would refuse one of them, or their pods.
        """
        workload, *others = self.manifests(uid="00000000-0000-0000-0000-000000000000")
        rest = [(_collection(obj, self._profile.namespace), obj) for obj in others]
        return try_objects(self._api, [(self._kind.path, workload), *rest])

    def _manifest(self) -> Object:
        now = time.time()
        told = marks(self._spec, self._nonce, now, self.delivery)
        told |= holding.held_marks(self._spec, self._profile, now)
        owner, claim = self._ownership.marks(self._job_id, told[labels.SPEC])
        return manifests.workload(
            self._job_id, self._spec, self._backend, self._profile, {**told, **claim}, owner
        )

    def _workload(self) -> tuple[Object, bool]:
        wanted = self._manifest()
        if holding.is_held(wanted):
            holding.keep_out(self._api, self._kind.path, wanted)
        try:
            return self._api.create(self._kind.path, wanted), True
        except AlreadyExists:
            there = self._api.get(f"{self._kind.path}/{self._job_id}")
            if (there["metadata"].get("annotations") or {}).get(labels.NONCE) != self._nonce:
                raise ExecutorError(
                    f"Namespace {self._profile.namespace} has another object named {self._job_id}.",
                    "Submit it again: it gets another id.",
                ) from None
            return there, True  # an earlier try of this submit; what it made goes if this one fails too

    def _belongings(self, owner: Object) -> list[Object]:
        job_id, profile = self._job_id, self._profile
        runner, order = self._runner, self._order().encoded()
        data = {"runner.pyz": runner, "order.json": order}
        found: list[Object] = []
        if self._spec.nodes > 1 and self._kind.name == "Job":
            # Before the Secret, for which pods wait: a queue may have let them go already, and one that asks
            # for a name too early may be told for a while that there is none.
            found.append(manifests.service(job_id, profile, owner))
        if self.delivery == "secret":
            payload = self._payload.read_bytes()
            if len(runner) + len(order) + len(payload) <= _ROOM:
                data["payload.pack"] = payload
            else:
                found.append(
                    manifests.secret(job_id, profile, owner, {"payload.pack": payload}, part="-payload")
                )
        found.append(manifests.secret(job_id, profile, owner, data))
        return found

    def _use_bucket(self) -> None:
        if self._bucket is not None:
            owner = self._ownership.folder
            self._results_url = self._bucket.results_url(self._job_id, owner)
            if self.delivery == "store":
                self._payload_url = self._bucket.put_payload(self._spec.payload, self._payload, owner)

    def _order(self) -> Order:
        return order_for(
            self._job_id,
            self._spec,
            self._backend,
            nonce=self._nonce,
            env=_threads(self._spec),
            **_KNOWN_IN_THE_CONTAINER,
            contained=True,
            arrival=_ARRIVAL,
            hold=self._profile.hold,
            payload_url=self._payload_url,
            results_url=self._results_url,
        )

    def _let_go(self, workload: Object) -> Object:
        """Let a workload go, unless it is held back, or a queue has it, which lets its jobs go itself.

        What counts is the workload as the cluster has it, which may put what names no queue into one.
        """
        path = f"{self._kind.path}/{self._job_id}"
        for left in range(_ANEW, -1, -1):
            marked = workload["metadata"].get("labels") or {}
            ready = f"/metadata/annotations/{labels.READY.replace('/', '~1')}"
            change: list[Object] = [
                {"op": "test", "path": "/metadata/labels", "value": marked},
                {"op": "add", "path": ready, "value": repr(time.time())},
            ]
            if labels.QUEUE not in marked and not holding.is_held(workload):
                change.append({"op": "add", "path": "/spec/suspend", "value": False})
            try:
                return self._api.patch(path, change, kind="json")
            except Invalid:
                now = self._api.get(path)
                if not left or (now["metadata"].get("labels") or {}) == marked:
                    raise
                workload = now  # somebody has put it into a queue, or marked it otherwise, just now
        raise AssertionError("not reached")


def profile_for_job(profile: ClusterProfile, spec: JobSpec) -> ClusterProfile:
    """The profile of a target for one job, which may name a queue and a priority of its own.

    A priority is another kind of object in a queue than without one: that of the target counts only where
    both are of the same kind.
    """
    queue = spec.queue or profile.queue
    priority = spec.priority or (profile.priority if bool(queue) == bool(profile.queue) else "")
    return msgspec.structs.replace(profile, queue=queue, priority=priority)


def _threads(spec: JobSpec) -> dict[str, str]:
    """Libraries take as many threads as the node has cores, whatever a container was given of them."""
    if spec.resources.cpu is None:
        return {}
    return {"OMP_NUM_THREADS": str(max(int(spec.resources.cpu / spec.procs), 1))}


def _collection(obj: Object, namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/{obj['kind'].lower()}s"
