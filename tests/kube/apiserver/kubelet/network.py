"""The pods' network: a loopback address for each pod, and the names that a headless Service gives to pods."""

from __future__ import annotations

import random
import re

from tests.kube.apiserver.objects.selectors import match_labels
from tests.kube.apiserver.objects.store import Object, Store
from tests.kube.apiserver.protocol.kinds import PODS, SERVICES

_CANDIDATE = re.compile(
    r"(?<![\w.-])[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)+(?![\w-])"
)
_DOMAIN = ("svc", "cluster", "local")


class Network:
    """Addresses and names.

    Args:
        store: where Services and pods are looked up.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        # Clusters side by side on one machine take different parts of 127/8.
        self._prefix = f"127.{random.randint(16, 250)}.{random.randint(0, 200)}"
        self._next = 0
        self._by_name: dict[tuple[str, str, str], str] = {}
        self._by_uid: dict[str, str] = {}

    def address(self, pod: Object) -> str:
        """The address of a pod; pods that follow each other under one name share it."""
        metadata, spec = pod["metadata"], pod["spec"]
        known = self._by_uid.get(metadata["uid"])
        if known is None:
            if spec.get("subdomain"):
                host = spec.get("hostname") or metadata["name"]
                known = self._named((metadata["namespace"], host, spec["subdomain"]))
            else:
                known = self._allocate()
            self._by_uid[metadata["uid"]] = known
        return known

    def rename(self, text: str, pod: Object) -> str:
        """A text of a pod's container with the names that its DNS would resolve replaced by addresses."""
        return _CANDIDATE.sub(lambda match: self.resolve(match[0], pod) or match[0], text)

    def resolve(self, name: str, pod: Object) -> str | None:
        """The address of `<hostname>.<service>[.<namespace>.svc[.cluster.local]]`, as seen from a pod."""
        host, _, rest = name.partition(".")
        service, *domain = rest.split(".")
        own = pod["metadata"]["namespace"]
        namespace = domain.pop(0) if domain else own
        if tuple(domain) not in ((), _DOMAIN[:1], _DOMAIN):
            return None
        found = self._store.get(SERVICES, namespace, service)
        if (
            found is None
            or found.obj["spec"].get("clusterIP") != "None"
            or not found.obj["spec"].get("selector")
        ):
            return None
        wanted = match_labels({"matchLabels": found.obj["spec"]["selector"]})
        target = self._pod(namespace, host, service)
        if target is None and own == namespace and pod["spec"].get("subdomain") == service:
            # Not there yet: what selects a pod selects its siblings, and names resolve when they come.
            target = pod
        if target is None or not wanted(target["metadata"].get("labels") or {}):
            return None
        return self._named((namespace, host, service))

    def _pod(self, namespace: str, host: str, subdomain: str) -> Object | None:
        for entry in self._store.all(PODS, namespace):
            spec = entry.obj["spec"]
            if spec.get("subdomain") == subdomain and (spec.get("hostname") or entry.key[1]) == host:
                return entry.obj
        return None

    def _named(self, name: tuple[str, str, str]) -> str:
        if name not in self._by_name:
            self._by_name[name] = self._allocate()
        return self._by_name[name]

    def _allocate(self) -> str:
        self._next += 1
        first, _, third = self._prefix.rpartition(".")
        return f"{first}.{int(third) + self._next // 254}.{self._next % 254 + 1}"
