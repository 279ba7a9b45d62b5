"""The socket of a page: authenticated before the upgrade, and sent to no faster than it takes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web, websocket

from sovlab import __version__
from sovlab.jupyter.server.models import PROTOCOL
from sovlab.jupyter.server.rights import RESOURCE, allowed, rights
from sovlab.jupyter.server.stream.messages import LONGEST_MESSAGE, Hello
from sovlab.jupyter.server.stream.page import Page

if TYPE_CHECKING:
    from sovlab.jupyter.server.services import Services

PING = 20_000
"""Milliseconds between two pings: proxies cut what is silent for a minute."""
_BETWEEN = 0.02
"""Seconds between two looks at what there is to tell, so that small things go together."""
_HELD_BACK, _IDLE = 0.1, 5.0
_HEARD = 100
"""Messages of a page that wait to be read; a page that says more is left."""


class Stream(WebSocketMixin, websocket.WebSocketHandler, ExtensionHandlerMixin, JupyterHandler):
    """``/sovlab/api/stream``."""

    auth_resource = RESOURCE

    @property
    def ping_interval(self) -> int:
        """In milliseconds; pages behind a proxy need it, whatever the server says."""
        return min(int(self.settings.get("ws_ping_interval", PING)) or PING, PING)

    @property
    def max_message_size(self) -> int:
        """Bytes of the longest message that a page may send."""
        return LONGEST_MESSAGE

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> Any:
        """Open the socket, for those who may read."""
        if not await allowed(self, "read"):
            raise web.HTTPError(403, "You may not see the jobs of this server.")
        self._may = await rights(self)
        return await super().get(*args, **kwargs)

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Begin to tell."""
        super().open(*args, **kwargs)
        services: Services = self.settings["sovlab_services"]()
        self._services, self._page = services, Page(services)
        self._heard: asyncio.Queue[str | bytes] = asyncio.Queue(_HEARD)
        self._tasks = [asyncio.ensure_future(self._listen()), asyncio.ensure_future(self._tell())]

    def on_message(self, message: str | bytes) -> None:
        """Put aside what the page says; it is read in its turn."""
        try:
            self._heard.put_nowait(message)
        except asyncio.QueueFull:
            self.close(1008, "too many messages at once")

    def on_close(self) -> None:
        """Forget the page."""
        super().on_close()
        for task in getattr(self, "_tasks", ()):
            task.cancel()
        if hasattr(self, "_page"):
            self._page.close()

    async def _listen(self) -> None:
        while True:
            message = await self._heard.get()
            try:
                await self._page.hear(message)
            except Exception:
                self.log.exception("A message of a page could not be read")
                self.close(1011, "the server made a mistake")
                return

    async def _tell(self) -> None:
        hello = Hello(protocol=PROTOCOL, version=__version__, epoch=self._services.epoch, may=self._may)
        try:
            await self._send(hello)
            while True:
                told = False
                for message in self._page.take():
                    # The next is made when this one has gone: whoever is slow is told the newest then.
                    await self._send(message)
                    told = True
                if told:
                    await asyncio.sleep(_BETWEEN)
                else:
                    await self._page.signal.wait(_HELD_BACK if self._page.waits else _IDLE)
        except (websocket.WebSocketClosedError, asyncio.CancelledError):
            return
        except Exception:
            self.log.exception("A page could not be told")
            self.close(1011, "the server made a mistake")

    async def _send(self, message: Any) -> None:
        await self.write_message(msgspec.json.encode(message).decode())
