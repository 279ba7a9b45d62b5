"""What all requests share: identity, permission, faults, and the log of requests."""

from __future__ import annotations

import asyncio
import time
import traceback
from typing import TYPE_CHECKING, Any

from tornado.web import RequestHandler

from tests.kube.apiserver.access.auth import User, denied
from tests.kube.apiserver.faults import Asked, Fault
from tests.kube.apiserver.objects.patching import APPLY_PATCH
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import (
    ApiError,
    bad_options,
    internal,
)

from .outlet import LogWriter, Severed, encoded
from .paths import Target, parse

if TYPE_CHECKING:
    from tests.kube.apiserver.cluster import FakeCluster, Record

_OPEN = ("/version", "/healthz", "/readyz", "/livez")


class Asking(RequestHandler):
    """What all handlers share: identity, permission, faults, and the log of requests."""

    def initialize(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.record: Record | None = None
        self.warnings: list[str] = []
        self.outlet = LogWriter(self, None)

    def set_default_headers(self) -> None:
        self.clear_header("Server")

    def log_exception(self, kind: Any, value: Any, trace: Any) -> None:
        # Nothing is expected to get here: it is a fault of the fake.
        self.cluster.failed("".join(traceback.format_exception(kind, value, trace)))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.finish(encoded(internal("the fake API server failed").status()))

    def on_connection_close(self) -> None:
        self.outlet.lost()

    def query(self, name: str) -> str:
        """A parameter of the query, empty if it is not there."""
        return self.get_query_argument(name, "")

    def who(self) -> User:
        """Who asks; 401 for a token that nobody has."""
        users = self.cluster.users
        kind, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and token.strip():
            return users.of_token(token.strip())
        shown = self.request.get_ssl_certificate()
        if shown:
            names = dict(pair for part in shown["subject"] for pair in part)
            groups = tuple(v for part in shown["subject"] for k, v in part if k == "organizationName")
            return users.of_certificate(names.get("commonName", ""), groups)
        return users.anonymous()

    async def admit(self) -> tuple[Target, User, Fault | None]:
        """What is asked, by whom, and what is to go wrong; 401, 403 and 404 are raised here."""
        request = self.request
        query = {
            name: values[-1].decode(errors="replace") for name, values in request.query_arguments.items()
        }
        error, user, target = None, None, None
        try:
            user = self.who()
        except ApiError as caught:
            error = caught
        try:
            target = parse(self.cluster.kinds, request.method or "", request.path, query)
        except ApiError as caught:
            error = error or caught
        name = user.name if user else ""
        self.record = self.cluster.note(request.method or "", request.path, query, name)
        asked = Asked(
            request.method or "",
            request.path,
            query,
            target.verb if target else "",
            target.resource if target else "",
            target.namespace if target else "",
            target.name if target else "",
            name,
        )
        fault = self.cluster.faults.take(asked)
        self.outlet = LogWriter(self, fault)
        if fault is not None:
            await self._strike(fault)
        if error is not None:
            raise error
        assert user is not None
        assert target is not None
        if user.name == "system:anonymous" and request.path not in _OPEN:
            raise (
                denied(user, target.attributes())
                if self.cluster.anonymous
                else ApiError(401, "Unauthorized", "Unauthorized")
            )
        if not user.may(target.attributes()):
            raise denied(user, target.attributes())
        return target, user, fault

    async def _strike(self, fault: Fault) -> None:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.close and not fault.after:
            self.outlet.sever()
        if fault.status and not fault.after:
            await self.injected(fault)
            raise Severed

    async def injected(self, fault: Fault) -> None:
        """Answers what a fault says."""
        self.outlet.headers(
            fault.status, "text/html" if fault.body is not None else "application/json", **fault.headers
        )
        self.note(fault.status)
        await self.outlet.whole(
            fault.body.encode() if fault.body is not None else encoded(fault.body_status())
        )

    async def refuse(self, error: ApiError) -> None:
        """Answers an error."""
        self.outlet.headers(error.code, **error.headers)
        self._warn()
        self.note(error.code)
        await self.outlet.whole(encoded(error.status()))

    def note(self, code: int) -> None:
        """Puts the status into the log of requests."""
        if self.record is not None:
            self.record.status = code
            self.record.took = time.time() - self.record.time

    def _warn(self) -> None:
        for warning in self.warnings:
            text = warning.replace("\\", "\\\\").replace('"', '\\"')
            self.add_header("Warning", f'299 - "{text}"')

    def call(self, user: User, body: dict[str, Any] | None = None) -> Call:
        """The options of the request."""
        body = body or {}
        options = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}.get(
            self.request.method or "", "DeleteOptions"
        )
        dry = self.query("dryRun") or "".join(body.get("dryRun") or [])
        if dry not in ("", "All"):
            text = f'Unsupported value: ["{dry}"]: supported values: "All"'
            raise bad_options(options, "dryRun", "FieldValueNotSupported", text)
        validation = self.query("fieldValidation") or "Warn"
        if validation not in ("Ignore", "Strict", "Warn"):
            text = f'Unsupported value: "{validation}": supported values: "", "Ignore", "Strict", "Warn"'
            raise bad_options(options, "fieldValidation", "FieldValueNotSupported", text)
        content = self.request.headers.get("Content-Type", "")
        if self.request.method == "PATCH" and content == APPLY_PATCH and not self.query("fieldManager"):
            text = "Required value: is required for apply patch"
            raise bad_options(options, "fieldManager", "FieldValueRequired", text)
        agent = self.request.headers.get("User-Agent", "").partition("/")[0] or "unknown"
        grace = body.get("gracePeriodSeconds")
        if grace is None and self.query("gracePeriodSeconds"):
            grace = int(self.query("gracePeriodSeconds"))
        policy = body.get("propagationPolicy") or self.query("propagationPolicy") or None
        orphan = body.get("orphanDependents")
        if orphan is not None:
            policy = "Orphan" if orphan else "Background"
        return Call(
            user.name,
            user.groups,
            self.query("fieldManager") or agent[:128],
            bool(dry),
            self.query("force") in ("true", "1"),
            grace,
            policy,
            body.get("preconditions") or {},
            validation,
            self.warnings,
        )
