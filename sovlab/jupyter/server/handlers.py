"""The handlers of the routes: who asks, what exactly, and the answer or the problem."""

from __future__ import annotations

import sys
from http.client import responses
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from sovlab import codec
from sovlab.errors import SovlabError
from sovlab.jupyter.server import acting, asked, models, openapi, operations
from sovlab.jupyter.server.problems import RequestError, plain, problem_of
from sovlab.jupyter.server.rights import RESOURCE, allowed, rights
from sovlab.jupyter.server.routes import BASE, OPENAPI, STREAM, Route, patterns
from sovlab.jupyter.server.stream.socket import Stream

if TYPE_CHECKING:
    from sovlab.jupyter.server.services import Services

_LARGEST = 2 << 20
"""Bytes of the largest body."""
_WORK = {**operations.GET, **acting.ACT}


class Handler(ExtensionHandlerMixin, APIHandler):
    """What all of ours share: problems instead of pages."""

    auth_resource = RESOURCE

    @property
    def services(self) -> Services:
        """What all requests share."""
        found: Services = self.settings["sovlab_services"]()
        return found

    def say(self, answer: Any, status: int = 200) -> None:
        """Answer with a document, or with none."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        if answer is None:
            self.finish()
        else:
            self.finish(answer if isinstance(answer, bytes) else msgspec.json.encode(answer))

    def complain(self, problem: models.Problem) -> None:
        """Answer with a problem."""
        self.set_status(problem.status, responses.get(problem.status, "Problem"))
        self.set_header("Cache-Control", "no-store")
        if problem.status == 503:
            self.set_header("Retry-After", "2")
        self.finish(msgspec.json.encode(problem), set_content_type="application/problem+json")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """What the server refuses before we are asked, or a mistake of ours; nothing of our inside."""
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        said = error.log_message if isinstance(error, web.HTTPError) and status_code < 500 else ""
        self.complain(plain(status_code, str(said or responses.get(status_code, "Problem")) + "."))


@web.stream_request_body
class RouteHandler(Handler):
    """One path.

    Args:
        routes: its methods.
    """

    def initialize(self, name: str, routes: list[Route]) -> None:
        """See tornado."""
        super().initialize(name)
        self._routes = {route.method: route for route in routes}
        self._body = bytearray()

    async def prepare(self) -> None:  # type: ignore[override]
        """Refuse what is too large before it is read."""
        await super().prepare()
        length = self.request.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > _LARGEST:
            raise web.HTTPError(413, f"It is larger than {_LARGEST} bytes")

    def data_received(self, chunk: bytes) -> None:
        """Take a part of the body, as far as it may be read."""
        if len(self._body) + len(chunk) > _LARGEST:
            raise web.HTTPError(413, f"It is larger than {_LARGEST} bytes")
        self._body += chunk

    @web.authenticated
    async def get(self, job: str = "") -> None:
        """Answer what was asked."""
        await self._answer(job)

    @web.authenticated
    async def post(self, job: str = "") -> None:
        """Do what was asked."""
        await self._answer(job)

    @web.authenticated
    async def delete(self, job: str = "") -> None:
        """Do what was asked."""
        await self._answer(job)

    async def _answer(self, job: str) -> None:
        route = self._routes.get(self.request.method or "")  # type: ignore[call-overload]
        try:
            if route is None:
                self.set_header("Allow", ", ".join(sorted(self._routes)))
                raise RequestError(405, f"{self.request.method} is not done here.")
            answer = await self._carried_out(route, job)
        except Exception as error:
            problem = problem_of(error, about_job=bool(job))
            if problem.status >= 500 and not isinstance(error, SovlabError):
                self.log.error(
                    "%s %s failed", self.request.method, self.request.path, exc_info=sys.exc_info()
                )
            self.complain(problem)
            return
        self.say(answer, route.status)

    async def _carried_out(self, route: Route, job: str) -> Any:
        if not await allowed(self, route.right):
            raise RequestError(
                403,
                f"You may not do that: it needs {route.right} of {RESOURCE}.",
                "Ask who runs this server.",
            )
        query, body = self._query(route), self._read_body(route)
        may = await rights(self)
        if isinstance(body, asked.Bulk) and body.action == "rerun" and not may.execute:
            raise RequestError(
                403, f"You may not do that: it needs execute of {RESOURCE}.", "Ask who runs this server."
            )
        pool, services = self.services.pool, self.services
        wanted = getattr(query, "target", None)
        if isinstance(body, asked.Submit | asked.Run) and body.options is not msgspec.UNSET:
            wanted = body.options.target or None
        target = await pool.run("", lambda: services.resolve(wanted), route.seconds)
        request = operations.Request(target=target, may=may, job=job, query=query, body=body)
        key = "" if route.name in ("version", "targets") else target
        return await pool.run(key, lambda: _WORK[route.name](services, request), route.seconds)

    def _query(self, route: Route) -> Any:
        given = {
            name: values[-1].decode("utf-8", "replace")
            for name, values in self.request.query_arguments.items()
            if name not in ("token", "no_track_activity", "_xsrf") and not name.isdigit()
        }
        if route.query is None:
            if given:
                raise RequestError(400, f"There is no parameter {next(iter(given))[:50]!r}.")
            return None
        try:
            return codec.convert(given, route.query, strict=False)
        except (msgspec.ValidationError, ValueError) as error:
            raise _refused(error, "A parameter") from None

    def _read_body(self, route: Route) -> Any:
        if route.body is None:
            return None
        if not self._body.strip() and route.body is asked.Rerun:
            return asked.Rerun()
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise RequestError(415, "The body must be JSON.", "Say Content-Type: application/json.")
        try:
            return codec.decode(bytes(self._body), route.body)
        except RecursionError:
            raise RequestError(400, "The body is nested too deeply.") from None
        except (msgspec.MsgspecError, ValueError) as error:
            raise _refused(error, "The body") from None


class OpenApiHandler(Handler):
    """The document that `sovlab.jupyter.server.openapi` makes."""

    @web.authenticated
    async def get(self) -> None:
        """Answer with it."""
        if not await allowed(self, "read"):
            self.complain(plain(403, f"You may not read {RESOURCE}."))
            return
        self.say(openapi.text().encode())


class NothingHandler(Handler):
    """All else below our path."""

    @web.authenticated
    async def get(self) -> None:
        """Say that there is nothing."""
        self.complain(plain(404, "There is nothing at that path."))

    post = put = patch = delete = get


def _refused(error: Exception, what: str) -> RequestError:
    """Msgspec's ``Expected `int`, got `str` - at `$.size``` as a problem that points to the place."""
    detail, _, place = str(error).partition(" - at `")
    pointer = place.rstrip("`").removeprefix("$").replace(".", "/").replace("[", "/").replace("]", "")
    status = 422 if isinstance(error, msgspec.ValidationError) else 400
    fault = models.Fault(pointer=pointer[:200], detail=detail[:500], hint="")
    return RequestError(status, f"{what} is not what it must be: {detail[:500]}.", faults=[fault])


def handlers() -> list[tuple[str, type[Any], dict[str, Any]]]:
    """All paths of ours, below the server's base URL."""
    found: list[tuple[str, type[Any], dict[str, Any]]] = [
        (pattern, RouteHandler, {"routes": routes}) for pattern, routes in patterns().items()
    ]
    return [*found, (STREAM, Stream, {}), (OPENAPI, OpenApiHandler, {}), (f"{BASE}/.*", NothingHandler, {})]
