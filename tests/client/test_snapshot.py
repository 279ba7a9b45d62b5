"""A `Job` keeps what it was told last, and asks again only where that may have changed."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sovlab.client.job import Job
from sovlab.client.pending import pending
from sovlab.core.event import LogChunk, ProgressChanged, StatusChanged, after
from sovlab.core.job import JobRecord, JobState, JobStatus, Progress
from sovlab.errors import JobNotFound
from tests.executors.conftest import Harness, local_harness


class Counted:
    """An executor, and what it was asked."""

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self.asked: collections.Counter[str] = collections.Counter()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._executor, name)
        if not callable(value):
            return value

        def ask(*args: Any, **kwargs: Any) -> Any:
            self.asked[name] += 1
            return value(*args, **kwargs)

        return ask


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    yield from local_harness()


@pytest.fixture
def executor(harness: Harness) -> Counted:
    return Counted(harness.executor)


def again(record: JobRecord, resume: bool | None) -> Job:
    raise AssertionError("nobody asked for it")


def test_of_a_job_that_has_ended_nothing_is_asked_again(harness: Harness, executor: Counted) -> None:
    job = Job(harness.submit("y = 1", outputs=("y",)), executor, again)
    assert job.wait(60).state is JobState.SUCCEEDED
    assert job.result("y") == 1
    assert job.result() == job.results() == {"y": 1}
    assert job.exception() is None
    assert (job.done(), job.state, job.name, job.wait(0)) == (True, job.state, "test", job.status)
    assert "come back" in str(pending(job, "y"))
    assert set(executor.asked) == {"wait", "results"}
    assert executor.asked["wait"] == 1


def test_of_a_job_that_runs_each_question_is_asked_anew(harness: Harness, executor: Counted) -> None:
    job_id = harness.submit("import time\nprint('began')\ntime.sleep(600)")
    harness.until_printed(job_id, b"began")
    job = Job(job_id, executor, again, harness.executor.record(job_id))
    assert job.name == "test"
    assert executor.asked["record"] == 0
    assert job.state is JobState.RUNNING
    assert not job.done()
    assert "running" in str(pending(job, "y"))
    assert executor.asked["record"] == 3
    job.cancel()
    assert job.wait(60).state is JobState.CANCELLED
    assert job.done()
    assert executor.asked["record"] == 3


def test_events_say_what_is_known(harness: Harness, executor: Counted) -> None:
    source = "import sovlab\nfor i in range(3):\n    sovlab.progress(i + 1, 3)"
    job_id = harness.submit(source)
    job = Job(job_id, executor, again, harness.executor.record(job_id))
    seen = []
    with job.followed() as events:
        for event in events:
            if isinstance(event, StatusChanged):
                assert job.current.status.state is event.status.state
            seen.append(job.current.status)
    assert seen[-1].state is JobState.SUCCEEDED
    assert seen[-1].progress is not None
    assert job.status is seen[-1]
    assert dict(executor.asked) == {"events": 1}


def test_while_nobody_follows_what_is_current_is_asked_for(harness: Harness, executor: Counted) -> None:
    job_id = harness.submit("import time\nprint('began')\ntime.sleep(600)")
    job = Job(job_id, executor, again, harness.executor.record(job_id))
    for event in job.events():
        if isinstance(event, LogChunk):
            break
    assert job.current.status.state is JobState.RUNNING
    assert executor.asked["record"] == 1
    job.cancel()


def test_an_old_answer_does_not_undo_the_end(harness: Harness, executor: Counted) -> None:
    job_id = harness.submit("1")
    old = replace(harness.executor.wait(job_id, 60), status=JobStatus(state=JobState.RUNNING))

    class Slow(Counted):
        def record(self, job_id: str) -> JobRecord:
            assert job.wait(60).state is JobState.SUCCEEDED  # another thread, meanwhile
            return old

    job = Job(job_id, Slow(harness.executor), again, old)
    assert job.state is JobState.SUCCEEDED
    assert job.last.status.state is JobState.SUCCEEDED


def test_a_job_that_was_deleted_is_gone(harness: Harness, executor: Counted) -> None:
    job = Job(harness.submit("1"), executor, again)
    job.wait(60)
    job.delete()
    with pytest.raises(JobNotFound):
        _ = job.state


def record(state: JobState, **status: Any) -> JobRecord:
    return JobRecord(id="x-7k2m9x", target="local", spec=None, status=JobStatus(state=state, **status))


def test_reports_count_while_a_job_runs_and_never_go_back() -> None:
    first, second = Progress(step=1, time=10.0), Progress(step=2, time=11.0)
    running = record(JobState.RUNNING, started=5.0)
    known = after(after(running, ProgressChanged(progress=second)), ProgressChanged(progress=first))
    assert known.status.progress == second
    known = after(known, StatusChanged(status=JobStatus(state=JobState.RUNNING, started=5.0, message="x")))
    assert (known.status.progress, known.status.message) == (second, "x")
    known = after(known, StatusChanged(status=JobStatus(state=JobState.RUNNING, started=7.0)))
    assert known.status.progress is None  # it was requeued, and begins again
    ended = after(known, StatusChanged(status=JobStatus(state=JobState.FAILED)))
    assert after(ended, ProgressChanged(progress=second)) is ended
    assert after(ended, LogChunk(data=b"x")) is ended
