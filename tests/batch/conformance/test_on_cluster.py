"""Behaviours on a cluster: a pod's notebook has what papermill's own engine writes on this machine."""

from __future__ import annotations

import pytest

from tests.batch.conformance.engines import ENGINES, OURS, OWN, Both, Ran, comparable, parameters, read, write
from tests.batch.conformance.outcomes import COMPLETED, FAILED, PENDING, markers, statuses, truths
from tests.batch.conformance.test_shown import lines
from tests.batch.test_engine_on_cluster import cluster, ended, papermill  # noqa: F401 - fixtures


@pytest.fixture
def both(papermill):  # noqa: F811
    """papermill's command by both engines at once, to ``ENGINE.ipynb``."""

    def run(*cells, words=(), **keywords):
        write(papermill.work, *cells, **keywords)
        begun = [
            papermill(f"{engine}.ipynb", *(word.format(engine=engine) for word in words), engine=engine)
            for engine in ENGINES
        ]
        return Both(*(Ran(papermill.work, *ended(process)) for process in begun))

    run.work = papermill.work
    return run


@pytest.fixture
def as_here(cluster):  # noqa: F811
    """Skips where outputs are those of another environment than this machine's."""
    if cluster.fake is None:
        pytest.skip("the image of a real cluster has another environment than this machine")


def same(ran):
    """Assert that they ended alike and left the same notebook, which is returned as ours is."""
    assert (ran.ours.status, ran.ours.out) == (ran.own.status, ran.own.out), ran.ours.err
    assert "on target site" in ran.ours.err
    assert comparable(ran.ours.folder / f"{OURS}.ipynb") == comparable(ran.own.folder / f"{OWN}.ipynb")
    return read(ran.ours.folder / f"{OURS}.ipynb")


def test_what_succeeds_is_shown_as_here(as_here, both):
    """Parameters, the working directory, files beside the notebook, displays, widgets, the log, files."""
    below = both.work / "below"
    below.mkdir()
    (below / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    (below / "numbers.csv").write_text("1\n2\n")
    ran = both(
        parameters("a = 1\nb = ''"),
        "import helper\nhelper.twice(a), b",
        "print(sum(map(int, open('numbers.csv'))))\nimport sys; print('err', file=sys.stderr)",
        "from IPython.display import clear_output, display\nshown = display('v1', display_id=True)",
        "shown.update('v2')\ndisplay('a')\nclear_output(wait=True)\ndisplay('b')",
        "import ipywidgets\nslider = ipywidgets.IntSlider(value=3)\nslider",
        "slider.value = 5\nprint('x' * 100_000)",
        "print('last')",
        words=(
            *("-p", "a", "21", "-p", "b", "é中", "--cwd", "below"),
            *("--log-output", "--stdout-file", "{engine}.out", "--stderr-file", "{engine}.err"),
        ),
    )
    nb = same(ran)
    assert statuses(nb) == [COMPLETED] * 9
    assert nb["cells"][2]["outputs"][0]["data"]["text/plain"] == ["(42, 'é中')"]
    for kind in ("out", "err"):  # papermill opens them when there is something to be written
        own, ours = ((below / f"{engine}.{kind}").read_text() for engine in ENGINES)
        assert ours == own
    assert own == "err\n"
    own, ours = (
        [line for line in lines(each) if not line.startswith("Output Notebook")]
        for each in (ran.own, ran.ours)
    )
    assert sorted(ours) == sorted(own)  # what is long comes at the end
    assert (
        nb["metadata"]["sovlab"]["run"] | {"target": "site", "status": "succeeded"}
        == (nb["metadata"]["sovlab"]["run"])
    )


def test_a_cell_that_fails_and_outputs_too_large_for_a_log(as_here, both):
    ran = both("print('x' * 3_000_000)", "1 / 0", "print('never')")
    nb = same(ran)
    assert ran.ours.status == 1
    assert "ZeroDivisionError: division by zero" in ran.ours.err
    assert markers(nb) == [0, 2]
    assert statuses(nb) == [COMPLETED, FAILED, PENDING]
    assert truths(nb) == [None, None, "not run"]


def test_an_exit_is_no_failure(as_here, both):
    ran = both("import sys; sys.exit()", "2")
    nb = same(ran)
    assert ran.ours.status == 0
    assert statuses(nb) == [FAILED, PENDING]


def test_a_kernel_that_was_killed(both):
    ran = both("print('partial', flush=True)", "import os; os._exit(1)", "3")
    nb = same(ran)
    assert ran.ours.status == 138
    assert "DeadKernelError: Kernel died" in ran.ours.err
    assert "The kernel died. It ended itself with status 1." in ran.ours.err
    assert truths(nb) == [None, "killed", "not run"]


def test_a_cell_that_takes_too_long(both):
    ran = both(
        "1", "print('partial', flush=True)\nimport time; time.sleep(600)", words=("--execution-timeout", "8")
    )
    nb = same(ran)
    assert "CellTimeoutError: A cell timed out" in ran.ours.err
    assert nb["cells"][1]["outputs"][0]["text"] == ["partial\n"]
    assert truths(nb) == [None, "timeout"]


def test_a_kernel_that_there_is_not(both):
    ran = both("1", words=("-k", "nothing"), metadata={})
    nb = same(ran)
    assert "NoSuchKernel: No such kernel named nothing" in ran.ours.err
    assert "NoSuchKernel: No such kernel named nothing" in ran.own.err
    assert truths(nb) == ["not run"]
