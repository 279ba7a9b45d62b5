"""The way out of every answer: where faults cut it, stall it, or replace it."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable
from typing import Any

import msgspec
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from tests.kube.apiserver.faults import Fault

_GZIP_FROM = 128 * 1024


class Severed(Exception):
    """The connection was closed on purpose, or by the client: nothing more is to be sent."""


class LogWriter:
    """Sends the answer to one request.

    Args:
        handler: of the request.
        fault: what is to go wrong with it.
    """

    def __init__(self, handler: RequestHandler, fault: Fault | None) -> None:
        self._handler = handler
        self._fault = fault or Fault()
        self._bytes = 0
        self._events = 0
        self._began = 0.0
        self._stalled = False
        self.closed = False
        # To be called, once, when the client has gone.
        self.on_close: Callable[[], None] = lambda: None

    def lost(self) -> None:
        """The client has gone."""
        self.closed = True
        self.on_close()

    def sever(self) -> None:
        """Closes the connection."""
        self.closed = True
        stream = getattr(self._handler.request.connection, "stream", None)
        if stream is not None:
            stream.close()
        raise Severed

    def headers(self, code: int, kind: str = "application/json", **more: str) -> None:
        """The head of the answer."""
        handler = self._handler
        handler.set_status(code)
        handler.set_header("Content-Type", kind)
        handler.set_header("Cache-Control", "no-cache, private")
        for name, text in more.items():
            handler.set_header(name, text)

    async def whole(self, body: bytes) -> None:
        """An answer in one piece; large ones are compressed if the client can take that."""
        handler, fault = self._handler, self._fault
        if len(body) > _GZIP_FROM and "gzip" in handler.request.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, 1)
            handler.set_header("Content-Encoding", "gzip")
            handler.set_header("Vary", "Accept-Encoding")
        if fault.cut_bytes is not None or fault.stall_seconds:
            handler.set_header("Content-Length", str(len(body)))
            await self.send(body)
        await self._guard(handler.finish(body if self._bytes == 0 else None))

    async def begin(self) -> None:
        """A stream follows; the client gets the head at once."""
        self._began = time.monotonic()
        self.closed = False
        await self._guard(self._handler.flush())

    async def send(self, chunk: bytes, events: int = 0) -> None:
        """A part of a stream; `events` of a watch are in it."""
        fault = self._fault
        if self.closed:
            raise Severed
        if fault.stall_seconds and not self._stalled:
            limit = fault.stall_bytes
            if limit is not None and self._bytes + len(chunk) > limit:
                head, chunk = chunk[: limit - self._bytes], chunk[limit - self._bytes :]
                await self._put(head)
                await self._stall()
            elif fault.stall_events is not None and self._events >= fault.stall_events:
                await self._stall()
        if fault.cut_events is not None and self._events >= fault.cut_events:
            await self._end()
        if fault.cut_bytes is not None and self._bytes + len(chunk) >= fault.cut_bytes:
            await self._put(chunk[: fault.cut_bytes - self._bytes])
            await self._end()
        await self._put(chunk)
        self._events += events

    @property
    def single(self) -> bool:
        """Whether events must be sent one by one, because a fault counts them."""
        return self._fault.cut_events is not None or self._fault.stall_events is not None

    async def tick(self) -> None:
        """To be called while nothing is sent: faults by time strike here."""
        limit = self._fault.cut_seconds
        if limit is not None and time.monotonic() - self._began >= limit:
            await self._end()
        if self._fault.cut_events is not None and self._events >= self._fault.cut_events:
            await self._end()

    def patience(self) -> float | None:
        """How long `tick` can wait."""
        limit = self._fault.cut_seconds
        return None if limit is None else max(0.0, self._began + limit - time.monotonic())

    async def end(self) -> None:
        """The proper end of a stream."""
        if not self.closed:
            await self._guard(self._handler.finish())

    async def _put(self, chunk: bytes) -> None:
        if not chunk:
            return
        self._bytes += len(chunk)
        self._handler.write(chunk)
        await self._guard(self._handler.flush())

    async def _stall(self) -> None:
        self._stalled = True
        until = time.monotonic() + self._fault.stall_seconds
        while time.monotonic() < until and not self.closed:
            await asyncio.sleep(0.05)
        if self.closed:
            raise Severed

    async def _end(self) -> None:
        if self._fault.clean:
            await self.end()
            self.closed = True
            raise Severed
        self.sever()

    async def _guard(self, future: Any) -> None:
        try:
            await future
        except StreamClosedError:
            self.closed = True
            raise Severed from None


def encoded(body: Any) -> bytes:
    """A body as JSON, with the newline that the API server ends it with."""
    return msgspec.json.encode(body) + b"\n"


__all__ = ["LogWriter", "Severed", "encoded"]
