"""What is told of a job that waits in a queue of Kueue."""

from __future__ import annotations

from typing import Any

import pytest

from sovlab.kube.reading.queue_words import queue_trouble, sentence

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
    reserved = workload(("QuotaReserved", "True", "QuotaReserved", ""))
    assert sentence("gpu", reserved, ahead) == "in queue gpu, with its quota reserved"


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
        (
            pending("LocalQueue gpu is terminating or missing", "Misconfigured"),
            "this queue does not exist in the namespace",
        ),
        (
            pending("ClusterQueue all doesn't exist", "Misconfigured"),
            "the ClusterQueue behind it does not exist: ask the cluster's administrators",
        ),
        (
            pending("ClusterQueue all not found", "Misconfigured"),
            "the ClusterQueue behind it does not exist: ask the cluster's administrators",
        ),
        (pending("ClusterQueue all is inactive", "Inadmissible"), "the queue is stopped"),
        (pending("ClusterQueue all is inactive", "Suspended"), "the queue is stopped"),
        (pending("LocalQueue gpu is stopped"), "the queue is stopped"),
        (
            pending("workload namespace doesn't match ClusterQueue selector", "Misconfigured"),
            "its ClusterQueue does not take jobs of this namespace: ask the cluster's administrators",
        ),
        (
            pending("Waiting for all admitted workloads to be in PodsReady condition", "Waiting"),
            "the queue lets jobs start one after another, and the pods of another are not ready yet",
        ),
        (
            pending("Workload no longer fits after processing another workload"),
            "another job has just taken the quota",
        ),
        (
            pending(f"{LACKS}. Pending the preemption of 1 workload(s)", "WaitingForPreemptedWorkloads"),
            "a job of lower priority is being ended for it",
        ),
        (
            pending(f"{LACKS}. Pending the preemption of 3 workload(s)"),
            "3 jobs of lower priority are being ended for it",
        ),
        (
            pending(
                "couldn't assign flavors to pod set main: resource amd.com/gpu unavailable in ClusterQueue"
            ),
            "the queue has no amd.com/gpu",
        ),
        (
            pending(
                "couldn't assign flavors to pod set main: untolerated taint {gpu yes NoSchedule <nil>} in "
                "flavor l40s",
                "NoMatchingFlavor",
            ),
            "the queue has no nodes of the kind that it asks for (couldn't assign flavors to pod set main: "
            "untolerated taint {gpu yes NoSchedule <nil>} in flavor l40s)",
        ),
        (
            pending("resources didn't satisfy LimitRange constraints: [too much]"),
            "a LimitRange of the namespace forbids it "
            "(resources didn't satisfy LimitRange constraints: [too much])",
        ),
        (pending("Something new."), 'Kueue says "Something new"'),
    ],
)
def test_why_a_queue_holds_a_job_is_told(found: Object, told: str) -> None:
    assert sentence("gpu", found, 1) == f"1 ahead of you in queue gpu; {told}"


def test_a_job_that_kueue_has_yet_to_look_at_is_only_in_its_queue() -> None:
    found = pending("Workload is pending evaluation in the scheduling queue", "PendingEvaluation")
    assert sentence("gpu", found, 1) == "1 ahead of you in queue gpu"


def checked(*states: tuple[str, str, str]) -> Object:
    found = workload(("QuotaReserved", "True", "QuotaReserved", ""), ("Admitted", "False", "Unsatisfied", ""))
    keys = ("name", "state", "message")
    found["status"]["admissionChecks"] = [dict(zip(keys, each, strict=True)) for each in states]
    return found


@pytest.mark.parametrize(
    ("checks", "told"),
    [
        ([("budget", "Pending", "")], "admission check budget has not passed yet"),
        (
            [("budget", "Pending", "Waits for Ada's word."), ("ready", "Ready", "Fine")],
            "admission check budget has not passed yet (Waits for Ada's word)",
        ),
        (
            [("budget", "Pending", ""), ("nodes", "Pending", "2 of 4 are there")],
            "admission checks budget, nodes have not passed yet (2 of 4 are there)",
        ),
        ([("nodes", "Retry", "no capacity")], "admission check nodes is tried again (no capacity)"),
    ],
)
def test_the_checks_that_a_job_with_quota_waits_for_are_told(checks: Any, told: str) -> None:
    found = sentence("gpu", checked(*checks), None)
    assert found == f"in queue gpu, with its quota reserved; {told}"


@pytest.mark.parametrize(
    ("reason", "message", "why"),
    [
        ("Deactivated", "The workload is deactivated", "it was deactivated by an administrator"),
        (
            "DeactivatedDueToAdmissionCheck",
            'The workload is deactivated due to AdmissionCheck in Rejected state: "budget" (nothing left)',
            'admission check "budget" (nothing left) refused it',
        ),
        (
            "DeactivatedDueToRequeuingLimitExceeded",
            "The workload is deactivated due to exceeding the maximum number of re-queuing retries",
            "its pods did not start in time, too often",
        ),
        (
            "DeactivatedDueToMaximumExecutionTimeExceeded",
            "The workload is deactivated due to exceeding the maximum execution time",
            "it ran for longer than its queue allows",
        ),
    ],
)
def test_a_job_that_its_queue_will_never_start_says_what_can_be_done(
    reason: str, message: str, why: str
) -> None:
    found = {**evicted(reason, message), "spec": {"active": False}}
    assert sentence("gpu", found, None) == (
        f"not let start from queue gpu, because {why}: cancel it, or ask the cluster's administrators"
    )


def local(policy: str = "None", reason: str = "") -> Object:
    active = {"type": "Active", "status": "False" if reason else "True", "reason": reason or "Ready"}
    return {"spec": {"clusterQueue": "all", "stopPolicy": policy}, "status": {"conditions": [active]}}


def behind(policy: str = "None", message: str = "") -> Object:
    active = {"type": "Active", "status": "False" if message else "True", "message": message}
    return {"spec": {"stopPolicy": policy}, "status": {"conditions": [active]}}


@pytest.mark.parametrize(
    ("queue", "cluster", "told"),
    [
        (None, None, ""),
        (local(), None, ""),
        (local(), behind(), ""),
        (local("Hold", "Stopped"), behind(), "the queue is stopped by an administrator"),
        (local("HoldAndDrain"), None, "the queue is stopped by an administrator"),
        (
            local(reason="ClusterQueueDoesNotExist"),
            None,
            "the ClusterQueue all behind it does not exist: ask the cluster's administrators",
        ),
        (
            local(reason="ClusterQueueIsInactive"),
            behind("Hold", "Can't admit new workloads: is stopped."),
            "the ClusterQueue all behind it is stopped by an administrator",
        ),
        (
            local(reason="ClusterQueueIsInactive"),
            None,
            "the ClusterQueue all behind it is not active: ask the cluster's administrators",
        ),
        (
            local(reason="ClusterQueueIsInactive"),
            behind(message="Can't admit new workloads: references missing ResourceFlavor(s): l40s."),
            "the ClusterQueue all behind it is not active (references missing ResourceFlavor(s): l40s): "
            "ask the cluster's administrators",
        ),
    ],
)
def test_what_ails_a_queue_is_told_as_far_as_it_may_be_seen(
    queue: Object | None, cluster: Object | None, told: str
) -> None:
    assert queue_trouble(queue, cluster) == told
    waits = sentence("gpu", pending("ClusterQueue all is inactive", "Suspended"), None, trouble=told)
    assert waits == f"in queue gpu; {told or 'the queue is stopped'}"


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        ("Preempted", "Preempted to accommodate a workload", "a job with a higher priority preempted it"),
        ("PodsReadyTimeout", "Exceeded the PodsReady timeout", "its pods did not all start in time"),
        ("NodeFailures", "", "one of its nodes failed"),
        ("Deactivated", "The workload is deactivated", "it was deactivated by an administrator"),
        ("ClusterQueueStopped", "The ClusterQueue is stopped", "its queue was stopped and drained"),
        ("LocalQueueStopped", "The LocalQueue is stopped", "its queue was stopped and drained"),
        (
            "AdmissionCheck",
            'Evicted due to AdmissionCheck in Retry state: "nodes" (no room)',
            'admission check "nodes" (no room) has it tried again',
        ),
        ("NewReason", "The sky fell.", 'Kueue says "The sky fell"'),
    ],
)
def test_why_a_queue_took_a_job_back_is_told(reason: str, message: str, told: str) -> None:
    assert sentence("gpu", evicted(reason, message), 0) == f"requeued, because {told}; first in queue gpu"


def test_a_queue_that_took_a_job_back_without_a_word_is_believed() -> None:
    assert sentence("gpu", evicted("New"), None) == "requeued; in queue gpu"


def test_an_eviction_of_earlier_does_not_count() -> None:
    found = workload(("Evicted", "False", "QuotaReserved", ""), ("QuotaReserved", "False", "Pending", LACKS))
    assert "requeued" not in sentence("gpu", found, 1)
