"""`JobStatus` from the objects of a job: pure, so that each case can be read and tested by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sovlab.core.decoding import ended_status
from sovlab.core.job import JobState, JobStatus, Reason
from sovlab.core.untrusted import moment
from sovlab.kube import labels
from sovlab.kube.reading import explaining
from sovlab.kube.reading.pod_endings import (
    POLICY,
    Ended,
    by_cluster,
    decisive,
    ended,
    follows_another,
    gone,
    without_word,
)
from sovlab.kube.reading.pods import (
    Object,
    condition,
    container,
    hosts,
    image,
    index,
    is_active,
    is_going,
    is_leaving,
    newest,
    node,
    ran_image,
    running_since,
    seconds,
)
from sovlab.kube.reading.queue_words import UNTOLD, Wait

__all__ = [
    "Ended",
    "condition",
    "container",
    "decisive",
    "ended",
    "gone",
    "index",
    "is_going",
    "newest",
    "nodes",
    "pod_problem",
    "resumed",
    "running_since",
    "seconds",
    "status",
]

_STALE = 60.0
"""Seconds after which a submit that has not come to its end never will."""
_CANCELLED = "It was cancelled."
_POD_GONE = "Its pod was deleted: results that were neither fetched nor put into a store are gone with it."
_NO_RECORD = "Its container exited with status 0 but left no exit record, so what it returned is not known."


def status(job: Object, pods: Sequence[Object], *, now: float, why: Wait = UNTOLD) -> JobStatus:
    """What is known of a job.

    Args:
        job: the Job, JobSet or TrainJob.
        pods: of the job, those of earlier tries too.
        now: seconds since the epoch.
        why: what events or a queue say of why it waits.
    """
    told = _annotations(job)
    submitted = moment(told.get(labels.SUBMITTED)) or seconds(job["metadata"].get("creationTimestamp"))
    base = JobStatus(state=JobState.PENDING, submitted=submitted)
    current = newest(pods)
    found = [e for e in map(ended, current) if e is not None]
    failed, complete = condition(job, "Failed"), condition(job, "Complete", "Completed", "SuccessCriteriaMet")
    failed = failed or condition(job, "FailureTarget")
    if _all_said(job, found) or ((failed or complete) and not _may_say_more(job, current, found, failed)):
        return _ended(job, base, found, failed, complete)
    over = not current or _is_starved(job, current) or _is_over(current, found)
    if labels.CANCELLED in told and over and not _may_run_again(job, current):
        return _ended(job, base, found, None, None) if found else _cancelled(job, base, None)
    return _waiting_or_running(job, base, current, found, now, why)


def nodes(job: Object) -> int:
    """How many pods a job has."""
    spec = job.get("spec") or {}
    if "trainer" in spec:
        return int((spec["trainer"] or {}).get("numNodes") or 1)
    for replicated in spec.get("replicatedJobs") or ():
        spec = replicated["template"]["spec"]
    return int(spec.get("completions") or spec.get("parallelism") or 1)


def resumed(job: Object) -> float | None:
    """When a job that has not ended was let start last; None if it is suspended. Seconds since the epoch."""
    if _is_suspended(job):
        return None
    for each in (job.get("status") or {}).get("conditions") or ():
        if each.get("type") == "Suspended" and str(each.get("status")) == "False":
            return seconds(each.get("lastTransitionTime"))
    return seconds(job["metadata"].get("creationTimestamp"))  # it does not say so yet


def _annotations(job: Object) -> Object:
    return job["metadata"].get("annotations") or {}


def _is_suspended(job: Object) -> bool:
    return bool((job.get("spec") or {}).get("suspend"))


def _is_starved(job: Object, current: Sequence[Object]) -> bool:
    """Whether a job gets no more pods, and those that it had have ended."""
    return _is_suspended(job) and not any(map(is_active, current))


def _may_run_again(job: Object, current: Sequence[Object]) -> bool:
    """Whether the pod of a cancelled job is going, or gone, and the cluster may yet replace it."""
    spec = job.get("spec") or {}
    stays = spec.get("parallelism") == 0 or (_is_suspended(job) and not _is_in_queue(job))
    if stays or nodes(job) > 1 or job.get("kind") != "Job" or condition(job, "Failed", "FailureTarget"):
        return False
    return not current or any(map(is_going, current))


def _is_in_queue(job: Object) -> bool:
    return labels.QUEUE in (job["metadata"].get("labels") or {})


def _is_over(current: Sequence[Object], found: Sequence[Ended]) -> bool:
    """Whether a cancelled job's pods are all over or gone: a JobSet or TrainJob says so a second later."""
    return not any(map(is_active, current)) and any(e.reason == "cancelled" for e in found)


def _all_said(job: Object, found: Sequence[Ended]) -> bool:
    """Whether all pods have ended and said how: the Job's own condition comes up to a second later.

    A pod that was ended from outside does not say what becomes of the job: it may be requeued.
    """
    if len(found) < nodes(job) or any(e.record is None for e in found):
        return False
    if labels.CANCELLED in _annotations(job):
        return not _may_run_again(job, [e.pod for e in found])
    if nodes(job) > 1 and any(is_leaving(e.pod) for e in found):
        return False  # whoever looks a moment later will not see all of them, until the job says how it ended
    last = decisive(found)
    return last is not None and last.is_by_itself and not last.disrupted and not _is_suspended(job)


def _may_say_more(
    job: Object, current: Sequence[Object], found: Sequence[Ended], failed: Object | None
) -> bool:
    """Whether pods of a job that is over have yet to say how they ended; the news of them may be late."""
    late = [pod for pod in current if is_active(pod)]
    if failed is None:
        return bool(late)
    when = moment(_annotations(job).get(labels.CANCELLED))
    if when is not None:  # what had not started by then has nothing to say
        late = [pod for pod in late if (since := running_since(pod)) is not None and since < int(when)]
    # Of several nodes, one that only followed another may be known to have ended before that other one.
    # But the other may also be gone already, while the rest is told to end.
    last = decisive(found)
    if last is None:
        all_there = len(current) == nodes(job) or failed.get("reason") == "DeadlineExceeded"
    else:
        all_there = len(current) == nodes(job) and follows_another(last)
    return bool(late) and all_there


def _ended(
    job: Object, base: JobStatus, found: Sequence[Ended], failed: Object | None, complete: Object | None
) -> JobStatus:
    cancelled, several = labels.CANCELLED in _annotations(job), nodes(job) > 1
    last = decisive(found)
    if cancelled:
        last = next((e for e in found if e.reason == "cancelled"), last)
    elif complete and not failed and job.get("kind") != "TrainJob":  # whose runner never says by its status
        last = next((e for e in found if e.index == 0 and e.state.get("exitCode") == 0), None)
    elif last is not None and len(found) < nodes(job) and not last.is_by_itself and follows_another(last):
        last = None  # this one was ended because of another, of which nothing is left
    if last is not None and len(found) < nodes(job) and (failed or cancelled) and last.reason == "succeeded":
        last = None  # of nodes that are gone nobody knows
    base = replace(base, ended=seconds((failed or complete or {}).get("lastTransitionTime")))
    if last is not None and last.damage and not by_cluster(last):
        return _unreadable(base, last)
    if last is None or last.record is None:
        return _without_record(job, base, last, failed, complete)
    said = ended_status(last.record, base.submitted)
    reports = {e.index: e.record.energy for e in found if e.record is not None and e.record.energy}
    if several and reports:
        from sovlab.core.energy.nodes import together

        said = replace(said, energy=together(reports, nodes(job)))
    said = replace(said, host=node(last.pod) or said.host, image=ran_image([e.pod for e in found]))
    if not last.is_by_itself:
        if cancelled:
            return replace(said, state=JobState.CANCELLED, reason=Reason.CANCELLED, message=_CANCELLED)
        policy = (failed or {}).get("reason") in POLICY
        if by_cluster(last) or policy or is_leaving(last.pod):
            reason, text = without_word(last, failed or {}, several=several)
            said = replace(said, reason=reason, message=text)
    return _of_node(said, last) if several else said


def _timed(base: JobStatus, last: Ended) -> JobStatus:
    """The status with what the cluster says of when and where a pod ran."""
    return replace(
        base,
        started=seconds(last.state.get("startedAt")),
        ended=seconds(last.state.get("finishedAt")) or base.ended,
        host=node(last.pod),
        image=ran_image([last.pod]),
    )


def _unreadable(base: JobStatus, last: Ended) -> JobStatus:
    name = last.pod["metadata"]["name"]
    text = f"The exit record of its pod {name} cannot be read ({last.damage}): see its log for what happened."
    return replace(_timed(base, last), state=JobState.UNKNOWN, reason=Reason.UNREADABLE, message=text)


def _without_record(
    job: Object, base: JobStatus, last: Ended | None, failed: Object | None, complete: Object | None
) -> JobStatus:
    if last is not None:
        base = _timed(base, last)
    when = moment(_annotations(job).get(labels.CANCELLED))
    # Nodes that were cancelled exit with status 0, lest the cluster deletes those that have not ended yet.
    if complete and not failed and (when is None or (base.ended is not None and base.ended < int(when))):
        return replace(base, state=JobState.SUCCEEDED, message=_POD_GONE if last is None else _NO_RECORD)
    if when is not None or labels.CANCELLED in _annotations(job):
        return _cancelled(job, base, last)
    several = nodes(job) > 1
    reason, text = without_word(last, failed or {}, several=several)
    said = replace(base, state=JobState.FAILED, reason=reason, message=text)
    return _of_node(said, last) if several else said


def _of_node(said: JobStatus, last: Ended | None) -> JobStatus:
    """Say of which node a failure is, if it is of one."""
    if last is None or said.state is not JobState.FAILED or said.reason is Reason.LOST or not said.message:
        return said
    return replace(said, message=f"Node {last.index}: {said.message}")


def _cancelled(job: Object, base: JobStatus, last: Ended | None) -> JobStatus:
    """Of a job that was cancelled and whose runner did not say so."""
    when = moment(_annotations(job).get(labels.CANCELLED))
    begun = seconds((job.get("status") or {}).get("startTime"))
    # A Job that is held back and cancelled is let go without pods, to end. Others tell no start time.
    before = begun >= int(when) if begun and when else not begun and job.get("kind") == "Job"
    return replace(
        base,
        state=JobState.CANCELLED,
        reason=Reason.CANCELLED,
        ended=base.ended or when,
        message="It was cancelled before it started." if last is None and before else _CANCELLED,
    )


def _waiting_or_running(
    job: Object, base: JobStatus, current: Sequence[Object], found: Sequence[Ended], now: float, wait: Wait
) -> JobStatus:
    told, all_of_it, suspended, why = _annotations(job), nodes(job), _is_suspended(job), wait.text
    running = [(since, pod) for pod in current if (since := running_since(pod)) is not None]
    requeued = bool(found) and (suspended or (all_of_it == 1 and found[0].disrupted))
    again = "requeued: " if requeued else ""
    begun = [since for since, _ in running] + [
        since for e in found if (since := seconds(e.state.get("startedAt"))) is not None
    ]
    if begun and len(running) + len(found) == all_of_it and (running or not requeued):
        fails = any(e.reason != "succeeded" for e in found)
        over = condition(job, "FailureTarget", "Failed", "Complete", "Completed", "SuccessCriteriaMet")
        ends = fails or over or labels.CANCELLED in told or any(is_leaving(pod) for _, pod in running)
        return replace(
            base,
            state=JobState.RUNNING,
            started=min(begun),
            host=hosts(current),
            message="ending" if ends else "",
        )
    if labels.CANCELLED in told or condition(job, "FailureTarget", "Failed"):
        return replace(base, message="ending", host=hosts(current))
    if begun and all_of_it > 1 and not suspended and any(e.record and e.reason != "succeeded" for e in found):
        return replace(
            base, state=JobState.RUNNING, started=min(begun), message="ending", host=hosts(current)
        )
    queue = (job["metadata"].get("labels") or {}).get(labels.QUEUE)
    if suspended and labels.READY not in told:
        text = "its payload is on its way"
        if base.submitted is not None and now - base.submitted > _STALE:
            text = "its submit was interrupted: cancel it, and submit it again"
        return replace(base, message=text)
    if suspended and labels.HELD in told:
        due = moment(told[labels.HELD])
        return replace(base, reason=Reason.DEFERRED, due=now if due is None else due)
    if suspended and queue:
        text = f"waiting: {why}" if why else f"waiting in queue {queue}"
        text = why if why.startswith("requeued") else again + text
        return replace(base, state=JobState.QUEUED, reason=Reason.WAITING, message=text, ahead=wait.ahead)
    if suspended:
        text = "suspended in the cluster" + (f": {why}" if why else "")
        return replace(base, state=JobState.SUSPENDED, message=text)
    waiting = [pod for pod in current if is_active(pod) and running_since(pod) is None]
    problem, place = next(((p, node(pod)) for pod in waiting if (p := pod_problem(pod))), (why, ""))
    if problem:
        text = f"{again}waiting: {problem}"
        return replace(base, state=JobState.QUEUED, reason=Reason.WAITING, message=text, host=place)
    if running:
        text = f"waiting: {len(running)} of {all_of_it} nodes have started"
        return replace(base, message=text, host=hosts(current))
    place = hosts(waiting)
    text = f"starting on {place}" if place else f"waiting for its pod{'s' if all_of_it > 1 else ''}"
    return replace(base, message=again + text, host=place)


def pod_problem(pod: Object) -> str:
    """Why a pod does not start; empty if it is only on its way."""
    state = pod.get("status") or {}
    for found in state.get("conditions") or ():
        if found.get("type") == "PodScheduled" and str(found.get("status")) == "False":
            if found.get("reason") == "SchedulingGated":
                return "the cluster holds its pod back with a scheduling gate"
            return explaining.unschedulable(str(found.get("message") or ""))
    waits = (container(pod).get("state") or {}).get("waiting")
    return explaining.container_waits(waits, image(pod)) if waits else ""
