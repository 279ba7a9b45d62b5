"""The exit record: how a job ended, written even where the disk is full."""

from __future__ import annotations

import errno
import json
import os
from typing import Any, Dict, Iterator

VERSION = 1
_RESERVE = 64 << 10
_TEXT = 8 << 10


class ExitRecord:
    """Reserves space for the record when the job starts, and fills it when the job ends.

    Args:
        path: where the record will be; until then a file beside it, ``PATH.reserve``, holds the space.

    Raises:
        OSError: the disk has no space.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._reserve = f"{path}.reserve"
        descriptor = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            # Written, not only allocated: a sparse file would find the disk full later.
            if os.write(descriptor, b"\n" * _RESERVE) < _RESERVE:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._reserve)
        finally:
            os.close(descriptor)

    def commit(self, record: Dict[str, Any]) -> None:
        """Write ``record``, shortened if the disk is full, and rename it to its path in one step."""
        record = {"version": VERSION, **record}
        for candidate in _shorter(record):
            data = json.dumps(candidate, default=str).encode()
            try:
                self._fill(data)
            except OSError:
                if len(data) > _RESERVE:
                    continue
                raise
            break
        os.rename(self._reserve, self._path)

    def _fill(self, data: bytes) -> None:
        with open(self._reserve, "r+b", buffering=0) as file:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            file.truncate(len(data))


def _shorter(record: Dict[str, Any]) -> Iterator[Dict[str, Any]]:
    yield record
    error = record.get("error")
    if error:
        text = str(error.get("traceback", ""))
        shortened = text if len(text) <= 2 * _TEXT else f"{text[:_TEXT]}\n…\n{text[-_TEXT:]}"
        error = {
            **error,
            "message": str(error.get("message", ""))[:_TEXT],
            "traceback": shortened,
            "frames": [],
        }
    yield {**record, "error": error}
    yield {**record, "error": error, "results": None, "progress": None, "imported": [], "energy": None}


def short(record: Dict[str, Any], limit: int) -> bytes:
    """``record`` as JSON of at most ``limit`` bytes; what is missed least is left out first."""
    record = dict(record)
    for left_out in ("", "imported", "energy", "progress", "results", "error"):
        if left_out and record.get(left_out):
            record[left_out] = _headline(record[left_out]) if left_out == "error" else None
        data = json.dumps(record, default=str).encode()
        if len(data) <= limit:
            return data
    record["message"] = str(record.get("message", ""))[: limit // 8]
    record["error"] = None
    return json.dumps(record, default=str).encode()


def _headline(error: Dict[str, Any]) -> Dict[str, Any]:
    return {**error, "message": str(error.get("message", ""))[:400], "traceback": "", "frames": []}
