"""How to tell that code failed for want of another rank: that one's failure explains more."""

from __future__ import annotations

import re
from typing import Any, Mapping, Optional

_LOST_PEER = re.compile(
    r"connection (was |is )?(likely )?(closed|reset|refused|aborted)|closed by peer|broken pipe"
    r"|socket timeout|timed out waiting|remote process exited|heartbeat",
    re.IGNORECASE,
)
_PEER_ERRORS = ("DistBackendError", "DistNetworkError", "DistStoreError")


def lost_peer(error: Optional[Mapping[str, Any]], message: str = "") -> bool:
    """Whether a rank, or torchrun, failed for want of another rank, as far as its exception tells.

    Args:
        error: the exception as an exit record describes it; None if there is none.
        message: of the record.
    """
    found = error or {}
    texts = [str(found.get("type", "")), str(found.get("message", "")), message]
    return any(name in text for name in _PEER_ERRORS for text in texts) or any(map(_LOST_PEER.search, texts))
