"""Lists and watches: pages, versions, selectors, bookmarks, and the end of history."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.kube.apiserver.faults import Fault
from tests.kube.apiserver.objects.selectors import Test, selection
from tests.kube.apiserver.objects.store import Change, Entry, Gone, Store
from tests.kube.apiserver.protocol.errors import (
    ApiError,
    bad_options,
    bad_request,
    expired,
    too_large_version,
)
from tests.kube.apiserver.protocol.kinds import Kind

from .outlet import Severed, encoded
from .paths import Target
from .representation import Representation

if TYPE_CHECKING:
    from .handler import ApiHandler

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new "
    "list "
    "without the continue parameter, or use the continue token in this response to retrieve the "
    "remainder of the "
    "results. Continuing with the provided token results in an inconsistent list - objects that were "
    "created, "
    "modified, or deleted between the time the first chunk was returned and now may show up in the list."
)
# What a watch may lag behind before it is ended.
_LAG = 20_000


def listed(handler: ApiHandler, target: Target) -> bytes:
    """The body of a list."""
    kind, store = target.kind, handler.cluster.store
    assert kind is not None
    test = selection(kind, handler.query("labelSelector"), handler.query("fieldSelector"))
    show = Representation(kind, handler.request.headers.get("Accept", ""), handler.query("includeObject"))
    limit = max(0, _number(handler.query("limit")))
    token = handler.query("continue")
    match, asked = handler.query("resourceVersionMatch"), handler.query("resourceVersion")
    _check_match(match, asked, token)
    with store.lock:
        rv, entries = _snapshot(store, kind, target.namespace, match, asked, token)
    start = ""
    if token:
        start = _opened(token)["start"]
        entries = [entry for entry in entries if "/".join(entry.key) > start]
    if test is not None:
        entries = [entry for entry in entries if test(entry.obj)]
    metadata: dict[str, Any] = {"resourceVersion": str(rv)}
    if limit and len(entries) > limit:
        metadata["continue"] = _token(rv, "/".join(entries[limit - 1].key))
        if test is None:
            metadata["remainingItemCount"] = len(entries) - limit
        entries = entries[:limit]
    return show.many(entries, metadata)


def _snapshot(
    store: Store, kind: Kind, namespace: str, match: str, asked: str, token: str
) -> tuple[int, list[Entry]]:
    """The version of the list, and what was there then."""
    if token:
        rv = int(_opened(token)["rv"])
        if rv < 0:
            # The inconsistent continuation that a 410 offers.
            return store.rv, store.all(kind, namespace)
        try:
            found = store.at(kind, rv)
        except Gone:
            raise expired(_TOO_OLD, **{"continue": _token(-1, _opened(token)["start"])}) from None
        return rv, _in(found, namespace)
    version = _version(asked)
    if version > store.rv:
        raise too_large_version(version, store.rv)
    if match == "Exact":
        try:
            return version, _in(store.at(kind, version), namespace)
        except Gone:
            raise expired("The resourceVersion for the provided list is too old.") from None
    return store.rv, store.all(kind, namespace)


def _in(found: dict[tuple[str, str], Entry], namespace: str) -> list[Entry]:
    keys = sorted(key for key in found if not namespace or key[0] == namespace)
    return [found[key] for key in keys]


def _check_match(match: str, asked: str, token: str) -> None:
    if not match:
        if token and asked not in ("", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
    elif token:
        raise _forbidden("resourceVersionMatch is forbidden for continue")
    elif not asked:
        raise _forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided")
    elif match not in ("Exact", "NotOlderThan"):
        text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        raise bad_options("ListOptions", "resourceVersionMatch", "FieldValueNotSupported", text)
    elif match == "Exact" and asked == "0":
        raise _forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')


def _forbidden(why: str) -> ApiError:
    return bad_options("ListOptions", "resourceVersionMatch", "FieldValueForbidden", f"Forbidden: {why}")


def _token(rv: int, start: str) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": rv, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _opened(token: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return {"rv": int(found["rv"]), "start": str(found["start"])}
    except (ValueError, KeyError, TypeError):
        why = "invalid character 'i' looking for beginning of value"
        raise bad_request(f"invalid continue token: continue key is not valid: {why}") from None


def _number(text: str) -> int:
    """A whole number of the query."""
    try:
        return int(text or "0")
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _version(text: str, *, watching: bool = False) -> int:
    """A resourceVersion; a watch answers a wrong one with 500, as the real one does."""
    if not text:
        return 0
    if not text.isdigit():
        why = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise ApiError(500, "", why) if watching else bad_request(f"invalid resource version: {why}")
    return int(text)


class _Watch:
    """One watch."""

    def __init__(self, handler: ApiHandler, target: Target) -> None:
        assert target.kind is not None
        self.kind = target.kind
        self._namespace = target.namespace
        self._name = target.name
        self._test: Test | None = selection(
            target.kind, handler.query("labelSelector"), handler.query("fieldSelector")
        )
        self._show = Representation(
            target.kind, handler.request.headers.get("Accept", ""), handler.query("includeObject")
        )

    def wants(self, entry: Entry | None) -> bool:
        """Whether an object is within the watch."""
        if entry is None or (self._namespace and entry.key[0] != self._namespace):
            return False
        if self._name and entry.key[1] != self._name:
            return False
        return self._test is None or self._test(entry.obj)

    def event(self, change: Change) -> bytes:
        """What a change looks like from here; empty if it does not."""
        before, after = self.wants(change.old), self.wants(change.new)
        if change.new is None:
            assert change.last is not None
            return self._show.event("DELETED", change.last) if before else b""
        if after:
            return self._show.event("MODIFIED" if before else "ADDED", change.new)
        if not before:
            return b""
        # It left the selection: its last state within, at the version at which it left.
        assert change.old is not None
        obj = change.old.copy()
        obj["metadata"]["resourceVersion"] = str(change.rv)
        bare = encoded(obj).rstrip()
        return self._show.event("DELETED", Entry(self.kind, change.old.key, change.rv, obj, bare))

    def added(self, entry: Entry) -> bytes:
        """An object that is there from the start."""
        return self._show.event("ADDED", entry)

    def bookmark(self, rv: int, *, initial: bool = False) -> bytes:
        """How far the watch has come."""
        return self._show.bookmark(rv, initial=initial)


async def watch(handler: ApiHandler, target: Target, fault: Fault | None) -> None:
    """Sends events until the time is over or the connection is gone."""
    store, outlet, loop = handler.cluster.store, handler.outlet, asyncio.get_running_loop()
    this = _Watch(handler, target)
    asked = handler.query("resourceVersion")
    since = _version(asked, watching=True)
    initial = handler.query("sendInitialEvents") == "true"
    bookmarks = handler.query("allowWatchBookmarks") in ("true", "1")
    seconds = _number(handler.query("timeoutSeconds")) or random.uniform(1800, 3600)
    if initial and handler.query("resourceVersionMatch") != "NotOlderThan":
        raise _forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    more = asyncio.Event()
    wake = _waker(loop, more)
    outlet.on_close = more.set
    outlet.headers(200)
    handler.note(200)
    await outlet.begin()
    if fault is not None and fault.error_event:
        await outlet.send(_error(fault.body_status()), 1)
        await outlet.end()
        return
    try:
        subscription, first, rv = _begin(this, store, since, target.namespace, initial=initial, wake=wake)
    except Gone as gone:
        await outlet.send(_error(ApiError(410, "Expired", str(gone)).status()), 1)
        await outlet.end()
        return
    try:
        step = 1 if outlet.single else 200
        for at in range(0, len(first), step):
            some = first[at : at + step]
            await outlet.send(b"".join(this.added(entry) for entry in some), len(some))
        if initial and bookmarks:
            await outlet.send(this.bookmark(rv, initial=True), 1)
        await _follow(handler, this, subscription, more, time.monotonic() + seconds, rv, bookmarks=bookmarks)
        await outlet.end()
    except Severed:
        return
    finally:
        store.unsubscribe(subscription)


def _waker(loop: asyncio.AbstractEventLoop, more: asyncio.Event) -> Callable[[], None]:
    pending = False

    def done() -> None:
        nonlocal pending
        pending = False
        more.set()

    def wake() -> None:
        nonlocal pending
        if pending:
            return
        pending = True
        try:
            loop.call_soon_threadsafe(done)
        except RuntimeError:
            # The loop has ended with the front; nobody waits any more.
            return

    return wake


def _begin(
    this: _Watch, store: Store, since: int, namespace: str, *, initial: bool, wake: Callable[[], None]
) -> tuple[Any, list[Entry], int]:
    with store.lock:
        if since and not initial:
            return store.subscribe(this.kind, since, wake), [], since
        entries = [entry for entry in store.all(this.kind, namespace) if this.wants(entry)]
        return store.subscribe(this.kind, None, wake), entries, store.rv


async def _follow(
    handler: ApiHandler,
    this: _Watch,
    subscription: Any,
    more: asyncio.Event,
    until: float,
    since: int,
    *,
    bookmarks: bool,
) -> None:
    outlet, store = handler.outlet, handler.cluster.store
    every = handler.cluster.bookmark_seconds
    next_mark = min(time.monotonic() + every, max(time.monotonic(), until - 2)) if bookmarks else None
    while not outlet.closed:
        more.clear()
        if len(subscription.changes) > _LAG:
            return
        batch: list[bytes] = []
        while subscription.changes:
            change = subscription.changes.popleft()
            # A version from the future is waited for.
            event = this.event(change) if change.rv > since else b""
            if event and outlet.single:
                await outlet.send(event, 1)
            elif event:
                batch.append(event)
        if batch:
            await outlet.send(b"".join(batch), len(batch))
        await outlet.tick()
        now = time.monotonic()
        if next_mark is not None and now >= next_mark and not subscription.changes:
            with store.lock:
                rv = store.rv if not subscription.changes else None
            if rv is not None:
                await outlet.send(this.bookmark(rv), 1)
            next_mark = now + every
        if now >= until:
            return
        waits = [until - now, outlet.patience()]
        if next_mark is not None:
            waits.append(next_mark - now)
        try:
            await asyncio.wait_for(more.wait(), max(0.0, min(wait for wait in waits if wait is not None)))
        except TimeoutError:
            continue


def _error(status: dict[str, Any]) -> bytes:
    return encoded({"type": "ERROR", "object": status})
