"""A cell whose names are given other values than the notebook's."""

from __future__ import annotations

import pytest

from sovlab.errors import CaptureError
from sovlab.payload.code import Cell


def given(notebook, source, values, **options):
    cell = Cell(source, notebook.ns, label="In[99]", directory=notebook.directory, given=values)
    return cell.pack(notebook.store, **options)


def printed(notebook, source, values, **options):
    return notebook.job(given(notebook, source, values, **options))[0].split()


def test_the_cell_and_the_functions_that_it_calls_read_what_is_given(notebook):
    notebook.run("lr = 1\nwidth = 2\ndef step():\n    return lr * 10\ndef outer():\n    return step()")
    assert printed(notebook, "print(lr, width, outer())", {"lr": 5}) == ["5", "2", "50"]
    assert notebook.ns["lr"] == 1
    assert notebook.run("outer()") == 10


def test_a_name_that_the_notebook_lacks_is_given_too_and_not_kept(notebook):
    assert printed(notebook, "print(fresh)", {"fresh": "text"}) == ["text"]
    assert "fresh" not in notebook.ns


def test_a_name_that_only_a_function_reads_counts(notebook):
    notebook.run("def step():\n    return rate")
    assert printed(notebook, "print(step())", {"rate": 3}) == ["3"]


def test_what_was_a_definition_or_a_module_there_is_the_value_here(notebook):
    notebook.run("import math as first\ndef second():\n    return 0")
    assert printed(notebook, "print(first, second)", {"first": 1, "second": 2}) == ["1", "2"]
    assert notebook.run("first.pi > second()")


def test_what_is_given_travels_though_in_does_not_name_it_and_it_looks_like_a_secret(notebook):
    notebook.run("other = 4")
    values = {"api_key": "hunter-2-hunter"}
    packed = given(notebook, "print(api_key, other)", values, send=("other",))
    assert notebook.job(packed)[0].split() == ["hunter-2-hunter", "4"]
    assert not packed.withheld


@pytest.mark.parametrize("cell", ["print(other)", "lr = 2\nprint(lr)"])
def test_what_nothing_reads_is_refused(notebook, cell):
    notebook.run("other = 1\nlr = 1")
    with pytest.raises(
        CaptureError, match="lr is given a value, but neither the cell nor what it calls reads lr"
    ):
        given(notebook, cell, {"lr": 5})
    assert notebook.ns["lr"] == 1


def test_a_name_that_is_nearly_read_is_told(notebook):
    with pytest.raises(CaptureError, match="Did you mean width"):
        given(notebook, "print(width)", {"widht": 5, "width": 2})


def test_the_notebooks_values_are_there_again_though_the_cell_cannot_be_packed(notebook):
    notebook.run("lr = 1")
    with pytest.raises(SyntaxError):
        given(notebook, "print(lr", {"lr": 5, "new": 1})
    assert notebook.ns["lr"] == 1
    assert "new" not in notebook.ns
