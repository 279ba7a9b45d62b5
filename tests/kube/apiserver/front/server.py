"""The server in a thread of its own, with its own loop: started and stopped while the cluster goes on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import weakref
from typing import TYPE_CHECKING, Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from .handler import ApiHandler
from .streaming import ExecHandler

if TYPE_CHECKING:
    from tests.kube.apiserver.cluster import FakeCluster

# A request's body: the API server's own limit is checked in the handler.
_BODY_LIMIT = 64 * 1024 * 1024


class _Server(HTTPServer):
    """Knows its connections, so that they can be cut."""

    def initialize(self, *args: Any, **kwargs: Any) -> None:
        super().initialize(*args, **kwargs)
        self.streams: weakref.WeakSet[Any] = weakref.WeakSet()

    def handle_stream(self, stream: Any, address: Any) -> None:
        self.streams.add(stream)
        super().handle_stream(stream, address)


class Front:
    """The HTTP server of a cluster.

    Args:
        cluster: what it serves.
        context: TLS.
    """

    def __init__(self, cluster: FakeCluster, context: ssl.SSLContext) -> None:
        self._cluster = cluster
        self._context = context
        self.port = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None
        self._failure: BaseException | None = None

    @property
    def running(self) -> bool:
        """Whether it serves."""
        return self._thread is not None

    def start(self, port: int = 0) -> None:
        """Listens: on the port of before, if there was one."""
        sockets = bind_sockets(self.port or port, "127.0.0.1", socket.AF_INET)
        self.port = sockets[0].getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(sockets, ready), name="fake-apiserver", daemon=True
        )
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Refuses connections and cuts those that there are."""
        if self._thread is None:
            return
        assert self._loop is not None
        assert self._stopped is not None
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()
        self._thread = None

    def _run(self, sockets: list[socket.socket], ready: threading.Event) -> None:
        asyncio.run(self._serve(sockets, ready))

    async def _serve(self, sockets: list[socket.socket], ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        application = Application(
            [
                (r"/api/v1/namespaces/[^/]+/pods/[^/]+/exec", ExecHandler, {"cluster": self._cluster}),
                (r".*", ApiHandler, {"cluster": self._cluster}),
            ],
            websocket_max_message_size=32 * 1024 * 1024,
            log_function=lambda handler: None,
        )
        server = _Server(application, ssl_options=self._context, max_body_size=_BODY_LIMIT)
        server.add_sockets(sockets)
        ready.set()
        await self._stopped.wait()
        server.stop()
        for stream in list(server.streams):
            stream.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        # Handlers see that their connection is gone, and end by themselves.
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
