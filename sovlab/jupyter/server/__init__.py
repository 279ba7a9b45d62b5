"""The server extension: jobs for the pages of a Jupyter server, over REST and one WebSocket for each page.

The rule of this room: all work goes through `sovlab.client` in threads, and nothing here blocks the loop of
the server; what a page is told is bounded, and what it says is checked before anything is done.
`extension/openapi.json` and `extension/PROTOCOL.md` tell the pages how to speak to it.
"""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """What Jupyter asks for to load the extension."""
    from sovlab.jupyter.server.app import SovlabServer

    return [{"module": "sovlab.jupyter.server", "app": SovlabServer}]
