"""Jobs in Kueue's queues: where they are, why they wait, and what takes their place."""

from __future__ import annotations

import pytest

from sovlab.core.event import StatusChanged
from sovlab.core.job import JobState
from sovlab.errors import SpecError
from tests.executors.conftest import Harness
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

SLEEP = "import time\nprint('began', flush=True)\ntime.sleep(60)"
SHORT = "import time\ntime.sleep(0.5)"


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster(kueue=True) as found:
        found.fake.add_queue("research", {"cpu": "1", "memory": "4Gi"}, namespace="research", preempt=True)
        for name, value in (("low", 10), ("high", 1000)):
            found.fake.create(
                {
                    "apiVersion": "kueue.x-k8s.io/v1beta2",
                    "kind": "WorkloadPriorityClass",
                    "metadata": {"name": name},
                    "value": value,
                }
            )
        yield found
        assert found.fake.failures == []


@pytest.fixture
def harness(cluster, state):
    made = Harness(cluster.executor(state, queue="research", cpu=0.6), state / "objects")
    yield made
    for record in made.executor.records():
        made.executor.cancel(record.id)
        made.executor.wait(record.id, 60)


def message(harness, job_id):
    return harness.executor.record(job_id).status.message


def test_a_job_in_a_queue_runs_when_it_is_let_go(harness):
    job_id = harness.submit("y = 2", outputs=("y",))
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED


def test_a_waiting_job_says_its_place_in_the_queue_and_why(harness):
    running = harness.submit(SLEEP)
    harness.until_printed(running, b"began")
    first, second = harness.submit(SHORT), harness.submit(SHORT)

    def places():
        # Of those of one second any may be the first.
        found = sorted((message(harness, each) for each in (first, second)), reverse=True)
        return found if "first in queue research" in found[0] and "1 ahead of you" in found[1] else None

    assert "quota" in until(places)[0]
    assert harness.executor.record(first).status.state is JobState.QUEUED
    harness.executor.cancel(running)
    for job_id in (first, second):
        assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED


def test_a_job_that_is_cancelled_in_the_queue_never_starts_and_leaves_it(cluster, harness):
    running = harness.submit(SLEEP)
    harness.until_printed(running, b"began")
    waiting = harness.submit("print('never')")
    until(lambda: "in queue research" in message(harness, waiting))
    harness.executor.cancel(waiting)
    assert harness.executor.wait(waiting, 30).status.state is JobState.CANCELLED
    harness.executor.cancel(running)
    harness.executor.wait(running, 60)
    assert harness.log(waiting) == b""
    after = harness.submit("1")
    assert harness.executor.wait(after, 60).status.state is JobState.SUCCEEDED


def test_a_job_that_loses_its_place_says_so_and_begins_again(cluster, state):
    low = Harness(cluster.executor(state, queue="research", priority="low", cpu=0.6), state / "objects")
    high = Harness(cluster.executor(state, queue="research", priority="high", cpu=0.6), state / "objects")
    mark = state / "begun"
    job_id = low.submit(
        "import pathlib, time\n"
        f"mark = pathlib.Path({str(mark)!r})\n"
        "again = mark.exists()\nmark.touch()\nprint('began', flush=True)\ntime.sleep(0 if again else 60)"
    )
    low.until_printed(job_id, b"began")
    urgent = high.submit("import time\ntime.sleep(2)")
    seen = [e.status for e in low.executor.events(job_id) if isinstance(e, StatusChanged)]
    assert seen[-1].state is JobState.SUCCEEDED
    told = [s.message for s in seen if "requeued" in s.message]
    assert told, [s.message for s in seen]
    assert any("higher priority" in text for text in told), told
    assert high.executor.wait(urgent, 60).status.state is JobState.SUCCEEDED


def test_a_queue_or_priority_that_does_not_exist_is_refused_before_anything_is_made(cluster, state):
    for changes, name in (({"queue": "reserch"}, "reserch"), ({"queue": "research", "priority": "hi"}, "hi")):
        harness = Harness(cluster.executor(state, **changes), state / "objects")
        with pytest.raises(SpecError, match=name) as caught:
            harness.submit("1")
        assert "research" in str(caught.value) or "high" in str(caught.value)
    made = cluster.api.get(cluster.path("jobs", group="apis/batch/v1")).get("items")
    assert not [job for job in made if job["spec"].get("suspend")]
