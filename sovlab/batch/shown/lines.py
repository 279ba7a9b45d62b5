"""How far a run is, in plain lines, for where there is no bar: in CI, and in files."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any

from sovlab.core.units import format_duration
from sovlab.core.untrusted import clean, moment
from sovlab.views.document import printable

_EVERY = 30.0
"""Seconds of silence of a cell after which it is said that it runs: CI ends what says nothing."""
_LONGEST = 200


class Lines:
    """A line for each code cell that ends, and for one that goes on. Use it as a context manager.

    Args:
        cells: of the notebook, of nbformat 4.
        say: called with each line, also from another thread.
        every: seconds between two lines of one cell.
    """

    def __init__(
        self, cells: Sequence[Mapping[str, Any]], say: Callable[[str], None], every: float = _EVERY
    ) -> None:
        self._cells, self._say, self._every = cells, say, every
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._running: tuple[int, float] | None = None
        self._failure = ""
        self._began: object = None
        self._thread = threading.Thread(target=self._tick, name="sovlab-lines", daemon=True)

    def __enter__(self) -> Lines:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def take(self, step: Mapping[str, Any]) -> None:
        """Heed a step of the run; see `sovlab.batch.replaying`."""
        index, op = step.get("cell"), step.get("op")
        if type(index) is not int or not 0 <= index < len(self._cells):
            return
        if self._cells[index].get("cell_type") != "code":
            return
        with self._lock:
            if op == "start":
                self._running, self._failure = (index, time.monotonic()), ""
                self._began = step.get("time")
            elif op == "exception":
                self._failure = printable(clean(f"{step.get('ename')}: {step.get('evalue')}", _LONGEST))
            elif op == "complete" and self._running is not None:
                _, begun = self._running
                seconds = _between(self._began, step.get("time"))
                # What an older runner told has no times.
                passed = time.monotonic() - begun if seconds is None else seconds
                took, self._running = format_duration(passed), None
                how = f"failed after {took}: {self._failure}" if self._failure else f"took {took}"
                self._say(f"{self._named(index)} {how}")

    def begin_again(self) -> None:
        """The notebook runs again from its first cell."""
        with self._lock:
            self._running = None

    def _named(self, index: int) -> str:
        return f"[cell {index + 1} of {len(self._cells)}]"

    def _tick(self) -> None:
        while not self._over.wait(self._every):
            with self._lock:
                if self._running is None:
                    continue
                index, begun = self._running
                passed = time.monotonic() - begun
                if passed >= self._every:
                    self._say(f"{self._named(index)} runs for {format_duration(passed)}")


def _between(begun: object, ended: object) -> float | None:
    """Seconds between two times that a job told; None if it did not."""
    if not isinstance(begun, float) or not isinstance(ended, float):
        return None
    first, last = moment(begun), moment(ended)
    return last - first if first is not None and last is not None and first <= last else None
