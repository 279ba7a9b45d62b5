"""What is said of a job while it is followed, where the words come from its log."""

from __future__ import annotations

import pytest

from sovlab.core.event import LogChunk, StatusChanged
from sovlab.core.job import JobState, Reason
from sovlab.payload.results import Results
from tests.executors.conftest import Harness
from tests.kube.apiserver.faults import respond, stall
from tests.kube.conftest import fake_cluster


def test_that_results_are_being_fetched_is_told(harness, monkeypatch):
    transfers, asked = harness.executor._transfers, []
    fetch = transfers.on_frame
    monkeypatch.setattr(transfers, "on_frame", lambda *given: asked.append(given))
    job_id = harness.submit("big = bytes(200_000)", outputs=("big",))
    said = []
    for event in harness.executor.events(job_id, follow=True):
        if not isinstance(event, StatusChanged):
            continue
        said.append((event.status.state, event.status.message))
        if event.status.message.endswith("its results are being fetched"):
            for given in asked:
                fetch(*given)  # until then its pod holds them
    assert (JobState.RUNNING, "its code has ended, its results are being fetched") in said
    assert said[-1] == (JobState.SUCCEEDED, "")
    assert Results(harness.executor.results(job_id), main={}).value("big") == bytes(200_000)


@pytest.fixture
def own():
    """A cluster for one test."""
    with fake_cluster() as found:
        yield found
        found.fake.faults.clear()


@pytest.mark.parametrize(
    ("source", "nodes", "expected", "reason", "text"),
    [
        ("print('began')", 1, JobState.SUCCEEDED, Reason.NONE, ""),
        (
            "print('began')\n1 / 0",
            1,
            JobState.FAILED,
            Reason.USER_ERROR,
            "ZeroDivisionError: division by zero",
        ),
        (
            "import os\nprint('began')\nint(os.environ['RANK']) and 1 / 0",
            2,
            JobState.FAILED,
            Reason.USER_ERROR,
            "Node 1: ZeroDivisionError: division by zero",
        ),
    ],
)
def test_an_end_is_told_as_it_was_though_no_news_of_pods_come(
    own, state, source, nodes, expected, reason, text
):
    own.fake.faults.add("watch pods", stall(600.0, after_events=0), times=None)
    harness = Harness(own.executor(state), state / "objects")
    job_id = harness.submit(source, nodes=nodes)
    found = harness.executor.wait(job_id, 60).status
    assert (found.state, found.reason, found.message) == (expected, reason, text)
    assert b"began" in harness.log(job_id)


@pytest.mark.parametrize("status", [400, 403, 500])
@pytest.mark.parametrize("follow", [True, False])
def test_a_job_ends_though_the_cluster_refuses_its_log(own, state, status, follow):
    own.fake.faults.add("get pods/log", respond(status, "not for you"), times=None)
    harness = Harness(own.executor(state), state / "objects")
    job_id = harness.submit("print('began')")
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    events = list(harness.executor.events(job_id, follow=follow))
    assert events[-1].status.state is JobState.SUCCEEDED
    log = b"".join(e.data for e in events if isinstance(e, LogChunk))
    assert (b"not for you" in log) == (status != 400), "a container that never started has no log"
