"""Requests for objects: who asks, whether they may, and what the verb does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec
import yaml

from tests.kube.apiserver.access.auth import User
from tests.kube.apiserver.faults import Fault
from tests.kube.apiserver.objects.patching import APPLY_PATCH
from tests.kube.apiserver.objects.selectors import selection
from tests.kube.apiserver.objects.store import Entry
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import (
    ApiError,
    bad_request,
    method_not_allowed,
    unsupported_media,
)
from tests.kube.apiserver.protocol.kinds import ACCESS_REVIEWS, PODS, RULES_REVIEWS, SELF_REVIEWS, Kind

from . import discovery, lists, logs, reviews
from .asking import Asking
from .outlet import Severed, encoded
from .paths import Target, parse
from .representation import Representation

if TYPE_CHECKING:
    pass

BODY_LIMIT = 3 * 1024 * 1024
_SUMMARY = {
    "kind": "PendingWorkloadsSummary",
    "apiVersion": "visibility.kueue.x-k8s.io/v1beta2",
    "metadata": {},
}


class ApiHandler(Asking):
    """Everything but exec."""

    async def handle(self) -> None:
        """One request."""
        try:
            target, user, fault = await self.admit()
            try:
                await self._serve(target, user, fault)
            except ApiError as error:
                await self.refuse(error)
        except ApiError as error:
            try:
                await self.refuse(error)
            except Severed:
                return
        except Severed:
            return

    get = post = put = patch = delete = head = options = handle  # type: ignore[assignment]

    async def _serve(self, target: Target, user: User, fault: Fault | None) -> None:
        if target.kind is None:
            await self._document(target)
            return
        kind, registry = target.kind, self.cluster.registry
        if target.verb == "watch":
            await lists.watch(self, target, fault)
            return
        if target.verb == "list":
            await self._answer(200, lists.listed(self, target), fault)
            return
        if target.sub not in ("", "status", "finalize"):
            await self._subresource(target, user, fault)
            return
        show = Representation(kind, self.request.headers.get("Accept", ""), self.query("includeObject"))
        if target.sub and target.verb not in ("get", "update", "patch"):
            raise method_not_allowed()
        if target.verb == "get":
            if not kind.stored:
                raise method_not_allowed()
            entry = registry.get(kind, target.namespace, target.name)
            await self._answer(200, show.one(entry), fault)
            return
        call = self.call(user)
        code, body = self._write(target, call, show, user)
        await self._answer(code, body, fault)

    def _write(self, target: Target, call: Call, show: Representation, user: User) -> tuple[int, bytes]:
        kind, registry, where = target.kind, self.cluster.registry, (target.namespace, target.name)
        assert kind is not None
        if kind in (ACCESS_REVIEWS, RULES_REVIEWS, SELF_REVIEWS):
            if target.verb != "create":
                raise method_not_allowed()
            return 201, encoded(reviews.answer(kind, self.body(), user, self.cluster.kinds))
        if not kind.stored:
            raise method_not_allowed()
        if target.verb == "create":
            if target.name:
                raise method_not_allowed()
            return 201, show.one(registry.create(kind, target.namespace, self.body(), call))
        if target.verb == "update":
            return 200, show.one(registry.replace(kind, *where, self.body(), call, target.sub))
        if target.verb == "patch":
            content = self.request.headers.get("Content-Type", "").partition(";")[0].strip()
            entry, new = registry.patch(kind, *where, content, self.body(patch=True), call, target.sub)
            return (201 if new else 200), show.one(entry)
        if target.verb == "delete":
            options = self.call(user, self.body(optional=True))
            entry, gone = registry.delete(kind, *where, options)
            return 200, deleted(kind, entry, gone=gone, show=show)
        if target.verb == "deletecollection":
            return 200, self._delete_many(target, user, show)
        raise method_not_allowed()

    def _delete_many(self, target: Target, user: User, show: Representation) -> bytes:
        kind, body = target.kind, self.body(optional=True)
        assert kind is not None
        test = selection(kind, self.query("labelSelector"), self.query("fieldSelector"))
        entries = [
            entry
            for entry in self.cluster.registry.store.all(kind, target.namespace)
            if test is None or test(entry.obj)
        ]
        done = []
        for entry in entries:
            try:
                done.append(self.cluster.registry.delete(kind, *entry.key, self.call(user, body))[0])
            except ApiError as error:
                if error.code != 404:
                    raise
        return show.many(done, {"resourceVersion": str(self.cluster.registry.store.rv)})

    async def _subresource(self, target: Target, user: User, fault: Fault | None) -> None:
        if target.kind is PODS and target.sub == "log":
            if target.verb != "get":
                raise method_not_allowed()
            await logs.stream(self, target)
        elif target.kind is PODS and target.sub == "eviction" and target.verb == "create":
            call = self.call(user, (self.body().get("deleteOptions")) or {})
            body = self.cluster.evictions.post(target.namespace, target.name, call)
            await self._answer(201, encoded(body), fault)
        elif target.kind is not None and target.kind.plural == "services" and target.verb == "get":
            await self._forward(target, fault)
        elif target.sub == "pendingworkloads" and target.verb == "get" and self.cluster.kueue is not None:
            limit, offset = (
                int(self.query(name) or fallback) for name, fallback in (("limit", "1000"), ("offset", "0"))
            )
            assert target.kind is not None
            found = self.cluster.kueue.pending(target.kind, target.namespace, target.name)[
                offset : offset + limit
            ]
            await self._answer(200, encoded({**_SUMMARY, "items": found}), fault)
        else:
            raise method_not_allowed()

    async def _forward(self, target: Target, fault: Fault | None) -> None:
        """What a service behind the proxy answers, its own errors included."""
        port = self.cluster.forwarded.get(f"{target.namespace}/{target.name}")
        if port is None:
            name = target.name.removeprefix("https:").partition(":")[0]
            raise ApiError(503, "ServiceUnavailable", f'no endpoints available for service "{name}"')
        rest = target.sub.removeprefix("proxy")
        code, body = await asyncio.to_thread(_asked, f"http://127.0.0.1:{port}{rest}?{self.request.query}")
        await self._answer(code, body, fault)

    async def _document(self, target: Target) -> None:
        if self.request.method not in ("GET", "HEAD"):
            raise method_not_allowed()
        found = discovery.document(self.cluster.kinds, target.path, f"127.0.0.1:{self.cluster.port}")
        if found is None:
            self.outlet.headers(404, "text/plain; charset=utf-8")
            self.note(404)
            await self.outlet.whole(b"404 page not found\n")
            return
        self.outlet.headers(200, "text/plain" if isinstance(found, str) else "application/json")
        self.note(200)
        await self.outlet.whole(found.encode() if isinstance(found, str) else encoded(found))

    async def _answer(self, code: int, body: bytes, fault: Fault | None) -> None:
        if fault is not None and fault.after:
            if fault.close:
                self.note(0)
                self.outlet.sever()
            await self.injected(fault)
            return
        self.outlet.headers(code)
        self._warn()
        self.note(code)
        await self.outlet.whole(body)

    def body(self, *, patch: bool = False, optional: bool = False) -> Any:
        """The body, read; 400 if it is not what it says, 413 if it is too large."""
        raw = self.request.body
        if len(raw) > BODY_LIMIT:
            message = f"Request entity too large: limit is {BODY_LIMIT}"
            raise ApiError(413, "RequestEntityTooLarge", message, details={})
        if optional and not raw:
            return {}
        content = self.request.headers.get("Content-Type", "application/json").partition(";")[0].strip()
        if not patch and content not in ("application/json", "application/yaml", ""):
            raise unsupported_media()
        try:
            found = (
                yaml.safe_load(raw)
                if content in (APPLY_PATCH, "application/yaml")
                else msgspec.json.decode(raw)
            )
        except (msgspec.DecodeError, yaml.YAMLError):
            # As Go's decoder says it, of whatever was wrong.
            raise self._unreadable(
                f"unexpected end of JSON input ({raw.decode(errors='replace')[:64] or '<empty>'})"
            ) from None
        if not patch and not isinstance(found, dict):
            raise self._unreadable("json: cannot unmarshal array into Go value of type struct")
        return found

    def _unreadable(self, why: str) -> ApiError:
        target = parse(self.cluster.kinds, self.request.method or "", self.request.path, {})
        word = target.kind.kind if target.kind else ""
        known = "couldn't get version/kind; json parse error"
        return bad_request(f"the object provided is unrecognized (must be of type {word}): {known}: {why}")


def _asked(url: str) -> tuple[int, bytes]:
    try:
        with urlopen(url, timeout=30) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def deleted(kind: Kind, entry: Entry, *, gone: bool, show: Representation) -> bytes:
    """The answer to a deletion: the object while it is there, a Status when it is not; pods always."""
    if not gone or kind.plural in ("pods", "services", "serviceaccounts"):
        return show.one(entry)
    details: dict[str, Any] = {"name": entry.key[1]}
    if kind.group:
        details["group"] = kind.group
    details.update(kind=kind.plural, uid=entry.obj["metadata"]["uid"])
    return encoded(
        {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    )
