"""The nodes of a cluster, as far as their devices are concerned; read seldom."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sovlab import codec
from sovlab.kube.quantities import parse
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import Forbidden

_AGE = 15.0
"""Seconds for which the nodes that were read are not read again."""
PAGE = 500
"""Objects in one answer of the server."""


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


class _Address(msgspec.Struct, frozen=True):
    address: str = ""


class _NodeStatus(msgspec.Struct, frozen=True):
    allocatable: dict[str, str] = {}
    addresses: list[_Address] = []
    conditions: list[dict[str, Any]] = []


class Node(msgspec.Struct, frozen=True):
    """A node, as far as its devices are concerned."""

    metadata: _Meta = _Meta()
    spec: _NodeSpec = _NodeSpec()
    status: _NodeStatus = _NodeStatus()

    @property
    def ready(self) -> bool:
        """Whether it accepts new pods: neither cordoned nor reported as not ready."""
        conditions = {c.get("type"): c.get("status") for c in self.status.conditions}
        return not self.spec.unschedulable and conditions.get("Ready", "True") == "True"

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its addresses, by which others may call it."""
        return tuple(dict.fromkeys([self.metadata.name, *(each.address for each in self.status.addresses)]))

    def takes(self, tolerations: Iterable[Mapping[str, Any]], selector: Mapping[str, str]) -> bool:
        """Whether pods with these tolerations and this node selector may be scheduled on it."""
        if any(self.metadata.labels.get(k) != v for k, v in selector.items()):
            return False
        candidates = list(tolerations)
        hard = (t for t in self.spec.taints if t.effect in ("NoSchedule", "NoExecute"))
        return all(any(_tolerates(t, taint) for t in candidates) for taint in hard)

    def amount(self, resource: str) -> float:
        """What is allocatable of a resource, in cores, bytes or pieces."""
        return parse(self.status.allocatable.get(resource, "0"))


class ListMeta(msgspec.Struct, frozen=True):
    """Where a list goes on."""

    next: str = msgspec.field(default="", name="continue")


class _Nodes(msgspec.Struct, frozen=True):
    items: list[Node] = []
    metadata: ListMeta = ListMeta()


_SEEN: weakref.WeakKeyDictionary[Api, tuple[float, list[Node] | None]] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def nodes_of(api: Api) -> list[Node] | None:
    """The nodes of a cluster, read at most `_AGE` seconds ago; None if the user may not list them."""
    with _LOCK:
        when, nodes = _SEEN.get(api, (0.0, None))
    if time.monotonic() - when < _AGE and when:
        return nodes
    listed: list[Node] | None = []
    token = ""
    try:
        while True:
            data = api.call("GET", "/api/v1/nodes", {"limit": PAGE, "continue": token or None})
            page = codec.decode(data, _Nodes)
            assert listed is not None
            listed += page.items
            token = page.metadata.next
            if not token:
                break
    except Forbidden:
        listed = None
    with _LOCK:
        _SEEN[api] = (time.monotonic(), listed)
    return listed


def _tolerates(toleration: Mapping[str, Any], taint: _Taint) -> bool:
    if toleration.get("effect") and toleration["effect"] != taint.effect:
        return False
    if toleration.get("key") and toleration["key"] != taint.key:
        return False
    if not toleration.get("key") and toleration.get("operator") != "Exists":
        return False
    return toleration.get("operator") == "Exists" or str(toleration.get("value", "")) == taint.value
