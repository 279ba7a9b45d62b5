"""What of a notebook's outputs has been told, and what of them is held in memory."""

from __future__ import annotations

from typing import Any, Dict, List

import nbformat

from sovlab.runner.notebook.telling import Teller, encoded
from sovlab.runner.protocol.notebook_run import REFERENCE

_HELD, _SMALL = 32 << 20, 4 << 10
"""Bytes of outputs that are in memory, beyond which only small ones are: a file has the rest."""


class Differences:
    """Tells what has changed in the outputs of cells since it was last told.

    Args:
        teller: tells it.
    """

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._known: Dict[int, List[Any]] = {}
        self._held = 0

    def tell(self, index: int, outputs: List[Any], changed: bool = False) -> None:
        """Tell which outputs of a cell are new, and with ``changed`` which are others than were told.

        Args:
            index: of the cell.
            outputs: of the cell; long ones become references.
            changed: whether one that was told may have been updated.

        Raises:
            OSError: there is no room for a long one.
        """
        known = self._known.setdefault(index, [])
        # After a delayed clear_output() there may be as many outputs as before.
        others = bool(known) and bool(outputs) and known[0] is not _content(outputs[0])
        if len(outputs) < len(known) or (others and not changed):
            self._teller.tell("clear", cell=index)
            known.clear()
        for at in range(0 if changed else len(known), len(outputs)):
            content = _content(outputs[at])
            if at < len(known) and known[at] is content:
                continue
            if REFERENCE in outputs[at]:  # of what it was before it was updated
                del outputs[at][REFERENCE], outputs[at]["size"]
            data = encoded(outputs[at])
            told = self._teller.stored(outputs[at], data)
            self._teller.tell("output", cell=index, at=at, output=told)
            known[at : at + 1] = [self._hold(outputs, at, told, data)]

    def _hold(self, outputs: List[Any], at: int, told: Dict[str, Any], data: bytes) -> Any:
        """Keep an output that was told, in memory while there is not much; its content then."""
        if told is outputs[at] and self._held + len(data) > _HELD:
            told = self._teller.stored(told, data, _SMALL)
        if told is outputs[at]:
            self._held += len(data)
            return _content(told)
        # A kernel that updates it brings its metadata with it, but not the number of a result; and nbclient
        # reads what a stream is called and says where a cell fails.
        kept = {key: outputs[at][key] for key in ("execution_count", "name") if key in outputs[at]}
        if "text" in outputs[at]:
            kept["text"] = ""
        outputs[at] = nbformat.from_dict({**told, **kept})
        return _content(outputs[at])


def _content(output: Any) -> Any:
    """What is another object once an output has been replaced or updated."""
    return output.get("data", output)
