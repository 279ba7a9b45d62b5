"""What a payload's text tells of the job before it starts. A wrong guess costs time, never the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.executors.local.command import NOTEBOOKS
from sovlab.runner.values.pack import Pack

_SEARCHED = 1 << 20
"""Bytes of each part of a payload that are searched."""
_OF_ONE_PROCESS = re.compile(
    rb"(?<![\w.])(?:hash|id)\s*\(|__hash__"
    rb"|(?<![\w.])(?:set|frozenset)\s*[(,)\[]"
    rb"|\{[^{}:]{0,400},[^{}:]{0,400}\}|\{[^{}:]{0,400}\bfor\b[^{}:]{0,400}\}"
)
"""Calls of `hash` and `id`, and sets, whose order rests on these: each process has its own."""
_IN_VALUES = re.compile(rb"\x8f\x94\(|\x8c(?:\x04hash|\x09frozenset|\x03set)\x94")
"""The same in a pickle: a set that is not empty, and names that the bytecode of a function reads."""


class Foresight:
    """The texts of a payload: source, definitions, modules."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack

    def mentions(self, library: bytes) -> bool:
        """Whether code or variables speak of a library, so that the job will import it."""
        if library in json.dumps(self._pack.meta).encode():
            return True
        return any(library in text for text in self._texts("variables"))

    def looks_at_hashes(self) -> bool:
        """Whether the code may see hashes or addresses, which differ from one process to the next."""
        if any(_OF_ONE_PROCESS.search(text) for text in self._texts()):
            return True
        return "variables" in self._pack.names() and bool(_IN_VALUES.search(self._beginning("variables")))

    def _texts(self, *more: str) -> Iterator[bytes]:
        for name in self._pack.names():
            if name in ("source", *more) or name.startswith(("def.", "file/")):
                yield self._beginning(name)

    def _beginning(self, name: str) -> bytes:
        return bytes(self._pack.segment(name)[:_SEARCHED])


def wanted(spec: JobSpec, foresight: Foresight) -> tuple[str, ...]:
    """What a job is likely to import; several processes of one job are started, not forked."""
    if spec.ranks > 1:
        return ()
    return (
        *(("torch",) if foresight.mentions(b"torch") else ()),
        *((NOTEBOOKS,) if spec.kind is PayloadKind.NOTEBOOK else ()),
    )
