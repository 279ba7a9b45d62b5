"""The Job controller: it makes pods until enough have succeeded or too many have failed, and says so."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from tests.kube.apiserver.objects.store import Change, Entry, Key, Object
from tests.kube.apiserver.protocol.calls import Call, controller
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import JOBS, PODS, Kind
from tests.kube.apiserver.protocol.values import now, parse_time
from tests.kube.apiserver.verbs.events import Recorder
from tests.kube.apiserver.verbs.registry import Registry

from . import jobpods
from .jobstatus import (
    Tally,
    complete,
    ends,
    finished,
    owner_of,
    set_condition,
    sooner,
    tally_of,
    time_left,
    true_condition,
    without_finalizer,
)
from .plane import Controller

_COMPONENT = "job-controller"
_LIMIT = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
_LATE = ("DeadlineExceeded", "Job was active longer than specified deadline")
_DONE = ("CompletionsReached", "Reached expected number of succeeded pods")


class Jobs(Controller):
    """Runs Jobs.

    Args:
        registry: the API.
        recorder: for events.
        delay: seconds that changes of pods are gathered for.
        backoff: seconds before a failed pod is replaced the first time; doubles with each failure.
    """

    def __init__(self, registry: Registry, recorder: Recorder, delay: float, backoff: float) -> None:
        self._registry = registry
        self._recorder = recorder
        self._delay = delay
        self.backoff = backoff
        self._call = controller(_COMPONENT)
        self._failures: dict[str, tuple[int, float]] = {}

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        if kind is JOBS:
            yield entry.key
        elif kind is PODS:
            owner = owner_of(entry.obj)
            if owner is not None:
                key = (entry.key[0], owner["name"])
                if self._delay and change.old is not None:
                    self.enqueue(key, self._delay)
                else:
                    yield key

    def reconcile(self, key: Key) -> float | None:
        entry = self._registry.store.get(JOBS, *key)
        self._release_orphans(key, entry)
        if entry is None:
            return None
        job = entry.obj
        if job["spec"].get("managedBy") not in (None, "kubernetes.io/job-controller"):
            return None
        if finished(job):
            return self._after(job)
        return self._sync(job)

    def _sync(self, job: Object) -> float | None:
        key = (job["metadata"]["namespace"], job["metadata"]["name"])
        pods = self._pods(job)
        status: Object = {**(job.get("status") or {})}
        status["conditions"] = [dict(condition) for condition in status.get("conditions") or []]
        suspended = bool(job["spec"].get("suspend"))
        if not suspended and not status.get("startTime"):
            status["startTime"] = now()
        tally = tally_of(pods, job)
        verdict = self._count(job, status, tally)
        target = true_condition(status, "FailureTarget") or true_condition(status, "SuccessCriteriaMet")
        wait = None
        if target is None:
            cause = verdict or self._failure(job, status, tally)
            if cause is not None:
                target = set_condition(status, "FailureTarget", True, *cause)
            elif complete(job, status, tally):
                target = set_condition(status, "SuccessCriteriaMet", True, *_DONE)
        if target is not None:
            for pod in tally.active:
                self._delete(pod)
            tally.terminating += tally.active
            tally.active = []
        elif "deletionTimestamp" not in job["metadata"]:
            wait = self._manage(job, status, tally, suspended=suspended)
            wait = sooner(wait, time_left(job, status))
        status.update(active=len(tally.active), ready=tally.ready, terminating=len(tally.terminating))
        _suspension(self, job, status, suspended=suspended) if target is None else None
        self._write(key, status)
        self._remove_finalizers(tally.uncounted)
        if target is not None and not tally.terminating:
            self._finish(job, key, status, target)
        return wait

    def _count(self, job: Object, status: Object, tally: Tally) -> tuple[str, str] | None:
        """Adds what ended to the counts; the reason and message if the policy ends the Job."""
        indexed = job["spec"].get("completionMode") == "Indexed"
        done = jobpods.parse_indexes(status.get("completedIndexes", ""))
        fatal = None
        fails = 0
        for pod in tally.uncounted:
            if jobpods.succeeded(pod):
                index = jobpods.index_of(pod)
                if indexed and index is not None and index < (job["spec"].get("completions") or 0):
                    done.add(index)
                elif not indexed:
                    status["succeeded"] = status.get("succeeded", 0) + 1
                continue
            action, message = jobpods.verdict(job, pod)
            if action == "FailJob" and fatal is None:
                fatal = ("PodFailurePolicy", message)
            if action != "Ignore":
                fails += 1
        if indexed and done:
            status.update(completedIndexes=jobpods.format_indexes(done), succeeded=len(done))
        if fails:
            status["failed"] = status.get("failed", 0) + fails
            known = self._failures.get(job["metadata"]["uid"], (0, 0.0))[0]
            self._failures[job["metadata"]["uid"]] = (known + fails, time.monotonic())
        elif any(jobpods.succeeded(pod) for pod in tally.uncounted):
            self._failures.pop(job["metadata"]["uid"], None)
        return fatal

    def _failure(self, job: Object, status: Object, tally: Tally) -> tuple[str, str] | None:
        spec = job["spec"]
        limit = spec["backoffLimit"]
        if status.get("failed", 0) > limit:
            return _LIMIT
        # Pods that start their containers again count each start, of which at least one is let be.
        again = spec["template"]["spec"]["restartPolicy"] == "OnFailure"
        if again and tally.restarts and tally.restarts >= max(limit, 1):
            return _LIMIT
        left = time_left(job, status)
        return _LATE if left is not None and left <= 0 else None

    def _manage(self, job: Object, status: Object, tally: Tally, *, suspended: bool) -> float | None:
        """Creates and deletes pods; after how many seconds there is more to create."""
        if suspended:
            self._drop(job, tally, len(tally.active))
            return None
        spec = job["spec"]
        have, wanted = len(tally.active), spec["parallelism"]
        if spec.get("completions") is None:
            if status.get("succeeded", 0):
                wanted = have
        else:
            wanted = min(wanted, spec["completions"] - status.get("succeeded", 0))
        if have > wanted:
            self._drop(job, tally, have - max(wanted, 0))
            return None
        missing = wanted - have
        if spec.get("podReplacementPolicy") == "Failed":
            missing -= len(tally.terminating)
        if missing <= 0:
            return None
        wait = self._must_wait(job)
        if wait > 0:
            return wait
        return self._create(job, status, tally, missing)

    def _create(self, job: Object, status: Object, tally: Tally, missing: int) -> float | None:
        indexes: list[int | None] = [None] * missing
        if job["spec"].get("completionMode") == "Indexed":
            taken = jobpods.parse_indexes(status.get("completedIndexes", ""))
            pods = list(tally.active)
            if job["spec"].get("podReplacementPolicy") == "Failed":
                pods += tally.terminating
            taken |= {index for pod in pods if (index := jobpods.index_of(pod)) is not None}
            indexes = [i for i in range(job["spec"]["completions"]) if i not in taken][:missing]
        for index in indexes:
            pod = jobpods.new_pod(job, index)
            try:
                made = self._registry.create(PODS, job["metadata"]["namespace"], pod, self._call)
            except ApiError as error:
                self._say(job, "Warning", "FailedCreate", f"Error creating: {error.message}")
                known = self._failures.get(job["metadata"]["uid"], (0, 0.0))[0]
                self._failures[job["metadata"]["uid"]] = (known + 1, time.monotonic())
                return self._must_wait(job) or 0.1
            tally.active.append(made.obj)
            self._say(job, "Normal", "SuccessfulCreate", f"Created pod: {made.key[1]}")
        return None

    def _must_wait(self, job: Object) -> float:
        count, since = self._failures.get(job["metadata"]["uid"], (0, 0.0))
        if not count:
            return 0.0
        return min(600.0, self.backoff * 2.0 ** min(count - 1, 20)) - (time.monotonic() - since)

    def _drop(self, job: Object, tally: Tally, count: int) -> None:
        """Ends pods that are too many; they are not counted as failed."""
        for pod in sorted(tally.active, key=lambda pod: pod["status"].get("phase") == "Running")[:count]:
            self._remove_finalizers([pod])
            self._delete(pod)
            self._say(job, "Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
            tally.active.remove(pod)
            tally.terminating.append(pod)

    def _finish(self, job: Object, key: Key, status: Object, target: Object) -> None:
        good = target["type"] == "SuccessCriteriaMet"
        set_condition(status, "Complete" if good else "Failed", True, target["reason"], target["message"])
        if good:
            status["completionTime"] = now()
        status.update(active=0, ready=0, terminating=0)
        self._write(key, status)
        if good:
            self._say(job, "Normal", "Completed", "Job completed")
        else:
            self._say(job, "Warning", target["reason"], target["message"])
        self._failures.pop(job["metadata"]["uid"], None)

    def _after(self, job: Object) -> float | None:
        """A finished Job: its last pods are released, and it goes when its time to live is over."""
        self._remove_finalizers(self._pods(job))
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        if ttl is None or "deletionTimestamp" in job["metadata"]:
            return None
        end = max(parse_time(c["lastTransitionTime"]) for c in job["status"]["conditions"] if ends(c))
        left = end + ttl - time.time()
        if left > 0:
            return left
        call = controller("ttl-after-finished-controller")
        call.policy, call.preconditions = "Foreground", {"uid": job["metadata"]["uid"]}
        self._registry.delete(JOBS, job["metadata"]["namespace"], job["metadata"]["name"], call)
        return None

    def _pods(self, job: Object) -> list[Object]:
        uid = job["metadata"]["uid"]
        found = self._registry.store.all(PODS, job["metadata"]["namespace"])
        return [e.obj for e in found if (owner := owner_of(e.obj)) is not None and owner["uid"] == uid]

    def _release_orphans(self, key: Key, job: Entry | None) -> None:
        """Pods without a Job are not held for one."""
        kept = job.obj["metadata"]["uid"] if job and "deletionTimestamp" not in job.obj["metadata"] else None
        for entry in self._registry.store.all(PODS, key[0]):
            owner = owner_of(entry.obj)
            named = (entry.obj["metadata"].get("labels") or {}).get("job-name") == key[1]
            if (owner is None and named) or (owner and owner["name"] == key[1] and owner["uid"] != kept):
                self._remove_finalizers([entry.obj])

    def _remove_finalizers(self, pods: Iterable[Object]) -> None:
        for pod in pods:
            if jobpods.FINALIZER in (pod["metadata"].get("finalizers") or []):
                self._on_pod(pod, without_finalizer)

    def _on_pod(self, pod: Object, edit: Any) -> None:
        try:
            self._registry.change(
                PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], self._call, edit
            )
        except ApiError as error:
            if error.code != 404:
                raise

    def _delete(self, pod: Object) -> None:
        call = Call(self._call.user, manager=self._call.manager)
        call.policy, call.preconditions = "Background", {"uid": pod["metadata"]["uid"]}
        try:
            self._registry.delete(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"], call)
        except ApiError as error:
            if error.code != 404:
                raise

    def _write(self, key: Key, status: Object) -> None:
        # uncountedTerminatedPods stays empty: pods are counted and released in one step here.
        kept = {
            name: value for name, value in status.items() if value not in (0, [], "", None) or name in _KEPT
        }
        kept["uncountedTerminatedPods"] = {}

        def edit(obj: Object) -> None:
            obj["status"] = kept

        self._registry.change(JOBS, *key, self._call, edit, "status")

    def _say(self, job: Object, word: str, reason: str, message: str) -> None:
        self._recorder.record(JOBS, job, word, reason, message, _COMPONENT)


_KEPT = ("ready", "terminating")


def _suspension(jobs: Jobs, job: Object, status: Object, *, suspended: bool) -> None:
    known = next((c for c in status["conditions"] if c["type"] == "Suspended"), None)
    if suspended and (known is None or known["status"] != "True"):
        set_condition(status, "Suspended", True, "JobSuspended", "Job suspended")
        status.pop("startTime", None)
        jobs._say(job, "Normal", "Suspended", "Job suspended")
    elif not suspended and known is not None and known["status"] == "True":
        set_condition(status, "Suspended", False, "JobResumed", "Job resumed")
        status["startTime"] = now()
        jobs._say(job, "Normal", "Resumed", "Job resumed")
