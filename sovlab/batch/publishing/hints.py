"""What looks like a secret or tells of its author in a notebook, and is not ours to change."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from sovlab.batch.provenance.private import Found, Private
from sovlab.batch.verifying.cells import joined, members, outputs_of, source_of
from sovlab.payload.secrets import suspicious

_GIVEN = re.compile(r"""(\w{1,80})["']?\s{0,4}[=:]\s{0,4}[rbfu]{0,2}(["'])([^"'\n]{1,4000})\2""")
"""A name and a text that is bound to it: ``key = "…"``, ``key="…"``, ``"key": "…"``."""
_PIECE, _OVERLAP = 60_000, 4_000
"""Characters that are looked at in one go: of longer texts only the begin would be."""
_MOST = 50 << 20


def hints(notebook: Mapping[str, Any], private: Private) -> Iterator[str]:
    """What to look at before the notebook is published, a sentence each; no value is in one.

    Args:
        notebook: as it would be published.
        private: what is private here.
    """
    metadata = members(notebook.get("metadata"))
    given = members(members(metadata.get("papermill")).get("parameters"))
    for name, value in given.items():
        found = suspicious(str(name), value)
        if found:
            yield f"Parameter {found}."
        if _names(private, json.dumps(value, default=str)):
            yield f"Parameter {name} names a home directory or a machine."
    kernel = members(metadata.get("kernelspec"))
    if _names(private, f"{joined(kernel.get('name'))} {joined(kernel.get('display_name'))}"):
        yield "The kernel's name tells of a home directory or a machine."
    cells = notebook.get("cells")
    for number, cell in enumerate(map(members, cells if isinstance(cells, list) else []), 1):
        source = source_of(cell)
        if looks_secret(source):
            yield f"Cell {number}: its source holds what looks like a secret."
        if _names(private, source):
            yield f"Cell {number}: its source names a home directory or a machine, and is left as it is."
        if any(looks_secret(text) for output in outputs_of(cell) for text in texts_of(output)):
            yield f"Cell {number}: an output holds what looks like a secret."


def looks_secret(text: str) -> bool:
    """Whether a text holds a key, or something that is bound to a name as keys have."""
    for begin in range(0, min(len(text), _MOST), _PIECE - _OVERLAP):
        piece = text[begin : begin + _PIECE]
        if suspicious("", piece) or any(
            suspicious(match[1], match[3]) for match in _GIVEN.finditer(piece) if not _is_empty(match[3])
        ):
            return True
    return False


def texts_of(output: Mapping[str, Any]) -> Iterator[str]:
    """All texts of an output, but those of pictures."""
    yield joined(output.get("text"))
    yield joined(output.get("evalue"))
    yield joined(output.get("traceback"))
    for kind, value in members(output.get("data")).items():
        if not is_picture(kind):
            yield joined(value) if isinstance(value, str | list) else json.dumps(value, default=str)


def is_picture(kind: object) -> bool:
    """Whether a MIME type is of data in base64, in which no text is to be looked for."""
    return isinstance(kind, str) and kind.startswith(("image/", "audio/", "video/")) and "svg" not in kind


def _is_empty(value: str) -> bool:
    """Whether it stands for a value, as ``…``, ``<token>`` or ``${TOKEN}`` do."""
    return not value.strip("*.…x- ") or value.startswith(("$", "<", "{"))


def _names(private: Private, text: str) -> bool:
    found: list[Found] = []
    private.without(text, found.append)
    return bool(found)
