"""Runs a notebook by papermill's own engine and by ours, and compares what each leaves.

Each engine has a folder of its own with the same notebook and the same command, so that what is written has
no reason to differ. What may differ all the same is taken out by `comparable`, and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from traitlets.config import Config

SPEC = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
OWN, OURS = "nbclient", "sovlab"
ENGINES = (OWN, OURS)
_HEX = re.compile(r"[0-9a-f]{32}")
"""Ids of widgets."""


def write(directory, *cells, metadata=SPEC, name="in.ipynb"):
    """Write a notebook; a cell is one, or the source of one with code."""
    made = [cell if isinstance(cell, dict) else new_code_cell(cell) for cell in cells]
    nbformat.write(new_notebook(cells=made, metadata=metadata), directory / name)


def parameters(source):
    return tagged(source, "parameters")


def tagged(source, *tags, **metadata):
    return new_code_cell(source, metadata={"tags": list(tags), **metadata})


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def read_so_far(path):
    """A notebook that is being written; without cells where it is not there or cut just now."""
    try:
        return read(path)
    except (OSError, ValueError):
        return {"cells": []}


# --- runs


@dataclass
class Ran:
    """What a run of one engine has come to.

    Attributes:
        folder: in which it was begun.
        status: exit status; of a call 0, or 1 if it raised.
        out, err: what the command wrote; of a call ``err`` is what papermill logged.
        error: what the call raised.
        value: what it returned.
        warned: names of warnings.
    """

    folder: Path
    status: int = 0
    out: str = ""
    err: str = ""
    error: BaseException | None = None
    value: Any = None
    warned: list[str] = field(default_factory=list)

    def notebook(self, name="out.ipynb"):
        return read(self.folder / name)

    @property
    def raised(self):
        """The error of a call by its type and words."""
        return (type(self.error).__name__, plain(str(self.error), self.folder)) if self.error else None


@dataclass
class Both:
    """The same by papermill's own engine and by ours."""

    own: Ran
    ours: Ran

    def same(self, name="out.ipynb"):
        """Assert that they ended alike and left the same notebook, which is returned as ours is."""
        assert (self.ours.status, self.ours.raised) == (self.own.status, self.own.raised), self.ours.err
        assert self.ours.warned == self.own.warned
        ours, own = (comparable(ran.folder / name) for ran in (self.ours, self.own))
        assert ours == own
        return self.ours.notebook(name)


def folders(place):
    """One for each engine, of the same name and equally long."""
    made = {}
    for engine, above in ((OWN, "own_"), (OURS, "ours")):
        made[engine] = place / above / "work"
        made[engine].mkdir(parents=True)
    return made


def prepared(place, *cells, **keywords):
    """The folders, with the same notebook in each."""
    made = folders(place)
    write(made[OWN], *cells, **keywords)
    (made[OURS] / "in.ipynb").write_bytes((made[OWN] / "in.ipynb").read_bytes())
    return made


def begin(folder, engine, *args, module="papermill", pipe=subprocess.DEVNULL, **variables):
    """Begin papermill's command with an engine."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *args, "--engine", engine],
        cwd=folder,
        env={**_environ(), **variables},
        stdin=pipe,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hears_interrupts,
    )


def ended(process, folder, given=None, seconds=150):
    """Wait for a command."""
    out, err = process.communicate(given, timeout=seconds)
    return Ran(folder, process.returncode, out, err)


def commands(made, *args, given=None, **variables):
    """papermill's command by both engines at once.

    Args:
        made: their folders.
        args: after ``papermill``.
        given: on standard input.
        variables: of the environment.
    """
    pipe = subprocess.DEVNULL if given is None else subprocess.PIPE
    begun = {engine: begin(made[engine], engine, *args, pipe=pipe, **variables) for engine in ENGINES}
    try:
        return Both(*(ended(begun[engine], made[engine], given) for engine in ENGINES))
    finally:
        for process in begun.values():
            process.kill()
            process.wait()


def calls(made, output="out.ipynb", source="in.ipynb", **keywords):
    """`papermill.execute_notebook` by both engines, one after the other, each in its folder."""
    keywords = {"progress_bar": False, **keywords}
    with tempfile.TemporaryDirectory(prefix="sovk-") as place:
        # At ports its kernels meet those of other tests: they are found free, let go, and then taken.
        sockets = {"transport": "ipc", "ip": f"{place}/kernel"}
        own = {"config": Config({"KernelManager": sockets, "AsyncKernelManager": sockets})}
        each = {OWN: own, OURS: {}}
        return Both(
            *(_called(made[name], source, output, name, {**keywords, **each[name]}) for name in ENGINES)
        )


def _called(folder, source, output, engine, keywords):
    ran = Ran(folder)
    logger, heard = logging.getLogger("papermill"), _Heard()
    logger.addHandler(heard)
    level = logger.level
    logger.setLevel(logging.INFO)
    try:
        with _outside_of_a_test(), contextlib.chdir(folder), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                ran.value = papermill.execute_notebook(source, output, engine_name=engine, **keywords)
            except Exception as error:
                ran.error, ran.status = error, 1
    finally:
        logger.removeHandler(heard)
        logger.setLevel(level)
    ran.err = "\n".join(heard.lines)
    ran.warned = sorted(each.category.__name__ for each in warned)
    return ran


def _environ():
    """For commands: where this variable is, ipykernel does not take what other processes print."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@contextlib.contextmanager
def _outside_of_a_test():
    """The same for calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTEST_CURRENT_TEST", raising=False)
        yield


class _Heard(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(f"{record.levelname} {record.getMessage()}")


def hears_interrupts():
    """What a child does first: a shell's background would hand on that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def until(found, *processes, seconds=120):
    """Wait until ``found()`` is true, as long as processes run; returns it."""
    end = time.monotonic() + seconds
    while not (value := found()):
        for process in processes:
            assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)
    return value


# --- what may differ


def comparable(path):
    """A notebook's text without what differs between any two runs, and without what only ours says."""
    nb = read(path)
    source = path.with_name("in.ipynb")
    known = {cell.get("id") for cell in read(source).get("cells", ())} if source.exists() else set()
    nb["metadata"].pop("sovlab", None)
    for part in (nb, *nb["cells"]):
        _without_times(part["metadata"].get("papermill", {}), path)
    for cell in nb["cells"]:
        if "id" in cell and cell["id"] not in known:
            cell["id"] = "ID"
        cell["metadata"].pop("sovlab", None)
        _without_chance(cell)
    if "widgets" in nb["metadata"]:
        nb["metadata"]["widgets"] = _widgets(nb["metadata"]["widgets"])
    return plain(_HEX.sub("ID", json.dumps(nb, indent=1, ensure_ascii=False)), path.parent)


def _without_times(said, path):
    for key in ("start_time", "end_time"):
        if isinstance(said.get(key), str):
            said[key] = "TIME"
    if isinstance(said.get("duration"), float):
        said["duration"] = "SECONDS"
    if said.get("output_path") == path.name:
        said["output_path"] = "OUTPUT"


def _without_chance(cell):
    if "execution" in cell["metadata"]:
        # Whether the kernel's word that it is idle still comes when a cell was interrupted is chance.
        interrupted = any(output.get("ename") == "KeyboardInterrupt" for output in cell["outputs"])
        timed = {"iopub.status.idle"} if interrupted else set()
        cell["metadata"]["execution"] = sorted({*cell["metadata"]["execution"]} - timed)
    if "os._exit" in "".join(cell["source"]):
        # What a kernel that ends at once has told of the cell by then is chance.
        cell.pop("execution_count")
        cell["metadata"].pop("execution", None)
    if "outputs" in cell:
        cell["outputs"] = joined(cell["outputs"])
    for output in cell.get("outputs", ()):
        if output.get("name") == "stdout" and "".join(cell["source"]).startswith("%%time"):
            output["text"] = re.sub(r"(CPU times|Wall time): .*", r"\1", "".join(output["text"]))
        if "traceback" in output:
            output["traceback"] = re.sub(r"ipykernel_\d+/\d+\.py", "FILE", "".join(output["traceback"]))


def _widgets(bundles):
    """The states of widgets: ids are other ones each time, and their order goes by them."""
    made = {}
    for kind, bundle in bundles.items():
        states = [_HEX.sub("ID", json.dumps(each)) for each in bundle["state"].values()]
        made[kind] = {**bundle, "state": sorted(states)}
    return made


def joined(outputs):
    """Outputs with what follows each other in one stream as one: where a kernel cuts a text is chance."""
    made = []
    for output in outputs:
        if made and output["output_type"] == "stream" and made[-1].get("name") == output["name"]:
            text = "".join(made[-1]["text"]) + "".join(output["text"])
            made[-1] = {**output, "text": text.splitlines(keepends=True)}
        else:
            made.append(output)
    return made


def plain(text, folder):
    """A text without where it was written."""
    return text.replace(str(folder.parent), "FOLDER")
