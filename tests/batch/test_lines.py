"""Plain lines of a run, and its end though its kernel does not answer any more."""

from __future__ import annotations

import queue

import papermill
import pytest

from sovlab.batch.shown.lines import Lines
from tests.batch.conformance.engines import read, write

CELLS = [{"cell_type": "markdown"}, {"cell_type": "code"}, {"cell_type": "code"}]


@pytest.fixture
def said():
    return queue.Queue()


def test_each_cell_that_ends_has_a_line(said):
    with Lines(CELLS, said.put) as lines:
        for step in (
            {"op": "kernel"},
            {"op": "start", "cell": 0},
            {"op": "complete", "cell": 0},
            {"op": "start", "cell": 1},
            {"op": "output", "cell": 1},
            {"op": "complete", "cell": 1},
            {"op": "start", "cell": 2},
            {"op": "exception", "cell": 2, "ename": "ValueError", "evalue": "on\x1b[31m purpose"},
            {"op": "complete", "cell": 2},
            {"op": "start", "cell": 7},
            {"op": "complete", "cell": "x"},
        ):
            lines.take(step)
    first, second = said.get_nowait(), said.get_nowait()
    assert first.startswith("[cell 2 of 3] took ")
    assert second.startswith("[cell 3 of 3] failed after ")
    assert "ValueError: on" in second
    assert "\x1b" not in second
    assert said.empty()


@pytest.mark.parametrize(
    ("begun", "ended", "told"),
    [(1000.0, 1010.0, "took 10 s"), (1010.0, 1000.0, "ms"), ("x", 1010.0, "ms"), (None, None, "ms")],
)
def test_how_long_a_cell_took_is_as_the_job_told_it(said, begun, ended, told):
    with Lines(CELLS, said.put) as lines:
        lines.take({"op": "start", "cell": 1, "time": begun})
        lines.take({"op": "complete", "cell": 1, "time": ended})
    assert said.get_nowait().endswith(told)


def test_a_cell_that_goes_on_is_said_to(said):
    with Lines(CELLS, said.put, every=0.01) as lines:
        lines.take({"op": "start", "cell": 1})
        told = [said.get(timeout=30) for _ in range(2)]
    assert all(line.startswith("[cell 2 of 3] runs for ") for line in told)


def test_a_kernel_that_does_not_answer_at_its_end_holds_no_run_up(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    silent = (
        "kernel = get_ipython().kernel\n"
        "async def never(*_): pass\n"
        "kernel.shell_handlers['kernel_info_request'] = never"
    )
    write(tmp_path, "print('done')", silent)
    papermill.execute_notebook("in.ipynb", "out.ipynb", engine_name="sovlab", progress_bar=False)
    found = read(tmp_path / "out.ipynb")
    assert found["metadata"]["sovlab"]["run"]["status"] == "succeeded"
    assert found["cells"][0]["outputs"][0]["text"] == ["done\n"]
