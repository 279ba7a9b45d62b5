"""What an executed notebook has recorded by `sovlab.record`; nobody has checked what is read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sovlab.batch.verifying.cells import members, outputs_of
from sovlab.core.untrusted import clean
from sovlab.payload.secrets import suspicious
from sovlab.runner.protocol.recorded import DEEPEST, LARGEST, LONGEST_NAME, MIME
from sovlab.views.document import printable

_MOST = 100
"""Names of a notebook."""
_EXACT = 2**53


def recorded_values(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name, the last of a name; what is none that `sovlab.record` writes is left out.

    Texts can be shown, ``…`` stands for what looks like a secret, and whole numbers that other readers of
    JSON would round are text.

    Args:
        notebook: as JSON has it.
    """
    found: dict[str, Any] = {}
    cells = notebook.get("cells")
    for cell in cells if isinstance(cells, list) else []:
        for output in outputs_of(members(cell)):
            if output.get("output_type") not in ("display_data", "execute_result"):
                continue
            for name, value in members(members(members(output.get("data")).get(MIME)).get("values")).items():
                if not 0 < len(name) <= LONGEST_NAME:
                    continue
                shown = _line(name)
                if shown not in found and len(found) >= _MOST:
                    continue
                try:
                    found[shown] = "…" if suspicious(shown, value) else _Reading().value(value, 0)
                except ValueError:
                    continue
    return found


class _Reading:
    """Of one value, as much as it may be."""

    def __init__(self) -> None:
        self._left = LARGEST

    def value(self, value: Any, depth: int) -> Any:
        """The value; raises `ValueError` where it is larger or deeper than any that is written."""
        self._left -= len(value) + 2 if isinstance(value, str) else 2
        if self._left < 0 or depth > DEEPEST:
            raise ValueError
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return printable(clean(value, LARGEST))
        if isinstance(value, int):
            return (
                value if abs(value) < _EXACT else f"{value:#x}" if value.bit_length() > 4000 else str(value)
            )
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, list):
            return [self.value(each, depth + 1) for each in value]
        if isinstance(value, dict):
            return {self._key(key): self.value(each, depth + 1) for key, each in value.items()}
        raise ValueError

    def _key(self, key: object) -> str:
        text = str(key)
        self._left -= len(text)
        return printable(clean(text, LARGEST))


def _line(text: str) -> str:
    return printable(" ".join(clean(text, LONGEST_NAME).split())) or "?"
