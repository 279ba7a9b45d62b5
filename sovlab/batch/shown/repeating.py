"""Outputs in papermill's log and in files of the streams, as its own engine repeats them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from papermill.clientwrap import PapermillNotebookClient

from sovlab.batch.shown.redrawing import Redrawn

_LOG = logging.getLogger("papermill")


class Wanted(NamedTuple):
    """Where papermill is to repeat outputs.

    Attributes:
        log: whether its logger does.
        stdout, stderr: open files, or None.
        last_drawn: whether the log gets of a line that is drawn over and over, as a bar, what was drawn last.
    """

    log: bool = False
    stdout: Any = None
    stderr: Any = None
    last_drawn: bool = False


class Repeated:
    """Repeats outputs as they come; those that are long come at the end of the run.

    The log does not wait for them. Files do: their text stays in order.

    Args:
        manager: papermill's ``NotebookExecutionManager``.
        wanted: where.
    """

    def __init__(self, manager: Any, wanted: Wanted) -> None:
        log = PapermillNotebookClient(manager, log_output=wanted.log, log=_LOG).log_output_message
        self._redrawn = Redrawn(log) if wanted.last_drawn else None
        self._log = log if self._redrawn is None else self._redrawn.output
        files = PapermillNotebookClient(manager)
        files.stdout_file, files.stderr_file = wanted.stdout, wanted.stderr
        self._write = files.log_output_message
        self._waiting: list[tuple[Any, Mapping[str, Any] | None]] = []

    def kernel(self, name: str) -> None:
        """A kernel runs the cells."""
        _LOG.info(f"Executing notebook with kernel: {name}")

    def output(self, output: Any) -> None:
        """A cell has shown something."""
        self._log(output)
        if self._waiting:
            self._waiting.append((output, None))
        else:
            self._write(output)

    def cell_over(self) -> None:
        """A cell has ended."""
        if self._redrawn is not None:
            self._redrawn.flush()

    def long(self, reference: Mapping[str, Any]) -> None:
        """A cell has shown something for which a reference stands as yet."""
        self._waiting.append((None, reference))

    def settle(self, resolved: Callable[[Mapping[str, Any]], Any]) -> None:
        """Repeat what has waited.

        Args:
            resolved: gives an output for its reference, or None if it is lost.
        """
        waiting, self._waiting = self._waiting, []
        for output, reference in waiting:
            if reference is not None:
                output = resolved(reference)
                if output is None:
                    continue
                self._log(output)
            self._write(output)
        self.cell_over()
