"""When cells ran: as the job tells it, however late its news are heard."""

from __future__ import annotations

import datetime

import nbformat
import papermill
import pytest

from tests.batch.conformance.engines import write


def times(path):
    """Of each cell when it began, when it ended, and for how long it ran."""
    nb = nbformat.read(path, 4)
    told = [cell.metadata.papermill for cell in nb.cells]
    read = datetime.datetime.fromisoformat
    whole = nb.metadata.papermill
    return (
        [(read(each.start_time), read(each.end_time), each.duration) for each in told],
        (read(whole.start_time), read(whole.end_time), whole.duration),
    )


def run(place, output):
    papermill.execute_notebook(
        place / "in.ipynb", place / output, engine_name="sovlab", progress_bar=False, cwd=place
    )


def test_who_comes_later_is_told_when_cells_ran(client, tmp_path, capfd):
    write(tmp_path, "import time\nprint('quick')", "time.sleep(1.5)")
    run(tmp_path, "first.ipynb")
    first, whole = times(tmp_path / "first.ipynb")
    assert first[1][2] >= 1.5
    run(tmp_path, "first.ipynb")
    assert "The same run is there" in capfd.readouterr().err
    again, later = times(tmp_path / "first.ipynb")
    assert again == first
    assert later[0] <= first[0][0], "it began before its first cell did"
    assert later[2] >= whole[2] - (first[0][0] - whole[0]).total_seconds()
    for begun, ended, duration in again:
        assert (ended - begun).total_seconds() == pytest.approx(duration)
