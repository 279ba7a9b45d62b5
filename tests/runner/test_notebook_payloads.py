"""Payloads as a notebook makes them, all the way to their results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from sovlab.payload.code import Call, Cell
from sovlab.payload.pack import Packed
from sovlab.payload.results import Results
from sovlab.runner.protocol.order import Order
from tests.runner.conftest import RunningJob

EARLIER = """\
import math

class Net:
    def __init__(self, width):
        self.width = width

def train(net, steps=2):
    history = []
    for step in range(steps):
        history.append(math.sqrt(net.width) / (step + shift))
    return history
"""


@pytest.fixture
def notebook() -> Iterator[dict[str, Any]]:
    """The variables of a notebook in which a cell has run."""
    InteractiveShell.clear_instance()
    quiet = Config()
    quiet.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=quiet)
    shell.run_cell(EARLIER, store_history=True).raise_error()
    shell.run_cell("shift = 1\nnet = Net(16)", store_history=True).raise_error()
    yield shell.user_ns
    InteractiveShell.clear_instance()


def run(job: RunningJob, packed: Packed, **order: Any) -> None:
    job.write("", kind=order.pop("kind", "cell"))
    path = str(job.directory / "order.json")
    told = vars(Order.read(path))
    Order(**{**told, "payload": str(packed.path), "labels": dict(packed.labels), **order}).write(path)
    job.start()
    job.wait()


def cell(source: str, notebook: dict[str, Any], tmp_path: Path, **options: Any) -> Packed:
    return Cell(source, notebook, label="In[7]", directory=tmp_path).pack(tmp_path / "store", **options)


def test_a_cell_that_uses_the_notebooks_own_class_and_function(
    job: RunningJob, notebook: dict[str, Any], tmp_path: Path
) -> None:
    source = "history = train(net)\nnet2 = Net(history[0])\ndef again(): return net2.width + shift\n"
    run(job, cell(source, notebook, tmp_path), outputs=["history", "net2", "again"])
    assert job.record["reason"] == "succeeded", job.log
    values = Results(job.directory / "results.pack", main=notebook).values()
    assert values["history"] == [4.0, 2.0]
    assert type(values["net2"]) is notebook["Net"]
    notebook.update(values)
    assert notebook["again"]() == 5.0


def test_a_traceback_names_the_cells_of_the_notebook(
    job: RunningJob, notebook: dict[str, Any], tmp_path: Path
) -> None:
    notebook["shift"] = 0
    run(job, cell("\nhistory = train(net)\n", notebook, tmp_path))
    first, second = job.record["error"]["frames"]
    assert (first["label"], first["line"]) == ("Cell In[7]", 2)
    assert (second["label"], second["line"], second["function"]) == ("Cell In[1]", 10, "train")
    assert "--> 10         history.append(math.sqrt(net.width) / (step + shift))" in job.log


def test_a_withheld_secret_says_so_in_the_job(
    job: RunningJob, notebook: dict[str, Any], tmp_path: Path
) -> None:
    notebook["hf_token"] = "hf_" + "a1B2c3D4" * 5
    run(job, cell("print(hf_token)", notebook, tmp_path))
    assert "withheld" in job.record["error"]["message"]
    assert notebook["hf_token"].encode() not in job.log_path.read_bytes()


def test_a_call(job: RunningJob, notebook: dict[str, Any], tmp_path: Path) -> None:
    packed = Call(notebook["train"], (notebook["net"],), {"steps": 1}).pack(tmp_path / "store")
    run(job, packed, kind="call")
    assert job.record["reason"] == "succeeded", job.log
    assert Results(job.directory / "results.pack", main=notebook).value("return") == [4.0]


def test_an_exception_of_the_jobs_own_class_is_rebuilt(
    job: RunningJob, notebook: dict[str, Any], tmp_path: Path
) -> None:
    run(job, cell("class TooHot(Exception):\n    pass\nraise TooHot(91)", notebook, tmp_path))
    error = Results(job.directory / "results.pack", main=notebook).exception()
    assert type(error).__name__ == "TooHot"
    assert error.args == (91,)
