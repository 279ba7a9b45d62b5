"""What is told of a job's objects, from their conditions, containers and events."""

from __future__ import annotations

import pytest

from sovlab.kube.reading.happenings import of_events, of_pod, of_workload

AT = "2026-11-29T05:00:00Z"
SECONDS = 1795928400.0


def test_a_workload_tells_of_its_suspension_its_going_on_and_its_end():
    conditions = [
        {"type": "Suspended", "status": "False", "reason": "JobResumed", "lastTransitionTime": AT},
        {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "lastTransitionTime": AT},
        {"type": "Complete", "status": "False", "lastTransitionTime": AT},
    ]
    found = of_workload({"metadata": {"name": "x"}, "status": {"conditions": conditions}}, "Job")
    assert [(each.text, each.warning) for each in found] == [
        ("no longer Suspended: JobResumed", False),
        ("Failed: BackoffLimitExceeded", True),
    ]
    assert {(each.of, each.time) for each in found} == {("Job x", SECONDS)}


def test_a_pod_that_was_started_again_tells_both_runs():
    first = {"terminated": {"startedAt": AT, "finishedAt": AT, "exitCode": 137, "reason": "OOMKilled"}}
    status = {"name": "job", "lastState": first, "state": {"running": {"startedAt": AT}}}
    pod = {
        "metadata": {"name": "x-0", "creationTimestamp": AT},
        "spec": {"nodeName": "node-7"},
        "status": {
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": AT}],
            "containerStatuses": [status],
        },
    }
    found = of_pod(pod)
    assert [each.text for each in found] == [
        "It was created.",
        "It got node node-7.",
        "Container job started.",
        "Container job ended: exit status 137, OOMKilled.",
        "Container job started.",
    ]
    assert [each.warning for each in found] == [False, False, False, True, False]


def test_an_event_that_came_often_is_one_with_its_count_and_its_last_time():
    old = {"reason": "BackOff", "message": "a\nb", "type": "Warning", "count": 7, "lastTimestamp": AT}
    new = {
        "reason": "Pulled",
        "type": "Normal",
        "eventTime": AT,
        "series": {"count": 2, "lastObservedTime": AT},
    }
    found = of_events([old, new], "Pod x")
    assert [(each.text, each.count, each.warning) for each in found] == [
        ("BackOff: a b", 7, True),
        ("Pulled", 2, False),
    ]
    assert all(each.time == SECONDS for each in found)


@pytest.mark.parametrize(
    "odd", [None, "text", 7, [], [None, "x", 3], {"a": 1}, [{"reason": 3, "message": {}}]]
)
def test_what_is_not_of_the_form_that_the_api_has_is_left_out(odd):
    assert of_workload({"metadata": odd, "status": odd}, "Job") == []
    assert of_workload({"metadata": {}, "status": {"conditions": odd}}, "Job") == []
    assert (
        of_pod({"metadata": odd, "spec": odd, "status": {"conditions": odd, "containerStatuses": odd}}) == []
    )
    assert all(each.time is None for each in of_events(odd, "Pod x"))


def test_a_message_without_end_is_cut():
    found = of_events([{"reason": "x", "message": "y" * 10_000_000, "count": 10**30}], "Pod x")
    assert len(found[0].text) < 1200
    assert found[0].count == 1
