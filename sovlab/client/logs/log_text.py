"""A job's log as text: chunks decoded, and the lines of several ranks told apart."""

from __future__ import annotations

import codecs
import re

from sovlab.core.event import LogChunk


class LogText:
    """Decodes chunks of a log to text, and marks the lines of several ranks.

    Args:
        mark: put ``[rank]`` before each line of a job with ranks.
        errors: what to do with bytes that are not UTF-8, as for `bytes.decode`.
    """

    def __init__(self, *, mark: bool, errors: str = "replace") -> None:
        self._mark = mark
        self._errors = errors
        self._decoders: dict[int | None, codecs.IncrementalDecoder] = {}
        self._last: int | None = None
        self._line_start = True

    def feed(self, chunk: LogChunk) -> str:
        """The text of ``chunk``, after those fed before."""
        if chunk.rank not in self._decoders:
            self._decoders[chunk.rank] = codecs.getincrementaldecoder("utf-8")(errors=self._errors)
        text = self._decoders[chunk.rank].decode(chunk.data)
        if not self._mark or chunk.rank is None or not text:
            return text
        before = "" if self._line_start or chunk.rank == self._last else "\n"
        first = f"[{chunk.rank}] " if self._line_start or before else ""
        self._last, self._line_start = chunk.rank, text[-1] in "\r\n"
        body = re.sub(r"(\r\n|\r|\n)(?=.)", lambda m: f"{m[1]}[{chunk.rank}] ", text, flags=re.DOTALL)
        return before + first + body
