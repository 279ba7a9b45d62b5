"""The garbage collector: what hangs on an owner goes with it, before it, or is left as an orphan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.kube.apiserver.objects.store import Change, Entry, Key, Object
from tests.kube.apiserver.protocol.calls import controller
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import Kind
from tests.kube.apiserver.verbs.registry import FOREGROUND, ORPHAN, Registry

from .plane import Controller

# How a key names an object of any kind: (`kind uid`, `namespace/name`).


class GarbageCollector(Controller):
    """Follows owner references.

    Args:
        registry: the API.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._call = controller("generic-garbage-collector")
        self._by_owner: dict[str, dict[tuple[Kind, Key], str]] = {}
        self._kinds = {kind.resource: kind for kind in registry.kinds if kind.stored}

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        place = (kind, entry.key)
        before = _owners(change.old.obj) if change.old else []
        after = _owners(change.new.obj) if change.new else []
        for owner in before:
            if owner not in after or change.new is None:
                self._by_owner.get(owner["uid"], {}).pop(place, None)
        for owner in after:
            self._by_owner.setdefault(owner["uid"], {})[place] = owner["name"]
        if change.new is None:
            uid = entry.obj["metadata"]["uid"]
            for dependent, key in list(self._by_owner.get(uid, {})):
                yield _key(dependent, key)
            # Owners in the foreground wait for their dependents.
            for owner in before:
                found = self._find(owner, entry.key[0])
                if found is not None and FOREGROUND in (found.obj["metadata"].get("finalizers") or []):
                    yield _key(found.kind, found.key)
        elif after and (change.old is None or before != after):
            yield _key(kind, entry.key)
        if change.new is not None and set(entry.obj["metadata"].get("finalizers") or []) & {
            FOREGROUND,
            ORPHAN,
        }:
            yield _key(kind, entry.key)

    def reconcile(self, key: Key) -> float | None:
        kind = self._kinds[key[0]]
        namespace, _, name = key[1].partition("/")
        entry = self._registry.store.get(kind, namespace, name)
        if entry is None:
            return None
        finalizers = entry.obj["metadata"].get("finalizers") or []
        if "deletionTimestamp" in entry.obj["metadata"]:
            if ORPHAN in finalizers:
                self._orphan(entry)
            elif FOREGROUND in finalizers:
                self._foreground(entry)
            return None
        self._check_owners(entry)
        return None

    def _check_owners(self, entry: Entry) -> None:
        owners = _owners(entry.obj)
        if not owners:
            return
        solid, waiting, dangling = [], [], []
        for owner in owners:
            found = self._find(owner, entry.key[0])
            if self._registry.kinds.of(owner["apiVersion"], owner["kind"]) is None:
                # Of a kind that the server does not know, nothing can be said: it counts as there.
                solid.append(owner)
            elif found is None or found.obj["metadata"]["uid"] != owner["uid"]:
                dangling.append(owner)
            elif FOREGROUND in (found.obj["metadata"].get("finalizers") or []):
                waiting.append(owner)
            else:
                solid.append(owner)
        if solid:
            gone = [owner["uid"] for owner in dangling + waiting]
            if gone:
                self._change(entry, lambda obj: _drop_owners(obj, gone))
        elif dangling or waiting:
            self._delete(entry, "Foreground" if waiting else "Background")

    def _orphan(self, entry: Entry) -> None:
        uid = entry.obj["metadata"]["uid"]
        for dependent in self._dependents(uid):
            self._change(dependent, lambda obj: _drop_owners(obj, [uid]))
        self._change(entry, lambda obj: _drop_finalizer(obj, ORPHAN))

    def _foreground(self, entry: Entry) -> None:
        uid = entry.obj["metadata"]["uid"]
        blocking = False
        for dependent in self._dependents(uid):
            owner = next(owner for owner in _owners(dependent.obj) if owner["uid"] == uid)
            blocking = blocking or bool(owner.get("blockOwnerDeletion"))
            if "deletionTimestamp" not in dependent.obj["metadata"]:
                self._check_owners(dependent)
        if not blocking:
            self._change(entry, lambda obj: _drop_finalizer(obj, FOREGROUND))

    def _dependents(self, uid: str) -> list[Entry]:
        found = [self._registry.store.get(kind, *key) for kind, key in list(self._by_owner.get(uid, {}))]
        return [entry for entry in found if entry is not None]

    def _find(self, owner: dict[str, Any], namespace: str) -> Entry | None:
        kind = self._registry.kinds.of(owner["apiVersion"], owner["kind"])
        if kind is None:
            return None
        return self._registry.store.get(kind, namespace if kind.namespaced else "", owner["name"])

    def _delete(self, entry: Entry, policy: str) -> None:
        call = controller("generic-garbage-collector")
        call.policy, call.preconditions = policy, {"uid": entry.obj["metadata"]["uid"]}
        try:
            self._registry.delete(entry.kind, *entry.key, call)
        except ApiError as error:
            if error.code != 404:
                raise

    def _change(self, entry: Entry, edit: Any) -> None:
        try:
            self._registry.change(entry.kind, *entry.key, self._call, edit)
        except ApiError as error:
            if error.code != 404:
                raise


def _owners(obj: Object) -> list[dict[str, Any]]:
    return obj["metadata"].get("ownerReferences") or []


def _key(kind: Kind, key: Key) -> Key:
    return kind.resource, "/".join(key)


def _drop_owners(obj: Object, uids: list[str]) -> None:
    left = [owner for owner in _owners(obj) if owner["uid"] not in uids]
    obj["metadata"]["ownerReferences"] = left
    if not left:
        del obj["metadata"]["ownerReferences"]


def _drop_finalizer(obj: Object, name: str) -> None:
    left = [item for item in obj["metadata"].get("finalizers") or [] if item != name]
    obj["metadata"]["finalizers"] = left
    if not left:
        del obj["metadata"]["finalizers"]
