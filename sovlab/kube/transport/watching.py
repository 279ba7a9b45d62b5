"""`Cache`: the objects of one collection, kept up to date by one watch for the whole process."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from sovlab.kube.transport.api import JITTER, Api, decoded, parsed
from sovlab.kube.transport.errors import ApiError, ClusterError, Gone, Unreachable
from sovlab.kube.transport.items import Items

PAGE = 500
_TIMEOUT = 240
"""Seconds after which the server ends a watch, so that a dead connection is noticed soon after."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 15.0
_LASTS = 1.0
"""Seconds after which a watch that ends is no reason to wait longer before the next."""

Object = dict[str, Any]


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _ListMeta(msgspec.Struct, frozen=True):
    version: str = msgspec.field(default="", name="resourceVersion")
    next: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _ListMeta = _ListMeta()
    items: msgspec.Raw = msgspec.Raw(b"[]")


class Cache:
    """The objects of one collection, by name.

    A thread lists the collection and then watches it, from the last resource version after each break and
    from a new list where the server no longer keeps that version (410). It starts with the first `open` and
    ends ``linger`` seconds after the last one.

    Args:
        api: as a user who may list and watch the collection.
        path: the collection's, e.g. ``/apis/batch/v1/namespaces/ml/jobs``.
        selector: label selector.
        shape: the fields that are decoded, as a `TypedDict`; the rest of an object, mostly the greater part,
            costs neither time nor memory.
        trim: from a decoded object to what the cache holds; None drops the object.
        damaged: likewise, from one that is not of that shape or cannot be trimmed, and why: as JSON has it.
        group: key of the group that an object belongs to, see `of`.
        gone: called with the last version of each object that is deleted, from the thread of the watch. It
            must be quick.
        linger: seconds that the watch goes on without a user.
    """

    def __init__(
        self,
        api: Api,
        path: str,
        selector: str,
        *,
        shape: Any = Object,
        trim: Callable[[Object], Object | None],
        damaged: Callable[[Any, Exception], Object | None] = lambda obj, error: None,
        group: Callable[[Object], str] = lambda obj: "",
        gone: Callable[[Object], None] = lambda obj: None,
        linger: float = 30.0,
    ) -> None:
        self._api = api
        self._path = path
        self._selector = selector
        self._items = Items(shape, trim, damaged)
        self._group = group
        self._gone = gone
        self._linger = linger
        self._objects: dict[str, Object] = {}
        self._groups: dict[str, dict[str, Object]] = {}
        self._version = ""
        self._changed = threading.Condition()
        self._revision = 0
        self._users = 0
        self._unused_since = 0.0
        self._thread: threading.Thread | None = None
        self._failure: ClusterError | None = None
        self._failing_since = 0.0
        self._listed = False
        self._listeners: list[Callable[[], None]] = []

    @contextlib.contextmanager
    def open(self) -> Iterator[Cache]:
        """Keep the cache up to date while the context lasts.

        Raises:
            ClusterError: the first list fails.
        """
        with self._changed:
            self._users += 1
            if self._thread is None:
                self._failure, self._listed = None, False
                self._thread = threading.Thread(
                    target=self._run, name=f"sovlab-watch {self._path}", daemon=True
                )
                self._thread.start()
            while not self._listed and self._failure is None and self._thread is not None:
                self._changed.wait()
            failure = None if self._listed else self._failure
        try:
            if failure is not None:
                raise failure
            yield self
        finally:
            with self._changed:
                self._users -= 1
                self._unused_since = time.monotonic()

    @property
    def failed(self) -> tuple[ClusterError, float] | None:
        """Why the cache is not up to date, and since when, by `time.monotonic`; None if it is."""
        with self._changed:
            return (self._failure, self._failing_since) if self._failure is not None else None

    @property
    def revision(self) -> int:
        """Grows with each change."""
        return self._revision

    def get(self, name: str) -> Object | None:
        """One object; None if there is none."""
        with self._changed:
            return self._objects.get(name)

    def all(self) -> list[Object]:
        """All objects, in no order."""
        with self._changed:
            return list(self._objects.values())

    def of(self, group: str) -> list[Object]:
        """The objects of one group, in no order."""
        with self._changed:
            return list(self._groups.get(group, {}).values())

    def groups(self) -> dict[str, list[Object]]:
        """All objects, by group."""
        with self._changed:
            return {name: list(objects.values()) for name, objects in self._groups.items()}

    def put(self, obj: Object) -> None:
        """Add an object from the response of a call, if it is newer than the cached one."""
        with self._changed:
            self._apply("MODIFIED", obj["metadata"]["name"], self._items.trimmed(obj))
            self._notify()

    def drop(self, name: str) -> None:
        """Remove an object that a call has deleted."""
        with self._changed:
            if self._forget(name):
                self._notify()

    def wait(self, revision: int, timeout: float | None = None) -> int:
        """Wait until something has changed since ``revision``; the revision now."""
        with self._changed:
            if self._revision == revision:
                self._changed.wait(timeout)
            return self._revision

    def listen(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called at each change, from another thread. It must be quick."""
        with self._changed:
            self._listeners.append(listener)

    def ignore(self, listener: Callable[[], None]) -> None:
        """Undo `listen`."""
        with self._changed:
            self._listeners.remove(listener)

    # --- the thread

    def _run(self) -> None:
        pause, again = _FIRST_PAUSE, True
        try:
            while self._is_used():
                begun, before = time.monotonic(), ""
                try:
                    if not self._version:
                        self._list()
                    begun, before = time.monotonic(), self._version
                    self._watch()
                except Gone:
                    self._version = ""
                    if again:
                        again = (
                            False  # but not on and on, where a server says it of all that it has just said
                        )
                        continue
                except msgspec.DecodeError:
                    self._fail(
                        Unreachable(
                            "What answers is not a Kubernetes API server.",
                            "Check the address in the kubeconfig.",
                        )
                    )
                except ClusterError as error:
                    self._fail(error)
                    if isinstance(error, ApiError) and not self._listed:
                        return
                except Exception as error:  # nothing that a cluster says ends the watch of all of it
                    what = f"What the cluster says of {self._path} cannot be read"
                    self._fail(Unreachable(f"{what} ({type(error).__name__}: {error})."))
                # The server ends watches after a while; one that broke soon may yet have brought news.
                if time.monotonic() - begun > _LASTS or (before and self._version not in ("", before)):
                    pause, again = _FIRST_PAUSE, True
                time.sleep(pause * JITTER.uniform(0.5, 1.5))
                pause = min(pause * 2, _LONGEST_PAUSE)
        finally:
            with self._changed:
                self._thread = None
                self._version = ""
                self._changed.notify_all()

    def _is_used(self) -> bool:
        return self._users > 0 or time.monotonic() - self._unused_since < self._linger

    def _fail(self, error: ClusterError) -> None:
        with self._changed:
            if self._failure is None:
                self._failing_since = time.monotonic()
            self._failure = error
            self._notify()

    def _notify(self) -> None:
        self._revision += 1
        self._changed.notify_all()
        for listener in self._listeners:
            listener()

    def _list(self) -> None:
        objects: dict[str, Object] = {}
        page = self._page("")
        while True:
            # The server makes the next page while this one is read here.
            following = _begin(self._page, page.metadata.next) if page.metadata.next else None
            for trimmed in self._items.of_list(page.items):
                objects[trimmed["metadata"]["name"]] = trimmed
            if following is None:
                break
            page = following()
        with self._changed:
            self._objects, self._groups = {}, {}
            for name, obj in objects.items():
                self._keep(name, obj)
            self._version = page.metadata.version
            self._listed, self._failure = True, None
            self._notify()

    def _page(self, token: str) -> _Page:
        query = {"labelSelector": self._selector, "limit": PAGE, "continue": token or None}
        return parsed(self._api.call("GET", self._path, query), _Page)

    def _watch(self) -> None:
        query = {
            "labelSelector": self._selector,
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": _TIMEOUT,
        }
        with self._api.stream(self._path, query, read_timeout=_TIMEOUT + 15) as stream:
            with self._changed:
                if self._failure is not None:
                    self._failure = None
                    self._notify()
            for line in stream.lines():
                self._take(line)
                if not self._is_used():
                    return

    def _take(self, line: bytes) -> None:
        event = decoded(line, _Event)
        if event.type == "ERROR":
            status: Object = msgspec.json.decode(event.object)
            code = status.get("code")
            if code == 410:
                raise Gone("The watch is too old to go on.", status=410)
            raise ApiError(f"The watch ended: {status.get('message')}.", status=int(code or 0))
        obj, kept = self._items.read(event.object)
        meta = obj.get("metadata") if isinstance(obj, dict) else None
        if not isinstance(meta, dict):
            return
        with self._changed:
            self._version = str(meta.get("resourceVersion") or self._version)
            if event.type != "BOOKMARK" and isinstance(meta.get("name"), str):
                self._apply(event.type, meta["name"], kept)
                self._notify()

    def _apply(self, kind: str, name: str, trimmed: Object | None) -> None:
        if kind == "DELETED":
            last = trimmed or self._objects.get(name)
            self._forget(name)
            if last is not None:
                self._gone(last)
            return
        cached = self._objects.get(name)
        if trimmed is None:
            self._forget(name)
        elif cached is None or not _older(trimmed, cached):
            self._keep(name, trimmed)

    def _keep(self, name: str, obj: Object) -> None:
        self._forget(name)
        self._objects[name] = obj
        self._groups.setdefault(self._group(obj), {})[name] = obj

    def _forget(self, name: str) -> bool:
        cached = self._objects.pop(name, None)
        if cached is None:
            return False
        group = self._group(cached)
        objects = self._groups[group]
        del objects[name]
        if not objects:
            del self._groups[group]
        return True


def _begin(work: Callable[[str], _Page], argument: str) -> Callable[[], _Page]:
    """Do ``work`` in a thread that keeps no process alive; what is returned waits for its outcome."""
    outcome: queue.SimpleQueue[_Page | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            outcome.put(work(argument))
        except BaseException as error:
            outcome.put(error)

    def wait() -> _Page:
        result = outcome.get()
        if isinstance(result, BaseException):
            raise result
        return result

    threading.Thread(target=run, name="sovlab-list", daemon=True).start()
    return wait


def _older(one: Object, other: Object) -> bool:
    """Whether ``one`` is an earlier version of ``other`` (KEP-5504: versions of a kind can be compared)."""
    a, b = (str(o["metadata"].get("resourceVersion", "")) for o in (one, other))
    same = one["metadata"].get("uid") == other["metadata"].get("uid")
    return same and a.isdigit() and b.isdigit() and int(a) < int(b)
