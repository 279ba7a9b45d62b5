"""A cell that displays faster than anybody reads: all of it comes back."""

from __future__ import annotations

import asyncio
from queue import Empty
from types import SimpleNamespace

import papermill
import pytest
from nbclient.client import CellExecutionComplete

from sovlab.runner.notebook.client import Client
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


def test_a_cell_that_ends_when_nothing_had_come_for_long_is_waited_for():
    """nbclient's few seconds of silence begin with the end of a cell, and not before it."""
    cell, told = {"metadata": {"execution": {}}}, []
    idle = {"parent_header": {"msg_id": "1"}}

    class Channel:
        async def get_msg(self, timeout):
            told.append(timeout)
            if len(told) == 2:
                return idle
            cell["metadata"]["execution"]["shell.execute_reply"] = "now"  # it comes as the silence is over
            raise Empty

    running = Client.__new__(Client)
    running.kc = SimpleNamespace(iopub_channel=Channel())
    running.process_message = lambda *_: (_ for _ in ()).throw(CellExecutionComplete)
    asyncio.run(running._async_poll_output_msg("1", cell, 0))
    assert len(told) == 2
    told.clear()
    idle["parent_header"]["msg_id"] = "of another cell"
    with pytest.raises(Empty):
        asyncio.run(running._async_poll_output_msg("1", cell, 0))
