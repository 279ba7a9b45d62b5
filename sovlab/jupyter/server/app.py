"""The Jupyter Server extension; ``c.SovlabServer.…`` configures it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Float

from sovlab.jupyter.server.heap import keep_few_arenas
from sovlab.jupyter.server.services import Services
from sovlab.jupyter.server.stream.watches import LINGER


class SovlabServer(ExtensionApp):
    """Jobs for the pages of a Jupyter server."""

    name = "sovlab"
    app_name = "sovlab"
    description = "sovlab: jobs on a cluster or this machine, for the pages of JupyterLab"
    load_other_extensions = True

    linger = Float(
        LINGER, config=True, help="Seconds that a target is watched on after the last page has gone."
    )
    period = Float(4.0, config=True, help="Seconds between two looks at what devices draw.")

    def initialize_settings(self) -> None:
        """Nothing is made or asked for before a page does."""
        keep_few_arenas()  # before there are threads
        self.services: Services | None = None
        self.settings["sovlab_services"] = self.shared

    def shared(self) -> Services:
        """What all requests share; made on the server's loop, which may not run before."""
        if self.services is None:
            server: Any = self.serverapp
            contents = server.contents_manager
            self.services = Services(
                asyncio.get_running_loop(),
                Path(getattr(contents, "root_dir", "") or server.root_dir),
                hidden=bool(contents.allow_hidden),
                linger=self.linger,
                period=self.period,
            )
        return self.services

    def initialize_handlers(self) -> None:
        """Add the routes."""
        from sovlab.jupyter.server.handlers import handlers

        self.handlers: list[Any] = handlers()

    async def stop_extension(self) -> None:
        """End what goes on here; jobs go on."""
        if self.services is not None:
            self.services.end()
