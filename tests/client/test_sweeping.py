"""A function at several points: real local jobs."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import sovlab
from sovlab.errors import (
    BackendError,
    CaptureError,
    ExecutorError,
    JobCancelled,
    SovlabError,
    SpecError,
    UsageError,
    WaitTimeout,
)


def _scaled(lr: float, width: int = 1, offset: int = 0) -> float:
    if width == 13:
        raise ValueError("on purpose")
    return lr * width + offset


def _setting(name: str = "SWEPT_SETTING") -> str | None:
    import os

    return os.environ.get(name)


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


@pytest.fixture
def gates(client: Any, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Files that a job can read to its end only once they are opened."""
    made: dict[str, Path] = {}

    def gate(name: str) -> str:
        made[name] = tmp_path / name
        os.mkfifo(made[name])
        return str(made[name])

    def open_(name: str) -> None:
        path = made.pop(name, None)
        if path is not None:
            path.write_text(name)

    gate.open = open_  # type: ignore[attr-defined]
    yield gate
    for path in made.values():
        # Whoever waits at it comes through, and whoever comes later finds an empty file.
        descriptor = os.open(path, os.O_RDWR)
        path.with_suffix(".open").write_text("")
        path.with_suffix(".open").replace(path)
        os.close(descriptor)


def _count(client: Any) -> int:
    return len(client.jobs())


def test_every_combination_is_a_job_and_the_rows_say_what_was_chosen(client: Any) -> None:
    sweep = sovlab.sweep(_scaled, {"lr": [0.5, 2], "width": [10, 20]}, offset=1, cpu=0.5).wait()
    assert sweep.results() == [6, 11, 21, 41]
    rows = sweep.rows()
    assert [row["point"] for row in rows] == [
        {"lr": 0.5, "width": 10},
        {"lr": 0.5, "width": 20},
        {"lr": 2, "width": 10},
        {"lr": 2, "width": 20},
    ]
    assert [row["value"] for row in rows] == [6, 11, 21, 41]
    assert {row["state"] for row in rows} == {"succeeded"}
    assert all(row["seconds"] >= 0 and row["id"] for row in rows)
    assert sweep.jobs[1].name == "_scaled#2"
    assert [job.id for job in sweep.jobs] == [row["id"] for row in rows]
    assert "value" not in sweep.rows(values=False)[0]


def test_on_this_machine_one_runs_at_a_time(client: Any) -> None:
    rows = sovlab.sweep(_scaled, {"lr": [1, 2, 3]}, cpu=0.1).wait().rows()
    for before, after in pairwise(rows):
        assert after["started"] >= before["ended"]


def test_so_many_run_at_a_time_as_are_asked_for(gates: Callable[[str], str]) -> None:
    names = ["first", "second", "third"]
    sweep = sovlab.sweep(_read, {"path": [gates(name) for name in names]}, at_once=2, cpu=0.1)
    assert len(sweep.jobs) == 2
    assert sweep.waiting == 1
    assert sweep.rows()[2]["state"] == "not submitted"
    gates.open("second")  # type: ignore[attr-defined]
    assert sweep._runs[2].settled.wait(60)
    assert len(sweep.jobs) == 3
    gates.open("third")  # type: ignore[attr-defined]
    sweep.jobs[2].wait(60)
    assert not sweep.done()
    with pytest.raises(WaitTimeout, match=r"Of 3 runs of sweep _read \d have ended after 0 s"):
        sweep.wait(timeout=0)
    gates.open("first")  # type: ignore[attr-defined]
    assert sweep.wait(60).done()
    assert sweep.results() == names


def test_all_at_once(gates: Callable[[str], str]) -> None:
    names = ["first", "second", "third"]
    sweep = sovlab.sweep(_read, {"path": [gates(name) for name in names]}, at_once=None, cpu=0.1)
    assert (len(sweep.jobs), sweep.waiting) == (3, 0)
    for name in names:
        gates.open(name)  # type: ignore[attr-defined]
    assert sweep.results() == names


def test_options_are_swept_too_and_none_leaves_one_unsaid(client: Any) -> None:
    over = {"env": [{"SWEPT_SETTING": "3"}, None], "cpu": [0.1, 0.2]}
    sweep = sovlab.sweep(_setting, over=over)
    assert sweep.results() == ["3", "3", None, None]
    specs = [job.last.spec for job in sweep.jobs]
    assert [spec.resources.cpu for spec in specs if spec is not None] == [0.1, 0.2, 0.1, 0.2]
    assert sweep.rows()[0]["point"] == {"env": {"SWEPT_SETTING": "3"}, "cpu": 0.1}


def test_a_point_that_fails_is_a_row_and_the_others_go_on(client: Any) -> None:
    sweep = sovlab.sweep(_scaled, {"lr": [1], "width": [13, 2]}, cpu=0.1).wait()
    failed, succeeded = sweep.rows()
    assert (failed["state"], failed["reason"]) == ("failed", "user_error")
    assert "value" not in failed
    assert succeeded["value"] == 2
    assert "failed: user error" in str(sweep.table())
    assert "1 failed, 1 succeeded" in repr(sweep)
    with pytest.raises(ValueError, match="on purpose"):
        sweep.results()
    error, value = sweep.results(return_exceptions=True)
    assert isinstance(error, ValueError)
    assert value == 2
    assert sweep.best("time")["point"] == {"lr": 1, "width": 2}


def test_repeats_run_in_whole_rounds(client: Any) -> None:
    sweep = sovlab.sweep(_scaled, {"lr": [1, 2]}, repeats=2, cpu=0.1).wait()
    rows = sweep.rows()
    assert [(row["number"], row["repeat"], row["value"]) for row in rows] == [
        (1, 1, 1),
        (1, 2, 1),
        (2, 1, 2),
        (2, 2, 2),
    ]
    assert [row["repeat"] for row in sorted(rows, key=lambda row: row["started"])] == [1, 1, 2, 2]
    assert sweep.jobs[1].name == "_scaled#1.2"


@pytest.mark.parametrize(
    ("parameters", "more", "error", "says"),
    [
        ({"lr": [1], "nothing": [2]}, {}, SpecError, "nothing"),
        ({"lr": [1, 2]}, {"over": {"cpu": [0.1, -1]}}, SpecError, "--cpu is -1"),
        ({"lr": [1, 2]}, {"over": {"backend": ["cpu", "cudda"]}}, BackendError, "cudda"),
        ({"lr": [1, 2]}, {"over": {"bakend": ["cpu"]}}, SpecError, "There is no option 'bakend'"),
        ({"lr": [1, 2]}, {"over": {"cpu": [1]}, "cpu": 1}, SpecError, "cpu is swept, and given"),
        ({"lr": [1, 2]}, {"lr": 3}, SpecError, "lr is swept, and given"),
        ({"lr": [1, 2]}, {"over": {"outputs": ["x"]}}, SpecError, "has no outputs"),
        (
            {"lr": [1, 2], "cpu": [1]},
            {"over": {"cpu": [1]}},
            SpecError,
            "both as a parameter and as an option",
        ),
        ({"lr": "12"}, {}, SpecError, "The values of lr are '12'"),
        ({"lr": 1}, {}, SpecError, "The values of lr are 1"),
        ({"lr": []}, {}, SpecError, "lr has no values"),
        ({"l r": [1]}, {}, SpecError, "'l r' is not a valid Python name"),
        ({"class": [1]}, {}, SpecError, "'class' is not a valid Python name"),
        (["lr"], {}, SpecError, "not a dictionary"),
        ({}, {}, SpecError, "Nothing is swept"),
        ({"lr": range(10_001)}, {}, SpecError, r"The sweep has 10,001 points\."),
        ({"lr": range(200)}, {"repeats": 51}, SpecError, r"The sweep has 10,200 points\."),
        ({"lr": [1]}, {"repeats": 0}, SpecError, "repeats is 0"),
        ({"lr": [1]}, {"at_once": 0}, SpecError, "at_once is 0"),
        ({"lr": [1], "width": [1, threading.Lock()]}, {}, CaptureError, "argument width"),
    ],
)
def test_what_is_wrong_at_one_point_submits_nothing(
    client: Any, parameters: object, more: dict[str, object], error: type[Exception], says: str
) -> None:
    before = _count(client)
    with pytest.raises(error, match=says):
        sovlab.sweep(_scaled, parameters, **more)  # type: ignore[arg-type]
    assert _count(client) == before


def test_what_changes_after_the_begin_does_not_change_what_runs_later(
    gates: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = [1]

    def look(path: str) -> tuple[list[int], str | None]:
        import os

        with open(path) as file:
            file.read()
        return values, os.environ.get("SWEPT")

    monkeypatch.setenv("SWEPT", "before")
    sweep = sovlab.sweep(look, {"path": [gates("a"), gates("b")]}, cpu=0.1)
    values.append(2)
    monkeypatch.setenv("SWEPT", "after")
    gates.open("a")  # type: ignore[attr-defined]
    gates.open("b")  # type: ignore[attr-defined]
    assert sweep.results() == [([1], "before")] * 2


def test_a_cancelled_sweep_submits_no_more(gates: Callable[[str], str], client: Any) -> None:
    sweep = sovlab.sweep(_read, {"path": [gates("a"), gates("b")]}, cpu=0.1)
    before = _count(client)
    sweep.cancel()
    sweep.wait(60)
    first, second = sweep.rows()
    assert first["state"] == "cancelled"
    assert (second["state"], second["why"]) == (
        "not submitted",
        "the sweep was cancelled before its turn came",
    )
    assert _count(client) == before
    errors = sweep.results(return_exceptions=True)
    assert [type(error) for error in errors] == [JobCancelled, ExecutorError]
    assert "path=" in str(errors[1])
    with pytest.raises(UsageError, match="No run of sweep _read has succeeded"):
        sweep.best()


def test_a_pickled_sweep_lives_in_another_process(gates: Callable[[str], str]) -> None:
    sweep = sovlab.sweep(_read, {"path": [gates("a"), gates("b"), gates("c")]}, at_once=2, cpu=0.1)
    code = (
        "import pickle, sys\nsweep = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "print(len(sweep.jobs), len(sweep), sweep.waiting, flush=True)\n"
        "print(sweep.wait(60).results(return_exceptions=True)[:2], sweep.rows()[2]['why'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, pickle.dumps(sweep).hex()], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "2 3 0\n"
        for name in "abc":
            gates.open(name)  # type: ignore[attr-defined]
        assert process.stdout.read() == "['a', 'b'] it waits for its turn\n"
    assert sweep.results() == ["a", "b", "c"]


def test_a_process_that_ends_says_how_many_it_did_not_submit(client: Any, tmp_path: Path) -> None:
    script = tmp_path / "ends.py"
    script.write_text(
        "import sovlab\ndef f(x):\n    import time\n    time.sleep(60)\n"
        "sweep = sovlab.sweep(f, {'x': [1, 2, 3]}, cpu=0.1)\nprint(sweep.jobs[0].id)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    client.job(done.stdout.strip()).cancel()
    assert done.stderr == (
        "sovlab: 2 of 3 runs of sweep f were not submitted: this process, which submits one as another ends, "
        "is over. Call wait() of the sweep before.\n"
    )


class Refusing:
    """A target that takes so many jobs and no more."""

    def __init__(self, executor: object, takes: int) -> None:
        self.inner, self.takes = executor, takes

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def submit(self, *args: object) -> None:
        if self.takes == 0:
            raise ExecutorError("It is full.", "Wait.")
        self.takes -= 1
        self.inner.submit(*args)  # type: ignore[attr-defined]


@pytest.fixture
def full(client: Any) -> Iterator[Callable[[int], None]]:
    """Lets the local target take only so many jobs more."""
    from sovlab.client import default  # not of the module, which travels into jobs

    found = default()  # which tests with settings of their own make anew
    executor = found.executor()

    def set_(takes: int) -> None:
        found._executors["local"] = Refusing(executor, takes)  # type: ignore[assignment]

    yield set_
    found._executors["local"] = executor


def test_what_its_target_refuses_is_a_row_with_the_reason(full: Callable[[int], None]) -> None:
    full(1)
    sweep = sovlab.sweep(_scaled, {"lr": [1, 2, 3, 4, 5]}, cpu=0.1).wait(60)
    rows = sweep.rows()
    assert [row["state"] for row in rows] == ["succeeded", *["not submitted"] * 4]
    assert rows[1]["why"] == "It is full. Wait."
    assert rows[4]["why"] == "3 before it were refused: It is full. Wait."
    text = "\n".join(map(str, sweep.describe()))
    assert "Not submitted: It is full. Wait (3 runs)." in text


def test_a_sweep_whose_first_job_is_refused_does_not_begin(full: Callable[[int], None], client: Any) -> None:
    full(0)
    before = _count(client)
    with pytest.raises(ExecutorError, match="It is full"):
        sovlab.sweep(_scaled, {"lr": [1, 2]}, cpu=0.1)
    assert _count(client) == before


def test_a_job_that_was_deleted_hides_no_other(client: Any) -> None:
    sweep = sovlab.sweep(_scaled, {"lr": [1, 2]}, cpu=0.1).wait(60)
    again = pickle.loads(pickle.dumps(sweep))
    sweep.jobs[0].delete()
    gone, there = again.wait(60).rows()
    assert gone["state"] == "unknown"
    assert "There is no job" in gone["why"]
    assert there["value"] == 2
    assert again.done()


def test_a_long_list_is_asked_for_once(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = sovlab.sweep(_scaled, {"lr": range(6)}, at_once=None, cpu=0.1).wait(60)
    again = pickle.loads(pickle.dumps(sweep))
    asked: list[str] = []
    executor = client.executor()
    monkeypatch.setattr(executor, "record", lambda job_id: asked.append(job_id))
    assert [row["value"] for row in again.rows()] == [0, 1, 2, 3, 4, 5]
    assert asked == []


def test_remote_functions_are_swept_with_their_options(client: Any) -> None:
    remote = sovlab.remote(_scaled, cpu=0.2, name="mine")
    sweep = sovlab.sweep(remote, {"lr": [3]})
    assert sweep.results() == [3]
    (job,) = sweep.jobs
    assert job.name == "mine#1"
    assert job.last.spec is not None
    assert job.last.spec.resources.cpu == 0.2


def test_names_of_jobs_have_no_values_and_tables_no_secrets(client: Any) -> None:
    def call(api_key: str) -> int:
        return len(api_key)

    sweep = sovlab.sweep(call, {"api_key": ["hunter-2-hunter"]}, cpu=0.1).wait(60)
    assert sweep.results() == [15]
    assert sweep.jobs[0].name == "call#1"
    shown = str(sweep.table()) + repr(sweep) + sweep._repr_html_()
    from sovlab.views.sweep import sweep_document  # which jobs lack

    sweep = sovlab.sweep(_setting, over={"env": [{"SWEPT_SETTING": "hunter"}]}, cpu=0.1).wait(60)
    assert sweep.jobs[0].name == "_setting#1"
    shown += str(sweep.table(values=False)) + json.dumps(sweep_document("", sweep.rows(values=False)))
    assert "SWEPT_SETTING=…" in shown
    assert "hunter" not in shown


def test_only_what_is_small_and_plain_is_loaded_unasked(client: Any) -> None:
    def make(kind: str) -> Any:
        class Own:
            pass

        return {"text": "x", "long": "x" * 4000, "own": Own()}[kind]

    sweep = sovlab.sweep(make, {"kind": ["text", "long", "own"]}, cpu=0.1).wait(60)
    assert [row.get("value") for row in sweep.rows()] == ["x", None, None]
    rows = sweep.rows(values=True)
    assert rows[1]["value"] == "x" * 4000
    assert type(rows[2]["value"]).__name__ == "Own"


def test_it_is_an_error_of_ours_that_is_raised(client: Any) -> None:
    with pytest.raises(SovlabError, match=r"sweep\(\) was given int 3, not a function"):
        sovlab.sweep(3, {"x": [1]})  # type: ignore[arg-type]
