"""What is told of a job, from its objects as a cluster has them.

The files in ``recorded/`` are what a real cluster (Kubernetes 1.36, containerd) said of jobs, in order.
"""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.core.job import JobState, JobStatus, Reason
from sovlab.core.spec import JobSpec, PayloadKind, Resources
from sovlab.executors.kubernetes.objects import trimming
from sovlab.executors.kubernetes.objects.records import job_record
from sovlab.kube import labels
from sovlab.kube.reading import status
from sovlab.kube.reading.queue_words import Wait
from sovlab.runner.protocol import termination

JOB = "digits-7k2m9x"
NOW = 1795648010.0
CREATED, STARTED, FINISHED = "2026-11-25T23:06:40Z", "2026-11-25T23:06:45Z", "2026-11-25T23:06:48Z"
SUBMITTED = 1795648000.0

Object = dict[str, Any]


# --- objects


def job(*conditions: Object, nodes: int = 1, suspend: bool = False, queue: str = "", **marks: Any) -> Object:
    """A Job; ``ready=None`` takes a mark away."""
    marks = {"submitted": str(SUBMITTED), "ready": "1795648000.5", "nonce": "00ff", **marks}
    return {
        "kind": "Job",
        "metadata": {
            "name": JOB,
            "creationTimestamp": CREATED,
            "labels": {labels.JOB: JOB, **({labels.QUEUE: queue} if queue else {})},
            "annotations": {f"sovlab.dev/{mark}": text for mark, text in marks.items() if text is not None},
        },
        "spec": {"suspend": suspend, "completions": nodes, "parallelism": nodes},
        "status": {"conditions": list(conditions), **({} if suspend else {"startTime": CREATED})},
    }


def jobset(*conditions: Object, nodes: int = 2, suspend: bool = False, **marks: Any) -> Object:
    made = job(*conditions, nodes=nodes, suspend=suspend, **marks)
    del made["status"]["startTime" if not suspend else "conditions"]
    return {**made, "kind": "JobSet", "spec": {"suspend": suspend, "completions": nodes}}


def condition(kind: str, reason: str = "", text: str = "") -> Object:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": text,
        "lastTransitionTime": "2026-11-25T23:06:49Z",
    }


COMPLETE = condition("Complete", "CompletionsReached", "Reached expected number of succeeded pods")
FAILED = condition("Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
TARGET = {**FAILED, "type": "FailureTarget"}
DEADLINE = condition("Failed", "DeadlineExceeded", "Job was active longer than specified deadline")
POLICY = condition(
    "Failed",
    "PodFailurePolicy",
    f"Pod research/{JOB}-1-5878z has condition DisruptionTarget matching FailJob rule at index 0",
)


def pod(
    state: Object | None = None,
    *conditions: Object,
    phase: str = "Pending",
    node: str | None = "node-1",
    index: int | None = None,
    leaving: bool = False,
    created: str = CREATED,
    image: str = "registry.example.org/torch:2.9",
    says: tuple[str, str] | None = None,
) -> Object:
    marked = {labels.JOB: JOB, **({labels.INDEX: str(index)} if index is not None else {})}
    made: Object = {
        "kind": "Pod",
        "metadata": {
            "name": f"{JOB}-{index if index is not None else 'x'}-zzz88",
            "creationTimestamp": created,
            "labels": marked,
            "annotations": {},
            **({"deletionTimestamp": "2026-11-25T23:08:47Z"} if leaving else {}),
        },
        "spec": {"nodeName": node, "containers": [{"image": image}]},
        "status": {"phase": phase, "conditions": list(conditions)},
    }
    if says is not None:  # the pod itself, not its container
        made["status"] |= {"reason": says[0], "message": says[1]}
    if state is not None:
        made["status"]["containerStatuses"] = [{"name": labels.CONTAINER, "image": image, "state": state}]
    return made


def waiting(reason: str = "ContainerCreating", text: str = "", **more: Any) -> Object:
    return pod({"waiting": {"reason": reason, **({"message": text} if text else {})}}, **more)


def unschedulable(text: str, reason: str = "Unschedulable", **more: Any) -> Object:
    found = {"type": "PodScheduled", "status": "False", "reason": reason, "message": text}
    return pod(None, found, node=None, **more)


def running(since: str = STARTED, *conditions: Object, **more: Any) -> Object:
    return pod({"running": {"startedAt": since}}, *conditions, phase="Running", **more)


def over(
    code: int, text: str = "", *conditions: Object, reason: str = "", started: str = STARTED, **more: Any
) -> Object:
    """A pod whose container has ended."""
    state = {"exitCode": code, "reason": reason or ("Error" if code else "Completed"), "startedAt": started}
    state |= {"finishedAt": FINISHED, **({"message": text} if text else {})}
    more = {"phase": "Failed" if code else "Succeeded", **more}
    return pod({"terminated": state}, *conditions, **more)


def record(reason: str, text: str = "", **more: Any) -> str:
    """A termination message as the runner writes it."""
    told = {"version": 1, "reason": reason, "message": text, "started": 1795648005.5, "ended": 1795648008.25}
    return termination.encode({**told, "host": "pod", "python": "3.11.2", **more})[0].decode()


SUCCEEDED = record("succeeded", exit_code=0)
KILLED = record("killed", "It was ended from outside by SIGTERM.", signal="SIGTERM")
CANCELLED = record("cancelled", "It was cancelled.")
DIVIDED = record("user_error", "ZeroDivisionError: division by zero", exit_code=1)


def disrupted(reason: str, text: str = "") -> Object:
    return condition("DisruptionTarget", reason, text)


EVICTED = disrupted("EvictionByEvictionAPI", "Eviction API: evicting")


def told(workload: Object, *pods: Object, why: str = "", now: float = NOW) -> JobStatus:
    return status.status(workload, pods, now=now, why=Wait(why))


def said(found: JobStatus) -> tuple[str, str, str]:
    return str(found.state), str(found.reason), found.message


# --- lives of jobs, as they were recorded

RECORDED = Path(__file__).parent / "recorded"
LIVES: dict[str, list[tuple[str, str, str]]] = {
    "success": [("running", "", ""), ("succeeded", "", "")],
    "user-error": [("running", "", ""), ("failed", "user_error", "ZeroDivisionError: division by zero")],
    "timeout": [("running", "", ""), ("failed", "timeout", "It ran longer than its --timeout of 2 s.")],
    "cancelled": [
        ("running", "", ""),
        ("running", "", "ending"),
        ("cancelled", "cancelled", "Somebody cancelled it."),  # as the runner of the recording said it
    ],
    "cancelled-waiting": [
        ("queued", "waiting", "waiting: no node has room for it: 1 of 1 node has too little CPU free"),
        ("pending", "", "ending"),
        ("cancelled", "cancelled", "It was cancelled."),
    ],
    "out-of-memory": [
        ("running", "", ""),
        ("failed", "out_of_memory", "It used more memory than the 96 MiB that --memory allows."),
    ],
    "evicted": [
        ("running", "", ""),
        ("running", "", "ending"),
        ("pending", "", "requeued: waiting for its pod"),
        ("pending", "", "waiting for its pod"),
        ("pending", "", "starting on node-1"),
        ("running", "", ""),
    ],
    "suspended": [
        ("running", "", ""),
        ("running", "", "ending"),
        ("suspended", "", "suspended in the cluster"),
    ],
    "deleted": [
        ("running", "", ""),
        ("running", "", "ending"),
        ("failed", "lost", "Its pod was deleted before it had ended. Submit it again."),
        (
            "failed",
            "lost",
            "Its pod was deleted, or its node was lost, before it had ended. Submit it again.",
        ),
    ],
    "deleted-later": [
        ("running", "", ""),
        ("succeeded", "", ""),
        (
            "succeeded",
            "",
            "Its pod was deleted: results that were neither fetched nor put into a store are gone with it.",
        ),
    ],
    "evicted-node": [
        ("pending", "", "waiting: 1 of 2 nodes have started"),
        ("running", "", ""),
        ("running", "", "ending"),
        (
            "failed",
            "lost",
            "It was ended because node node-1 was drained. "
            "One of several nodes cannot be replaced: submit it again.",
        ),
        (
            "failed",
            "lost",
            "It was ended because the cluster took one of its nodes away. "
            "One of several nodes cannot be replaced: submit it again.",
        ),
    ],
    "failed-node": [
        ("pending", "", "waiting: 1 of 2 nodes have started"),
        ("running", "", ""),
        ("running", "", "ending"),
        ("failed", "user_error", "Node 1: ValueError: shard 7 is empty"),
    ],
}
_BEGIN = ("its payload is on its way", "waiting for its pod", "waiting for its pods", "starting on node-1")


class Life:
    """A job as events of the cluster make it known."""

    def __init__(self) -> None:
        self.workload: Object | None = None
        self.pods: dict[str, Object] = {}

    def take(self, event: Object) -> JobStatus | None:
        """What is told after an event; None before the job is known."""
        if "gone" in event:
            self.pods.pop(event["gone"], None)
        elif event["kind"] == "Job":
            self.workload = event
        else:
            self.pods[event["metadata"]["name"]] = event
        if self.workload is None:
            return None
        return told(
            self.workload, *self.pods.values(), now=status.status(self.workload, [], now=0).submitted or 0
        )


def recorded(name: str) -> list[Object]:
    return [json.loads(line) for line in (RECORDED / f"{name}.jsonl").read_text().splitlines()]


def test_every_recorded_life_has_its_story() -> None:
    assert sorted(p.stem for p in RECORDED.glob("*.jsonl")) == sorted(LIVES)


@pytest.mark.parametrize("name", LIVES)
def test_a_recorded_life_is_told_in_its_order(name: str) -> None:
    life = Life()
    story = [said(found) for event in recorded(name) if (found := life.take(event)) is not None]
    shown = [found for found, _ in itertools.groupby(story)]
    begin = len(list(itertools.takewhile(lambda s: s[2] in _BEGIN, shown)))
    assert begin >= 2, "it is held back, then it waits for its pods"
    assert shown[begin:] == LIVES[name]


@pytest.mark.parametrize("name", LIVES)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_no_wrong_end_is_told_whatever_watch_is_late(name: str, data: st.DataObject) -> None:
    """Workloads and pods are watched apart; who follows a job stops at the first end that is told."""
    events = recorded(name)
    watches = [[e for e in events if (e.get("kind") == "Job") is of_jobs] for of_jobs in (True, False)]
    life, ends = Life(), set()
    while any(watches):
        first = data.draw(st.sampled_from([n for n in (0, 1) if watches[n]]))
        found = life.take(watches[first].pop(0))
        if found is not None and found.state.ended:
            ends.add(found.state)
    assert ends == {JobState(state) for state, _, _ in LIVES[name][-1:] if JobState(state).ended}


# --- before it runs

NO_ROOM = (
    "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, preemption: "
    "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
)
PULL = (
    'Back-off pulling image "registry.example.org/torch:2.9": ErrImagePull: failed to pull and unpack image '
    '"registry.example.org/torch:2.9": failed to resolve reference "registry.example.org/torch:2.9": '
)
ROOT = (
    "container has runAsNonRoot and image will run as root "
    f'(pod: "{JOB}-x-zzz88_research(4ad68db6)", container: job)'
)
LOW = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80712Ki. "
BEFORE: dict[str, tuple[JobStatus, str, str]] = {
    "half made": (told(job(suspend=True, ready=None)), "pending", "its payload is on its way"),
    "half made for long": (
        told(job(suspend=True, ready=None), now=NOW + 60),
        "pending",
        "its submit was interrupted: cancel it, and submit it again",
    ),
    "no pod yet": (told(job()), "pending", "waiting for its pod"),
    "no pods yet": (told(job(nodes=2)), "pending", "waiting for its pods"),
    "refused": (told(job(), why="quota small is used up"), "queued", "waiting: quota small is used up"),
    "not placed yet": (told(job(), pod(node=None)), "pending", "waiting for its pod"),
    "no room": (
        told(job(), unschedulable(NO_ROOM)),
        "queued",
        "waiting: no node has room for it: 1 of 1 node has too little nvidia.com/gpu free",
    ),
    "one of two has no room": (
        told(job(nodes=2), running(index=0), unschedulable(NO_ROOM, index=1)),
        "queued",
        "waiting: no node has room for it: 1 of 1 node has too little nvidia.com/gpu free",
    ),
    "gated": (
        told(
            job(), unschedulable("Scheduling is blocked due to non-empty scheduling gates", "SchedulingGated")
        ),
        "queued",
        "waiting: the cluster holds its pod back with a scheduling gate",
    ),
    "on its way": (told(job(), waiting()), "pending", "starting on node-1"),
    "volume": (
        told(job(), waiting(), why="a volume cannot be mounted: timed out"),
        "queued",
        "waiting: a volume cannot be mounted: timed out",
    ),
    "no image": (
        told(job(), waiting("ImagePullBackOff", PULL + "registry.example.org/torch:2.9: not found")),
        "queued",
        "waiting: the target's image registry.example.org/torch:2.9 cannot be pulled: there is no such image",
    ),
    "image runs as root": (
        told(job(), waiting("CreateContainerConfigError", ROOT)),
        "queued",
        "waiting: the image registry.example.org/torch:2.9 runs as root: "
        "build it with a numeric USER, or set user in the target",
    ),
    "one of four has started": (
        told(job(nodes=4), running(index=0), *(waiting(index=n) for n in (1, 2, 3))),
        "pending",
        "waiting: 1 of 4 nodes have started",
    ),
    "in a queue": (told(job(suspend=True, queue="gpu")), "queued", "waiting in queue gpu"),
    "in a queue that says why": (
        told(job(suspend=True, queue="gpu"), why="2 ahead of you in queue gpu"),
        "queued",
        "waiting: 2 ahead of you in queue gpu",
    ),
    "preempted by its queue": (
        told(job(suspend=True, queue="gpu"), over(137, KILLED, leaving=True)),
        "queued",
        "requeued: waiting in queue gpu",
    ),
    "preempted by its queue, which says why": (
        told(
            job(suspend=True, queue="gpu"),
            over(137, KILLED, leaving=True),
            why="requeued, because a job with a higher priority preempted it; in queue gpu",
        ),
        "queued",
        "requeued, because a job with a higher priority preempted it; in queue gpu",
    ),
    "suspended": (told(job(suspend=True)), "suspended", "suspended in the cluster"),
    "evicted": (
        told(job(), over(137, KILLED, EVICTED, leaving=True)),
        "pending",
        "requeued: waiting for its pod",
    ),
    "evicted by a node without memory": (
        told(job(), over(137, KILLED, disrupted("TerminationByKubelet", LOW), says=("Evicted", LOW))),
        "pending",
        "requeued: waiting for its pod",
    ),
    "evicted, and its new pod starts": (
        told(
            job(),
            over(137, KILLED, EVICTED, leaving=True),
            waiting(created="2026-11-25T23:07:40Z", node="node-2"),
        ),
        "pending",
        "starting on node-2",
    ),
    "jobset": (told(jobset(suspend=False)), "pending", "waiting for its pods"),
}


@pytest.mark.parametrize("case", BEFORE)
def test_what_is_told_before_a_job_runs(case: str) -> None:
    found, state, text = BEFORE[case]
    assert (found.state, found.message) == (state, text)
    assert (found.reason is Reason.WAITING) == (found.state is JobState.QUEUED)
    assert found.submitted == SUBMITTED
    assert found.started is found.ended is None


def test_a_pod_that_waits_says_where() -> None:
    assert told(job(), waiting()).host == "node-1"
    assert told(job(), waiting("ErrImagePull", "not found")).host == "node-1"
    assert told(job(), unschedulable(NO_ROOM)).host == ""


# --- while it runs


def test_a_job_runs_when_all_its_nodes_have_started() -> None:
    found = told(job(nodes=2), running("2026-11-25T23:06:47Z", index=0), running(index=1, node="node-2"))
    assert said(found) == ("running", "", "")
    assert found.started == status.seconds(STARTED)
    assert found.host == "node-1, node-2"


def test_many_nodes_are_not_all_named() -> None:
    pods = [running(index=n, node=f"node-{n}") for n in range(5)]
    assert told(job(nodes=5), *pods).host == "node-0, node-1, node-2 and 2 more"


def test_a_job_still_runs_when_one_of_its_nodes_is_done() -> None:
    found = told(job(nodes=2), over(0, SUCCEEDED, index=1), running("2026-11-25T23:06:50Z", index=0))
    assert said(found) == ("running", "", "")
    assert found.started == status.seconds(STARTED), "when the first of them started"


ENDING: dict[str, JobStatus] = {
    "cancelled": told(job(cancelled="1795648009.0"), running()),
    "suspended": told(job(suspend=True, queue="gpu"), running(leaving=True)),
    "evicted": told(job(), running(STARTED, EVICTED, leaving=True)),
    "deleted": told(job(), running(leaving=True)),
    "deadline": told(job({**DEADLINE, "type": "FailureTarget"}), running(leaving=True)),
    "cancelled, with no right to run commands": told(
        job({**DEADLINE, "type": "FailureTarget"}, cancelled="1795648009.5"), running(leaving=True)
    ),
    "another node failed": told(job(nodes=2), over(1, DIVIDED, index=1), running(index=0)),
    "a node failed, and the news of none has come": told(
        job(TARGET, nodes=2), running(index=0), running(index=1)
    ),
    "a node failed for want of the other, of which the news has not come": told(
        job(TARGET, nodes=2),
        over(1, record("user_error", "RuntimeError: Connection closed by peer"), index=0),
        running(index=1, leaving=True),
    ),
    "cancelled, and one of its nodes has ended": told(
        jobset(suspend=True, cancelled="1795648009.0"),
        over(130, CANCELLED, index=0),
        running(index=1, leaving=True),
    ),
    "the Job knows it is done, its pod is not known to be": told(job(COMPLETE), running()),
    "the container has ended, and left no record": told(job(), over(137, phase="Running")),
    "its pod was deleted, and the Job has not said what comes": told(job(), over(137, KILLED, leaving=True)),
    "something from outside ended it, and nobody has said what": told(
        job(), over(137, KILLED, phase="Running")
    ),
}


@pytest.mark.parametrize("case", ENDING)
def test_a_job_that_is_about_to_end_says_so(case: str) -> None:
    assert said(ENDING[case]) == ("running", "", "ending")
    assert ENDING[case].started == status.seconds(STARTED)


def test_a_job_that_is_cancelled_while_its_pod_waits_is_ending() -> None:
    assert said(told(job(cancelled="1795648009.0"), unschedulable(NO_ROOM))) == ("pending", "", "ending")


# --- how it ended

OUT_OF_MEMORY = "It used more memory than it was given: ask for more with --memory."
GONE = "Its pod was deleted, or its node was lost, before it had ended. Submit it again."
SEVERAL = "One of several nodes cannot be replaced: submit it again."
NO_PYTHON = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: "
    'exec: "python9": executable file not found in $PATH: unknown'
)
REJECTED = (
    "Pod was rejected: Node didn't have enough resource: cpu, requested: 64000, used: 1450, capacity: 2000"
)
NEVER = "1970-01-01T00:00:00Z"

ENDS: dict[str, tuple[JobStatus, str, str, str]] = {
    "user error": (
        told(job(FAILED), over(1, DIVIDED)),
        "failed",
        "user_error",
        "ZeroDivisionError: division by zero",
    ),
    "killed from within the container": (
        told(job(FAILED), over(137, record("killed", "It was ended from outside by SIGKILL."))),
        "failed",
        "killed",
        "It was ended from outside by SIGKILL.",
    ),
    "cancelled, and the pod of one of its nodes is gone before its JobSet says so": (
        told(jobset(cancelled="1795648009.0"), over(130, CANCELLED, index=0)),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
    "cancelled before it started": (
        told(job(suspend=True, ready=None, cancelled="1795648009.5")),
        "cancelled",
        "cancelled",
        "It was cancelled before it started.",
    ),
    "cancelled while it was held back, and ended by its deadline": (
        told(
            {
                **(j := job(DEADLINE, cancelled="1795648009.5")),
                "status": {**j["status"], "startTime": "2026-11-25T23:06:49Z"},
            }
        ),
        "cancelled",
        "cancelled",
        "It was cancelled before it started.",
    ),
    "cancelled while its pod waited": (
        told(job(DEADLINE, cancelled="1795648009.5")),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
    "cancelled": (
        told(job(FAILED, cancelled="1795648009.5"), over(143, CANCELLED)),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
    "cancelled while its container was about to start": (
        told(job({**DEADLINE, "type": "FailureTarget"}, cancelled="1795648003.5"), running(leaving=True)),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
    "cancelled, with no right to run commands": (
        told(job(DEADLINE, cancelled="1795648009.5"), over(137, KILLED, leaving=True)),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
    "cancelled, and killed before it could say so": (
        told(job(FAILED, cancelled="1795648009.5"), over(137)),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
    "cancelled, and the other node failed for it": (
        told(
            job(FAILED, nodes=2, cancelled="1795648009.5"),
            over(1, record("user_error", "RuntimeError: Connection closed by peer"), index=0),
            over(143, CANCELLED, index=1),
        ),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
    "failed before it was cancelled": (
        told(job(FAILED, cancelled="1795648009.5"), over(1, DIVIDED)),
        "failed",
        "user_error",
        "ZeroDivisionError: division by zero",
    ),
    "done before it was cancelled": (
        told(job(COMPLETE, cancelled="1795648009.5"), over(0, SUCCEEDED)),
        "succeeded",
        "",
        "",
    ),
    "out of memory, without a word": (
        told(job(FAILED), over(137, reason="OOMKilled")),
        "failed",
        "out_of_memory",
        OUT_OF_MEMORY,
    ),
    "out of memory, and the runner saw its supervisor die": (
        told(job(FAILED), over(70, record("lost", "Its supervisor was killed."), reason="OOMKilled")),
        "failed",
        "out_of_memory",
        OUT_OF_MEMORY,
    ),
    "no such python": (
        told(job(FAILED), over(128, NO_PYTHON, reason="StartError", started=NEVER)),
        "failed",
        "runner",
        "The image registry.example.org/torch:2.9 has no program python9: "
        "choose an image with Python 3.9 or newer, or set python in the target.",
    ),
    "the runner crashed": (
        told(
            job(FAILED),
            over(
                1,
                'Traceback:\nOSError: [Errno 28] No space\n\x1esovlab:00ff {"t":"at"}\n',
            ),
        ),
        "failed",
        "runner",
        "Its runner failed (exit status 1): OSError: [Errno 28] No space",
    ),
    "the runner crashed silently": (
        told(job(FAILED), over(139)),
        "failed",
        "runner",
        "Its runner failed (exit status 139): it printed nothing",
    ),
    "killed without a word": (
        told(job(FAILED), over(137)),
        "failed",
        "killed",
        "Its container was killed from outside, and nothing says why. "
        "Submit it again, with --memory if it needs much.",
    ),
    "the deadline of its pod": (
        told(
            job(FAILED),
            over(
                137,
                KILLED,
                says=("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"),
            ),
        ),
        "failed",
        "timeout",
        "It ran longer than the cluster allows: its pod reached its deadline.",
    ),
    "the deadline of its Job": (
        told(job(DEADLINE)),
        "failed",
        "timeout",
        "It ran longer than the cluster allows: its Job reached its deadline.",
    ),
    "too much on its disk": (
        told(
            job(FAILED),
            over(137, KILLED, says=("Evicted", 'Usage of EmptyDir volume "work" exceeds the limit "1Mi". ')),
        ),
        "failed",
        "killed",
        "Node node-1 evicted it: it wrote more to its disk than the cluster allows "
        '(Usage of EmptyDir volume "work" exceeds the limit "1Mi").',
    ),
    "refused by its node": (
        told(job(FAILED), pod(phase="Failed", says=("OutOfcpu", REJECTED))),
        "failed",
        "lost",
        "Node node-1 rejected its pod: Node didn't have enough resource: cpu, requested: 64000, used: 1450, "
        "capacity: 2000. Submit it again.",
    ),
    "its node was started anew": (
        told(job(FAILED), over(137, "The container could not be located", reason="ContainerStatusUnknown")),
        "failed",
        "lost",
        "Node node-1 lost its container, perhaps in a restart. Submit it again.",
    ),
    "its pod was deleted": (
        told(job(TARGET), over(143, KILLED, leaving=True)),
        "failed",
        "lost",
        "Its pod was deleted before it had ended. Submit it again.",
    ),
    "its pod was deleted, and its container killed": (
        told(job(TARGET), over(137, leaving=True)),
        "failed",
        "lost",
        "Its pod was deleted before it had ended. Submit it again.",
    ),
    "its pod is gone": (told(job(FAILED)), "failed", "lost", GONE),
    "a node was taken from it, and nothing is left": (
        told(job(POLICY, nodes=2)),
        "failed",
        "lost",
        f"It was ended because the cluster took one of its nodes away. {SEVERAL}",
    ),
    "a node was taken from it, and the other pod is left": (
        told(job(POLICY, nodes=2), over(143, KILLED, index=0, leaving=True)),
        "failed",
        "lost",
        f"It was ended because the cluster took one of its nodes away. {SEVERAL}",
    ),
    "a node was taken from it after the other was done": (
        told(job(POLICY, nodes=2), over(0, SUCCEEDED, index=0)),
        "failed",
        "lost",
        f"It was ended because the cluster took one of its nodes away. {SEVERAL}",
    ),
    "a node was taken from it": (
        told(
            job(POLICY, nodes=2),
            over(143, KILLED, index=0, leaving=True),
            over(143, KILLED, EVICTED, index=1),
        ),
        "failed",
        "lost",
        f"It was ended because node node-1 was drained. {SEVERAL}",
    ),
    "one pod of several is gone, and its end ended the other": (
        told(job(FAILED, nodes=2), over(143, KILLED, index=0, leaving=True)),
        "failed",
        "lost",
        "A pod of it was deleted, or its node was lost, before it had ended. Submit it again.",
    ),
    "one node ran out of memory": (
        told(
            job(FAILED, nodes=2),
            over(
                1,
                record("user_error", "RuntimeError: Connection closed by peer", ended=1795648007.0),
                index=0,
            ),
            over(137, index=1, reason="OOMKilled"),
        ),
        "failed",
        "out_of_memory",
        f"Node 1: {OUT_OF_MEMORY}",
    ),
    "one node has no such python": (
        told(
            job(TARGET, nodes=2),
            running(index=0),
            over(128, NO_PYTHON, reason="StartError", started=NEVER, index=1),
        ),
        "failed",
        "runner",
        "Node 1: The image registry.example.org/torch:2.9 has no program python9: "
        "choose an image with Python 3.9 or newer, or set python in the target.",
    ),
    "one node failed, the other is being ended": (
        told(job(TARGET, nodes=2), running(index=0, leaving=True), over(1, DIVIDED, index=1)),
        "failed",
        "user_error",
        "Node 1: ZeroDivisionError: division by zero",
    ),
    "done": (told(job(COMPLETE), over(0, SUCCEEDED)), "succeeded", "", ""),
    "done, before the Job says so": (told(job(), over(0, SUCCEEDED, phase="Running")), "succeeded", "", ""),
    "done, on all nodes": (
        told(job(nodes=2), *(over(0, SUCCEEDED, index=n) for n in (0, 1))),
        "succeeded",
        "",
        "",
    ),
    "done, and its pod is gone": (
        told(job(COMPLETE)),
        "succeeded",
        "",
        "Its pod was deleted: results that were neither fetched nor put into a store are gone with it.",
    ),
    "done, and the pod of an earlier try is all that is left": (
        told(job(COMPLETE), over(137, KILLED, EVICTED)),
        "succeeded",
        "",
        "Its pod was deleted: results that were neither fetched nor put into a store are gone with it.",
    ),
    "done, and no record": (
        told(job(COMPLETE), over(0)),
        "succeeded",
        "",
        "Its container exited with status 0 but left no exit record, so what it returned is not known.",
    ),
    "done at the second try": (
        told(job(COMPLETE), over(137, KILLED, EVICTED), over(0, SUCCEEDED, created="2026-11-25T23:07:40Z")),
        "succeeded",
        "",
        "",
    ),
    "a JobSet that failed": (
        told(
            jobset(condition("Failed", "FailedJobs", "jobset failed due to one or more job failures")),
            over(1, DIVIDED, index=1),
        ),
        "failed",
        "user_error",
        "Node 1: ZeroDivisionError: division by zero",
    ),
    "a JobSet that is done": (
        told(
            jobset(condition("Completed", "AllJobsCompleted", "jobset completed successfully")),
            *(over(0, SUCCEEDED, index=n) for n in (0, 1)),
        ),
        "succeeded",
        "",
        "",
    ),
    "cancelled when one of its nodes had not started yet": (
        told(jobset(suspend=True, cancelled="1795648009.5"), over(130, CANCELLED, index=0)),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
    "cancelled when one of its nodes was done and the other had not started": (
        told(jobset(suspend=True, cancelled="1795648009.5"), over(0, SUCCEEDED, index=0)),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
    "one of several nodes was killed without a word, and the other is gone": (
        told(job(FAILED, nodes=2), over(137, index=0)),
        "failed",
        "killed",
        "Node 0: Its container was killed from outside, and nothing says why. "
        "Submit it again, with --memory if it needs much.",
    ),
    "a JobSet whose nodes were all cancelled: they exit as if they were done": (
        told(
            jobset(
                condition("Completed", "AllJobsCompleted", "jobset completed successfully"),
                cancelled="1795648009.5",
            ),
            *(over(0, CANCELLED, index=n) for n in (0, 1)),
        ),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
    "one whose nodes were all cancelled, and whose pods are gone": (
        told(job(COMPLETE, nodes=2, cancelled="1795648009.5")),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
    "done before it was cancelled, and its pods are gone": (
        told(job(COMPLETE, nodes=2, cancelled="1795668009.5")),
        "succeeded",
        "",
        "Its pod was deleted: results that were neither fetched nor put into a store are gone with it.",
    ),
    "a JobSet that was cancelled": (
        told(jobset(suspend=True, cancelled="1795648009.5")),
        "cancelled",
        "cancelled",
        "It was cancelled.",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_how_a_job_ended_is_told(case: str) -> None:
    found, *expected = ENDS[case]
    assert list(said(found)) == expected
    assert found.ended is not None or "JobSet" in case
    assert found.submitted == SUBMITTED


@pytest.mark.parametrize(
    ("reason", "text", "why"),
    [
        (
            "PreemptionByScheduler",
            "default-scheduler: preempting to accommodate a higher priority pod",
            "a job with a higher priority needed node node-1",
        ),
        ("EvictionByEvictionAPI", "Eviction API: evicting", "node node-1 was drained"),
        (
            "DeletionByTaintManager",
            "Taint manager: deleting due to NoExecute taint",
            "node node-1 was lost or tainted",
        ),
        ("DeletionByPodGC", "PodGC: node no longer exists", "node node-1 was lost"),
        ("TerminationByKubelet", LOW, "node node-1 ran low on memory"),
        (
            "TerminationByKubelet",
            "The node was low on resource: ephemeral-storage. ",
            "node node-1 ran low on disk",
        ),
        (
            "TerminationByKubelet",
            "Pod was terminated in response to imminent node shutdown.",
            "node node-1 was shut down",
        ),
        (
            "TerminationByKubelet",
            "Pod was preempted by Kubelet to accommodate a critical pod.",
            "node node-1 needed its resources",
        ),
        ("SomethingNew", "", "the cluster took node node-1 away"),
    ],
)
def test_why_a_node_was_taken_away_is_told(reason: str, text: str, why: str) -> None:
    ended = [over(143, KILLED, index=0), over(143, KILLED, disrupted(reason, text), index=1)]
    assert told(job(POLICY, nodes=2), *ended).message == f"It was ended because {why}. {SEVERAL}"


def test_times_and_places_of_an_end_are_those_of_the_runner() -> None:
    found = told(job(COMPLETE), over(0, SUCCEEDED))
    assert (found.started, found.ended, found.host, found.exit_code) == (
        1795648005.5,
        1795648008.25,
        "node-1",
        0,
    )


def test_without_a_runner_the_kubelet_tells_the_times() -> None:
    found = told(job(FAILED), over(137, reason="OOMKilled"))
    assert (found.started, found.ended) == (status.seconds(STARTED), status.seconds(FINISHED))
    assert found.exit_code is None, "that of the container is not that of the user's process"


def test_a_container_that_never_started_has_no_start() -> None:
    """containerd gives the first second of 1970."""
    found = told(job(FAILED), over(128, NO_PYTHON, reason="StartError", started=NEVER))
    assert found.started is None
    assert found.elapsed(NOW) is None


def test_results_in_the_termination_message_are_found() -> None:
    text = termination.encode({"reason": "succeeded"}, b"PACK")[0].decode()
    found = status.ended(over(0, text))
    assert found is not None
    assert found.results == b"PACK"


# --- which of several pods explains the end


def decisive(*pods: Object) -> int:
    found = status.decisive([e for e in map(status.ended, pods) if e is not None])
    assert found is not None
    return found.index


def failed(text: str, ended: float, kind: str = "RuntimeError") -> str:
    error = {"type": kind, "message": text, "traceback": "", "frames": []}
    return record("user_error", f"{kind}: {text}", error=error, ended=ended)


GLOO = "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection closed by peer [10.244.0.7]:29011"
ABORTED = record("killed", signal="SIGABRT", ended=8.0)
RESTARTED = record("killed", "Its container was killed from outside. Submit it again.", ended=9.0)
"""As the container leaves it that was started in place of the one that was killed."""
TORCHRUN = "torchrun could not run the ranks: torch.distributed.DistNetworkError: "
NO_RANKS = record(
    "runner",
    f"{TORCHRUN}Failed to recv, got 0 bytes. Connection was likely closed. Did the remote server shutdown or "
    "crash?",
    exit_code=70,
    ended=8.0,
)
NO_PORT = record(
    "runner",
    f"{TORCHRUN}The server socket has failed to listen on any local network address. port: 29011, EADDRINUSE",
    exit_code=70,
    ended=7.0,
)


@pytest.mark.parametrize(
    ("case", "cause", "victim"),
    [
        ("the first", failed("bad batch", 8.0, "ValueError"), failed("bad batch", 9.0, "ValueError")),
        ("a peer that broke off", failed("bad batch", 9.0, "ValueError"), failed(GLOO, 8.0)),
        ("a peer, as NCCL says it", failed("bad batch", 9.0), failed("NCCL error", 8.0, "DistBackendError")),
        ("the other was ended for it", failed("bad batch", 9.0), record("killed", "SIGTERM", ended=8.0)),
        ("the other left no word", failed("bad batch", 9.0), ""),
        (
            "lost, and its peer noticed",
            record("lost", "Its supervisor was killed", ended=9.0),
            failed(GLOO, 8.0),
        ),
        ("gone, and its peer noticed", "", failed(GLOO, 8.0)),
        ("time, on both", record("timeout", "", ended=8.0), record("timeout", "", ended=9.0)),
        ("memory", record("out_of_memory", "", ended=9.0), failed(GLOO, 8.0)),
        ("a crash, and its peer noticed", record("killed", signal="SIGSEGV", ended=9.0), failed(GLOO, 8.0)),
        ("a crash, and its peer gave up", record("killed", signal="SIGSEGV", ended=9.0), ABORTED),
        ("killed before its peer's ranks had started", RESTARTED, NO_RANKS),
        ("no port, and its peer waited for it", NO_PORT, NO_RANKS),
    ],
)
def test_the_node_that_failed_by_itself_explains_the_end(case: str, cause: str, victim: str) -> None:
    assert decisive(over(1, cause, index=0), over(1, victim, index=1)) == 0
    assert decisive(over(1, victim, index=0), over(1, cause, index=1)) == 1


def test_what_the_cluster_did_explains_the_end_rather_than_what_a_peer_saw_of_it() -> None:
    peer = over(1, failed(GLOO, 8.0), index=0)
    assert decisive(peer, over(143, KILLED, EVICTED, index=1)) == 1
    assert decisive(peer, over(137, index=1, reason="OOMKilled")) == 1
    assert decisive(peer, over(128, NO_PYTHON, index=1, reason="StartError", started=NEVER)) == 1
    assert decisive(peer, pod(phase="Failed", says=("OutOfcpu", REJECTED), index=1)) == 1


def test_if_all_went_well_the_first_node_tells_it() -> None:
    assert decisive(over(0, SUCCEEDED, index=1), over(0, SUCCEEDED, index=0)) == 0


def test_of_no_pods_none_is_decisive() -> None:
    assert status.decisive([]) is None


# --- pods of earlier tries, and which node a pod is


def test_only_the_last_pod_of_each_node_counts() -> None:
    later = "2026-11-25T23:07:40Z"
    first, second = over(137, KILLED, EVICTED, index=1), running(index=1, created=later)
    zero = running(index=0)
    for pods in itertools.permutations([first, second, zero]):
        assert status.newest(pods) == [zero, second]


def test_of_two_pods_of_one_second_the_one_that_runs_is_the_later() -> None:
    """A pod is made anew only after the one before has ended; creation times are whole seconds."""
    first, second = over(137, KILLED, EVICTED), waiting()
    assert status.newest([first, second]) == status.newest([second, first]) == [second]


def test_the_node_of_a_pod_is_told_by_its_label_or_its_annotation() -> None:
    labelled, annotated = pod(index=3), pod()
    annotated["metadata"]["annotations"][labels.INDEX] = "4"
    assert (status.index(labelled), status.index(annotated), status.index(pod())) == (3, 4, 0)
    for damaged in ("", "x", "-1", "²"):
        labelled["metadata"]["labels"][labels.INDEX] = damaged
        assert status.index(labelled) == 0


def test_nodes_are_counted_in_jobs_and_jobsets() -> None:
    assert status.nodes(job(nodes=4)) == 4
    assert status.nodes({"spec": {}}) == 1
    whole = {"replicatedJobs": [{"name": "n", "template": {"spec": {"completions": 3, "parallelism": 3}}}]}
    assert status.nodes({"spec": whole}) == 3
    starved = job(nodes=2)
    starved["spec"]["parallelism"] = 0
    assert status.nodes(starved) == 2, "one that is cancelled is left with nothing to run"


def test_a_container_that_an_admission_webhook_added_is_not_the_job() -> None:
    found = running()
    found["status"]["containerStatuses"].insert(
        0, {"name": "istio-proxy", "state": {"terminated": {"exitCode": 0}}}
    )
    assert said(told(job(), found)) == ("running", "", "")


# --- damage


@pytest.mark.parametrize("text", ["", "soon", "nan", "inf", "-inf", None, "1e999"])
def test_a_damaged_time_of_submission_is_that_of_the_object(text: str | None) -> None:
    assert told(job(submitted=text)).submitted == status.seconds(CREATED)
    assert told(job(suspend=True, ready=None, cancelled=text or "x")).state is JobState.CANCELLED


@pytest.mark.parametrize("text", ["killed\nsovlab:2:eJw", "the job printed\nsovlab:1: and more\nKilled\n"])
def test_a_message_that_is_none_of_a_runner_is_no_record(text: str) -> None:
    found = status.ended(over(1, text))
    assert found is not None
    assert found.record is found.results is None
    assert told(job(FAILED), over(1, text)).reason is Reason.RUNNER


def packed(text: bytes) -> str:
    body = zlib.compress(len(text).to_bytes(4, "little") + text, 9)
    return "succeeded\nsovlab:1:" + base64.b64encode(body).decode()


DAMAGED = {
    "cut": "user_error: no\nsovlab:1:",
    "garbled": "sovlab:1:%%%",
    "no text for the reason": packed(b'{"reason": 7}'),
    "text for a time": packed(b'{"reason": "succeeded", "ended": "soon"}'),
    "no number": packed(b'{"reason": "succeeded", "exit_code": NaN}'),
    "a number of 5000 digits": packed(b'{"reason": "succeeded", "exit_code": ' + b"9" * 5000 + b"}"),
    "nested deeply": packed(b'{"reason": "succeeded", "error": ' + b"[" * 100_000),
    "gigabytes": packed(b'{"reason": "' + b"x" * (64 << 20) + b'"}'),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("code", [0, 1])
def test_a_damaged_record_makes_the_job_unknown_with_the_reason(text: str, code: int) -> None:
    found = told(job(COMPLETE if code == 0 else FAILED), over(code, text))
    assert (found.state, found.reason) == (JobState.UNKNOWN, Reason.UNREADABLE)
    assert found.message.startswith(f"The exit record of its pod {JOB}-x-zzz88 cannot be read (")
    assert found.message.endswith("): see its log for what happened.")
    assert found.ended == status.seconds(FINISHED)


def test_what_the_cluster_says_of_a_pod_is_known_without_its_record() -> None:
    killed = over(137, DAMAGED["cut"], reason="OOMKilled")
    assert told(job(FAILED), killed).reason is Reason.OUT_OF_MEMORY


def test_a_damaged_record_of_one_node_does_not_hide_why_another_failed() -> None:
    bad = over(1, DAMAGED["garbled"], index=0)
    assert told(job(FAILED, nodes=2), bad, over(1, DIVIDED, index=1)).reason is Reason.USER_ERROR
    assert told(job(FAILED, nodes=2), bad, over(143, KILLED, index=1)).state is JobState.UNKNOWN


def test_objects_with_little_in_them_are_understood() -> None:
    bare = {"metadata": {"name": JOB}}
    assert told(bare).state is JobState.PENDING
    assert told(bare, {"metadata": {"name": "pod"}}).message == "waiting for its pod"
    assert told({**bare, "status": {"conditions": None}, "spec": None}).state is JobState.PENDING


@pytest.mark.parametrize("text", [None, "", "yesterday", 12, NEVER])
def test_no_time_is_none(text: Any) -> None:
    assert status.seconds(text) is None


@pytest.mark.parametrize("text", [t for _, _, t in (*BEFORE.values(),)] + [t for _, _, _, t in ENDS.values()])
def test_sentences_are_short_plain_and_end_as_sentences_do(text: str) -> None:
    assert len(text) < 260
    assert text == text.strip()
    assert "  " not in text
    assert not set("\n\r\t\x1e") & set(text)
    assert ".." not in text.replace("…", "")
    assert "None" not in text


# --- energy


def drew(joules: float) -> Object:
    energy = {"j": joules, "source": "counter", "method": "NVML energy counter", "coverage": 1.0}
    return {"devices": [{"id": f"GPU-{joules}", "kind": "gpu", "index": 0, "energy": energy}], "nodes": 2}


def test_the_energy_of_several_nodes_is_that_of_all_that_have_said() -> None:
    pods = [over(0, record("succeeded", exit_code=0, energy=drew(100.0 + n)), index=n) for n in range(2)]
    energy = told(job(COMPLETE, nodes=2), *pods).energy
    assert energy is not None
    assert energy.best is not None
    assert energy.best.energy.value == 201.0
    assert energy.best.energy.why == ""


def test_a_node_whose_record_is_lost_leaves_the_energy_of_the_others() -> None:
    pods = [over(1, record("user_error", "no", exit_code=1, energy=drew(100.0)), index=0), over(137, index=1)]
    energy = told(job(FAILED, nodes=2), *pods).energy
    assert energy is not None
    assert energy.best is not None
    assert energy.best.energy.value == 100.0
    assert "1 of 2 nodes" in energy.best.energy.why


# --- the image


DIGEST = "sha256:" + "ab" * 32


def ran(image_id: str, index: int | None = None, image: str = "registry.example.org/torch:2.9") -> Object:
    made = over(0, SUCCEEDED, index=index, image=image)
    made["spec"]["containers"][0]["name"] = labels.CONTAINER
    made["status"]["containerStatuses"][0]["imageID"] = image_id
    kept = trimming.read(made, "Pod")
    assert kept is not None
    return kept


@pytest.mark.parametrize(
    ("image_ids", "told_digest"),
    [
        ([f"registry.example.org/torch@{DIGEST}"], DIGEST),
        ([f"docker-pullable://registry.example.org/torch@{DIGEST}"], DIGEST),
        ([f"registry.example.org/torch@{DIGEST}"] * 2, DIGEST),
        ([f"registry.example.org/torch@{DIGEST}", f"registry.example.org/torch@sha256:{'cd' * 32}"], ""),
        ([DIGEST], ""),  # of an image that was loaded onto the node: of its configuration, in no registry
        ([""], ""),
    ],
)
def test_the_image_is_told_with_the_digest_that_all_pods_had(image_ids, told_digest):
    several = len(image_ids) > 1
    pods = [ran(each, number if several else None) for number, each in enumerate(image_ids)]
    found = told(job(COMPLETE, nodes=len(pods)), *pods)
    assert found.state is JobState.SUCCEEDED
    assert found.image == "registry.example.org/torch:2.9" + (f"@{told_digest}" if told_digest else "")


def test_of_memory_that_ran_out_it_is_told_how_much_was_given() -> None:
    spec = JobSpec(name="a", kind=PayloadKind.CELL, payload="0" * 64, resources=Resources(memory=3 << 29))
    killed = over(137, reason="OOMKilled")
    found = job_record(job(FAILED, spec=msgspec.json.encode(spec).decode()), [killed], "site")
    given = "It used more memory than the 1536 MiB that it was given: ask for more with --memory."
    assert found.status.message == given
    unlimited = msgspec.json.encode(replace(spec, resources=Resources())).decode()
    assert job_record(job(FAILED, spec=unlimited), [killed], "site").status.message == OUT_OF_MEMORY


@pytest.mark.parametrize(
    "state", [None, {}, {"running": None}, {"running": {}}, {"waiting": {"reason": "x"}}]
)
def test_a_pod_that_is_gone_has_ended_whatever_was_known_of_it(state: Object | None) -> None:
    pod = {"metadata": {"name": "a"}, "status": {"containerStatuses": [{"name": "job", "state": state}]}}
    found = status.ended(status.gone(pod))
    assert found is not None
    assert (found.record, found.disrupted) == (None, False)
