"""Behaviours 11, 18 to 23 and 30: how cells end, and what is said of it."""

from __future__ import annotations

import re

import pytest
from nbformat.v4 import new_markdown_cell
from papermill.exceptions import PapermillExecutionError

from tests.batch.conformance.engines import calls, commands, prepared, tagged
from tests.batch.conformance.outcomes import (
    COMPLETED,
    FAILED,
    PENDING,
    counts,
    exceptions,
    markers,
    statuses,
    truths,
)


def test_11_sources_are_hidden_in_a_report_and_18_all_cells_of_a_success_are_complete(client, tmp_path):
    made = prepared(
        tmp_path,
        tagged("1", "x", jupyter={"outputs_hidden": True}),
        new_markdown_cell("# text"),
        "",
        tagged("1/0", "skip-execution"),
        "2",
    )
    nb = calls(made, report_mode=True).same()
    code = [cell for cell in nb["cells"] if cell["cell_type"] == "code"]
    assert all(cell["metadata"]["jupyter"] == {"source_hidden": True} for cell in code)
    assert statuses(nb) == [COMPLETED] * 5
    assert counts(nb) == [1, None, None, None, 2]
    assert exceptions(nb) == [False] * 5
    assert nb["metadata"]["papermill"]["exception"] is None
    assert markers(nb) == []
    assert nb["metadata"]["language_info"]["name"] == "python"


@pytest.fixture(scope="module")
def failed(client, tmp_path_factory):
    """A command whose second cell of three fails, with papermill's bar."""
    made = prepared(
        tmp_path_factory.mktemp("failed"),
        "# papermill_description=loading data\n1",
        "print('before')\n1/0",
        "2",
    )
    return commands(made, "in.ipynb", "out.ipynb")


def test_19_an_error(failed):
    nb = failed.same()
    assert failed.ours.status == 1
    assert markers(nb) == [0, 2]
    assert '<a href="#papermill-error-cell">In [2]</a>' in "".join(nb["cells"][0]["source"])
    assert statuses(nb) == [COMPLETED, FAILED, PENDING]
    assert exceptions(nb) == [False, True, None]
    assert counts(nb) == [1, 2, None]
    assert nb["metadata"]["papermill"]["exception"] is True
    assert truths(nb) == [None, None, "not run"]
    for ran in (failed.own, failed.ours):
        _, said = ran.err.split("papermill.exceptions.PapermillExecutionError: ")
        ran.said = re.sub(r"ipykernel_\d+/\d+\.py", "FILE", said)
        assert 'Exception encountered at "In [2]"' in said
        assert "ZeroDivisionError: division by zero" in said
    assert failed.ours.said == failed.own.said


def test_33_the_bar_counts_cells_and_tells_what_they_do(failed):
    for ran in (failed.own, failed.ours):
        drawn = re.findall(r"(Executing[^:\r\n]*): *(\d+)%\|[^|]*\| (\d)/(\d) ", ran.err)
        assert drawn[0] == ("Executing", "0", "0", "3")
        assert drawn[-1] == ("Executing loading", "67", "2", "3")
        assert ran.out == ""


def test_20_cells_that_may_raise(client, tmp_path):
    may = "raises-exception"
    both = calls(prepared(tmp_path, tagged("1/0", may), "2", tagged("int('x')", may), "4"))
    nb = both.same()
    assert isinstance(both.ours.error, PapermillExecutionError)
    assert both.ours.error.ename == "ValueError"  # the last
    assert statuses(nb) == [COMPLETED] * 4
    assert exceptions(nb) == [False] * 4
    assert counts(nb) == [1, 2, 3, 4]
    assert nb["metadata"]["papermill"]["exception"] is None
    assert markers(nb) == [0, 3]
    assert truths(nb) == [None] * 4


@pytest.mark.parametrize("source", ["import sys; sys.exit()", "import sys; sys.exit(0)"])
def test_21_exit_without_a_status(client, tmp_path, source):
    both = calls(prepared(tmp_path, "1", source, "3"))
    nb = both.same()
    assert both.ours.error is None
    assert markers(nb) == []
    assert statuses(nb) == [COMPLETED, FAILED, PENDING]
    assert nb["metadata"]["papermill"]["exception"] is True
    assert truths(nb) == [None, None, "not run"]


FAILS = {
    "22 exit with a status": ("import sys; sys.exit(3)", "SystemExit"),
    "23 a magic that fails without an output": ("%nothing", "CellExecutionError"),
    "23 a shell that fails": ("%%bash\necho before\nexit 3", "CalledProcessError"),
    "23 a cell that is timed": ("%%time\n1/0", "ZeroDivisionError"),
    "23 a program that is not there": ("%run nothing.py", "Exception"),
    "30 input": ("input()", "StdinNotImplementedError"),
}


@pytest.mark.parametrize("name", FAILS)
def test_what_fails(client, tmp_path, name):
    source, error = FAILS[name]
    both = calls(prepared(tmp_path, source, "2"))
    nb = both.same()
    assert isinstance(both.ours.error, PapermillExecutionError)
    assert both.ours.error.ename == error
    assert markers(nb) == [0, 1]
    assert statuses(nb) == [FAILED, PENDING]
