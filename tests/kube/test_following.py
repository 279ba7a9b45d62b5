"""What is said of a job while it is followed, where the words come from its log."""

from __future__ import annotations

import pytest

from sovlab.core.event import StatusChanged
from sovlab.core.job import JobState, Reason
from sovlab.payload.results import Results
from tests.executors.conftest import Harness
from tests.kube.apiserver.faults import stall
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
def late():
    """A cluster whose watches of pods bring nothing."""
    with fake_cluster() as found:
        found.fake.faults.add("watch pods", stall(600.0, after_events=0), times=None)
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
    late, state, source, nodes, expected, reason, text
):
    harness = Harness(late.executor(state), state / "objects")
    job_id = harness.submit(source, nodes=nodes)
    found = harness.executor.wait(job_id, 60).status
    assert (found.state, found.reason, found.message) == (expected, reason, text)
    assert b"began" in harness.log(job_id)
