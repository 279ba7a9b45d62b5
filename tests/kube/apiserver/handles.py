"""What tests do to a cluster behind its API: objects, evictions, nodes that go, queues."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .controllers.conditions import set_condition
from .controllers.nodes import Evictions, NodeLifecycle, new_node
from .controllers.plane import Plane
from .kubelet.kubelet import Kubelets
from .objects.store import Object, Store
from .protocol import kinds as known
from .protocol.calls import Call
from .protocol.kinds import NODES, Kind, Kinds
from .protocol.values import now
from .verbs.registry import Registry


@dataclass
class Node:
    """A node to start with.

    Attributes:
        name: of the node.
        resources: what it has, e.g. `{"cpu": 4, "memory": "8Gi", "nvidia.com/gpu": 2}`.
        labels: beside the host name.
        taints: as in its spec.
    """

    name: str = "node-1"
    resources: Mapping[str, Any] = field(default_factory=lambda: {"cpu": "8", "memory": "16Gi"})
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Object] = ()


class Handles:
    """The way past HTTP and its faults, as the admin, and to what no API does."""

    directory: Path
    namespace: str
    kinds: Kinds
    store: Store
    registry: Registry
    kubelets: Kubelets
    evictions: Evictions
    plane: Plane
    lifecycle: NodeLifecycle

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """An object as it is now, with kind and apiVersion; None if there is none."""
        found = self.kinds.called(kind)
        entry = self.store.get(found, (namespace or self.namespace) if found.namespaced else "", name)
        return self._whole(found, entry.copy()) if entry else None

    def list(self, kind: str, namespace: str | None = None) -> list[Object]:
        """The objects of a kind, of all namespaces if none is given."""
        found = self.kinds.called(kind)
        return [self._whole(found, entry.copy()) for entry in self.store.all(found, namespace or "")]

    def create(self, obj: Object, namespace: str | None = None) -> Object:
        """Creates an object as the admin, past HTTP and its faults."""
        kind = self.kinds.of(obj["apiVersion"], obj["kind"])
        assert kind is not None, obj["kind"]
        place = obj["metadata"].get("namespace") or namespace or self.namespace
        entry = self.registry.create(kind, place if kind.namespaced else "", obj, Call())
        return self._whole(kind, entry.copy())

    def update(
        self, kind: str, name: str, edit: Callable[[Object], Any], namespace: str | None = None, sub: str = ""
    ) -> None:
        """Changes an object as the admin, past HTTP and its faults."""
        found = self.kinds.called(kind)
        self.registry.change(
            found, (namespace or self.namespace) if found.namespaced else "", name, Call(), edit, sub
        )

    def delete(self, kind: str, name: str, namespace: str | None = None, **options: Any) -> None:
        """Deletes an object as the admin, past HTTP and its faults; options are those of Call."""
        found = self.kinds.called(kind)
        self.registry.delete(
            found, (namespace or self.namespace) if found.namespaced else "", name, Call(**options)
        )

    def fill(self, kind: str, objects: Iterable[Object]) -> None:
        """Puts many objects into the store as they are; controllers do not act on them until they change."""
        found = self.kinds.called(kind)
        whole = [_complete(obj, self.namespace, found) for obj in objects]
        with self.plane.deaf():
            self.store.fill(found, whole)

    def compact(self) -> None:
        """Forgets the history: every resourceVersion that a client has is too old from now on."""
        self.store.compact()

    def evict(self, pod: str, namespace: str | None = None, grace: int | None = None) -> None:
        """Evicts a pod, as a drain does."""
        self.evictions.post(namespace or self.namespace, pod, Call(grace=grace))

    def drain(self, node: str, grace: int | None = None) -> None:
        """Cordons a node and evicts its pods."""
        self.cordon(node)
        for pod in self.list("pods"):
            if pod["spec"].get("nodeName") == node and pod["status"]["phase"] not in ("Succeeded", "Failed"):
                self.evict(pod["metadata"]["name"], pod["metadata"]["namespace"], grace)

    def cordon(self, node: str, on: bool = True) -> None:
        """Marks a node as unschedulable, or as schedulable again."""

        def edit(obj: Object) -> None:
            obj["spec"]["unschedulable"] = on

        self.update("nodes", node, edit)

    def add_node(self, node: Node) -> None:
        """A further node registers."""
        obj = new_node(node.name, dict(node.resources), dict(node.labels), list(node.taints))
        self.registry.create(NODES, "", obj, Call("system:node:" + node.name, manager="kubelet"))

    def kill_node(self, node: str, *, remove: bool = False) -> None:
        """A node loses its power: its processes are gone, and its kubelet says nothing any more.

        Args:
            node: its name.
            remove: the Node object is deleted too, as a cloud's controller does; else pods stay Terminating.
        """
        self.kubelets.power_off(node)
        self.plane.enqueue(self.lifecycle, ("", node))
        if remove:
            self.delete("nodes", node)

    def revive_node(self, node: str) -> None:
        """The node is back; what ran on it has failed."""
        self.kubelets.power_on(node)
        self.plane.enqueue(self.lifecycle, ("", node))

    def add_queue(
        self,
        name: str,
        quotas: Mapping[str, Any],
        *,
        namespace: str | None = None,
        cluster_queue: str | None = None,
        preempt: bool = False,
        strict: bool = False,
        node_labels: Mapping[str, str] | None = None,
        checks: Iterable[str] = (),
    ) -> None:
        """A LocalQueue with a ClusterQueue behind it, and a flavor of its name.

        Args:
            name: of the LocalQueue.
            quotas: resource → how much all its Jobs may use.
            namespace: of the LocalQueue.
            cluster_queue: its name, by default that of the LocalQueue with `-all`.
            preempt: whether a higher priority class ends what has a lower one.
            strict: whether the first in the queue holds back those behind it.
            node_labels: of the flavor.
            checks: admission checks that its jobs have to pass; made where they are not there.
        """
        behind = cluster_queue or f"{name}-all"
        version = known.CLUSTERQUEUES.api_version
        resources = [{"name": key, "nominalQuota": str(value)} for key, value in quotas.items()]
        flavors = [{"name": behind, "resources": resources}]
        spec = {
            "namespaceSelector": {},
            "queueingStrategy": "StrictFIFO" if strict else "BestEffortFIFO",
            "preemption": {"withinClusterQueue": "LowerPriority" if preempt else "Never"},
            "resourceGroups": [{"coveredResources": list(quotas), "flavors": flavors}],
        }
        if checks:
            spec["admissionChecksStrategy"] = {"admissionChecks": [{"name": check} for check in checks]}
            for check in checks:
                self.add_check(check)
        labels = {"nodeLabels": dict(node_labels)} if node_labels else {}
        self.create(
            {"apiVersion": version, "kind": "ResourceFlavor", "metadata": {"name": behind}, "spec": labels}
        )
        self.create(
            {"apiVersion": version, "kind": "ClusterQueue", "metadata": {"name": behind}, "spec": spec}
        )
        local = {"apiVersion": version, "kind": "LocalQueue", "metadata": {"name": name}}
        self.create({**local, "spec": {"clusterQueue": behind}}, namespace)

    def add_check(self, name: str, *, active: bool = True) -> None:
        """An admission check, as its controller has it: active, or not yet."""
        version = known.ADMISSION_CHECKS.api_version
        spec = {"controllerName": "tests.sovlab.dev/by-hand"}
        self.create(
            {"apiVersion": version, "kind": "AdmissionCheck", "metadata": {"name": name}, "spec": spec}
        )

        def edit(check: Object) -> None:
            set_condition(check, "Active", active, "Active", "Its controller is there")

        self.update("admissionchecks", name, edit, sub="status")

    def pod_directory(self, pod: str, namespace: str | None = None) -> Path:
        """Where a pod's files are on this machine."""
        found = self.get("pods", pod, namespace)
        assert found is not None
        return self.directory / "pods" / found["metadata"]["uid"]

    def wait(self, check: Callable[[], Any], timeout: float = 30.0) -> Any:
        """Waits until a function returns something true, and returns that."""
        deadline = time.monotonic() + timeout
        while True:
            found = check()
            if found:
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout} s")
            time.sleep(0.01)

    def _whole(self, kind: Kind, obj: Object) -> Object:
        return {"kind": kind.kind, "apiVersion": kind.api_version, **obj}


def _complete(obj: Object, namespace: str, kind: Kind) -> Object:
    """An object for the store, with what every stored object has."""
    metadata = {"uid": str(uuid.uuid4()), "creationTimestamp": now(), **obj["metadata"]}
    if kind.namespaced:
        metadata.setdefault("namespace", namespace)
    return {**obj, "metadata": metadata}
