"""The termination message: all that a pod leaves in the cluster when it ends, in 4096 bytes.

A first line for people, which ``kubectl describe`` shows, then the exit record and, if they fit, the
results, compressed. Read by the client, written by the runner.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any, Dict, Optional, Tuple

from sovlab.runner.record import short

LIMIT = 4096
"""Bytes that Kubernetes keeps of a container's termination message."""
_HEADLINE = 160
_MARK = "sovlab:1:"


def encode(record: Dict[str, Any], results: Optional[bytes] = None) -> Tuple[bytes, bool]:
    """A message, and whether the results are in it.

    Args:
        record: the exit record.
        results: the pack; None if there is none.
    """
    said = " ".join(str(record.get("message") or "").split())
    headline = f"{record.get('reason', '')}: {said}" if said else str(record.get("reason", ""))
    first = headline.encode("utf-8", "replace")[:_HEADLINE].decode("utf-8", "ignore") + f"\n{_MARK}"
    room = (LIMIT - len(first.encode())) // 4 * 3
    whole = json.dumps(record, default=str).encode()
    if results is not None and len(results) <= 16 * LIMIT:
        body = zlib.compress(_joined(whole, results), 9)
        if len(body) <= room:
            return (first + base64.b64encode(body).decode()).encode(), True
    limit = 64 << 10
    while True:
        body = zlib.compress(_joined(short(record, limit), b""), 9)
        if len(body) <= room or limit < 512:
            return (first + base64.b64encode(body).decode()).encode()[:LIMIT], False
        limit = limit * 3 // 4


def decode(message: str) -> Tuple[Optional[Dict[str, Any]], Optional[bytes]]:
    """The exit record and the results that a message holds; None for what it does not."""
    _, mark, body = message.rpartition(_MARK)
    if not mark:
        return None, None
    try:
        data = zlib.decompress(base64.b64decode(body.strip(), validate=True))
        size = int.from_bytes(data[:4], "little")
        record = json.loads(data[4 : 4 + size])
    except (ValueError, zlib.error):
        return None, None
    if not isinstance(record, dict) or not isinstance(record.get("reason"), str):
        return None, None
    return record, data[4 + size :] or None


def _joined(record: bytes, results: bytes) -> bytes:
    return len(record).to_bytes(4, "little") + record + results
