"""What the user of a request may do, by the server's authorizer."""

from __future__ import annotations

from typing import Any

from jupyter_core.utils import ensure_async

from sovlab.jupyter.server.models import May

RESOURCE = "sovlab"
"""What the authorizer is asked about: ``read``, ``write`` and ``execute`` of it."""


async def allowed(handler: Any, action: str) -> bool:
    """Whether the user of a handler, who is logged in, may do something here."""
    user = handler.current_user
    return bool(user) and bool(
        await ensure_async(handler.authorizer.is_authorized(handler, user, action, RESOURCE))
    )


async def rights(handler: Any) -> May:
    """All that he may do."""
    return May(write=await allowed(handler, "write"), execute=await allowed(handler, "execute"))
