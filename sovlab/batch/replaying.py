"""Does to papermill's notebook what a run tells: starts, outputs and ends of cells, as they come."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from sovlab.batch.shown.repeating import Repeated
from sovlab.core.untrusted import clean, moment
from sovlab.runner.protocol.notebook_run import FOLDER, NOTEBOOK, REFERENCE

_NAME = re.compile(r"[0-9a-f]{64}")
KILLED, TIMEOUT, CANCELLED, LEFT, NOT_RUN = "killed", "timeout", "cancelled", "left running", "not run"


class Replay:
    """The notebook of a papermill run, kept as a job tells it.

    Args:
        manager: papermill's ``NotebookExecutionManager``.
        repeated: repeats each output that is new.
        note: called with a sentence for people.
    """

    def __init__(self, manager: Any, repeated: Repeated, note: Callable[[str], None]) -> None:
        self._manager = manager
        self._repeated, self._note = repeated, note
        self._closed = False
        self._forget()

    def _forget(self) -> None:
        self.fatal: Mapping[str, Any] | None = None
        self.kernel: Mapping[str, Any] = {}
        self.place: Mapping[str, Any] = {}
        self.environment: Mapping[str, Any] = {}
        self.determinism: Mapping[str, Any] = {}
        self.running: int | None = None
        self.reached: set[int] = set()
        self.failed: int | None = None
        self._referred = False

    @property
    def cells(self) -> list[Any]:
        """Of the notebook."""
        return self._manager.nb.cells  # type: ignore[no-any-return]

    def apply(self, step: Mapping[str, Any]) -> None:
        """Do what one step says; one that does not fit the notebook is left out."""
        op, index = step["op"], step.get("cell")
        if index is None:
            self._of_notebook(op, step)
            return
        if type(index) is not int or not 0 <= index < len(self.cells):
            return
        cell = self.cells[index]
        if op == "start":
            self.running = index
            self.reached.add(index)
            self._noticed_late(step)
            with self._at(step):
                self._manager.cell_start(cell, index)
        elif op == "count":
            cell.execution_count = step.get("count")
        elif op == "clear":
            cell.outputs = []
        elif op == "output":
            self._output(cell, step)
        elif op == "exception":
            self.failed = index
            self._manager.cell_exception(cell, cell_index=index)
        elif op == "complete":
            self._complete(cell, index, step)

    @property
    def has_grown(self) -> bool:
        """Whether long outputs have come at the end, which no save had before."""
        return self._referred

    def begin_again(self) -> None:
        """The job has begun anew, and so does the notebook: nothing counts that was told before."""
        papermill = self._manager.nb.metadata.papermill
        begun = self._manager.start_time, papermill.get("start_time")
        self._manager.notebook_start()
        self._manager.start_time, papermill["start_time"] = begun
        for index in self.reached:
            self.cells[index].metadata.pop("execution", None)
        if self._manager.pbar:
            self._manager.pbar.reset()
        self._forget()

    def save(self) -> None:
        """Have papermill save, if it is time."""
        self._manager.autosave_cell()

    def _of_notebook(self, op: str, step: Mapping[str, Any]) -> None:
        metadata = self._manager.nb.metadata
        if op == "language" and step.get("info") and isinstance(step["info"], dict):
            metadata["language_info"] = nbformat.from_dict(step["info"])
        elif op == "widgets" and isinstance(step.get("widgets"), dict):
            self._referred |= REFERENCE in step["widgets"]
            metadata["widgets"] = nbformat.from_dict(step["widgets"])
        elif op == "fatal":
            self.fatal = step
        elif op == "place":
            self.place = step
        elif op == "environment":
            self.environment = step
        elif op == "determinism" and isinstance(step.get("found"), dict):
            self.determinism = step["found"]
        elif op == "kernel":
            self.kernel = step
            self._repeated.kernel(clean(str(step.get("used")), 100))
            if step.get("notice"):
                self._note(str(step["notice"]))

    def _output(self, cell: Any, step: Mapping[str, Any]) -> None:
        found, at = step.get("output"), step.get("at")
        if cell.cell_type != "code" or not isinstance(found, dict) or type(at) is not int or at < 0:
            return
        if REFERENCE in found:
            self._referred = True
            output = _waiting(found)
        else:
            output = nbformat.from_dict(found)
        if at < len(cell.outputs):
            cell.outputs[at] = output
            return
        cell.outputs.append(output)
        if REFERENCE in found:
            self._repeated.long(found)
        else:
            self._repeated.output(output)

    def _complete(self, cell: Any, index: int, step: Mapping[str, Any]) -> None:
        if cell.cell_type == "code":
            if step.get("execution"):
                cell.metadata["execution"] = nbformat.from_dict(step["execution"])
            cell.execution_count = step.get("count")
        self.running = None
        self._repeated.cell_over()
        with self._at(step):
            self._manager.cell_complete(cell, cell_index=index)

    @contextlib.contextmanager
    def _at(self, step: Mapping[str, Any]) -> Iterator[None]:
        """Have papermill take the time that the job told for now: its news may be old."""
        when = _told(step)
        if when is None:
            yield  # an older runner told no times
            return
        self._manager.now = lambda: when
        try:
            yield
        finally:
            del self._manager.now

    def _noticed_late(self, step: Mapping[str, Any]) -> None:
        """A run that another client began began before this one did."""
        when = _told(step)
        if when is not None and self._manager.start_time is not None and when < self._manager.start_time:
            self._manager.start_time = when
            self._manager.nb.metadata.papermill["start_time"] = when.isoformat()

    def settle(self, files: Mapping[str, Path], complete: bool) -> str:
        """At the end: put in what the log did not carry; what could not be had, as a sentence.

        Args:
            files: what the job has left, by path.
            complete: whether all that it told has come.
        """
        if complete and not self._referred:
            return ""
        left = files.get(f"{FOLDER}/{NOTEBOOK}")
        if left is None:
            what = "Long outputs are" if complete else "A part of the outputs is"
            return f"{what} lost with the job: only what its log told is in the notebook."
        self._repeated.settle(lambda found: _read(found, files))
        finished = json.loads(left.read_bytes())
        lost = False
        for cell, done in zip(self.cells, finished["cells"], strict=False):
            if cell.cell_type != "code":
                continue
            outputs = []
            for output in done.get("outputs", []):
                whole = _read(output, files)
                lost |= whole is None
                outputs.append(_waiting(output) if whole is None else whole)
            cell.outputs = outputs
            cell.execution_count = done.get("execution_count")
        for key in ("language_info", "widgets"):
            if key in finished["metadata"]:
                whole = _read(finished["metadata"][key], files)
                if whole is not None:
                    self._manager.nb.metadata[key] = whole
        return "Long outputs are lost: they did not come back with the results." if lost else ""

    def close(self, stopped: str) -> None:
        """Nothing more comes. For papermill a cell that runs is complete then, and so are those after it.

        Which one was stopped and which never ran is said beside that; what is said first counts.

        Args:
            stopped: what became of the cell that was reached last; empty if it came to its end.
        """
        if self._closed:
            return
        self._closed = True
        self._repeated.settle(lambda found: None)
        if self.running is not None:
            index, self.running = self.running, None
            self._manager.cell_complete(self.cells[index], cell_index=index)
        last = max(self.reached, default=-1)
        for index, cell in enumerate(self.cells):
            if cell.cell_type != "code":
                continue
            truth = NOT_RUN if index not in self.reached else stopped if index == last and stopped else ""
            if truth and (stopped or self.failed is not None):
                cell.metadata["sovlab"] = {"status": truth}


def _told(step: Mapping[str, Any]) -> datetime.datetime | None:
    when = moment(step.get("time")) if isinstance(step.get("time"), float) else None
    return None if when is None else datetime.datetime.fromtimestamp(when, datetime.UTC)


def _waiting(found: Mapping[str, Any]) -> Any:
    size = found.get("size")
    told = f"{size / 1e6:.1f} MB" if isinstance(size, int) else "unknown size"
    return nbformat.from_dict(
        {
            "output_type": "stream",
            "name": "stderr",
            "text": f"[an output of {told} comes at the end of the run]\n",
        }
    )


def _read(value: Mapping[str, Any], files: Mapping[str, Path]) -> Any:
    """A part of a notebook, or what a reference stands for; None if that is not there."""
    name = value.get(REFERENCE)
    if name is None:
        return nbformat.from_dict(value)
    path = files.get(f"{FOLDER}/{name}") if isinstance(name, str) and _NAME.fullmatch(name) else None
    return None if path is None else nbformat.from_dict(json.loads(path.read_bytes()))
