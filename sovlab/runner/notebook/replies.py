"""Replies of a kernel whose cells have run: waited for, but not for ever.

A kernel that does not answer by then has something else to do, or will never: a run whose cells have all
ended must not wait for that.
"""

from __future__ import annotations

from typing import Any, Dict, Optional

PATIENCE = 5.0
"""Seconds for a reply."""
_EVERY = 0.2


def reply_to(client: Any, message_id: str) -> Optional[Dict[str, Any]]:
    """The reply to a message; None if it does not come in time.

    Args:
        client: of nbclient.
        message_id: of what was asked on the shell channel.
    """
    from nbclient.util import run_sync

    found: Optional[Dict[str, Any]] = run_sync(_reply)(client, message_id)
    return found


async def _reply(client: Any, message_id: str) -> Optional[Dict[str, Any]]:
    from queue import Empty

    from nbclient.util import ensure_async

    waited = 0.0
    while waited < PATIENCE:
        try:
            message: Dict[str, Any] = await ensure_async(client.kc.shell_channel.get_msg(timeout=_EVERY))
        except Empty:
            waited += _EVERY
            continue
        if message["parent_header"].get("msg_id") == message_id:
            return message
    return None
