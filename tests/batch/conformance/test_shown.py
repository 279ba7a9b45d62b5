"""Behaviours 34 to 36: what is shown of a run while it goes on: the log, files of streams, saves."""

from __future__ import annotations

import re

import pytest

from tests.batch.conformance.engines import calls, commands, prepared
from tests.batch.conformance.outcomes import COMPLETED, statuses

CELLS = (
    "import sys\nprint('to out')\nsys.stdout.flush()\nprint('to err', file=sys.stderr)",
    "from IPython.display import display, clear_output\ndisplay('displayed')\nclear_output(wait=True)\n"
    "display('instead')\nclear_output()\ndisplay('again', 'twice')",
    "shown = display('first', display_id=True)\nshown.update('updated')\n6 * 7",
    "print('x' * 100_000 + 'the end of a long one')",
    "print('after the long one')",
    "'y' * 100_000",
    "print('last')\n1/0",
)
OURS_ONLY = re.compile(r"Job \S+ on target \S+: sovlab logs -f \S+ shows what it prints\.")
KERNELS_OWN = re.compile(r"\[IPKernelApp\]|Kernel is running over TCP")


@pytest.fixture(scope="module")
def logged(client, tmp_path_factory):
    """A command with all that shows outputs beside the notebook."""
    made = prepared(tmp_path_factory.mktemp("logged"), *CELLS)
    files = ("--stdout-file", "o.txt", "--stderr-file", "e.txt")
    return commands(made, "in.ipynb", "out.ipynb", "--log-output", *files)


def lines(ran):
    """What the command wrote on standard error, up to the traceback."""
    said = ran.err.split("Traceback (most recent call last)")[0].splitlines()
    return [line for line in said if line and not OURS_ONLY.match(line) and not KERNELS_OWN.search(line)]


def test_34_the_log_has_cells_and_what_they_show(logged):
    logged.same()
    assert logged.own.out == logged.ours.out == ""
    own, ours = lines(logged.own), lines(logged.ours)
    for said in ("Executing Cell 1" + "-" * 39, "to out", "to err", "'instead'", "'twice'", "42"):
        assert said in own
    assert "'updated'" not in own
    # Of what is long the log of ours tells when it is there, at the end.
    long = [line for line in own if len(line) > 10_000]
    assert len(long) == 2
    assert [line for line in ours if line not in long] == [line for line in own if line not in long]
    assert [line for line in ours if line in long] == long


def test_35_files_of_streams_have_their_text_alone(logged):
    for name in ("o.txt", "e.txt"):
        own, ours = ((ran.folder / name).read_text() for ran in (logged.own, logged.ours))
        assert ours == own
    assert own == "to err\n"
    assert (logged.ours.folder / "o.txt").read_text().endswith("after the long one\nlast\n")


def test_36_a_long_cell_is_saved_as_it_talks_and_a_silent_one_is_not(client, tmp_path):
    talks = (
        "import pathlib, time\nfrom IPython.display import display\n"
        "out, shown = pathlib.Path('out.ipynb'), display('talks', display_id=True)\n"
        "while \"'talks'\" not in out.read_text(): shown.update('talks'); time.sleep(0.1)"
    )
    # Until nothing was written for two seconds: what was said before may come late.
    silent = "last = 0\nwhile last != (now := out.stat().st_mtime_ns):\n    last = now\n    time.sleep(2)"
    made = prepared(tmp_path, talks, silent)
    nb = calls(made, autosave_cell_every=1, execution_timeout=60).same()
    assert statuses(nb) == [COMPLETED] * 2


def test_36_no_saves_but_at_the_end(client, tmp_path):
    made = prepared(tmp_path, "import os; os.path.exists('out.ipynb')")
    nb = calls(made, request_save_on_cell_execute=False).same()
    assert nb["cells"][0]["outputs"][0]["data"]["text/plain"] == ["False"]
