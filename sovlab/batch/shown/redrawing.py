r"""Lines that are drawn over and over, as bars of tqdm are: of these a log gets what was drawn last.

A log has no cursor that ``\r`` takes back: each change of a bar would be a line of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import nbformat

_EVERY = 30.0
"""Seconds after which a line that is drawn on is told as it is: CI ends what says nothing."""


class Redrawn:
    r"""Passes on outputs; a line of a stream with ``\r`` in it when it is over, or something else comes.

    Args:
        tell: called with each output.
        clock: seconds, of any origin.
        every: seconds after which a line that goes on is told.
    """

    def __init__(
        self, tell: Callable[[Any], None], clock: Callable[[], float] = time.monotonic, every: float = _EVERY
    ) -> None:
        self._tell, self._clock, self._every = tell, clock, every
        self._held: Any = None
        self._told = clock()

    def output(self, output: Any) -> None:
        """A cell has shown something."""
        if self._held is not None and not _continues(self._held, output):
            self.flush()
        if output.get("output_type") != "stream":
            self._tell(output)
            return
        held, self._held = self._held, None
        text = (held["text"] if held is not None else "") + "".join(output["text"])
        if "\r" not in text:
            self._tell(output)
            return
        *lines, last = text.replace("\r\n", "\n").split("\n")
        over = "".join(f"{_last_drawn(line)}\n" for line in lines)
        if over:
            self._say({**output, "text": over})
        if last:
            self._held = {**output, "text": f"\r{_last_drawn(last)}"}
            if self._clock() - self._told >= self._every:
                self._say({**output, "text": _last_drawn(last)})

    def flush(self) -> None:
        """Tell the line that is held."""
        held, self._held = self._held, None
        if held is not None:
            self._say({**held, "text": _last_drawn(held["text"])})

    def _say(self, output: Any) -> None:
        self._told = self._clock()
        if output["text"]:
            self._tell(nbformat.from_dict(output))


def _continues(held: Any, output: Any) -> bool:
    return bool(output.get("output_type") == "stream" and output.get("name") == held.get("name"))


def _last_drawn(line: str) -> str:
    drawn = [part for part in line.split("\r") if part.strip()]
    return drawn[-1] if drawn else ""
