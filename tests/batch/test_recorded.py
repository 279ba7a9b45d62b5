"""``sovlab show``: what an executed notebook says of its run, whoever wrote it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.batch.record import cells_digest
from sovlab.batch.recorded import record_of, recorded_table, row_of_record, was_changed
from sovlab.cli import main
from sovlab.views.runs import changed_words, runs_document, runs_table
from tests.batch.made_runs import DOCUMENT, ROW

CELLS = [
    {"cell_type": "code", "source": ["1/0"], "metadata": {"papermill": {"exception": True}}, "outputs": []},
    {"cell_type": "code", "source": "2", "metadata": {"sovlab": {"status": "not run"}}, "outputs": []},
]
MARKER = {"cell_type": "markdown", "source": "error", "metadata": {"tags": ["papermill-error-cell-tag"]}}
RECORD = {
    "run": {
        "id": "train-1",
        "target": "lab",
        "status": "failed",
        "message": "ZeroDivisionError",
        "started": 100.0,
        "finished": 190.0,
    },
    "kernel": {"wanted": "mine", "used": "python3"},
    "python": "3.12.1",
    "accel": {"backend": "cuda", "gpus": 2},
    "nodes": 4,
    "energy": {"joules": 360000.0, "source": "counter", "method": "NVML energy counter", "coverage": 0.5},
    "notebook": {"sha256": cells_digest(CELLS)},
    "code": {"commit": "0123456789" + "ab" * 15, "dirty": True, "remote": "https://git.example.org/a/b"},
    "image": {"registry": "r.example.org", "name": "lab/cuda", "tag": "1", "digest": "sha256:" + "ab" * 32},
    "lock": {"count": 12, "sha256": "cd" * 32, "packages": ["numpy==2.1.0"]},
}


def notebook(record=RECORD, cells=(MARKER, *CELLS), **papermill):
    metadata = {"sovlab": record, "papermill": papermill}
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def test_all_that_is_known_is_told():
    assert dict(recorded_table(notebook(parameters={"lr": 0.5, "name": "a"})).rows) == {
        "Run": "train-1 on target lab",
        "Outcome": "failed in 1 min 30 s: ZeroDivisionError",
        "Kernel": "python3 in place of mine, Python 3.12.1",
        "Hardware": "cuda, 2 accelerators each, 4 nodes",
        "Energy": "100 Wh (counted, NVML energy counter, 50% of its time)",
        "Parameters": "lr = 0.5, name = a",
        "Recorded": "—",
        "Cells": "1 failed, 1 not run",
        "Code": "commit 0123456789ab of https://git.example.org/a/b, with changes that are in no commit",
        "Image": "r.example.org/lab/cuda:1, sha256:abababababab…",
        "Packages": "12 installed, with numpy==2.1.0",
        "Sources": "as they were run",
    }


def test_what_is_not_known_is_a_dash_and_energy_never_0():
    rows = dict(recorded_table(notebook({"schema": 1})).rows)
    assert rows["Run"] == rows["Hardware"] == rows["Parameters"] == "—"
    assert rows["Energy"] == "— not measured"
    said = {"energy": {"joules": 5.0, "source": "a guess"}}
    assert dict(recorded_table(notebook(said)).rows)["Energy"] == "— not measured"


def test_as_a_row_it_is_what_its_job_was():
    row = row_of_record(notebook())
    assert (row["id"], row["target"], row["seconds"], row["joules"]) == ("train-1", "lab", 90.0, 360000.0)
    assert row["mean"] is None  # of half of its time
    whole = {**RECORD, "energy": {**RECORD["energy"], "coverage": 1.0}}
    assert row_of_record(notebook(whole))["mean"] == 4000.0


def test_that_sources_were_changed_is_told():
    assert not was_changed(notebook())
    changed = notebook(cells=[{**CELLS[0], "source": "1/1"}, CELLS[1]])
    assert was_changed(changed)
    assert dict(recorded_table(changed).rows)["Sources"] == "changed since that run"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(RECORD)), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(JSON, JSON, JSON)
def test_no_content_is_an_error_or_reaches_a_terminal_as_it_is(record, cell, parameters):
    made = notebook(
        record, [cell, {"cell_type": "code", "metadata": cell, "source": cell}], parameters=parameters
    )
    text = recorded_table(made).text()
    assert "\x1b" not in text
    assert len(text.splitlines()) == 13
    row = {**ROW, **row_of_record(made), "found": "complete", "status": 0}
    DOCUMENT.validate(runs_document("name", [row]))
    assert "\x1b" not in changed_words(row, 1) + runs_table([row]).text()


def test_the_command_shows_it_or_says_that_there_is_none(tmp_path, capsys):
    path = tmp_path / "out.ipynb"
    path.write_text(json.dumps(notebook()))
    assert main(["show", str(path)]) == 0
    assert "train-1 on target lab" in capsys.readouterr().out
    assert main(["show", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == record_of(notebook())
    path.write_text(json.dumps(notebook(None)))
    assert main(["show", str(path)]) == 1
    assert "has no record of a run" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", '{"cells": 1}', '{"cells": [], "nbformat": 3}', "[" * 100_000])
def test_what_is_no_notebook_is_refused(tmp_path, capsys, text):
    (tmp_path / "x.ipynb").write_text(text)
    assert main(["show", str(tmp_path / "x.ipynb")]) == 2
    assert "is no notebook of nbformat 4" in capsys.readouterr().err


def test_a_run_that_was_requeued_says_at_which_attempt_it_ended():
    record = {**RECORD, "run": {**RECORD["run"], "attempt": 3}}
    rows = dict(recorded_table(notebook(record)).rows)
    assert rows["Outcome"] == "failed in 1 min 30 s, at attempt 3: ZeroDivisionError"
