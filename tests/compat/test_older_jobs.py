"""Jobs of this machine that an older sovlab left: ended, in the queue, or running when ours meets them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from sovlab.client.job import Job
from sovlab.core.event import LogChunk, ProgressChanged, StatusChanged
from sovlab.core.job import JobState, Reason
from sovlab.core.names import new_job_id
from sovlab.errors import JobCancelled
from sovlab.executors.local import LocalExecutor
from sovlab.payload.results import Results
from sovlab.runner.protocol.order import Order

from .conftest import DATA, Older

ENDED = {
    "digits": (JobState.SUCCEEDED, Reason.NONE, 0, ""),
    "closures": (JobState.SUCCEEDED, Reason.NONE, 0, ""),
    "fails": (JobState.FAILED, Reason.USER_ERROR, 1, "Diverged: the loss is 1000000000.0"),
    "ranks": (JobState.SUCCEEDED, Reason.NONE, 0, ""),
    "scale": (JobState.SUCCEEDED, Reason.NONE, 0, ""),
    "cancelled": (JobState.CANCELLED, Reason.CANCELLED, 143, "Somebody cancelled it."),
}


@pytest.fixture
def executor(older: Older) -> Iterator[LocalExecutor]:
    made = LocalExecutor(older.state, cores=4, idle=60)
    yield made
    for record in made.records():
        made.cancel(record.id)
    made.stop_agent()


def log(executor: LocalExecutor, job_id: str, **options: Any) -> bytes:
    events = executor.events(job_id, **options)
    return b"".join(event.data for event in events if isinstance(event, LogChunk))


def until_running(executor: LocalExecutor, job_id: str) -> None:
    """Wait until the job has said how far it is."""
    for event in executor.events(job_id):
        if isinstance(event, ProgressChanged):
            return
    raise AssertionError("the job ended before it said how far it was")


# --- ended ones


def test_ended_jobs_are_listed_with_how_they_ended(older: Older, executor: LocalExecutor) -> None:
    records = {record.name: record for record in executor.records()}
    assert set(records) == {*ENDED, "waits"}
    for name, (state, reason, code, message) in ENDED.items():
        record = records[name]
        status = record.status
        assert (record.id, record.target) == (older.job(name).name, "local")
        assert (status.state, status.reason, status.exit_code, status.message) == (
            state,
            reason,
            code,
            message,
        )
        assert (status.host, status.python[:2]) == ("lab", "3.")
        assert status.submitted <= status.started <= status.ended
        assert status.max_rss > 1 << 20
        assert (record.spec.origin, record.spec.grace) == ("In[5]", 5.0)
        assert executor.record(record.id) == record
    assert [r.name for r in records["digits"].status.returned] == list(records["digits"].spec.outputs)
    assert records["digits"].status.unreturned == ("OFFSET", "cube", "step")
    assert (records["digits"].status.progress.step, records["digits"].status.progress.total) == (3, 3)
    assert records["cancelled"].status.progress.metrics == {"loss": 0.5}
    assert records["fails"].status.error["frames"][0]["source"] == "raise Diverged(1e9)"
    assert records["ranks"].spec.ranks == 2


def test_the_log_of_an_ended_job_is_read_from_the_start_and_from_any_place(
    older: Older, executor: LocalExecutor
) -> None:
    positions = json.loads((DATA / "positions.json").read_bytes())
    assert {older.job(name).name for name in ENDED} == set(positions)
    for job_id, places in positions.items():
        for place in places:
            assert log(executor, job_id, offset=place["offset"]).decode() == place["rest"]
    assert log(executor, older.job("cancelled").name) == b"began -\nsaved\n"
    assert log(executor, older.job("scale").name) == b""


def test_the_log_of_several_ranks_says_who_printed(older: Older, executor: LocalExecutor) -> None:
    *events, last = executor.events(older.job("ranks").name)
    printed = {event.rank: event.data.strip() for event in events if isinstance(event, LogChunk)}
    assert printed == {0: b"rank 0 of 2", 1: b"rank 1 of 2"}
    assert [e.progress.step for e in events if isinstance(e, ProgressChanged)] == [1]
    assert isinstance(last, StatusChanged)
    place = json.loads((DATA / "positions.json").read_bytes())[older.job("ranks").name][1]["offset"]
    rest = [e for e in executor.events(older.job("ranks").name, offset=place) if isinstance(e, LogChunk)]
    assert [(e.rank, e.data) for e in rest] == [(1, b"rank 1 of 2\n")]


def test_an_ended_job_gives_its_results_or_its_error(older: Older, executor: LocalExecutor) -> None:
    def job(name: str) -> Job:
        return Job(older.job(name).name, executor, lambda record, resume: pytest.fail("nobody asked"))

    assert job("digits").wait(5).state is JobState.SUCCEEDED
    pytest.importorskip("torch")
    assert job("scale").result().tolist() == [0, 6, 12, 18, 24, 30]
    assert job("ranks").result() == {"total": 3.0}
    with pytest.raises(ValueError, match="the loss is") as caught:
        job("fails").result()
    assert "Cell In[5], line 8" in str(caught.value.__cause__)
    with pytest.raises(JobCancelled):
        job("cancelled").result()


def test_an_ended_job_runs_again_and_goes_on_from_what_it_saved(
    older: Older, executor: LocalExecutor
) -> None:
    earlier = older.job("cancelled").name
    spec, payload = executor.request(earlier)
    again = new_job_id(spec.name)
    older.go.touch()
    executor.submit(again, replace(spec, resume=earlier), payload, dict(os.environ))
    assert executor.wait(again, 60).status.state is JobState.SUCCEEDED
    assert log(executor, again) == b"began 7\ndone\n"
    assert Results(executor.results(again), main={}).value("answer") == 42


def test_ended_jobs_are_deleted_and_what_runs_or_waits_is_not(older: Older, executor: LocalExecutor) -> None:
    kept = {older.job(name).name for name in ENDED}
    assert set(executor.clean(older_than=0, dry_run=True, files=True).jobs) == kept
    saved = executor.clean(older_than=0).kept
    assert {name for name in kept if name.startswith("cancelled-")} == set(saved)
    assert all(Path(path).exists() for paths in saved.values() for path in paths)
    assert set(executor.clean(older_than=0, files=True).jobs) == set(saved)
    assert [record.name for record in executor.records()] == ["waits"]


# --- one that runs


def test_a_running_job_is_followed_to_its_end(older: Older, executor: LocalExecutor) -> None:
    job_id = older.job("waits").name
    older.start("waits")
    until_running(executor, job_id)
    status = executor.record(job_id).status
    assert status.state is JobState.RUNNING
    assert (status.progress.step, status.progress.metrics) == (1, {"loss": 0.5})
    events: list[Any] = []
    for event in executor.events(job_id):
        events.append(event)
        if isinstance(event, ProgressChanged):
            older.go.touch()
    assert events[-1].status.state is JobState.SUCCEEDED
    assert b"".join(e.data for e in events if isinstance(e, LogChunk)) == b"began -\ndone\n"
    steps = [e for e in events if isinstance(e, ProgressChanged)]
    assert [e.progress.step for e in steps] == [1, 2]
    assert log(executor, job_id, offset=steps[0].offset) == b"done\n"
    assert executor.wait(job_id, 5).status.exit_code == 0
    assert Results(executor.results(job_id), main={}).values() == {"answer": 42}


def test_a_running_job_is_waited_for(older: Older, executor: LocalExecutor) -> None:
    job_id = older.job("waits").name
    older.start("waits")
    until_running(executor, job_id)
    older.go.touch()
    assert executor.wait(job_id, 60).status.state is JobState.SUCCEEDED


@pytest.mark.parametrize("adopted", [False, True], ids=["by the client", "by an agent that has adopted it"])
def test_a_running_job_is_cancelled_and_saves_what_it_has(
    older: Older, executor: LocalExecutor, adopted: bool
) -> None:
    job_id = older.job("waits").name
    older.start("waits")
    until_running(executor, job_id)
    if adopted:
        executor._agent.wake()
        (older.job("waits") / "cancel").touch()  # as a client whose signal found no supervisor yet
        executor._agent.wake()
    else:
        executor.cancel(job_id)
    status = executor.wait(job_id, 60).status
    assert (status.state, status.reason) == (JobState.CANCELLED, Reason.CANCELLED)
    assert log(executor, job_id) == b"began -\nsaved\n"
    assert (older.job("waits") / "checkpoint" / "step").read_text() == "7"


def test_a_running_job_whose_runner_vanishes_is_lost(older: Older, executor: LocalExecutor) -> None:
    job_id = older.job("waits").name
    process = older.start("waits")
    until_running(executor, job_id)
    executor._agent.wake()
    below = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    status = executor.wait(job_id, 60).status
    assert (status.state, status.reason) == (JobState.FAILED, Reason.LOST)
    assert psutil.wait_procs(below, 30)[1] == []


# --- one in the queue


def test_a_job_in_the_queue_is_listed_and_may_be_cancelled(older: Older, executor: LocalExecutor) -> None:
    job_id = older.job("waits").name
    status = executor.record(job_id).status
    assert (status.state, status.ahead) == (JobState.QUEUED, 0)
    executor.cancel(job_id)
    status = executor.wait(job_id, 60).status
    assert (status.state, status.message) == (JobState.CANCELLED, "It was cancelled before it started.")


def test_a_job_in_the_queue_is_started_with_the_runner_it_came_with(
    older: Older, executor: LocalExecutor
) -> None:
    job_id = older.job("waits").name
    executor._agent.wake()
    until_running(executor, job_id)
    running = json.loads((older.job("waits") / "run.json").read_bytes())
    assert str(older.runner) in psutil.Process(running["pid"]).cmdline()
    older.go.touch()
    assert executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert log(executor, job_id) == b"began -\ndone\n"
    assert Results(executor.results(job_id), main={}).value("answer") == 42


def test_a_job_in_the_queue_is_forked_by_a_forkserver_of_its_own_runner(
    older: Older, executor: LocalExecutor
) -> None:
    executor._agent.wake()
    until_running(executor, older.job("waits").name)  # the first is started alone, and a forkserver beside it
    for number in range(50):
        job_id = older.again("waits", f"again-{number:06d}")
        executor._agent.wake()
        until_running(executor, job_id)
        running = json.loads((older.state / "jobs" / job_id / "run.json").read_bytes())
        parent = psutil.Process(running["pid"]).parent().cmdline()
        if "nursery" in parent:
            break
        executor.cancel(job_id)
        executor.wait(job_id, 60)
    assert parent[1:3] == [str(older.runner), "nursery"]
    older.go.touch()
    assert executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert log(executor, job_id) == b"began -\ndone\n"
    assert Results(executor.results(job_id), main={}).value("answer") == 42


# --- what is older is still running, and meets jobs of ours


def test_an_order_of_ours_is_understood_by_an_older_runner(older: Older) -> None:
    """As far as it knows its keys: those that are new it would refuse, and no order of ours is run by it."""
    directory = older.job("waits")
    path = {name: str(directory / name) for name in ("payload.pack", "results.pack", "exit.json", "cancel")}
    order = Order(
        job_id="ours-aaaaaa",
        nonce="0123456789abcdef",
        payload=path["payload.pack"],
        results=path["results.pack"],
        exit=path["exit.json"],
        cancel=path["cancel"],
        workdir=str(older.root),
        env={"GO": str(older.go)},
        outputs=["answer"],
    )
    told, known = json.loads(order.encoded()), {*older.order("waits"), "version"}
    assert known <= set(told)
    (directory / "order.json").write_text(json.dumps({name: told[name] for name in known}))
    older.go.touch()
    assert older.start("waits").wait(60) == 0
    assert Results(path["results.pack"], main={}).value("answer") == 42


def test_a_job_of_ours_has_all_that_an_older_agent_reads_of_it(older: Older) -> None:
    executor = LocalExecutor(older.state, cores=1, idle=60)
    older.start("waits")
    until_running(executor, older.job("waits").name)  # so that ours stays in the queue
    spec, payload = executor.request(older.job("waits").name)
    job_id = new_job_id("ours")
    executor.submit(job_id, spec, payload, {"PATH": os.environ["PATH"]})
    assert executor.record(job_id).status.state is JobState.QUEUED
    assert [entry.name[-len(job_id) :] for entry in (older.state / "queue").iterdir()].count(job_id) == 1
    (left,) = (DATA / "state" / "jobs").glob("waits-??????")
    ours = older.state / "jobs" / job_id
    assert {path.name for path in left.iterdir()} <= {path.name for path in ours.iterdir()}
    for name in ("spec.json", "order.json", "command.json"):
        before, now = (json.loads((place / name).read_bytes()) for place in (left, ours))
        assert set(before) <= set(now)
        assert before.get("version") == now.get("version")
        assert set(before.get("spec", ())) <= set(now.get("spec", ()))
    executor.cancel(job_id)
    executor.stop_agent()
