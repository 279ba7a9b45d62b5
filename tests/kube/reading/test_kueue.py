"""What is told of a job that waits in a queue of Kueue."""

from __future__ import annotations

from typing import Any

import pytest

from sovlab.kube.reading.kueue import sentence

Object = dict[str, Any]


def workload(*conditions: tuple[str, str, str, str]) -> Object:
    """A Workload with conditions: type, status, reason, message."""
    keys = ("type", "status", "reason", "message")
    return {"status": {"conditions": [dict(zip(keys, c, strict=True)) for c in conditions]}}


def pending(message: str, reason: str = "Pending") -> Object:
    return workload(("QuotaReserved", "False", reason, message))


def evicted(reason: str, message: str = "") -> Object:
    return workload(("QuotaReserved", "False", "Pending", "x"), ("Evicted", "True", reason, message))


@pytest.mark.parametrize(
    ("ahead", "told"), [(2, "2 ahead of you in queue gpu"), (0, "first in queue gpu"), (None, "in queue gpu")]
)
def test_the_place_in_a_queue_is_told_as_far_as_it_is_known(ahead: int | None, told: str) -> None:
    assert sentence("gpu", None, ahead) == told
    assert sentence("gpu", {"metadata": {}}, ahead) == told
    assert sentence("gpu", workload(("QuotaReserved", "True", "QuotaReserved", "")), ahead) == told


LACKS = (
    "couldn't assign flavors to pod set main: insufficient unused quota for nvidia.com/gpu in flavor l40s, "
    "1 more needed"
)
EVER = (
    "couldn't assign flavors to pod set main: insufficient quota for cpu in flavor default, previously "
    "considered podsets requests (0) + current podset request (20) > maximum capacity (10)"
)


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            pending(LACKS),
            "the quota is in use "
            "(insufficient unused quota for nvidia.com/gpu in flavor l40s, 1 more needed)",
        ),
        (pending("", "WaitingForQuota"), "the quota is in use"),
        (pending(LACKS, "WaitingForQuota"), "the quota is in use (" + LACKS.partition("main: ")[2] + ")"),
        (pending(EVER), f"it asks for more than the queue can ever give ({EVER})"),
        (
            pending("LocalQueue gpu doesn't exist", "Inadmissible"),
            "this queue does not exist in the namespace",
        ),
        (pending("ClusterQueue all is inactive", "Inadmissible"), "the queue is stopped"),
        (pending("LocalQueue gpu is stopped"), "the queue is stopped"),
        (pending("Something new."), "Something new"),
    ],
)
def test_why_a_queue_holds_a_job_is_told(found: Object, told: str) -> None:
    assert sentence("gpu", found, 1) == f"1 ahead of you in queue gpu; {told}"


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        ("Preempted", "Preempted to accommodate a workload", "a job with a higher priority preempted it"),
        ("PodsReadyTimeout", "Exceeded the PodsReady timeout", "its pods did not all start in time"),
        ("NodeFailures", "", "one of its nodes failed"),
        ("Deactivated", "The workload is deactivated", "it was deactivated by an administrator"),
        ("ClusterQueueStopped", "The ClusterQueue is stopped", "The ClusterQueue is stopped"),
    ],
)
def test_why_a_queue_took_a_job_back_is_told(reason: str, message: str, told: str) -> None:
    assert sentence("gpu", evicted(reason, message), 0) == f"requeued, because {told}; first in queue gpu"


def test_a_queue_that_took_a_job_back_without_a_word_is_believed() -> None:
    assert sentence("gpu", evicted("New"), None) == "requeued; in queue gpu"


def test_an_eviction_of_earlier_does_not_count() -> None:
    found = workload(("Evicted", "False", "QuotaReserved", ""), ("QuotaReserved", "False", "Pending", LACKS))
    assert "requeued" not in sentence("gpu", found, 1)
