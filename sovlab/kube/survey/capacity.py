"""What a cluster has of each backend and what of it is free, as far as the user may see.

The rights decide: nodes and all pods give free devices; nodes alone give the total; a quota of the namespace
gives what its jobs may have; with none of these the numbers are unknown, and the source says why.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from sovlab import codec
from sovlab.core.backend import Backend, Detection, Device
from sovlab.core.capacity import Capacity
from sovlab.core.spec import JobSpec
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.quantities import parse
from sovlab.kube.survey.nodes import PAGE, ListMeta, Node, nodes_of
from sovlab.kube.survey.queues import QueueState, queue_of
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ApiError, Forbidden

_ALIVE = "status.phase!=Succeeded,status.phase!=Failed"


class _Resources(msgspec.Struct, frozen=True):
    requests: dict[str, str] = {}


class _Container(msgspec.Struct, frozen=True):
    resources: _Resources = _Resources()


class _PodSpec(msgspec.Struct, frozen=True):
    nodeName: str = ""  # noqa: N815 - as Kubernetes writes it
    containers: list[_Container] = []


class _Pod(msgspec.Struct, frozen=True):
    spec: _PodSpec = _PodSpec()

    @property
    def asked(self) -> set[str]:
        """The resources that it requests."""
        return {name for container in self.spec.containers for name in container.resources.requests}


class _Pods(msgspec.Struct, frozen=True):
    items: list[_Pod] = []
    metadata: ListMeta = ListMeta()


class Counting:
    """Counts what a cluster has for the jobs of a target.

    Args:
        api: as the user who submits.
        profile: whose tolerations, node selector and resources count.
        queue: through which jobs go; empty looks at none.
    """

    def __init__(self, api: Api, profile: ClusterProfile, *, queue: str = "") -> None:
        self._api = api
        self._profile = profile
        self._queue = queue
        self._unscheduled: dict[str, int] = {}

    def capacities(self, backends: Mapping[str, Backend]) -> list[Capacity]:
        """What there is of each backend.

        Raises:
            ClusterError: the cluster does not answer.
        """
        nodes = nodes_of(self._api)
        if nodes is None:
            counted = self._by_quota(backends)
        else:
            used, why = self._used()
            counted = [self._count(backend, nodes, used, why) for backend in backends.values()]
        accelerated = any(each.total and backends[each.detection.backend].is_accelerator for each in counted)
        if not self._queue or not accelerated:
            return counted
        queue = queue_of(self._api, self._profile.namespace, self._queue)
        return [
            self._in_queue(backends[each.detection.backend], each, nodes or [], queue) for each in counted
        ]

    def _in_queue(
        self, backend: Backend, counted: Capacity, nodes: list[Node], queue: QueueState
    ) -> Capacity:
        """What there is through a queue: no more than its quota leaves, and with what waits in it."""
        if not backend.is_accelerator:
            return counted
        resource = resource_of(backend, self._profile, nodes)
        left, waiting = queue.left_of(resource), queue.waiting_for(resource)
        source = queue.source if queue.has(resource) else f"{queue.source}, which has no quota of {resource}"
        free = counted.free if left is None else min(left, left if counted.free is None else counted.free)
        queued = None if waiting is None else waiting + (counted.queued or 0)
        return replace(
            counted,
            free=free,
            queued=queued,
            source="; ".join(filter(None, (counted.source, source))),
            largest=counted.largest if queue.has(resource) else 0.0,
        )

    def _count(
        self, backend: Backend, nodes: list[Node], used: dict[str, dict[str, float]] | None, why: str
    ) -> Capacity:
        resource = resource_of(backend, self._profile, nodes)
        tolerations = (*backend.tolerations, *self._profile.tolerations)
        usable = [
            n for n in nodes if n.amount(resource) > 0 and n.takes(tolerations, self._profile.node_selector)
        ]
        total = sum(n.amount(resource) for n in usable)
        ready = [n for n in usable if n.ready]
        free, queued = None, None
        by_node: tuple[float, ...] = ()
        if used is not None:
            unused = (n.amount(resource) - used.get(n.metadata.name, {}).get(resource, 0.0) for n in ready)
            by_node = tuple(max(amount, 0.0) for amount in unused)
            free = sum(by_node)
            queued = self._unscheduled.get(resource, 0)
        devices = (
            _devices(backend, usable, resource)
            if backend.is_accelerator
            else (Device(index=0),) * bool(usable)
        )
        unready = len(usable) - len(ready)
        summary = (
            f"{len(usable)} {'node' if len(usable) == 1 else 'nodes'} with {resource}"
            if usable
            else f"No node has {resource}"
        )
        if unready:
            summary += f", {unready} of them cordoned or not ready"
        return Capacity(
            detection=Detection(backend=backend.name, devices=devices, why=f"{summary}."),
            total=total,
            free=round(free, 3) if free is not None else None,
            queued=queued if backend.is_accelerator else None,
            source=f"nodes and pods of the cluster, {time.strftime('%H:%M:%S')}" if used is not None else why,
            seen=time.time(),
            nodes=tuple(name for node in usable for name in node.names) if backend.is_accelerator else (),
            free_by_node=by_node if backend.is_accelerator else (),
            largest=max((n.amount(resource) for n in usable), default=0.0)
            if backend.is_accelerator
            else None,
        )

    def _used(self) -> tuple[dict[str, dict[str, float]] | None, str]:
        """Requests of all pods, by node and resource; None, and why, if the user may not list them."""
        used: dict[str, dict[str, float]] = {}
        self._unscheduled = {}
        token = ""
        try:
            while True:
                query = {"fieldSelector": _ALIVE, "limit": PAGE, "continue": token or None}
                page = codec.decode(self._api.call("GET", "/api/v1/pods", query), _Pods)
                for pod in page.items:
                    requests = used.setdefault(pod.spec.nodeName, {})
                    if not pod.spec.nodeName:
                        for name in pod.asked:
                            self._unscheduled[name] = self._unscheduled.get(name, 0) + 1
                    for container in pod.spec.containers:
                        for name, amount in container.resources.requests.items():
                            requests[name] = requests.get(name, 0.0) + parse(amount)
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
                    seen=time.time(),
                )
            )
        return capacities


def largest(api: Api, spec: JobSpec, backend: Backend, profile: ClusterProfile) -> str:
    """Why a job could never start, e.g. because no node has so much memory; empty if it could, or unknown."""
    nodes = nodes_of(api)
    if not nodes:
        return ""
    requests = {"memory": float(spec.resources.memory or 0), "cpu": spec.resources.cpu or 0.0}
    if spec.resources.gpus:
        requests[resource_of(backend, profile, nodes)] = float(spec.resources.gpus)
    for resource, amount in requests.items():
        most = max(n.amount(resource) for n in nodes)
        if amount > most:
            if resource == "memory":
                request, maximum = (f"{size / 2**30:.1f} GiB" for size in (amount, most))
                return f"{request} of memory on each node, but the largest has only {maximum}"
            what = "cores" if resource == "cpu" else resource
            return f"{amount:g} {what} on each node, but the largest has only {most:g}"
    return ""


def resource_of(backend: Backend, profile: ClusterProfile, nodes: Iterable[Node]) -> str:
    """The extended resource by which pods request a device of a backend; ``cpu`` for one without devices."""
    if not backend.is_accelerator:
        return "cpu"
    configured = profile.resources.get(backend.name)
    if configured:
        return configured
    offered = [r for r in (backend.resource, *backend.other_resources) if any(n.amount(r) > 0 for n in nodes)]
    return offered[0] if offered else backend.resource


def _devices(backend: Backend, nodes: list[Node], resource: str) -> tuple[Device, ...]:
    devices: list[Device] = []
    for node in nodes:
        labels = node.metadata.labels
        model = next((labels[label] for label in backend.node_labels if label in labels), "")
        memory = labels.get("nvidia.com/gpu.memory", "")
        size = int(memory) << 20 if memory.isdigit() else None
        devices += [
            Device(index=len(devices) + i, model=model, memory=size)
            for i in range(int(node.amount(resource)))
        ]
    return tuple(devices)


def _quota(quotas: list[dict[str, Any]], resource: str) -> tuple[float | None, float, str]:
    for quota in quotas:
        hard = (quota.get("status") or {}).get("hard") or {}
        used = (quota.get("status") or {}).get("used") or {}
        for name in (f"requests.{resource}", resource):
            if name in hard:
                return parse(hard[name]), parse(used.get(name, "0")), str(quota["metadata"]["name"])
    return None, 0.0, ""
