"""What a cluster has of each backend and what of it is free, as far as one may see.

What may be read decides: nodes and all pods give free devices; nodes alone give what there is; a quota of
the namespace gives what one may have; and with none of these nothing is known, and that is said.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sovlab.core.backend import Backend, Detection, Device
from sovlab.core.capacity import Capacity
from sovlab.core.spec import JobSpec
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.quantities import parse
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError, Forbidden

_AGE = 15.0
"""Seconds for which what was read counts as what is."""
_PAGE = 500
_ALIVE = "status.phase!=Succeeded,status.phase!=Failed"


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""
    labels: dict[str, str] = {}


class _Taint(msgspec.Struct, frozen=True):
    key: str = ""
    value: str = ""
    effect: str = ""


class _NodeSpec(msgspec.Struct, frozen=True):
    unschedulable: bool = False
    taints: list[_Taint] = []


class _NodeStatus(msgspec.Struct, frozen=True):
    allocatable: dict[str, str] = {}
    conditions: list[dict[str, Any]] = []


class Node(msgspec.Struct, frozen=True):
    """A node, as far as its devices are concerned."""

    metadata: _Meta = _Meta()
    spec: _NodeSpec = _NodeSpec()
    status: _NodeStatus = _NodeStatus()

    @property
    def ready(self) -> bool:
        """Whether it takes new pods, as far as it says."""
        told = {c.get("type"): c.get("status") for c in self.status.conditions}
        return not self.spec.unschedulable and told.get("Ready", "True") == "True"

    def takes(self, tolerations: Iterable[Mapping[str, Any]], selector: Mapping[str, str]) -> bool:
        """Whether pods with these tolerations and this selector may go there."""
        if any(self.metadata.labels.get(k) != v for k, v in selector.items()):
            return False
        known = list(tolerations)
        hard = (t for t in self.spec.taints if t.effect in ("NoSchedule", "NoExecute"))
        return all(any(_tolerates(t, taint) for t in known) for taint in hard)

    def amount(self, resource: str) -> float:
        """What it has of a resource, in cores, bytes or pieces."""
        return parse(self.status.allocatable.get(resource, "0"))


class _Resources(msgspec.Struct, frozen=True):
    requests: dict[str, str] = {}


class _Container(msgspec.Struct, frozen=True):
    resources: _Resources = _Resources()


class _PodSpec(msgspec.Struct, frozen=True):
    nodeName: str = ""  # noqa: N815 - as Kubernetes writes it
    containers: list[_Container] = []


class _Pod(msgspec.Struct, frozen=True):
    spec: _PodSpec = _PodSpec()


class _ListMeta(msgspec.Struct, frozen=True):
    next: str = msgspec.field(default="", name="continue")


class _Nodes(msgspec.Struct, frozen=True):
    items: list[Node] = []
    metadata: _ListMeta = _ListMeta()


class _Pods(msgspec.Struct, frozen=True):
    items: list[_Pod] = []
    metadata: _ListMeta = _ListMeta()


class Counting:
    """Counts what a cluster has for the jobs of a target.

    Args:
        api: of the cluster.
        profile: what the target says of it.
    """

    def __init__(self, api: Api, profile: ClusterProfile) -> None:
        self._api = api
        self._profile = profile

    def capacities(self, backends: Mapping[str, Backend]) -> list[Capacity]:
        """What there is of each backend.

        Raises:
            ClusterError: the cluster does not answer.
        """
        nodes = nodes_of(self._api)
        if nodes is None:
            return self._by_quota(backends)
        used, why = self._used()
        return [self._count(backend, nodes, used, why) for backend in backends.values()]

    def _count(
        self, backend: Backend, nodes: list[Node], used: dict[str, dict[str, float]] | None, why: str
    ) -> Capacity:
        resource = resource_of(backend, self._profile, nodes)
        tolerations = (*backend.tolerations, *self._profile.tolerations)
        mine = [
            n for n in nodes if n.amount(resource) > 0 and n.takes(tolerations, self._profile.node_selector)
        ]
        total = sum(n.amount(resource) for n in mine)
        open_ = [n for n in mine if n.ready]
        free = None
        if used is not None:
            left = (n.amount(resource) - used.get(n.metadata.name, {}).get(resource, 0.0) for n in open_)
            free = sum(max(amount, 0.0) for amount in left)
        devices = (
            _devices(backend, mine, resource) if backend.is_accelerator else (Device(index=0),) * bool(mine)
        )
        closed = len(mine) - len(open_)
        told = (
            f"{len(mine)} {'node' if len(mine) == 1 else 'nodes'} with {resource}"
            if mine
            else f"No node has {resource}"
        )
        if closed:
            told += f", {closed} of them cordoned or not ready"
        return Capacity(
            detection=Detection(backend=backend.name, devices=devices, why=f"{told}."),
            total=total,
            free=round(free, 3) if free is not None else None,
            source=f"nodes and pods of the cluster, {time.strftime('%H:%M:%S')}" if used is not None else why,
        )

    def _used(self) -> tuple[dict[str, dict[str, float]] | None, str]:
        """What pods ask for, by node and resource; None, and why, if one may not see them all."""
        used: dict[str, dict[str, float]] = {}
        token = ""
        try:
            while True:
                query = {"fieldSelector": _ALIVE, "limit": _PAGE, "continue": token or None}
                page = msgspec.json.decode(self._api.call("GET", "/api/v1/pods", query), type=_Pods)
                for pod in page.items:
                    on = used.setdefault(pod.spec.nodeName, {})
                    for container in pod.spec.containers:
                        for name, amount in container.resources.requests.items():
                            on[name] = on.get(name, 0.0) + parse(amount)
                token = page.metadata.next
                if not token:
                    return used, ""
        except Forbidden:
            return None, "nodes of the cluster; what is free needs the right to list pods in all namespaces"

    def _by_quota(self, backends: Mapping[str, Backend]) -> list[Capacity]:
        path = f"/api/v1/namespaces/{self._profile.namespace}/resourcequotas"
        try:
            quotas = self._api.get(path).get("items") or []
        except ApiError:
            quotas = []
        capacities = []
        for backend in backends.values():
            resource = resource_of(backend, self._profile, [])
            hard, used, name = _quota(quotas, resource)
            source = (
                f"quota {name} of the namespace" if name else "not known: this needs the right to list nodes"
            )
            devices = tuple(Device(index=i) for i in range(int(hard or 0))) if backend.is_accelerator else ()
            why = (
                f"Quota {name} allows {hard:g} of {resource}."
                if name
                else "You may not list the nodes of the cluster, so its hardware is not known."
            )
            capacities.append(
                Capacity(
                    detection=Detection(backend=backend.name, devices=devices, why=why),
                    total=hard,
                    free=max(hard - used, 0.0) if hard is not None else None,
                    source=source,
                )
            )
        return capacities


def largest(api: Api, spec: JobSpec, backend: Backend, profile: ClusterProfile) -> str:
    """Why a job could never start, e.g. because no node has so much memory; empty if it could, or unknown."""
    nodes = nodes_of(api)
    if not nodes:
        return ""
    asked = {"memory": float(spec.resources.memory or 0), "cpu": spec.resources.cpu or 0.0}
    if spec.resources.gpus:
        asked[resource_of(backend, profile, nodes)] = float(spec.resources.gpus)
    for resource, amount in asked.items():
        most = max(n.amount(resource) for n in nodes)
        if amount > most:
            if resource == "memory":
                asks, has = (f"{size / 2**30:.1f} GiB" for size in (amount, most))
                return f"{asks} of memory on each node, but the largest has only {has}"
            what = "cores" if resource == "cpu" else resource
            return f"{amount:g} {what} on each node, but the largest has only {most:g}"
    return ""


def resource_of(backend: Backend, profile: ClusterProfile, nodes: Iterable[Node]) -> str:
    """The resource that a device of a backend is asked for by; ``cpu`` for one without devices."""
    if not backend.is_accelerator:
        return "cpu"
    told = profile.resources.get(backend.name)
    if told:
        return told
    found = [r for r in (backend.resource, *backend.other_resources) if any(n.amount(r) > 0 for n in nodes)]
    return found[0] if found else backend.resource


_SEEN: weakref.WeakKeyDictionary[Api, tuple[float, list[Node] | None]] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def nodes_of(api: Api) -> list[Node] | None:
    """The nodes of a cluster, as read a moment ago; None if one may not list them."""
    with _LOCK:
        when, nodes = _SEEN.get(api, (0.0, None))
    if time.monotonic() - when < _AGE and when:
        return nodes
    found: list[Node] | None = []
    token = ""
    try:
        while True:
            data = api.call("GET", "/api/v1/nodes", {"limit": _PAGE, "continue": token or None})
            page = msgspec.json.decode(data, type=_Nodes)
            assert found is not None
            found += page.items
            token = page.metadata.next
            if not token:
                break
    except Forbidden:
        found = None
    with _LOCK:
        _SEEN[api] = (time.monotonic(), found)
    return found


def _devices(backend: Backend, nodes: list[Node], resource: str) -> tuple[Device, ...]:
    found: list[Device] = []
    for node in nodes:
        labels = node.metadata.labels
        model = next((labels[label] for label in backend.node_labels if label in labels), "")
        memory = labels.get("nvidia.com/gpu.memory", "")
        size = int(memory) << 20 if memory.isdigit() else None
        found += [
            Device(index=len(found) + i, model=model, memory=size) for i in range(int(node.amount(resource)))
        ]
    return tuple(found)


def _quota(quotas: list[dict[str, Any]], resource: str) -> tuple[float | None, float, str]:
    for quota in quotas:
        hard = (quota.get("status") or {}).get("hard") or {}
        used = (quota.get("status") or {}).get("used") or {}
        for name in (f"requests.{resource}", resource):
            if name in hard:
                return parse(hard[name]), parse(used.get(name, "0")), str(quota["metadata"]["name"])
    return None, 0.0, ""


def _tolerates(toleration: Mapping[str, Any], taint: _Taint) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.effect:
        return False
    if toleration.get("key") and toleration["key"] != taint.key:
        return False
    if not toleration.get("key") and toleration.get("operator") != "Exists":
        return False
    return toleration.get("operator") == "Exists" or str(toleration.get("value", "")) == taint.value
