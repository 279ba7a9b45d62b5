"""Queues, checks and priorities of Kueue on any cluster, by its API; gone in the end."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from sovlab.kube import labels
from sovlab.kube.transport.errors import ClusterError
from tests.cluster.conftest import Cluster

GROUP = "kueue.x-k8s.io/v1beta2"
BASE = f"/apis/{GROUP}"
CONTROLLER = "tests.sovlab.dev/by-hand"


class Queues:
    """What an administrator does.

    Args:
        cluster: with Kueue.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._made: list[str] = []
        self._suffix = secrets.token_hex(3)

    def called(self, name: str) -> str:
        """The name of an object of the whole cluster, as nobody else has it."""
        return f"{name}-{self._suffix}"

    def _make(self, kind: str, name: str, spec: Any, *, local: bool = False, **more: Any) -> None:
        plural = f"{kind.lower()}{'es' if kind.endswith('s') else 's'}"
        where = f"{BASE}/namespaces/{self.cluster.namespace}/{plural}" if local else f"{BASE}/{plural}"
        body = {"apiVersion": GROUP, "kind": kind, "metadata": {"name": name}, **more}
        self.cluster.api.create(where, {**body, "spec": spec} if spec is not None else body)
        self._made.append(f"{where}/{name}")

    def add(self, name: str, quotas: Mapping[str, str], *, checks: tuple[str, ...] = ()) -> None:
        """A LocalQueue, with a flavor and a ClusterQueue of its own."""
        behind = self.called(name)
        self._make("ResourceFlavor", behind, {})
        resources = [{"name": key, "nominalQuota": value} for key, value in quotas.items()]
        group = {"coveredResources": list(quotas), "flavors": [{"name": behind, "resources": resources}]}
        spec: dict[str, Any] = {"namespaceSelector": {}, "resourceGroups": [group]}
        if checks:
            named = [{"name": self.called(check)} for check in checks]
            spec["admissionChecksStrategy"] = {"admissionChecks": named}
        self._make("ClusterQueue", behind, spec)
        self._make("LocalQueue", name, {"clusterQueue": behind}, local=True)

    def add_check(self, name: str) -> None:
        """An admission check whose controller, this one, is there."""
        self._make("AdmissionCheck", self.called(name), {"controllerName": CONTROLLER})
        active = {
            "type": "Active",
            "status": "True",
            "reason": "Active",
            "message": "It is there",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        path = f"{BASE}/admissionchecks/{self.called(name)}/status"
        self.cluster.api.patch(path, {"status": {"conditions": [active]}})

    def add_priority(self, name: str, value: int = 9) -> None:
        """A priority for queues."""
        self._make("WorkloadPriorityClass", self.called(name), None, value=value)

    def local(self, name: str) -> str:
        """The path of a LocalQueue."""
        return f"{BASE}/namespaces/{self.cluster.namespace}/localqueues/{name}"

    def behind(self, name: str, plural: str = "clusterqueues") -> str:
        """The path of the ClusterQueue, or flavor, that is behind a LocalQueue."""
        return f"{BASE}/{plural}/{self.called(name)}"

    def stop(self, path: str, policy: str | None) -> None:
        """Stop a queue: ``Hold``, ``HoldAndDrain``; None lets it go on."""
        self.cluster.api.patch(path, {"spec": {"stopPolicy": policy or "None"}})

    @contextlib.contextmanager
    def stopped(self, path: str) -> Iterator[None]:
        """A queue that holds, within."""
        self.stop(path, "Hold")
        try:
            yield
        finally:
            self.stop(path, None)

    def answer(self, job_id: str, state: str, message: str) -> None:
        """What a check's controller says of a job."""
        workload = self.workload(job_id)
        (check,) = workload["status"]["admissionChecks"]
        told = {**check, "state": state, "message": message}
        path = f"{BASE}/namespaces/{self.cluster.namespace}/workloads/{workload['metadata']['name']}/status"
        self.cluster.api.patch(path, {"status": {"admissionChecks": [told]}})

    def workload(self, job_id: str) -> dict[str, Any]:
        """Kueue's Workload of a job."""
        job = self.cluster.api.get(self.cluster.path("jobs", job_id, "apis/batch/v1"))
        path = f"{BASE}/namespaces/{self.cluster.namespace}/workloads"
        (found,) = self.cluster.api.get(path, labelSelector=f"{labels.JOB_UID}={job['metadata']['uid']}")[
            "items"
        ]
        return dict(found)

    def remove(self, path: str) -> None:
        """Delete an object, and let go of what would hold it."""
        self.cluster.api.delete(path)
        with contextlib.suppress(ClusterError):
            self.cluster.api.patch(path, {"metadata": {"finalizers": None}})

    def clear(self) -> None:
        """Delete all that was made."""
        for path in reversed(self._made):
            with contextlib.suppress(ClusterError):
                self.remove(path)
