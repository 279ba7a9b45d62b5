"""Behaviours 31, 32, 39 and 40: where notebooks come from and go to, and who asks for them."""

from __future__ import annotations

import asyncio
import json
import threading

import papermill
from nbformat import NotebookNode, from_dict

from tests.batch.conformance.engines import (
    ENGINES,
    OURS,
    calls,
    commands,
    comparable,
    parameters,
    prepared,
    read,
)


def test_31_a_folder_that_is_not_there(client, tmp_path):
    before = len(client.jobs())
    made = prepared(tmp_path, "import pathlib; pathlib.Path('ran').touch()")
    both = calls(made, output="no/out.ipynb")
    assert isinstance(both.ours.error, FileNotFoundError)
    assert both.own.raised == both.ours.raised
    assert not (both.own.folder / "ran").exists()
    # Where it saves at the end only, papermill's own runs it all for nothing.
    both = calls(made, output="no/out.ipynb", request_save_on_cell_execute=False)
    assert isinstance(both.own.error, FileNotFoundError)
    assert (both.own.folder / "ran").exists()
    assert both.ours.raised[0] == "SpecError"
    assert "The folder of no/out.ipynb is not there." in str(both.ours.error)
    assert len(client.jobs()) == before


def test_32_from_standard_input_to_standard_output(client, tmp_path):
    made = prepared(tmp_path, "print('shown')\n1", "2")
    given = (made[OURS] / "in.ipynb").read_text()
    both = commands(made, "-", "-", "--log-output", "-p", "x", "1", given=given)
    assert both.own.status == both.ours.status == 0, both.ours.err
    for ran in (both.own, both.ours):
        (ran.folder / "out.ipynb").write_text(ran.out)
    nb = both.same()
    assert nb["metadata"]["papermill"]["output_path"] == "-"
    assert nb["cells"][1]["outputs"][0]["text"] == ["shown\n"]


def test_39_help_on_a_notebook(client, tmp_path):
    source = "lr = 0.1  # how fast\nseed: int = 1\na = b = 1\nmode: Literal['x'] = 'x'"
    with_them = commands(prepared(tmp_path / "with", parameters(source)), "in.ipynb", "--help-notebook")
    without = commands(prepared(tmp_path / "without", "1"), "in.ipynb", "--help-notebook")
    for both, status in ((with_them, 0), (without, 1)):
        assert both.own.status == both.ours.status == status
        assert both.own.out == both.ours.out
    assert "lr: Unknown type (default 0.1)" in with_them.ours.out
    assert "seed: int (default 1)" in with_them.ours.out
    assert "No cell tagged 'parameters'" in without.ours.out


def test_40_inside_a_running_loop_without_any_path(client, tmp_path):
    made = prepared(tmp_path, "import asyncio\nawait asyncio.sleep(0)\n'done'")

    async def inside(engine):
        given = from_dict(read(made[engine] / "in.ipynb"))
        return papermill.execute_notebook(given, None, engine_name=engine, progress_bar=False)

    for engine in ENGINES:
        nb = asyncio.run(inside(engine))
        assert isinstance(nb, NotebookNode)
        assert nb.cells[0].outputs[0].data["text/plain"] == "'done'"
        assert nb.metadata.papermill.output_path is None
        (made[engine] / "out.ipynb").write_text(json.dumps(nb))
    own, ours = (comparable(made[engine] / "out.ipynb") for engine in ENGINES)
    assert ours == own


def test_40_in_threads(client, tmp_path):
    made = prepared(tmp_path, parameters("x = 0"), "x")
    source, errors = str(made[OURS] / "in.ipynb"), []

    def execute(number):
        try:
            output = str(made[OURS] / f"{number}.ipynb")
            given = {"engine_name": OURS, "progress_bar": False, "parameters": {"x": number}}
            papermill.execute_notebook(source, output, **given)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=execute, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for number in (1, 2):
        last = read(made[OURS] / f"{number}.ipynb")["cells"][-1]
        assert last["outputs"][0]["data"]["text/plain"] == [str(number)]
