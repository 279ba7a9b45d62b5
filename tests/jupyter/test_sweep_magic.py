"""``%%sovsweep`` in a real InteractiveShell, with real jobs."""

from __future__ import annotations

import threading

import pytest
from IPython.core.completer import provisionalcompleter

from sovlab.client.sweeping import Sweep
from sovlab.errors import BackendError, CaptureError, SpecError, UsageError
from sovlab.jupyter.sweeping import LiveTable


def swept(notebook, line, cell):
    """The sweep that a cell began, by the name that the cell gave it."""
    notebook.run(f"%%sovsweep {line} --as swept\n{cell}")
    found = notebook["swept"]
    assert isinstance(found, Sweep)
    return found


def test_each_job_runs_the_cell_as_if_it_began_with_its_values(notebook):
    notebook.run("lr = 1\nbase = 100\ndef scaled(x):\n    return x * lr")
    sweep = swept(notebook, "lr=2,3 name=adam,'sg d' --out y,seen", "y = base + scaled(1)\nseen = name")
    assert sweep.results() == [
        {"y": 102, "seen": "adam"},
        {"y": 102, "seen": "sg d"},
        {"y": 103, "seen": "adam"},
        {"y": 103, "seen": "sg d"},
    ]
    assert [row["point"] for row in sweep.rows()][:2] == [
        {"lr": 2, "name": "adam"},
        {"lr": 2, "name": "sg d"},
    ]
    assert notebook["lr"] == 1
    assert "y" not in notebook.shell.user_ns
    assert sweep.rows()[0]["value"] == {"y": 102, "seen": "adam"}


def test_options_are_swept_and_may_stand_after_two_dashes(notebook):
    notebook.run("import os")
    line = "x=(1,2),[3] --over cpu=0.1,0.2 --repeats 2 -- --env A=b --out z --name mine"
    sweep = swept(notebook, line, "z = x, os.environ['A']")
    assert [value["z"] for value in sweep.results()] == [((1, 2), "b")] * 4 + [([3], "b")] * 4
    assert [row["point"]["cpu"] for row in sweep.rows()] == [0.1, 0.1, 0.2, 0.2] * 2
    assert sweep.name == "mine"
    assert sweep.jobs[0].name == "mine#1.1"


def test_the_cell_shows_a_live_table_that_ends_with_the_last_job(notebook, monkeypatch):
    shown = []
    keep = LiveTable.show
    monkeypatch.setattr(LiveTable, "show", lambda table: (shown.append(table), keep(table)))
    notebook.run("%%sovsweep x=1,2 --out y\ny = '<b>' * x")
    (table,) = shown
    assert table.final.wait(60)
    (output,) = notebook.shown
    assert "2 runs, 2 succeeded" in output["text/plain"]
    assert "<table>" in output["text/html"]
    assert "&lt;b&gt;" in output["text/html"]
    assert "<b>" not in output["text/html"]
    assert notebook.run("_.results()") == [{"y": "<b>"}, {"y": "<b><b>"}]


def test_a_sweep_at_the_end_of_a_cell_is_shown_as_a_table(notebook):
    notebook.run("import sovlab\ndef double(x):\n    return 2 * x")
    notebook.run("sweep = sovlab.sweep(double, {'x': [1, 2]}).wait()\nsweep")
    (output,) = notebook.shown
    assert "double: 2 runs, 2 succeeded" in output["text/plain"]
    assert "<td" in output["text/html"]


def test_wait_blocks_and_a_point_that_failed_raises_nothing(notebook):
    notebook.run("%%sovsweep x=0,1 --wait --as waited\nprint(1 / x)")
    assert [row["state"] for row in notebook["waited"].rows()] == ["failed", "succeeded"]
    (output,) = notebook.shown
    assert "1 failed, 1 succeeded" in output["text/plain"]
    assert "failed: user error" in output["text/plain"]


@pytest.mark.parametrize(("answer", "told"), [("c", "Cancelling sweep gated"), ("", "Detached: sweep gated")])
def test_an_interrupt_offers_to_cancel_or_to_detach(notebook, monkeypatch, capsys, tmp_path, answer, told):
    monkeypatch.setattr("builtins.input", lambda prompt: answer)
    gate = tmp_path / "gate"
    waits, wait = [], Sweep.wait

    def interrupted(sweep, timeout=None):
        waits.append(1)
        if len(waits) == 1:
            raise KeyboardInterrupt
        return wait(sweep, timeout)

    monkeypatch.setattr(Sweep, "wait", interrupted)
    notebook.run(
        "%%sovsweep x=1,2 --wait --as gated --name gated\n"
        f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.02)\nprint(x)"
    )
    assert told in capsys.readouterr().out
    gate.touch()
    states = [row["state"] for row in wait(notebook["gated"]).rows()]
    assert states == (["cancelled", "not submitted"] if answer else ["succeeded", "succeeded"])


@pytest.mark.parametrize(
    ("line", "error", "says"),
    [
        ("x=1,2 y=3", CaptureError, "y is given a value, but neither the cell nor what it calls reads y"),
        ("x=1,2 --over cpu=1,-1", SpecError, "--cpu is -1"),
        ("x=1,2 --over backend=cpu,cudda", BackendError, "cudda"),
        ("x=1,2 --over memory=4G,lots", SpecError, "not a valid size"),
        ("x=1,2 --over cpu=1,many", SpecError, "'many' is not a number"),
        ("x=1,2 --over colour=red", SpecError, "There is no option 'colour'"),
        ("x=1,2 x=3", SpecError, "x is swept twice"),
        ("x", SpecError, "'x' has no values"),
        ("", SpecError, "Nothing is swept"),
        ("1x=2", SpecError, "'1x' is not a valid Python name"),
        ("x=1,2 --at-once none", UsageError, "'none' is not a whole number"),
        ("x=1,2 --as 1x", UsageError, "--as is '1x'"),
        ("x=1,2 --gpus many", UsageError, "not a whole number"),
        ("x=1 'y", UsageError, "Close the quotation"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_submits_nothing(notebook, client, line, error, says):
    before = len(client.jobs())
    raised = notebook.fails(f"%%sovsweep {line}\nprint(x)")
    assert isinstance(raised, error)
    assert says in str(raised)
    assert len(client.jobs()) == before


def test_dry_run_shows_the_points_and_submits_nothing(notebook, client):
    before = len(client.jobs())
    notebook.run("%%sovsweep x=1,2 --over cpu=0.5,1 --dry-run --name plan\nprint(x)")
    (output,) = notebook.shown
    text = output["text/plain"]
    assert "Would submit 4 jobs." in text
    assert "plan#4" in text
    assert len(client.jobs()) == before


def test_help_and_completion_know_it(notebook, capsys):
    notebook.run("%%sovsweep --help\n1")
    assert "--over" in capsys.readouterr().out
    with provisionalcompleter():
        found = {c.text for c in notebook.shell.Completer.completions("%%sovsweep x=1 --re", 19)}
    assert "--repeats" in found


def test_a_target_that_does_not_answer_stops_the_table_and_not_the_sweep(notebook, monkeypatch, tmp_path):
    from sovlab.errors import ExecutorError

    gate = tmp_path / "gate"
    shown, keep = [], LiveTable.show
    monkeypatch.setattr(LiveTable, "show", lambda table: (shown.append(table), keep(table)))
    broken = threading.Event()

    def fails(sweep, timeout):
        broken.set()
        raise ExecutorError("It does not answer.", "Wait.")

    monkeypatch.setattr(Sweep, "wait_for_next", fails)
    notebook.run(
        "%%sovsweep x=1,2 --as stopped\n"
        f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.02)\nprint(x)"
    )
    assert shown[0].final.wait(60)
    assert broken.is_set()
    assert "no longer follows the sweep: It does not answer. Wait." in notebook.shown[0]["text/plain"]
    gate.touch()
    assert [row["state"] for row in notebook["stopped"].wait(60).rows()] == ["succeeded", "succeeded"]
