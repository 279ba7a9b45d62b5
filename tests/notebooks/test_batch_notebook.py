"""The notebook on batch jobs, by papermill: what it shows is so."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
pytestmark = pytest.mark.timeout(900)


def test_it_shows_a_run_that_is_found_again_and_verifies(client, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    papermill.execute_notebook(
        NOTEBOOKS / "batch.ipynb", tmp_path / "batch.ipynb", cwd=tmp_path, progress_bar=False
    )
    cells = [c for c in nbformat.read(tmp_path / "batch.ipynb", as_version=4).cells if c.cell_type == "code"]
    said = ["".join(o.get("text", "") for o in cell.outputs) for cell in cells]
    _, first, again, typo, shown, verified = said
    assert "on target local" in first
    assert "Done: out-batch/first.ipynb" in first
    assert "out-batch/first.ipynb is there already, of the same run" in again
    assert "Did you mean lr? It has lr, steps." in typo
    assert "succeeded in" in shown
    assert "Every cell is the same" in verified
    trained = nbformat.read(tmp_path / "out-batch" / "first.ipynb", as_version=4)
    assert trained.metadata.sovlab["run"]["status"] == "succeeded"
    assert not (tmp_path / "out-batch" / "typo.ipynb").exists()
