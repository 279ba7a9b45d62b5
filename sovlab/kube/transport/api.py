"""`Api`: one cluster's API as one user, dicts in and out.

The Kubernetes client (see `connection`) gives what is hard to get right, kubeconfig, credentials, proxies,
certificates, and its pool of connections. Its typed models are not used: they cost seconds and hundreds of
megabytes on long lists, and its newest version refuses responses that leave a field out.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from sovlab import codec
from sovlab.core.untrusted import shallow
from sovlab.kube.transport import errors
from sovlab.kube.transport.connection import Connection, Login
from sovlab.kube.transport.exec import ExecChannel

T = TypeVar("T")

CONNECT, READ = 10.0, 30.0
"""Longest wait of a call, in seconds: for a connection, and for the next part of an answer."""
PATIENCE = 30.0
"""Seconds for which a call is tried again while the server is overloaded or cannot be reached."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
JITTER = random.Random()  # noqa: S311 - a source of our own: a seed that the user has set is theirs
_PASSING = (429, 500, 502, 503, 504)
_PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class Api:
    """The API of one cluster.

    Each call, but none that is read as a stream, is retried with jitter while the server is overloaded
    (429, 5xx) or cannot be reached, as long as a ``Retry-After`` says if there is one. So after an error a
    *create* may have happened all the same: callers choose names themselves and treat `AlreadyExists` as
    success. After a 401 credentials are read again, once.

    Args:
        login: context and kubeconfig, or the pod's service account.
        patience: seconds for which a call is retried.

    Raises:
        CredentialsError: the kubeconfig or its credentials cannot be used.
    """

    def __init__(self, login: Login, *, patience: float = PATIENCE) -> None:
        self._login = login
        self._patience = patience
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self._connected().server

    @property
    def namespace(self) -> str:
        """The namespace of the context, ``default`` if it names none."""
        return self._connected().namespace

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Read an object or a list.

        Args:
            path: from the server's root, e.g. ``/api/v1/nodes``.
            query: parameters, e.g. ``labelSelector``; None is left out.
        """
        return _parsed(self.call("GET", path, query))

    def create(self, path: str, body: Mapping[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """Create an object in the collection ``path``; with ``dry_run`` the server only checks it."""
        return _parsed(self.call("POST", path, _dry(dry_run), body=body))

    def patch(self, path: str, body: Any, *, kind: str = "merge", **query: Any) -> dict[str, Any]:
        """Change an object by a ``merge``, ``json`` or ``strategic`` patch."""
        return _parsed(self.call("PATCH", path, query, body=body, content=_PATCHES[kind]))

    def delete(self, path: str, *, propagation: str = "Background", grace: int | None = None) -> None:
        """Delete an object and what it owns; ``grace``, in seconds, replaces a pod's own.

        It is no error if the object does not exist.
        """
        body: dict[str, Any] = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": propagation,
        }
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        with contextlib.suppress(errors.NotFound):
            self.call("DELETE", path, {}, body=body)

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        body: Any = None,
        content: str = "application/json",
        read_timeout: float = READ,
    ) -> bytes:
        """One call with its retries; the body of the response.

        Raises:
            ApiError: the server answered with an error.
            Unreachable: it did not answer.
            CredentialsError: it does not accept the credentials.
        """
        answer = self._try(method, path, query or {}, body, content, read_timeout, stream=False)
        return bytes(answer.data)

    @contextlib.contextmanager
    def stream(self, path: str, query: Mapping[str, Any], *, read_timeout: float) -> Iterator[Stream]:
        """A response read as it arrives: a watch, or a log that is followed.

        It is not tried again: who reads a stream must begin it again anyway, and knows from where.

        Args:
            path: from the server's root.
            query: parameters; None is left out.
            read_timeout: seconds of silence after which the connection counts as broken.
        """
        answer = self._try("GET", path, query, None, "", read_timeout, stream=True)
        stream = Stream(answer, f"read {path}")
        try:
            yield stream
        finally:
            stream.close()

    def exec(self, namespace: str, pod: str, container: str, command: list[str]) -> ExecChannel:
        """Run a command in a running container, connected to its stdin, stdout and stderr.

        Use the channel as a context manager.
        """
        query = [("container", container), *(("command", word) for word in command)]
        query += [(stream, "true") for stream in ("stdin", "stdout", "stderr")]
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(query)}"
        for attempt in (1, 2):
            connection = self._connected()
            try:
                return ExecChannel(connection.websocket(path), doing=f"run a command in pod {pod}")
            except errors.ApiError as error:
                if error.status != 401 or attempt == 2:
                    raise
                self._renew(connection)
        raise AssertionError("not reached")

    def _try(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Any,
        content: str,
        read_timeout: float,
        *,
        stream: bool,
    ) -> Any:
        doing = f"{_VERBS[method]} {path}"
        parameters = {k: _text(v) for k, v in query.items() if v is not None}
        target = f"{path}?{urlencode(parameters)}" if parameters else path
        data = msgspec.json.encode(body) if body is not None else None
        end = time.monotonic() + (0.0 if stream else self._patience)
        pause, renewed = _FIRST_PAUSE, False
        while True:
            connection = self._connected()
            try:
                answer = connection.request(
                    method, target, data, content, timeout=(CONNECT, read_timeout), stream=stream
                )
            except errors.Unreachable:
                wait = self._pause(pause, None, end)
                if wait is None:
                    raise
            else:
                if answer.status < 400:
                    return answer
                error = _refusal(answer, doing)
                if answer.status == 401 and not renewed:
                    renewed = True
                    self._renew(connection)
                    continue
                if answer.status == 401:
                    raise connection.refused()
                wait = self._pause(pause, answer.headers.get("Retry-After"), end)
                if answer.status not in _PASSING or wait is None:
                    raise error
            time.sleep(wait)
            pause = min(pause * 2, _LONGEST_PAUSE)

    @staticmethod
    def _pause(pause: float, retry_after: str | None, end: float) -> float | None:
        """Seconds to wait before the next try; None if the patience is over."""
        try:
            seconds = float(retry_after) if retry_after else 0.0
        except ValueError:
            seconds = 0.0  # the form with a date; API servers do not send it
        wait = seconds + pause * JITTER.uniform(0.5, 1.5)  # so that clients do not return together
        return wait if time.monotonic() + wait < end else None

    def _connected(self) -> Connection:
        with self._lock:
            if self._connection is None:
                self._connection = Connection(self._login)
            return self._connection

    def _renew(self, refused: Connection) -> None:
        with self._lock:
            if self._connection is refused:  # or another thread has renewed it already
                self._connection = None


class Stream:
    """A response that is read as it arrives; `close` from another thread ends the reading.

    Args:
        answer: the HTTP library's response.
        doing: what is done, for messages: ``read /api/v1/nodes``.
    """

    def __init__(self, answer: Any, doing: str) -> None:
        self._answer = answer
        self._doing = doing
        self._closed = threading.Event()

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece, until the server ends it or `close` is called.

        Raises:
            Unreachable: the connection broke, or was silent for too long.
        """
        import urllib3

        try:
            for chunk in self._answer.stream(65536):
                if self._closed.is_set():
                    return
                yield chunk
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
            # The last two are what the library raises when it is closed while it reads.
            if self._closed.is_set():
                return
            raise errors.Unreachable(f"The connection was lost while sovlab {self._doing}.") from error

    def lines(self) -> Iterator[bytes]:
        """The body, line by line without the newline; an incomplete last line is left out."""
        rest = b""
        for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole

    def close(self) -> None:
        """Close the connection, from any thread."""
        if not self._closed.is_set():
            self._closed.set()
            with contextlib.suppress(Exception):
                self._answer.shutdown()
        with contextlib.suppress(Exception):
            self._answer.close()


_VERBS = {"GET": "read", "POST": "create in", "PATCH": "change", "PUT": "replace", "DELETE": "delete"}


def _refusal(answer: Any, doing: str) -> errors.ApiError:
    import urllib3

    try:
        body = msgspec.json.decode(answer.data)
    except (ValueError, OSError, urllib3.exceptions.HTTPError):  # msgspec's is a ValueError
        body = {}  # of a stream the body is read only here: the connection may break in it
    return errors.from_answer(answer.status, body if isinstance(body, dict) else {}, doing=doing)


def parsed(data: bytes, kind: type[T]) -> T:
    """A response decoded as ``kind``, a type of `msgspec`'s, without what is nested absurdly deeply.

    Raises:
        Unreachable: it does not fit.
    """
    try:
        return decoded(data, kind)
    except msgspec.DecodeError as error:
        raise errors.Unreachable(
            "What answers is not a Kubernetes API server.", "Check the address in the kubeconfig."
        ) from error


def decoded(data: bytes | msgspec.Raw, kind: type[T]) -> T:
    """As `parsed`, but raises `msgspec.DecodeError`."""
    try:
        return codec.decode(data, kind)
    except RecursionError:
        return codec.decode(shallow(bytes(data)), kind)


def _parsed(data: bytes) -> dict[str, Any]:
    return parsed(data, dict[str, Any])


def _dry(dry_run: bool) -> dict[str, Any]:
    return {"dryRun": "All"} if dry_run else {}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
