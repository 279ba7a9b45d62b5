"""Behaviours 24 to 29: what stops a run from outside of its cells.

papermill's own engine calls cells complete then that were stopped or never ran. Ours writes the same into
papermill's keys, and into its own what is true.
"""

from __future__ import annotations

import json
import re
import signal

import pytest
from jupyter_client.kernelspec import NoSuchKernel

from tests.batch.conformance.engines import (
    ENGINES,
    Both,
    begin,
    calls,
    commands,
    ended,
    prepared,
    read_so_far,
    until,
)
from tests.batch.conformance.outcomes import COMPLETED, PENDING, exceptions, markers, statuses, truths

RUNNING = "running"


def text(nb, index):
    return "".join("".join(output.get("text", ())) for output in nb["cells"][index]["outputs"])


def all_complete(nb):
    return (
        set(statuses(nb)) == {COMPLETED}
        and nb["metadata"]["papermill"]["exception"] is None
        and markers(nb) == []
    )


def test_24_a_kernel_that_was_killed(client, tmp_path):
    made = prepared(tmp_path, "1", "print('partial', flush=True)", "import os; os._exit(1)", "4")
    both = commands(made, "in.ipynb", "out.ipynb")
    nb = both.same()
    assert both.ours.status == 138
    for ran in (both.own, both.ours):
        assert "nbclient.exceptions.DeadKernelError: Kernel died" in ran.err
    assert all_complete(nb)
    assert exceptions(nb) == [False, False, False, None]
    assert text(nb, 1) == "partial\n"
    assert truths(nb) == [None, None, "killed", "not run"]
    assert nb["metadata"]["sovlab"]["run"]["status"] == "failed"


def test_25_a_cell_that_takes_too_long_though_not_all_of_them_together(client, tmp_path):
    # A cell that does nothing takes no more than half of the limit, on a loaded machine, too.
    short = "import time; time.sleep(5.5)"
    slow = "print('partial', flush=True)\nimport time; time.sleep(600)"
    both = commands(
        prepared(tmp_path, short, short, slow, "4"), "in.ipynb", "out.ipynb", "--execution-timeout", "10"
    )
    nb = both.same()
    assert both.ours.status == 1
    for ran in (both.own, both.ours):
        assert "nbclient.exceptions.CellTimeoutError: A cell timed out while it was being executed" in ran.err
    assert all_complete(nb)
    assert exceptions(nb) == [False, False, False, None]
    assert text(nb, 2) == "partial\n"
    assert nb["cells"][2]["outputs"][-1]["ename"] == "KeyboardInterrupt"
    assert truths(nb) == [None, None, "timeout", "not run"]


def test_26_a_kernel_that_does_not_start(client, tmp_path, monkeypatch):
    spec = tmp_path / "jupyter" / "kernels" / "silent"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": ["sleep", "600"], "display_name": "Silent", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    both = calls(prepared(tmp_path, "1", "2"), kernel_name="silent", start_timeout=2)
    nb = both.same()
    assert both.ours.raised == ("RuntimeError", "Kernel didn't respond in 2 seconds")
    assert all_complete(nb)
    assert truths(nb) == ["not run"] * 2


def test_27_a_kernel_that_there_is_not(client, tmp_path):
    both = calls(prepared(tmp_path, "1", "2", metadata={}), kernel_name="nothing")
    nb = both.same()
    assert isinstance(both.ours.error, NoSuchKernel)
    assert all_complete(nb)
    assert truths(nb) == ["not run"] * 2


@pytest.fixture
def stopped(client, tmp_path):
    """Begin a notebook by both engines, send them a signal in its second cell, and let the job end then."""
    gate = tmp_path / "gate"
    # Saved is what came before another message that comes a second after the last save.
    waits = (
        "print('partial', flush=True)\nimport pathlib, time\n"
        "from IPython.display import display\nshown = display('waits', display_id=True)\n"
        f"while not pathlib.Path({str(gate)!r}).exists():\n    shown.update('waits')\n    time.sleep(0.2)"
    )
    made = prepared(tmp_path, "print('whole')", waits, "3")

    def stopped(number):
        args = ("in.ipynb", "out.ipynb", "--no-progress-bar", "--autosave-cell-every", "1")
        begun = {engine: begin(made[engine], engine, *args) for engine in ENGINES}
        try:
            for engine, process in begun.items():
                until(lambda out=made[engine] / "out.ipynb": came_to(out) == "partial\n", process)
            for process in begun.values():
                process.send_signal(number)
            return Both(*(ended(begun[engine], made[engine], seconds=60) for engine in ENGINES))
        finally:
            for process in begun.values():
                process.kill()
                process.wait()

    yield stopped
    gate.touch()


def came_to(path):
    """The text of the second cell, as far as it was saved."""
    nb = read_so_far(path)
    return text(nb, 1) if nb["cells"] else ""


def test_28_an_interrupt(client, stopped):
    both = stopped(signal.SIGINT)
    assert (
        both.own.status == 1
    )  # it says "Aborted!", or has a traceback: where Python was just then is chance
    assert both.ours.status == 130
    job = went_on(client, both.ours)
    own, ours = (ran.notebook() for ran in (both.own, both.ours))
    for nb in (own, ours):
        assert all_complete(nb)
        assert exceptions(nb) == [False, False, None]
        assert text(nb, 1) == "partial\n"
    # The cell of ours was not interrupted: its job goes on.
    kept = [output for output in own["cells"][1]["outputs"] if output["output_type"] != "error"]
    assert kept == ours["cells"][1]["outputs"]
    assert truths(ours) == [None, "left running", "not run"]
    assert ours["metadata"]["sovlab"]["run"]["id"] == job.id


def test_29_a_termination(client, stopped):
    both = stopped(signal.SIGTERM)
    assert both.own.status == -signal.SIGTERM
    assert both.ours.status == 143
    job = went_on(client, both.ours)
    # What papermill's own engine leaves is its last save.
    own, ours = (ran.notebook() for ran in (both.own, both.ours))
    assert statuses(own) == [COMPLETED, RUNNING, PENDING]
    assert own["metadata"]["papermill"]["duration"] is None
    assert all_complete(ours)
    assert ours["metadata"]["papermill"]["duration"] is not None
    for nb in (own, ours):
        assert (text(nb, 0), text(nb, 1)) == ("whole\n", "partial\n")
    assert truths(ours) == [None, "left running", "not run"]
    assert ours["metadata"]["sovlab"]["run"]["id"] == job.id


def went_on(client, ran):
    """The job of a command that was ended: it runs, and how to come back was said."""
    assert "Traceback" not in ran.err
    job = client.job(
        re.search(r"The run goes on as job (\S+)\. The same command again follows it", ran.err)[1]
    )
    assert not job.done()
    return job
