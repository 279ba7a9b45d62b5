"""Nodes and what ends pods from outside: evictions, drains, and nodes that are lost."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from tests.kube.apiserver.kubelet.kubelet import Kubelets, host_address
from tests.kube.apiserver.objects.store import Change, Key, Object
from tests.kube.apiserver.protocol.calls import Call, controller
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import NODES, PODS, Kind
from tests.kube.apiserver.protocol.values import now, quantity, written
from tests.kube.apiserver.verbs.registry import Registry

from .plane import Controller
from .scheduler import set_condition, tolerates

UNREACHABLE = "node.kubernetes.io/unreachable"
_TAINTED = "Taint manager: deleting due to NoExecute taint"


def new_node(name: str, resources: dict[str, Any], labels: dict[str, str], taints: list[Object]) -> Object:
    """A node that has registered."""
    capacity = {
        "pods": "110",
        "ephemeral-storage": "100Gi",
        **{key: str(value) for key, value in resources.items()},
    }
    return {
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "beta.kubernetes.io/arch": "amd64",
                **labels,
            },
        },
        "spec": {"taints": taints} if taints else {},
        "status": {
            "capacity": capacity,
            "allocatable": {key: written(quantity(text), key) for key, text in capacity.items()},
            "conditions": [
                _condition(
                    "MemoryPressure", "False", "KubeletHasSufficientMemory", "sufficient memory available"
                ),
                _condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "no disk pressure"),
                _condition("PIDPressure", "False", "KubeletHasSufficientPID", "sufficient PID available"),
                _condition("Ready", "True", "KubeletReady", ""),
            ],
            "addresses": [
                {"type": "InternalIP", "address": host_address(name)},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": {
                "kubeletVersion": "v1.36.2",
                "containerRuntimeVersion": "containerd://2.1.4",
                "osImage": "Fedora Linux 42",
                "operatingSystem": "linux",
                "architecture": "amd64",
                "kernelVersion": "6.12.0",
                "bootID": "",
                "machineID": "",
                "systemUUID": "",
                "kubeProxyVersion": "",
            },
        },
    }


def _condition(kind: str, status: str, reason: str, what: str) -> Object:
    return {
        "type": kind,
        "status": status,
        "lastHeartbeatTime": now(),
        "lastTransitionTime": now(),
        "reason": reason,
        "message": f"kubelet has {what}" if what else "kubelet is posting ready status",
    }


class Evictions:
    """The eviction subresource.

    Args:
        registry: the API.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def post(self, namespace: str, name: str, call: Call) -> Object:
        """Evicts a pod; the Status to answer with."""
        pod = self._registry.get(PODS, namespace, name).obj
        if pod["status"].get("phase") not in ("Succeeded", "Failed") and pod["spec"].get("nodeName"):
            disrupt(self._registry, pod, "EvictionByEvictionAPI", "Eviction API: evicting")
        self._registry.delete(PODS, namespace, name, call)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def disrupt(registry: Registry, pod: Object, reason: str, message: str) -> None:
    """Marks a pod as ended by the cluster."""

    def edit(obj: Object) -> None:
        set_condition(obj["status"], "DisruptionTarget", True, reason, message)

    metadata = pod["metadata"]
    registry.change(
        PODS, metadata["namespace"], metadata["name"], controller("node-controller"), edit, "status"
    )


class NodeLifecycle(Controller):
    """Taints nodes that say nothing any more, ends their pods, and collects those of nodes that are gone.

    Args:
        registry: the API.
        kubelets: who may be dead.
        grace: seconds until a silent node is unreachable.
        hurry: by what the 300 s that pods tolerate an unreachable node are divided.
    """

    def __init__(self, registry: Registry, kubelets: Kubelets, grace: float, hurry: float) -> None:
        self._registry = registry
        self._kubelets = kubelets
        self._grace = grace
        self._hurry = hurry
        self._silent: dict[str, float] = {}
        self._call = controller("node-controller")

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        if kind is NODES:
            yield entry.key
        elif kind is PODS and change.new is not None:
            node = entry.obj["spec"].get("nodeName")
            if node and self._registry.store.get(NODES, "", node) is None:
                yield ("", node)

    def reconcile(self, key: Key) -> float | None:
        name = key[1]
        node = self._registry.store.get(NODES, "", name)
        if node is None:
            self._collect(name)
            return None
        if name not in self._kubelets.dead:
            self._silent.pop(name, None)
            self._cordon(name, node.obj)
            if any(taint["key"] == UNREACHABLE for taint in node.obj.get("spec", {}).get("taints") or []):
                self._recover(name)
            return None
        since = self._silent.setdefault(name, time.monotonic())
        left = since + self._grace - time.monotonic()
        if left > 0:
            return left
        self._lose(name)
        return self._evict(name, since + self._grace)

    def _cordon(self, name: str, node: Object) -> None:
        """A cordoned node has a taint that says so."""
        key, spec = "node.kubernetes.io/unschedulable", node.get("spec") or {}
        tainted = any(taint["key"] == key for taint in spec.get("taints") or [])

        def edit(obj: Object) -> None:
            rest = [taint for taint in obj["spec"].get("taints") or [] if taint["key"] != key]
            new = (
                [{"key": key, "effect": "NoSchedule", "timeAdded": now()}]
                if spec.get("unschedulable")
                else []
            )
            obj["spec"]["taints"] = rest + new

        if tainted != bool(spec.get("unschedulable")):
            self._registry.change(NODES, "", name, self._call, edit)

    def _lose(self, name: str) -> None:
        def edit(obj: Object) -> None:
            set_ready(obj, "Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")

        self._registry.change(NODES, "", name, self._call, edit, "status")

        def taint(obj: Object) -> None:
            taints = [t for t in obj["spec"].get("taints") or [] if t["key"] != UNREACHABLE]
            obj["spec"]["taints"] = taints + [
                {"key": UNREACHABLE, "effect": effect, "timeAdded": now()}
                for effect in ("NoSchedule", "NoExecute")
            ]

        node = self._registry.get(NODES, "", name).obj
        if not any(t["key"] == UNREACHABLE for t in node["spec"].get("taints") or []):
            self._registry.change(NODES, "", name, self._call, taint)
        for pod in self._pods(name):

            def unready(obj: Object) -> None:
                for condition in obj["status"].get("conditions") or []:
                    if condition["type"] == "Ready" and condition["status"] == "True":
                        condition.update(status="False", lastTransitionTime=now())

            self._registry.change(PODS, *_key(pod), self._call, unready, "status")

    def _recover(self, name: str) -> None:
        def ready(obj: Object) -> None:
            set_ready(obj, "True", "KubeletReady", "kubelet is posting ready status")

        def untaint(obj: Object) -> None:
            obj["spec"]["taints"] = [t for t in obj["spec"].get("taints") or [] if t["key"] != UNREACHABLE]

        self._registry.change(NODES, "", name, self._call, ready, "status")
        self._registry.change(NODES, "", name, self._call, untaint)

    def _evict(self, name: str, since: float) -> float | None:
        """Deletes pods that do not tolerate an unreachable node any longer; they stay until it is back."""
        again = None
        taint = {"key": UNREACHABLE, "effect": "NoExecute"}
        for pod in self._pods(name):
            if "deletionTimestamp" in pod["metadata"]:
                continue
            bearing = [t for t in pod["spec"].get("tolerations") or [] if tolerates([t], taint)]
            limits = [t["tolerationSeconds"] for t in bearing if t.get("tolerationSeconds") is not None]
            if bearing and not limits:
                continue
            left = since + min(limits, default=0) / self._hurry - time.monotonic()
            if left > 0:
                again = left if again is None else min(again, left)
                continue
            disrupt(self._registry, pod, "DeletionByTaintManager", _TAINTED)
            self._delete(pod, None)
        return again

    def _collect(self, name: str) -> None:
        """Pods of a node that is no more are failed and removed."""
        for pod in self._pods(name):

            def fail(obj: Object) -> None:
                obj["status"]["phase"] = "Failed"
                text = "PodGC: node no longer exists"
                set_condition(obj["status"], "DisruptionTarget", True, "DeletionByPodGC", text)

            self._registry.change(PODS, *_key(pod), controller("pod-garbage-collector"), fail, "status")
            self._delete(pod, 0)

    def _pods(self, node: str) -> list[Object]:
        found = [entry.obj for entry in self._registry.store.all(PODS)]
        over = ("Succeeded", "Failed")
        return [
            p for p in found if p["spec"].get("nodeName") == node and p["status"].get("phase") not in over
        ]

    def _delete(self, pod: Object, grace: int | None) -> None:
        call = controller("node-controller")
        call.grace, call.preconditions = grace, {"uid": pod["metadata"]["uid"]}
        try:
            self._registry.delete(PODS, *_key(pod), call)
        except ApiError as error:
            if error.code != 404:
                raise


def set_ready(node: Object, word: str, reason: str, message: str) -> None:
    """Sets the Ready condition of a node."""
    for condition in node["status"]["conditions"]:
        if condition["type"] == "Ready" and condition["status"] != word:
            condition.update(status=word, reason=reason, message=message, lastTransitionTime=now())


def _key(pod: Object) -> Key:
    return pod["metadata"]["namespace"], pod["metadata"]["name"]
