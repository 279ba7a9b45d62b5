"""The quickstart as a batch, by papermill: as a user without a browser runs it."""

from __future__ import annotations

from pathlib import Path

import nbformat
import papermill
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
# Training on a machine that is busy with other things takes several times as long.
pytestmark = pytest.mark.timeout(900)
MIME = "application/vnd.sovlab.job.v1+json"


@pytest.fixture(scope="module")
def executed(client, tmp_path_factory):
    out = tmp_path_factory.mktemp("papermill") / "quickstart.ipynb"
    papermill.execute_notebook(NOTEBOOKS / "quickstart.ipynb", out, cwd=NOTEBOOKS, progress_bar=False)
    return nbformat.read(out, as_version=4)


def cards(notebook):
    return [
        output.data
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "display_data" and MIME in output.data
    ]


def test_the_saved_notebook_keeps_each_card_in_its_final_state(executed):
    shown = cards(executed)
    assert len(shown) >= 2
    assert {card[MIME]["state"] for card in shown} == {"succeeded"}
    assert all("<script" not in card["text/html"] for card in shown)


def test_the_accuracy_is_the_models_own(executed):
    text = "".join(o.get("text", "") for c in executed.cells for o in c.get("outputs", ()))
    accuracy = float(text.partition("accuracy ")[2].split()[0])
    assert 0.97 <= accuracy < 1


def test_figures_of_the_notebook_and_of_a_job_are_there(executed):
    assert any("image/png" in o.get("data", {}) for c in executed.cells for o in c.get("outputs", ()))
    assert any("data:image/png" in card["text/html"] for card in cards(executed))
