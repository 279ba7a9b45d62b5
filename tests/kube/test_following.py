"""What is said of a job while it is followed, where the words come from its log."""

from __future__ import annotations

from sovlab.core.event import StatusChanged
from sovlab.core.job import JobState
from sovlab.payload.results import Results


def test_that_results_are_being_fetched_is_told(harness, monkeypatch):
    transfers, asked = harness.executor._transfers, []
    fetch = transfers.on_frame
    monkeypatch.setattr(transfers, "told", lambda *given: asked.append(given))
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
