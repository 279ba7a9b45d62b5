"""A cell that displays faster than anybody reads: all of it comes back."""

from __future__ import annotations

import papermill
import pytest

from tests.batch.conformance.engines import read, write

COUNT = 8000


@pytest.mark.timeout(600)
def test_no_output_of_a_flood_is_lost(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # The cell has ended long before what it displayed was read.
    flood = f"from IPython.display import display\nfor i in range({COUNT}):\n    display(i)"
    write(tmp_path, flood, "print('next')")
    papermill.execute_notebook("in.ipynb", "out.ipynb", engine_name="sovlab", progress_bar=False)
    first, second = read(tmp_path / "out.ipynb")["cells"]
    shown = [int("".join(output["data"]["text/plain"])) for output in first["outputs"]]
    assert shown == list(range(COUNT))
    assert second["outputs"][0]["text"] == ["next\n"]
