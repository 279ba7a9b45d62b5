"""The objects and their history: one counter of versions, pre-serialised JSON, and who is told of changes.

The rule: an object in the store is never changed in place; a change is a new object with a new version. What
is handed out may therefore be read without a lock.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from tests.kube.apiserver.protocol.kinds import Kind

Key = tuple[str, str]  # namespace (empty for cluster-wide kinds), name
Object = dict[str, Any]

_encode = msgspec.json.Encoder().encode


class Entry(NamedTuple):
    """One version of one object.

    Attributes:
        kind: its kind.
        key: its namespace and name.
        rv: its version.
        obj: the object, without kind and apiVersion; not to be changed.
        bare: its JSON without kind and apiVersion.
    """

    kind: Kind
    key: Key
    rv: int
    obj: Object
    bare: bytes

    @property
    def full(self) -> bytes:
        """Its JSON with kind and apiVersion."""
        return self.kind.head + self.bare[1:]

    @property
    def item(self) -> bytes:
        """Its JSON as an item of a list: only custom resources repeat their kind there."""
        return self.full if self.kind.custom else self.bare

    def copy(self) -> Object:
        """The object, to be changed."""
        return msgspec.json.decode(self.bare)  # type: ignore[no-any-return]


class Change(NamedTuple):
    """One event of the history; `new` is None when the object is gone, and `last` then what it was."""

    rv: int
    old: Entry | None
    new: Entry | None
    last: Entry | None = None


class Gone(Exception):
    """The history does not reach back as far as was asked."""

    def __init__(self, asked: int, oldest: int) -> None:
        super().__init__(f"too old resource version: {asked} ({oldest})")


class Subscription:
    """The changes of one kind from some version on, in order.

    Args:
        wake: called, under the store's lock and from any thread, when there is something new.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.wake = wake
        self.changes: deque[Change] = deque()


class Store:
    """All objects of the cluster.

    Args:
        history: how many changes of each kind are kept for watches.
    """

    def __init__(self, history: int = 10_000) -> None:
        self.lock = threading.RLock()
        self.rv = 100
        self._history = history
        self._objects: dict[Kind, dict[Key, Entry]] = {}
        self._keys: dict[Kind, list[Key]] = {}
        self._changes: dict[Kind, deque[Change]] = {}
        self._floor: dict[Kind, int] = {}
        # A cluster is not new: what was before its first object that a client can see is history.
        self._compacted = self.rv
        self._subscriptions: list[tuple[Kind | None, Subscription]] = []

    def get(self, kind: Kind, namespace: str, name: str) -> Entry | None:
        """The newest version of an object."""
        return self._objects.get(kind, {}).get((namespace, name))

    def all(self, kind: Kind, namespace: str = "") -> list[Entry]:
        """The objects of a kind, in a namespace or in all, in the order of their names."""
        with self.lock:
            objects, keys = self._objects.get(kind, {}), self._keys.get(kind, [])
            if namespace:
                keys = keys[bisect_left(keys, (namespace, "")) : bisect_left(keys, (namespace + "\0", ""))]
            return [objects[key] for key in keys]

    def at(self, kind: Kind, rv: int) -> dict[Key, Entry]:
        """The objects as they were at a version; raises Gone."""
        with self.lock:
            if rv < self.floor(kind):
                raise Gone(rv, self.floor(kind))
            objects = dict(self._objects.get(kind, {}))
            for change in reversed(self._changes.get(kind, ())):
                if change.rv <= rv:
                    break
                entry = change.old or change.new
                assert entry is not None
                if change.old is None:
                    objects.pop(entry.key, None)
                else:
                    objects[entry.key] = change.old
            return objects

    def floor(self, kind: Kind) -> int:
        """The oldest version from which a watch of this kind can start."""
        return max(self._compacted, self._floor.get(kind, 0))

    def put(self, kind: Kind, obj: Object) -> Entry:
        """Stores a new version of an object; the store owns the object from here on."""
        with self.lock:
            self.rv += 1
            entry = self._entry(kind, obj, self.rv)
            objects = self._objects.setdefault(kind, {})
            old = objects.get(entry.key)
            if old is None:
                insort(self._keys.setdefault(kind, []), entry.key)
            objects[entry.key] = entry
            self._record(kind, Change(self.rv, old, entry))
            return entry

    def fill(self, kind: Kind, objects: Iterable[Object]) -> None:
        """Stores many new objects at once."""
        with self.lock:
            for obj in objects:
                self.rv += 1
                entry = self._entry(kind, obj, self.rv)
                known = self._objects.setdefault(kind, {})
                old = known.get(entry.key)
                known[entry.key] = entry
                self._record(kind, Change(self.rv, old, entry))
            self._keys[kind] = sorted(self._objects.get(kind, ()))

    def remove(self, kind: Kind, namespace: str, name: str) -> Entry | None:
        """Removes an object; its last state carries the version of its end."""
        with self.lock:
            old = self._objects.get(kind, {}).pop((namespace, name), None)
            if old is None:
                return None
            keys = self._keys[kind]
            del keys[bisect_left(keys, old.key)]
            self.rv += 1
            last = self._entry(kind, old.copy(), self.rv)
            self._record(kind, Change(self.rv, old, None, last))
            return last

    def compact(self) -> None:
        """Forgets the whole history: every version before now is gone."""
        with self.lock:
            self.rv += 1
            self._compacted = self.rv
            for changes in self._changes.values():
                changes.clear()

    def subscribe(self, kind: Kind | None, since: int | None, wake: Callable[[], None]) -> Subscription:
        """Tells of changes after a version (None: from now on) of one kind or of all; raises Gone."""
        subscription = Subscription(wake)
        with self.lock:
            if since is not None and kind is not None:
                if since < self.floor(kind):
                    raise Gone(since, self.floor(kind))
                subscription.changes.extend(c for c in self._changes.get(kind, ()) if c.rv > since)
            self._subscriptions.append((kind, subscription))
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Tells no more."""
        with self.lock:
            self._subscriptions = [pair for pair in self._subscriptions if pair[1] is not subscription]

    def _entry(self, kind: Kind, obj: Object, rv: int) -> Entry:
        obj.pop("kind", None)
        obj.pop("apiVersion", None)
        metadata = obj["metadata"]
        metadata["resourceVersion"] = str(rv)
        return Entry(kind, (metadata.get("namespace", ""), metadata["name"]), rv, obj, _encode(obj))

    def _record(self, kind: Kind, change: Change) -> None:
        changes = self._changes.setdefault(kind, deque())
        changes.append(change)
        if len(changes) > self._history:
            self._floor[kind] = changes.popleft().rv
        for wanted, subscription in self._subscriptions:
            if wanted is None or wanted is kind:
                subscription.changes.append(change)
                subscription.wake()
