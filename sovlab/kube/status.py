"""`JobStatus` from the objects of a job: pure, so that each case can be read and tested by itself."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sovlab.core.exiting import ended_status
from sovlab.core.job import JobState, JobStatus, Reason
from sovlab.kube import explaining, names
from sovlab.runner import message

Object = Mapping[str, Any]

_STALE = 60.0
"""Seconds after which a submit that has not come to its end never will."""
_KILLED_BY_KERNEL = "OOMKilled"


@dataclass(frozen=True, slots=True)
class Ended:
    """How one pod ended.

    Attributes:
        index: which node of the job it was.
        pod: the object.
        state: ``terminated`` of its container; empty if the kubelet says nothing of it.
        record: the runner's exit record, None if it left none.
        results: the results pack, if it was small.
        disrupted: whether the cluster took its node away.
    """

    index: int
    pod: Object
    state: Object
    record: dict[str, Any] | None
    results: bytes | None
    disrupted: bool


def status(job: Object, pods: Sequence[Object], *, now: float, why: str = "") -> JobStatus:
    """What is known of a job.

    Args:
        job: the Job or JobSet.
        pods: of the job, those of earlier tries too.
        now: seconds since the epoch.
        why: what events or a queue say of why it waits; empty if nothing.
    """
    told = job["metadata"].get("annotations") or {}
    submitted = _number(told.get(names.SUBMITTED)) or seconds(job["metadata"].get("creationTimestamp"))
    base = JobStatus(state=JobState.PENDING, submitted=submitted)
    current = newest(pods)
    found = [e for e in map(ended, current) if e is not None]
    failed, complete = (
        condition(job, "Failed", "FailureTarget"),
        condition(job, "Complete", "Completed", "SuccessCriteriaMet"),
    )
    over = failed or complete
    if over or _all_said(job, found):
        return _ended(job, base, found, failed, complete, cancelled=names.CANCELLED in told)
    if names.CANCELLED in told and not any(map(_is_active, current)) and not found:
        when = _number(told[names.CANCELLED])
        return replace(
            base,
            state=JobState.CANCELLED,
            reason=Reason.CANCELLED,
            ended=when,
            message="It was cancelled before it started.",
        )
    return _waiting_or_running(job, base, current, found, now, why)


def newest(pods: Sequence[Object]) -> list[Object]:
    """The last pod of each node of a job, in the order of the nodes."""
    latest: dict[int, Object] = {}
    for pod in sorted(pods, key=lambda p: (str(p["metadata"].get("creationTimestamp")), not _is_active(p))):
        latest[index(pod)] = pod
    return [latest[number] for number in sorted(latest)]


def index(pod: Object) -> int:
    """Which node of its job a pod is."""
    labels = pod["metadata"].get("labels") or {}
    told = str(labels.get(names.INDEX) or (pod["metadata"].get("annotations") or {}).get(names.INDEX) or "0")
    return int(told) if told.isdigit() else 0


def ended(pod: Object) -> Ended | None:
    """How a pod ended; None if it has not."""
    state = (container(pod).get("state") or {}).get("terminated") or {}
    phase = (pod.get("status") or {}).get("phase")
    if not state and phase not in ("Succeeded", "Failed"):
        return None
    record, results = message.decode(str(state.get("message") or ""))
    return Ended(index(pod), pod, state, record, results, condition(pod, "DisruptionTarget") is not None)


def container(pod: Object) -> Object:
    """The status of the job's container in a pod; empty if there is none yet."""
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return next((c for c in found if c.get("name") == names.CONTAINER), {})


def running_since(pod: Object) -> float | None:
    """When the container of a pod started, if it runs now."""
    state = (container(pod).get("state") or {}).get("running")
    return seconds(state.get("startedAt")) if state else None


def condition(obj: Object, *kinds: str) -> Object | None:
    """The first condition of these types that is true."""
    for found in (obj.get("status") or {}).get("conditions") or ():
        if found.get("type") in kinds and str(found.get("status")) == "True":
            return found  # type: ignore[no-any-return]
    return None


def seconds(timestamp: Any) -> float | None:
    """An RFC 3339 time as seconds since the epoch."""
    try:
        return datetime.datetime.fromisoformat(timestamp).timestamp()
    except (TypeError, ValueError):
        return None


def nodes(job: Object) -> int:
    """How many pods a job has."""
    spec = job.get("spec") or {}
    for replicated in spec.get("replicatedJobs") or ():
        spec = replicated["template"]["spec"]
    return int(spec.get("completions") or spec.get("parallelism") or 1)


def decisive(found: Sequence[Ended]) -> Ended | None:
    """Of pods that ended, the one whose end explains that of the job: the first node if all went well.

    Of several that failed the one that failed by itself, and of those the first: the others lost it.
    """
    bad = [e for e in found if e.record is None or e.record.get("reason") != "succeeded"]
    if not bad:
        return min(found, key=lambda e: e.index, default=None)
    return min(bad, key=lambda e: (_passive(e), _time_of(e)))


def _passive(found: Ended) -> int:
    """How likely it is that a pod ended because others did; 0 if it did not."""
    reason = found.record.get("reason") if found.record else None
    if found.disrupted:
        return 0
    if reason is None:
        return 0 if found.state.get("reason") == _KILLED_BY_KERNEL else 2
    return {"killed": 3, "cancelled": 1, "lost": 2}.get(str(reason), 0)


def _time_of(found: Ended) -> float:
    told = found.record.get("ended") if found.record else None
    return float(told or seconds(found.state.get("finishedAt")) or 0.0)


def _all_said(job: Object, found: Sequence[Ended]) -> bool:
    """Whether all pods have ended and said how: the Job's own condition comes up to a second later."""
    if len(found) < nodes(job) or any(e.record is None for e in found):
        return False
    if nodes(job) == 1:
        return not found[0].disrupted or _was_cancelled(job)  # else the Job makes a new pod
    return True


def _was_cancelled(job: Object) -> bool:
    return names.CANCELLED in (job["metadata"].get("annotations") or {})


def _ended(
    job: Object,
    base: JobStatus,
    found: Sequence[Ended],
    failed: Object | None,
    complete: Object | None,
    *,
    cancelled: bool,
) -> JobStatus:
    last = decisive(found)
    over = failed or complete or {}
    when = seconds(over.get("lastTransitionTime"))
    if (
        last is not None
        and last.record is not None
        and not (complete and last.record.get("reason") != "succeeded")
    ):
        said = ended_status(last.record, base.submitted)
        said = replace(said, host=_node(last.pod) or said.host)
        if nodes(job) > 1 and said.state is JobState.FAILED and said.message:
            said = replace(said, message=f"Node {last.index}: {said.message}")
        if last.disrupted and said.reason in (Reason.KILLED, Reason.LOST):
            return replace(said, reason=Reason.LOST, message=_taken_away(last, several=nodes(job) > 1))
        if cancelled and said.state is not JobState.SUCCEEDED and said.reason in (Reason.KILLED, Reason.LOST):
            return replace(
                said, state=JobState.CANCELLED, reason=Reason.CANCELLED, message="Somebody cancelled it."
            )
        return said
    started = seconds((job.get("status") or {}).get("startTime")) if last else None
    base = replace(
        base,
        started=seconds(last.state.get("startedAt")) if last else started,
        ended=when,
        host=_node(last.pod) if last else "",
    )
    if complete and not failed:
        return replace(
            base, state=JobState.SUCCEEDED, message="Its pod was deleted before its results were read."
        )
    if cancelled:
        return replace(
            base, state=JobState.CANCELLED, reason=Reason.CANCELLED, message="Somebody cancelled it."
        )
    state, reason, text = JobState.FAILED, *_why_failed(last, failed or {}, several=nodes(job) > 1)
    code = last.state.get("exitCode") if last else None
    return replace(base, state=state, reason=reason, message=text, exit_code=code)


def _why_failed(last: Ended | None, failed: Object, *, several: bool) -> tuple[Reason, str]:
    """Of a job whose runner left no word."""
    if last is not None:
        image = _image(last.pod)
        kind = str(last.state.get("reason") or "")
        said = str(last.state.get("message") or (last.pod.get("status") or {}).get("message") or "")
        if kind == _KILLED_BY_KERNEL:
            return (
                Reason.OUT_OF_MEMORY,
                "Its container used more memory than it was given: ask for more with --memory.",
            )
        if last.disrupted:
            return Reason.LOST, _taken_away(last, several=several)
        if kind in ("StartError", "ContainerCannotRun"):
            return Reason.RUNNER, explaining.start_error(said, image)
        if kind == "DeadlineExceeded" or (last.pod.get("status") or {}).get("reason") == "DeadlineExceeded":
            return Reason.TIMEOUT, "It ran longer than the cluster allows."
        if last.state.get("exitCode") == 137:
            return Reason.KILLED, "Its container was killed from outside."
        if last.state:
            line = said.strip().splitlines()[-1][:300] if said.strip() else "it said nothing"
            return (
                Reason.RUNNER,
                f"The runner did not come to its end (exit status {last.state.get('exitCode')}): {line}",
            )
    kind = str(failed.get("reason") or "")
    if kind == "DeadlineExceeded":
        return Reason.TIMEOUT, "It ran longer than the cluster allows."
    if kind == "PodFailurePolicy":
        return (
            Reason.LOST,
            "The cluster took a node of it away. Submit it again: it goes on from its checkpoint.",
        )
    return (
        Reason.LOST,
        "Its pod is gone without a word: it was deleted, or its node was lost. Submit it again.",
    )


def _taken_away(last: Ended, *, several: bool) -> str:
    told = condition(last.pod, "DisruptionTarget") or {}
    why = {
        "PreemptionByScheduler": "a job with a higher priority needed its node",
        "EvictionByEvictionAPI": f"node {_node(last.pod)} was cleared",
        "DeletionByTaintManager": f"node {_node(last.pod)} was lost or closed",
        "DeletionByPodGC": f"node {_node(last.pod)} was lost",
        "TerminationByKubelet": f"node {_node(last.pod)} ran short of memory or disk",
    }.get(str(told.get("reason")), "the cluster needed its node")
    rest = " One of several nodes cannot be replaced: submit it again." if several else " Submit it again."
    return f"It was ended because {why}.{rest}"


def _waiting_or_running(
    job: Object, base: JobStatus, current: Sequence[Object], found: Sequence[Ended], now: float, why: str
) -> JobStatus:
    told = job["metadata"].get("annotations") or {}
    running = [(since, pod) for pod in current if (since := running_since(pod)) is not None]
    again = "requeued: " if any(e.disrupted for e in found) else ""
    if running and len(running) + len(found) == nodes(job):
        leaving = any(pod["metadata"].get("deletionTimestamp") for _, pod in running)
        text = "ending" if names.CANCELLED in told or leaving else ""
        return replace(
            base,
            state=JobState.RUNNING,
            started=min(s for s, _ in running),
            host=_hosts(current),
            message=text,
        )
    labels = job["metadata"].get("labels") or {}
    suspended = bool((job.get("spec") or {}).get("suspend"))
    if suspended and names.READY not in told:
        text = "its payload is on its way"
        if base.submitted is not None and now - base.submitted > _STALE:
            text = "its submit was interrupted: cancel it, or submit it again"
        return replace(base, message=text)
    if suspended and labels.get(names.QUEUE):
        queue = labels[names.QUEUE]
        text = f"waiting: {why}" if why else f"waiting in queue {queue}"
        return replace(base, state=JobState.QUEUED, reason=Reason.WAITING, message=again + text)
    if suspended:
        return replace(
            base,
            state=JobState.SUSPENDED,
            message=f"suspended by somebody: {why}" if why else "suspended by somebody",
        )
    for pod in current:
        problem = _pod_problem(pod)
        if problem:
            return replace(
                base,
                state=JobState.QUEUED,
                reason=Reason.WAITING,
                message=f"{again}waiting: {problem}",
                host=_node(pod),
            )
    if why:
        return replace(base, state=JobState.QUEUED, reason=Reason.WAITING, message=f"{again}waiting: {why}")
    if running:
        text = f"waiting: {len(running)} of {nodes(job)} nodes have started"
        return replace(base, message=text, host=_hosts(current))
    place = _hosts(current)
    text = f"starting on {place}" if place else "waiting for its pod"
    return replace(base, message=again + text, host=place)


def _pod_problem(pod: Object) -> str:
    state = pod.get("status") or {}
    for found in state.get("conditions") or ():
        if found.get("type") == "PodScheduled" and str(found.get("status")) == "False":
            if found.get("reason") == "SchedulingGated":
                return "the cluster holds its pod back"
            return explaining.unschedulable(str(found.get("message") or ""))
    waits = (container(pod).get("state") or {}).get("waiting")
    return explaining.container_waits(waits, _image(pod)) if waits else ""


def _is_active(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _node(pod: Object) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def _hosts(pods: Sequence[Object]) -> str:
    found = list(dict.fromkeys(filter(None, map(_node, pods))))
    return ", ".join(found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _image(pod: Object) -> str:
    told = container(pod).get("image")
    listed: Sequence[Object] = (pod.get("spec") or {}).get("containers") or ({},)
    return str(listed[0].get("image") or told or "of the target")


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
