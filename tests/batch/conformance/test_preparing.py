"""Behaviours 06 and 12 to 17: what an engine is given of a notebook, whatever shape that is in."""

from __future__ import annotations

import json

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell

from tests.batch.conformance.engines import (
    calls,
    folders,
    parameters,
    prepared,
    read,
    tagged,
)
from tests.batch.conformance.outcomes import COMPLETED, counts, markers, statuses


def shown(nb, index):
    """The result of a cell."""
    return "".join(nb["cells"][index]["outputs"][0]["data"]["text/plain"])


@pytest.mark.parametrize("cwd", [None, "below"])
def test_12_the_kernel_works_where_it_is_told_and_paths_are_the_callers(client, tmp_path, cwd):
    made = prepared(tmp_path, "import pathlib; str(pathlib.Path.cwd())")
    for folder in made.values():
        (folder / "below").mkdir()
        (folder / "notebooks").mkdir()
        (folder / "in.ipynb").rename(folder / "notebooks" / "in.ipynb")
    both = calls(made, source="notebooks/in.ipynb", output="notebooks/out.ipynb", cwd=cwd)
    nb = both.same("notebooks/out.ipynb")
    assert shown(nb, 0) == repr(str(both.ours.folder / cwd if cwd else both.ours.folder))
    assert nb["metadata"]["papermill"]["output_path"] == "notebooks/out.ipynb"


def test_13_a_kernel_and_a_language_that_are_named(client, tmp_path):
    metadata = {"kernelspec": {"name": "elsewhere", "display_name": "Elsewhere"}}
    made = prepared(tmp_path, parameters("a = 1"), "a", metadata=metadata)
    nb = calls(made, parameters={"a": 2}, kernel_name="python3", language="python").same()
    assert shown(nb, 2) == "2"
    assert nb["metadata"]["kernelspec"]["name"] == "elsewhere"
    assert nb["metadata"]["sovlab"]["kernel"] == {"wanted": "python3", "used": "python3"}


def test_13_without_a_language_or_a_kernel_nothing_is_written(client, tmp_path):
    before = len(client.jobs())
    made = prepared(tmp_path, parameters("a = 1"), "a", metadata={})
    for keywords, words in (
        ({"parameters": {"a": 2}, "kernel_name": "python3"}, "No language found in notebook"),
        ({}, "No kernel name found in notebook"),
    ):
        both = calls(made, **keywords)
        assert both.own.raised == both.ours.raised
        assert words in str(both.ours.error)
        assert not (both.ours.folder / "out.ipynb").exists()
    assert len(client.jobs()) == before


def test_14_a_notebook_of_format_3(client, tmp_path):
    made = folders(tmp_path)
    cell = nbformat.v3.new_code_cell(input="a = 1\na", prompt_number=7)
    sheet = nbformat.v3.new_worksheet(cells=[nbformat.v3.new_text_cell("markdown", source="# x"), cell])
    for folder in made.values():
        text = nbformat.v3.writes_json(nbformat.v3.new_notebook(worksheets=[sheet]))
        (folder / "in.ipynb").write_text(text)
    said = {"kernel_name": "python3", "language": "python"}
    nb = calls(made, parameters={"a": 2}, **said).same()
    assert (nb["nbformat"], nb["nbformat_minor"]) == (4, 5)
    assert sorted(nb["metadata"]) == ["language_info", "papermill", "sovlab"]
    assert shown(nb, 2) == "1"
    refused = calls(made, parameters={"a": 2})
    assert refused.own.raised == refused.ours.raised
    assert refused.ours.raised[0] == "ValueError"


def test_15_ids_that_are_missing_or_there_twice(client, tmp_path):
    made = prepared(tmp_path, "1", "2", "3", new_markdown_cell("# x"))
    for folder in made.values():
        nb = read(folder / "in.ipynb")
        del nb["cells"][0]["id"]
        nb["cells"][1]["id"] = nb["cells"][2]["id"] = "twice"
        (folder / "in.ipynb").write_text(json.dumps(nb))
    both = calls(made)
    nb = both.same()
    assert both.ours.warned.count("MissingIDFieldWarning") >= 1
    assert both.ours.warned.count("DuplicateCellId") >= 1
    ids = [cell["id"] for cell in nb["cells"]]
    assert len({*ids}) == 4
    assert ids[1] == "twice"


def test_06_16_17_an_output_that_is_run_again(client, tmp_path):
    stale = {"exception": True, "start_time": "2001", "end_time": "2002", "duration": 1.5}
    said = {"version": "0.1", "default_parameters": {"x": 0}, "parameters": {"x": 1}, **stale}
    made = prepared(
        tmp_path,
        tagged("x = 0", "parameters", papermill={"status": "completed", **stale}),
        tagged("x = 1", "injected-parameters", papermill={"status": "completed", **stale}),
        "x",
        new_markdown_cell("An error", metadata={"tags": ["papermill-error-cell-tag"]}),
        tagged("1/0", "x", papermill={"status": "failed", **stale}, sovlab={"status": "killed"}),
        tagged("'never reached'", "x", papermill={"status": "pending", **stale}),
        metadata={
            "kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"},
            "papermill": {**said, "input_path": "old.ipynb", "output_path": "older.ipynb"},
            "sovlab": {"run": {"id": "of-long-ago"}},
        },
    )
    for folder in made.values():
        nb = nbformat.read(folder / "in.ipynb", 4)
        for cell in nb.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [nbformat.v4.new_output("stream", text="old")], 40
        nbformat.write(nb, folder / "in.ipynb")
    both = calls(made, parameters={"x": 2})
    nb = both.same()
    # 06: replaced where it was.
    assert nb["cells"][2]["source"] == ["# Parameters\n", "x = 2\n"]
    assert shown(nb, 3) == "2"
    # 16: what was said of it before stays, how it went does not.
    told = nb["metadata"]["papermill"]
    assert (told["version"], told["default_parameters"]) == ("0.1", {"x": 0})
    assert (told["input_path"], told["parameters"]) == ("in.ipynb", {"x": 2})
    assert told["start_time"] > "2025"
    # 17: also of what was not reached.
    assert markers(nb) == [0, 4]
    assert counts(nb) == [1, 2, 3, 4, None]
    assert nb["cells"][-1]["outputs"] == []
    assert nb["cells"][-1]["metadata"]["papermill"]["duration"] is None
    assert statuses(nb)[:3] == [COMPLETED] * 3
    # Nothing of ours is left of that run either.
    assert nb["metadata"]["sovlab"]["run"]["id"] in {record.id for record in client.jobs()}
    assert nb["cells"][5]["metadata"].get("sovlab") is None
