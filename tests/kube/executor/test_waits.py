"""Every wait ends: where the log is refused or nobody can read it, and in the time that the user gave."""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import pytest

from sovlab.client.job import Job
from sovlab.core.event import LogChunk, LogLost
from sovlab.core.job import JobState
from sovlab.errors import ExecutorError, SovlabError, WaitTimeout
from sovlab.kube.reading.pods import running_since
from sovlab.kube.transport.errors import Forbidden, NotFound, Overloaded
from tests.executors.conftest import Harness
from tests.kube.apiserver.faults import close, delay, drop, error_event, respond, stall
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

NEVER = 600.0
REFUSED = r"not for you|does not accept the credentials"
UNTIL_GO = """
import os, time
print('began', flush=True)
while not os.path.exists({go!r}):
    time.sleep(0.02)
y = 7
"""


@pytest.fixture
def cluster():
    """A cluster for one test."""
    with fake_cluster() as found:
        yield found
        found.fake.faults.clear()


@pytest.fixture(scope="module")
def shared():
    """A cluster for several tests, and a job that runs there."""
    with fake_cluster() as found, tempfile.TemporaryDirectory(prefix="sov-") as directory:
        state = Path(directory)
        harness = Harness(found.executor(state), state / "objects")
        job_id = harness.submit(UNTIL_GO.format(go=str(state / "go")))
        until(lambda: any(running_since(pod) for pod in harness.executor._objects.pods(job_id)))
        yield found, job_id
        found.fake.faults.clear()


@pytest.fixture
def harness(cluster, state):
    return Harness(cluster.executor(state), state / "objects")


def job(harness: Harness, job_id: str) -> Job:
    return Job(job_id, harness.executor, rerun=None)


def asked_for_logs(cluster) -> int:
    return sum("/log" in record.path for record in cluster.fake.requests)


@pytest.mark.parametrize("status", [403, 401, 405])
def test_a_refusal_ends_the_following_of_a_log_and_is_said(cluster, harness, state, status):
    cluster.fake.faults.add("get pods/log", respond(status, "not for you"), times=None)
    go = state / "go"
    job_id = harness.submit(UNTIL_GO.format(go=str(go)), outputs=("y",))
    with pytest.raises(ExecutorError, match=REFUSED) as refusal:
        job(harness, job_id).logs(follow=True)
    assert not isinstance(refusal.value, NotFound)
    assert harness.executor.record(job_id).status.state is JobState.RUNNING
    before = asked_for_logs(cluster)
    events = harness.executor.events(job_id)
    lost = next(event for event in events if isinstance(event, LogLost))
    assert lost.refused
    assert asked_for_logs(cluster) - before < 20
    go.touch()
    assert list(events)[-1].status.state is JobState.SUCCEEDED
    assert job(harness, job_id).result("y", timeout=60) == 7
    with pytest.raises(ExecutorError, match=REFUSED):
        job(harness, job_id).logs()


def test_the_log_of_a_node_that_is_dead_is_given_up_and_that_is_said(cluster, harness):
    job_id = harness.submit("print('began')\ny = 7", outputs=("y",))
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    cluster.fake.kill_node("node-1")
    assert job(harness, job_id).result("y", timeout=30) == 7
    events = list(harness.executor.events(job_id))
    assert events[-1].status.state is JobState.SUCCEEDED
    assert [event.refused for event in events if isinstance(event, LogLost)] == [False]
    before = asked_for_logs(cluster)
    with pytest.raises(Overloaded, match="10250"):
        job(harness, job_id).logs()
    assert asked_for_logs(cluster) - before < 20


def test_what_one_node_printed_is_given_though_nobody_can_read_that_of_another(cluster, harness):
    job_id = harness.submit("import os\nprint('rank', os.environ['RANK'], flush=True)", nodes=2)
    assert harness.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED
    names = [pod["metadata"]["name"] for pod in harness.executor._objects.pods(job_id)]
    pod = next(name for name in names if name.startswith(f"{job_id}-1-"))
    cluster.fake.faults.add(f"GET /*/pods/{pod}/log", respond(500, "its kubelet is away"), times=None)
    parts: list[str] = []
    with pytest.raises(Overloaded, match="its kubelet is away"):
        parts.extend(job(harness, job_id).stream(follow=False))
    text = "".join(parts)
    assert "rank 0" in text
    assert "rank 1" not in text


@pytest.mark.parametrize("what", ["* *", "watch *", "get pods/log"])
@pytest.mark.parametrize(
    "fault",
    [
        delay(NEVER),
        respond(403),
        respond(401),
        respond(429, retry_after=1),
        respond(500),
        close(),
        error_event(),
    ],
    ids=["hangs", "403", "401", "429", "500", "closes", "410"],
)
def test_a_timeout_holds_whatever_the_server_does(shared, state, what, fault):
    cluster, job_id = shared
    cluster.fake.faults.clear()
    cluster.fake.faults.add(what, fault, times=None)
    elsewhere = Harness(cluster.executor(state), state / "objects")
    before, begun = len(cluster.fake.requests), time.monotonic()
    with pytest.raises(SovlabError) as raised:
        job(elsewhere, job_id).result(timeout=2.0)
    assert isinstance(raised.value, (WaitTimeout, ExecutorError))
    assert time.monotonic() - begun < 15, "a call that hangs is waited for half a minute"
    assert len(cluster.fake.requests) - before < 60


def test_results_that_do_not_come_are_waited_for_no_longer_than_was_said(cluster, harness, monkeypatch):
    job_id = harness.submit("y = 7", outputs=("y",))
    harness.executor.wait(job_id, 60)
    hangs = threading.Event()
    monkeypatch.setattr(harness.executor, "results", lambda job_id: hangs.wait(NEVER))
    with pytest.raises(WaitTimeout, match="results could not be fetched"):
        job(harness, job_id).result("y", timeout=1.0)
    hangs.set()


def test_the_log_of_a_job_that_has_ended_is_not_waited_for_where_the_server_says_no_more(
    cluster, harness, state
):
    go = state / "go"
    job_id = harness.submit(UNTIL_GO.format(go=str(go)), outputs=("y",))
    cluster.fake.faults.add("get pods/log", stall(NEVER), times=1)
    events = harness.executor.events(job_id)
    until(lambda: harness.executor.record(job_id).status.state is JobState.RUNNING)
    threading.Timer(1.0, go.touch).start()
    log = b"".join(event.data for event in events if isinstance(event, LogChunk))
    assert log == b"began\n"


def test_a_cluster_that_goes_on_refusing_news_of_jobs_ends_the_following(
    cluster, harness, state, monkeypatch
):
    monkeypatch.setattr("sovlab.executors.kubernetes.following._REFUSED", 1.0)
    job_id = harness.submit(UNTIL_GO.format(go=str(state / "go")))
    cluster.fake.faults.add("watch *", drop(after_seconds=1.0), times=2)
    cluster.fake.faults.add("watch *", respond(403, "no more"), times=None)
    with pytest.raises(Forbidden, match="no more"):
        list(harness.executor.events(job_id))


def test_a_server_that_says_of_each_watch_that_it_is_too_old_is_not_asked_on_and_on(cluster, harness):
    cluster.fake.faults.add("watch *", error_event(410), times=None)
    job_id = harness.submit("y = 7", outputs=("y",))
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    before = len(cluster.fake.requests)
    with harness.executor._objects.watched():
        time.sleep(3.0)
    assert len(cluster.fake.requests) - before < 40
