"""The termination message: all that a pod leaves in the cluster when it ends, in 4096 bytes.

A first line for people, which ``kubectl describe`` shows, then the exit record and, if they fit, the
results, compressed. Read by the client, written by the runner.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any, Dict, Iterator, Optional, Tuple

from sovlab.runner.protocol.exit_record import short

LIMIT = 4096
"""Bytes that Kubernetes keeps of a container's termination message."""
_HEADLINE = 160
_MARK = "sovlab:1:"
_LARGEST = 4 << 20
"""Bytes that a body unpacks to at most; the longest that is written has a third of it."""
_SIZES = (32_000, 16_000, 8000, 5000, 3000, 2000, 1200, 700, 400)
"""Characters of a message or a traceback that are kept of longer ones, until all fits."""


def encode(record: Dict[str, Any], results: Optional[bytes] = None) -> Tuple[bytes, bool]:
    """A message of at most `LIMIT` bytes, and whether the results are in it.

    Args:
        record: the exit record; shortened if need be, what is missed least first.
        results: the results pack; None if there is none.
    """
    message = " ".join(str(record.get("message") or "").split())
    headline = f"{record.get('reason', '')}: {message}" if message else str(record.get("reason", ""))
    first = headline.encode("utf-8", "replace")[:_HEADLINE].decode("utf-8", "ignore") + f"\n{_MARK}"
    room = (LIMIT - len(first.encode())) // 4 * 3
    body = b""
    if results is not None and len(results) <= 16 * LIMIT:
        body = _joined(record, results)
        if len(body) > room:
            body = _joined(_without_reasons(record), results)
    inside = 0 < len(body) <= room
    if not inside:
        body = next(filter(lambda shorter: len(shorter) <= room, map(_joined, _shorter(record))), b"")
    return (first + base64.b64encode(body).decode()).encode(), inside


def holds(message: str) -> bool:
    """Whether a message is one of a runner, be it damaged or not: its last line begins as theirs do."""
    return message.strip().rpartition("\n")[2].startswith(_MARK)


def decode(message: str) -> Tuple[Optional[Dict[str, Any]], Optional[bytes]]:
    """The exit record and the results that a message holds; None for what it does not."""
    _, mark, body = message.rpartition(_MARK)
    if not mark:
        return None, None
    try:
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(base64.b64decode(body.strip(), validate=True), _LARGEST)
        if not unpacking.eof:
            return None, None
        size = int.from_bytes(data[:4], "little")
        record = json.loads(data[4 : 4 + size])
    except (ValueError, RecursionError, zlib.error):
        return None, None
    if not isinstance(record, dict) or not isinstance(record.get("reason"), str):
        return None, None
    return record, data[4 + size :] or None


def _shorter(record: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    """The record, and what is left of it if more and more is left out: what is missed least goes first."""
    yield record
    record = {**_without_reasons(record), "imported": []}
    error = record["error"] if isinstance(record.get("error"), dict) else None
    if error is not None:
        # People read the text of a traceback; the same as frames is for programs, and can be done without.
        record["error"] = error = {**error, "frames": []}
    yield record
    if isinstance(record.get("results"), dict):
        record["results"] = {**record["results"], "unreturned": []}
        yield record
    for size in _SIZES:
        if error is not None:
            shortened = {key: _middle_out(error.get(key), size) for key in ("message", "traceback")}
            record["error"] = {**error, **shortened}
        record["message"] = _middle_out(record.get("message"), size)
        yield record
        yield {**record, "progress": None, "results": None}
        yield {**record, "progress": None, "results": None, "energy": None}
    for limit in (2048, 1024, 512):
        yield json.loads(short(record, limit))
    yield {"reason": _middle_out(record.get("reason"), 40), "message": ""}


def _without_reasons(record: Dict[str, Any]) -> Dict[str, Any]:
    """The record without what is told of sensors that are not there."""
    energy = record.get("energy")
    return {**record, "energy": {**energy, "unavailable": {}}} if isinstance(energy, dict) else record


def _middle_out(value: Any, size: int) -> str:
    """Text of some length: the begin of it, and twice as much of its end."""
    text = str(value or "")
    return text if len(text) <= size else f"{text[: size // 3]}\n…\n{text[-(size * 2 // 3) :]}"


def _joined(record: Dict[str, Any], results: bytes = b"") -> bytes:
    text = json.dumps(record, default=str).encode()
    return zlib.compress(len(text).to_bytes(4, "little") + text + results, 9)
