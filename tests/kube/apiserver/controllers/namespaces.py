"""Namespaces: what each has from the start, and how one is emptied at its end; claims get a volume."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from tests.kube.apiserver.objects.store import Change, Key, Object
from tests.kube.apiserver.protocol.calls import Call, controller
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import (
    CLAIMS,
    CONFIGMAPS,
    NAMESPACES,
    PODS,
    QUOTAS,
    SERVICEACCOUNTS,
    STORAGECLASSES,
    Kind,
)
from tests.kube.apiserver.protocol.values import quantity, written
from tests.kube.apiserver.rules import quota
from tests.kube.apiserver.verbs.registry import Registry

from .plane import Controller


class Namespaces(Controller):
    """Fills new namespaces and empties those that are being deleted.

    Args:
        registry: the API.
        ca: the text of the cluster's certificate authority.
    """

    def __init__(self, registry: Registry, ca: str) -> None:
        self._registry = registry
        self._ca = ca

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        if kind is NAMESPACES and change.new is not None:
            yield entry.key
        elif kind.namespaced and change.new is None:
            yield ("", entry.key[0])

    def reconcile(self, key: Key) -> float | None:
        entry = self._registry.store.get(NAMESPACES, *key)
        if entry is None:
            return None
        name = key[1]
        if "deletionTimestamp" in entry.obj["metadata"]:
            return self._empty(name)
        self.furnish(name)
        return None

    def furnish(self, name: str) -> None:
        """The service account and the certificate that pods of a namespace need."""
        wanted: tuple[tuple[Kind, Object], ...] = (
            (SERVICEACCOUNTS, {"metadata": {"name": "default"}}),
            (CONFIGMAPS, {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": self._ca}}),
        )
        for kind, obj in wanted:
            if self._registry.store.get(kind, name, obj["metadata"]["name"]) is None:
                self._registry.create(kind, name, obj, controller("service-account-controller"))

    def _empty(self, name: str) -> float | None:
        left = False
        for kind in self._registry.kinds:
            if not kind.stored or not kind.namespaced:
                continue
            for entry in self._registry.store.all(kind, name):
                left = True
                if "deletionTimestamp" in entry.obj["metadata"] and kind is not PODS:
                    continue
                call = controller("namespace-controller")
                call.policy = "Background"
                try:
                    self._registry.delete(kind, *entry.key, call)
                except ApiError:
                    continue
        if left:
            return 0.2

        def edit(obj: Object) -> None:
            obj["spec"]["finalizers"] = []

        self._registry.change(NAMESPACES, "", name, controller("namespace-controller"), edit)
        return None


class Claims(Controller):
    """Binds each claim whose class is there; releases those that nothing uses and that are being deleted.

    Args:
        registry: the API.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._call = controller("persistent-volume-binder")

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        if kind is CLAIMS and change.new is not None:
            yield entry.key
        elif kind is STORAGECLASSES:
            yield from (found.key for found in self._registry.store.all(CLAIMS))
        elif kind is PODS and (
            change.new is None or entry.obj["status"].get("phase") in ("Succeeded", "Failed")
        ):
            for volume in entry.obj["spec"].get("volumes") or []:
                if volume.get("persistentVolumeClaim"):
                    yield entry.key[0], volume["persistentVolumeClaim"]["claimName"]

    def reconcile(self, key: Key) -> float | None:
        entry = self._registry.store.get(CLAIMS, *key)
        if entry is None:
            return None
        claim = entry.obj
        if "deletionTimestamp" in claim["metadata"]:
            if not self._used(key):
                self._registry.change(CLAIMS, *key, self._call, _unprotect)
            return None
        name = claim["spec"].get("storageClassName")
        if claim["status"].get("phase") == "Bound" or not name:
            return None
        if self._registry.store.get(STORAGECLASSES, "", name) is None:
            return None
        with self._registry.store.lock:
            obj = entry.copy()
            obj["spec"]["volumeName"] = f"pvc-{claim['metadata']['uid']}"
            storage = claim["spec"]["resources"]["requests"]["storage"]
            obj["status"] = {
                "phase": "Bound",
                "accessModes": claim["spec"]["accessModes"],
                "capacity": {"storage": storage},
            }
            self._registry.store.put(CLAIMS, obj)
        return None

    def _used(self, key: Key) -> bool:
        for entry in self._registry.store.all(PODS, key[0]):
            if entry.obj["status"].get("phase") in ("Succeeded", "Failed"):
                continue
            for volume in entry.obj["spec"].get("volumes") or []:
                if (volume.get("persistentVolumeClaim") or {}).get("claimName") == key[1]:
                    return True
        return False


def _unprotect(claim: Object) -> None:
    finalizers = claim["metadata"].get("finalizers") or []
    claim["metadata"]["finalizers"] = [name for name in finalizers if name != "kubernetes.io/pvc-protection"]


class Quotas(Controller):
    """Counts what quotas limit, in their status.

    Args:
        registry: the API.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        if kind is QUOTAS and change.new is not None:
            yield entry.key
        elif kind.namespaced and (kind is PODS or change.old is None or change.new is None):
            yield from (found.key for found in self._registry.store.all(QUOTAS, entry.key[0]))

    def reconcile(self, key: Key) -> float | None:
        entry = self._registry.store.get(QUOTAS, *key)
        if entry is None:
            return None
        spec = entry.obj["spec"]
        hard: dict[str, Decimal] = {name: quantity(text) for name, text in (spec.get("hard") or {}).items()}
        used = quota.usage(key[0], hard, self._registry.store, spec)
        status = {"hard": spec.get("hard") or {}, "used": {name: written(used[name], name) for name in hard}}
        call = Call(
            "system:serviceaccount:kube-system:resourcequota-controller", manager="kube-controller-manager"
        )

        def edit(obj: Object) -> None:
            obj["status"] = status

        if entry.obj.get("status") != status:
            self._registry.change(QUOTAS, *key, call, edit, "status")
        return None
