"""The JobSet controller: child Jobs, a headless Service, restarts of all of them, success and failure."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Iterable
from typing import Any

from tests.kube.apiserver.objects.store import Change, Key, Object
from tests.kube.apiserver.protocol.calls import Call
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import JOBS, JOBSETS, SERVICES, Kind
from tests.kube.apiserver.protocol.values import parse_time
from tests.kube.apiserver.verbs.events import Recorder
from tests.kube.apiserver.verbs.registry import Registry

from .conditions import set_condition
from .plane import Controller

PREFIX = "jobset.sigs.k8s.io/"
NAME, UID, REPLICATED = f"{PREFIX}jobset-name", f"{PREFIX}jobset-uid", f"{PREFIX}replicatedjob-name"
ATTEMPT, INDEX = f"{PREFIX}restart-attempt", f"{PREFIX}job-index"
_COMPONENT = "jobset"
_OVER = {"Completed": "Completed", "Failed": "Failed"}


class JobSets(Controller):
    """Runs JobSets.

    Args:
        registry: the API.
        recorder: for events.
    """

    def __init__(self, registry: Registry, recorder: Recorder) -> None:
        self._registry = registry
        self._recorder = recorder
        self._call = Call("system:serviceaccount:jobset-system:jobset-controller-manager", manager="manager")

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        if kind is JOBSETS and change.new is not None:
            yield entry.key
        elif kind is JOBS:
            name = (entry.obj["metadata"].get("labels") or {}).get(NAME)
            if name:
                yield entry.key[0], name

    def reconcile(self, key: Key) -> float | None:
        entry = self._registry.store.get(JOBSETS, *key)
        if (
            entry is None
            or "deletionTimestamp" in entry.obj["metadata"]
            or entry.obj["spec"].get("managedBy")
        ):
            return None
        jobset = entry.copy()
        if _terminal(jobset):
            return self._after(jobset)
        status = jobset.setdefault("status", {})
        restarts = status.setdefault("restarts", 0)
        jobs = self._jobs(jobset)
        stale = [job for job in jobs if int(job["metadata"]["labels"].get(ATTEMPT, 0)) < restarts]
        current = [job for job in jobs if job not in stale]
        for job in stale:
            self._delete_job(job)
        status["replicatedJobsStatus"] = [
            _counts(r, current) for r in jobset["spec"].get("replicatedJobs") or []
        ]
        failed = [job for job in current if _is(job, "Failed")]
        if failed:
            self._fail(jobset, failed[0])
        elif self._succeeded(jobset, current):
            self._end(jobset, "Completed", "AllJobsCompleted", "jobset completed successfully")
        else:
            self._service(jobset)
            self._suspend(jobset, current)
            blocking = (jobset["spec"].get("failurePolicy") or {}).get(
                "restartStrategy"
            ) == "BlockingRecreate"
            if not (blocking and stale):
                self._create(jobset, jobs)
        self._write(jobset)
        return None

    def _jobs(self, jobset: Object) -> list[Object]:
        uid = jobset["metadata"]["uid"]
        found = self._registry.store.all(JOBS, jobset["metadata"]["namespace"])
        return [
            entry.obj
            for entry in found
            if any(owner["uid"] == uid for owner in entry.obj["metadata"].get("ownerReferences") or [])
        ]

    def _create(self, jobset: Object, existing: list[Object]) -> None:
        known = {job["metadata"]["name"] for job in existing}
        for replicated in jobset["spec"].get("replicatedJobs") or []:
            for index in range(replicated.get("replicas", 1)):
                job = child(jobset, replicated, index)
                if job["metadata"]["name"] in known:
                    continue
                try:
                    self._registry.create(JOBS, jobset["metadata"]["namespace"], job, self._call)
                except ApiError as error:
                    if error.reason != "AlreadyExists":
                        self._say(jobset, "Warning", "JobCreationFailed", error.message)

    def _service(self, jobset: Object) -> None:
        network = jobset["spec"].get("network") or {}
        if not network.get("enableDNSHostnames", True):
            return
        name, namespace = subdomain(jobset), jobset["metadata"]["namespace"]
        if self._registry.store.get(SERVICES, namespace, name) is not None:
            return
        service = {
            "metadata": {"name": name, "ownerReferences": [_owner(jobset)]},
            "spec": {
                "clusterIP": "None",
                "selector": {NAME: jobset["metadata"]["name"]},
                "publishNotReadyAddresses": network.get("publishNotReadyAddresses", True),
            },
        }
        try:
            self._registry.create(SERVICES, namespace, service, self._call)
        except ApiError as error:
            self._say(jobset, "Warning", "HeadlessServiceCreationFailed", error.message)

    def _suspend(self, jobset: Object, jobs: list[Object]) -> None:
        wanted = bool(jobset["spec"].get("suspend"))
        for job in jobs:
            if bool(job["spec"].get("suspend")) != wanted and not _ended(job):
                key = (job["metadata"]["namespace"], job["metadata"]["name"])
                self._registry.change(JOBS, *key, self._call, lambda o: o["spec"].update(suspend=wanted))
        known = _condition(jobset, "Suspended")
        if wanted and known.get("status") != "True":
            set_condition(jobset, "Suspended", True, "SuspendedJobs", "jobset is suspended")
            self._say(jobset, "Normal", "SuspendedJobs", "jobset is suspended")
        elif not wanted and known.get("status") == "True":
            set_condition(jobset, "Suspended", False, "ResumeJobs", "jobset is resumed")
            self._say(jobset, "Normal", "ResumeJobs", "jobset is resumed")

    def _succeeded(self, jobset: Object, jobs: list[Object]) -> bool:
        policy = jobset["spec"].get("successPolicy") or {}
        targets = policy.get("targetReplicatedJobs") or [
            r["name"] for r in jobset["spec"].get("replicatedJobs") or []
        ]
        done = [
            job for job in jobs if _is(job, "Complete") and job["metadata"]["labels"][REPLICATED] in targets
        ]
        if policy.get("operator", "All") == "Any":
            return bool(done)
        replicated = jobset["spec"].get("replicatedJobs") or []
        return len(done) == sum(r.get("replicas", 1) for r in replicated if r["name"] in targets) > 0

    def _fail(self, jobset: Object, job: Object) -> None:
        policy, name = jobset["spec"].get("failurePolicy"), job["metadata"]["name"]
        first = f"(first failed job: {name})"
        if policy is None:
            text = f"jobset failed due to one or more job failures {first}"
            self._end(jobset, "Failed", "FailedJobs", text)
            return
        action, rule = _action(policy, job)
        if action == "FailJobSet":
            text = f"applying FailJobSet failure policy action {first}"
            self._end(jobset, "Failed", "FailJobSetFailurePolicyAction", text)
            return
        status = jobset["status"]
        counted = status.get("restartsCountTowardsMax", 0)
        if action == "RestartJobSet":
            if counted >= policy.get("maxRestarts", 0):
                text = f"jobset failed due to reaching max number of restarts {first}"
                self._end(jobset, "Failed", "ReachedMaxRestarts", text)
                return
            status["restartsCountTowardsMax"] = counted + 1
        status["restarts"] += 1
        reason = f"FailurePolicy_{rule}" if rule else "DefaultFailurePolicy"
        text = f"applying {action} failure policy action {first}"
        set_condition(jobset, "RestartingJobSet", True, reason, text)
        self._say(jobset, "Warning", f"{action}FailurePolicyAction", text)

    def _end(self, jobset: Object, kind: str, reason: str, message: str) -> None:
        set_condition(jobset, kind, True, reason, message)
        jobset["status"]["terminalState"] = kind
        if _condition(jobset, "RestartingJobSet").get("status") == "True":
            set_condition(jobset, "RestartingJobSet", False, f"JobSet{kind}", message)
        self._say(jobset, "Normal" if kind == "Completed" else "Warning", reason, message)

    def _after(self, jobset: Object) -> float | None:
        """What is still running goes; the whole goes when its time to live is over."""
        for job in self._jobs(jobset):
            if not _ended(job):
                self._delete_job(job)
        ttl = jobset["spec"].get("ttlSecondsAfterFinished")
        if ttl is None:
            return None
        end = next(c for c in jobset["status"]["conditions"] if c["type"] in _OVER and c["status"] == "True")
        left = parse_time(end["lastTransitionTime"]) + ttl - time.time()
        if left > 0:
            return left
        self._call.policy = "Foreground"
        self._registry.delete(
            JOBSETS, jobset["metadata"]["namespace"], jobset["metadata"]["name"], self._call
        )
        return None

    def _delete_job(self, job: Object) -> None:
        if "deletionTimestamp" in job["metadata"]:
            return
        call = Call(self._call.user, manager=self._call.manager)
        call.policy, call.preconditions = "Foreground", {"uid": job["metadata"]["uid"]}
        try:
            self._registry.delete(JOBS, job["metadata"]["namespace"], job["metadata"]["name"], call)
        except ApiError as error:
            if error.code != 404:
                raise

    def _write(self, jobset: Object) -> None:
        key = (jobset["metadata"]["namespace"], jobset["metadata"]["name"])
        status = jobset["status"]
        self._registry.change(JOBSETS, *key, self._call, lambda o: o.update(status=status), "status")

    def _say(self, jobset: Object, word: str, reason: str, message: str) -> None:
        self._recorder.record(JOBSETS, jobset, word, reason, message, _COMPONENT)


def default(kind: Kind, obj: Object) -> None:
    """The webhook: what a JobSet leaves open; 403 when the names of its pods would be too long."""
    if kind is not JOBSETS:
        return
    spec = obj.setdefault("spec", {})
    spec.setdefault("successPolicy", {"operator": "All"})
    spec.setdefault("startupPolicy", {"startupPolicyOrder": "AnyOrder"})
    network = spec.setdefault("network", {})
    network.setdefault("enableDNSHostnames", True)
    network.setdefault("publishNotReadyAddresses", True)
    if spec.get("failurePolicy") is not None:
        spec["failurePolicy"].setdefault("maxRestarts", 0)
        spec["failurePolicy"].setdefault("restartStrategy", "Recreate")
        for index, rule in enumerate(spec["failurePolicy"].get("rules") or []):
            rule.setdefault("name", f"failurePolicyRule{index}")
    longest = 0
    for replicated in spec.get("replicatedJobs") or []:
        replicated.setdefault("replicas", 1)
        replicated.setdefault("groupName", "default")
        inner = replicated.setdefault("template", {}).setdefault("spec", {})
        inner.setdefault("completionMode", "Indexed")
        inner.setdefault("template", {}).setdefault("spec", {}).setdefault("restartPolicy", "OnFailure")
        name = f"{obj['metadata'].get('name', '')}-{replicated['name']}-{replicated['replicas'] - 1}"
        pods = inner.get("completions") or inner.get("parallelism") or 1
        longest = max(longest, len(f"{name}-{pods - 1}") + 6)
    if longest > 63:
        why = "JobSet name is too long, pod names generated for this JobSet will exceed 63 characters"
        raise ApiError(
            403, "Forbidden", f'admission webhook "vjobset.kb.io" denied the request: {why}', details={}
        )


def child(jobset: Object, replicated: Object, index: int) -> Object:
    """A Job of a JobSet."""
    metadata = jobset["metadata"]
    template = copy.deepcopy(replicated["template"])
    name = f"{metadata['name']}-{replicated['name']}-{index}"
    spec = template["spec"]
    all_jobs = jobset["spec"].get("replicatedJobs") or []
    before = 0
    for other in all_jobs:
        if other["name"] == replicated["name"]:
            break
        before += other.get("replicas", 1)
    marks = {
        NAME: metadata["name"],
        UID: metadata["uid"],
        REPLICATED: replicated["name"],
        ATTEMPT: str(jobset["status"].get("restarts", 0)),
        f"{PREFIX}replicatedjob-replicas": str(replicated.get("replicas", 1)),
        f"{PREFIX}global-replicas": str(sum(other.get("replicas", 1) for other in all_jobs)),
        INDEX: str(index),
        f"{PREFIX}job-key": hashlib.sha1(
            f"{metadata['namespace']}/{name}".encode(), usedforsecurity=False
        ).hexdigest(),
        f"{PREFIX}job-global-index": str(before + index),
        f"{PREFIX}group-name": replicated.get("groupName", "default"),
    }
    found: dict[str, Any] = {}
    inner = spec["template"].setdefault("metadata", {})
    for target, source in ((found, template.get("metadata") or {}), (inner, dict(inner))):
        target["labels"] = {**(source.get("labels") or {}), **marks}
        target["annotations"] = {**(source.get("annotations") or {}), **marks}
    found.update(name=name, ownerReferences=[_owner(jobset)])
    if (jobset["spec"].get("network") or {}).get("enableDNSHostnames", True):
        spec["template"]["spec"]["subdomain"] = subdomain(jobset)
    spec["suspend"] = bool(jobset["spec"].get("suspend"))
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        spec["completions"] = spec.get("parallelism", 1)
    return {"metadata": found, "spec": spec}


def subdomain(jobset: Object) -> str:
    """Of the pods of a JobSet."""
    return str((jobset["spec"].get("network") or {}).get("subdomain") or jobset["metadata"]["name"])


def _owner(jobset: Object) -> Object:
    metadata = jobset["metadata"]
    return {
        "apiVersion": JOBSETS.api_version,
        "kind": JOBSETS.kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _counts(replicated: Object, jobs: list[Object]) -> Object:
    mine = [job for job in jobs if job["metadata"]["labels"][REPLICATED] == replicated["name"]]
    running = [job for job in mine if not _ended(job)]

    def ready(job: Object) -> bool:
        status = job.get("status") or {}
        spec = job["spec"]
        wanted = min(spec["parallelism"], spec.get("completions") or spec["parallelism"])
        return bool(status.get("succeeded", 0) + status.get("ready", 0) >= wanted)

    return {
        "name": replicated["name"],
        "ready": sum(1 for job in running if ready(job)),
        "succeeded": sum(1 for job in mine if _is(job, "Complete")),
        "failed": sum(1 for job in mine if _is(job, "Failed")),
        "active": sum(1 for job in running if (job.get("status") or {}).get("active")),
        "suspended": sum(1 for job in running if job["spec"].get("suspend")),
    }


def _action(policy: Object, job: Object) -> tuple[str, str]:
    """What the failure policy does about a failed Job, and by which rule."""
    failure = _condition(job, "Failed")
    for rule in policy.get("rules") or []:
        reasons, targets = rule.get("onJobFailureReasons") or [], rule.get("targetReplicatedJobs") or []
        if reasons and failure.get("reason") not in reasons:
            continue
        if targets and job["metadata"]["labels"][REPLICATED] not in targets:
            continue
        return rule["action"], rule["name"]
    return "RestartJobSet", ""


def _condition(obj: Object, kind: str) -> Object:
    return next((c for c in (obj.get("status") or {}).get("conditions") or [] if c["type"] == kind), {})


def _is(job: Object, kind: str) -> bool:
    return _condition(job, kind).get("status") == "True"


def _ended(job: Object) -> bool:
    return _is(job, "Complete") or _is(job, "Failed")


def _terminal(jobset: Object) -> bool:
    return _is(jobset, "Completed") or _is(jobset, "Failed")
