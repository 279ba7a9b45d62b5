"""A bare client for tests: it hides nothing of what the server sends."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from .cluster import FakeCluster
from .objects.patching import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH

__all__ = [
    "APPLY_PATCH",
    "JSON_PATCH",
    "MERGE_PATCH",
    "STRATEGIC_PATCH",
    "Answer",
    "Client",
    "Ran",
    "eventually",
]


@dataclass
class Answer:
    """What came back: `json` is the body if it is JSON."""

    code: int
    headers: http.client.HTTPMessage
    raw: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return msgspec.json.decode(self.raw)

    @property
    def message(self) -> str:
        """Of a Status."""
        return str(self.json["message"])

    @property
    def warnings(self) -> list[str]:
        """The Warning headers."""
        return self.headers.get_all("Warning") or []


@dataclass
class Ran:
    """What an exec session brought."""

    stdout: bytes
    stderr: bytes
    status: dict[str, Any]
    code: int | None  # of the WebSocket's close


class Client:
    """Requests to a cluster.

    Args:
        cluster: where to.
        user: as whom.
        timeout: seconds that a read may take.
    """

    def __init__(self, cluster: FakeCluster, user: str = "admin", timeout: float = 30.0) -> None:
        self._cluster = cluster
        self._user = user
        self._timeout = timeout
        self._context = ssl.create_default_context(cafile=str(cluster.ca))

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = "application/json",
        query: Any = None,
        **headers: str,
    ) -> Answer:
        """One request on a connection of its own."""
        connection, response = self.open(method, path, body, kind=kind, query=query, **headers)
        try:
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def open(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = "application/json",
        query: Any = None,
        **headers: str,
    ) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        """The connection and the response, of which only the head has been read."""
        port, context = self._cluster.port, self._context
        connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=self._timeout)
        target = f"{path}?{urlencode(query)}" if query else path
        sent = body if isinstance(body, bytes | type(None)) else json.dumps(body).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        token = {"Authorization": f"Bearer {self._cluster.token(self._user)}"} if self._user else {}
        connection.request(
            method, target, sent, {**token, "Content-Type": kind, "User-Agent": "tests/1", **named}
        )
        return connection, connection.getresponse()

    def get(self, path: str, **query: Any) -> Answer:
        """GET."""
        return self.request("GET", path, query=query)

    def post(self, path: str, body: Any, **query: Any) -> Answer:
        """POST."""
        return self.request("POST", path, body, query=query)

    def put(self, path: str, body: Any, **query: Any) -> Answer:
        """PUT."""
        return self.request("PUT", path, body, query=query)

    def patch(self, path: str, body: Any, kind: str = MERGE_PATCH, **query: Any) -> Answer:
        """PATCH."""
        return self.request("PATCH", path, body, kind=kind, query=query)

    def delete(self, path: str, body: Any = None, **query: Any) -> Answer:
        """DELETE."""
        return self.request("DELETE", path, body, query=query)

    def watch(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The events of a watch, until it ends."""
        query = {"watch": "true", "timeoutSeconds": "10", **query}
        connection, response = self.open("GET", path, query=query)
        try:
            assert response.status == 200, response.read()
            rest = b""
            # Not by lines: http.client takes a cut connection for the end of one.
            while chunk := response.read1(1024 * 1024):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    yield json.loads(line)
        finally:
            connection.close()

    def exec(
        self,
        pod: str,
        command: list[str],
        *,
        stdin: bytes | None = None,
        container: str = "",
        namespace: str = "default",
        protocol: str = "v5.channel.k8s.io",
        chunk: int = 64 * 1024,
    ) -> Ran:
        """Runs a command in a container, with all its input at once."""
        query = [("command", word) for word in command] + [("stdout", "true"), ("stderr", "true")]
        query += [("stdin", "true")] if stdin is not None else []
        query += [("container", container)] if container else []
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{urlencode(query)}"
        return asyncio.run(self._exec(path, stdin, protocol, chunk))

    async def _exec(self, path: str, stdin: bytes | None, protocol: str, chunk: int) -> Ran:
        headers = {"Authorization": f"Bearer {self._cluster.token(self._user)}"}
        address = f"wss://127.0.0.1:{self._cluster.port}{path}"
        request = HTTPRequest(address, headers=headers, ssl_options=self._context, connect_timeout=10)
        socket = await websocket_connect(request, subprotocols=[protocol], max_message_size=2**30)
        streams: dict[int, list[bytes]] = {1: [], 2: [], 3: []}

        async def send() -> None:
            for at in range(0, len(stdin or b""), chunk):
                await socket.write_message(b"\0" + (stdin or b"")[at : at + chunk], binary=True)
            if protocol.startswith("v5"):
                await socket.write_message(b"\xff\0", binary=True)

        sending = asyncio.create_task(send()) if stdin is not None else None
        while (message := await socket.read_message()) is not None:
            assert isinstance(message, bytes)
            streams[message[0]].append(message[1:])
        if sending is not None:
            sending.cancel()
        socket.close()
        status = b"".join(streams[3])
        found = json.loads(status) if status else {}
        return Ran(b"".join(streams[1]), b"".join(streams[2]), found, socket.close_code)


def eventually(check: Any, timeout: float = 20.0) -> Any:
    """Waits until a function returns something true, and returns that."""
    deadline = time.monotonic() + timeout
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return found
