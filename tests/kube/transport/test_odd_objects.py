"""Objects of a cluster with anything in any place: each is by itself, and no watch ends of one."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.core.event import StatusChanged
from sovlab.core.job import JobRecord, JobState
from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.core.untrusted import shallow
from sovlab.executors.kubernetes.following import Following
from sovlab.executors.kubernetes.objects.records import Records, job_record, marks
from sovlab.executors.kubernetes.objects.trimming import read
from sovlab.executors.kubernetes.objects.workloads import Objects
from sovlab.kube import labels
from tests import hostile
from tests.hostile import NOW
from tests.kube.executor.test_damage import WHOLE
from tests.kube.proxy import until

Object = dict[str, Any]

OURS = {labels.MANAGED_BY: labels.MANAGER}
TOLD = {
    **marks(JobSpec(name="shelf", kind=PayloadKind.CELL, payload="0" * 64), "00ff", NOW - 90, "secret"),
    labels.READY: str(NOW),
}
DONE = {
    **{"type": "Complete", "status": "True", "reason": "x", "message": "y"},
    "lastTransitionTime": "2026-11-25T23:06:49Z",
}
PATHS = {
    "Job": "/apis/batch/v1/namespaces/research/jobs",
    "JobSet": "/apis/jobset.x-k8s.io/v1alpha2/namespaces/research/jobsets",
    "TrainJob": "/apis/trainer.kubeflow.org/v1alpha1/namespaces/research/trainjobs",
    "Pod": "/api/v1/namespaces/research/pods",
}


def workload(kind: str, job_id: str, **spec: Any) -> Object:
    meta = {"name": job_id, "uid": f"uid-{job_id}", "resourceVersion": "7", "annotations": TOLD}
    meta |= {"labels": {**OURS, labels.JOB: job_id}, "creationTimestamp": "2026-11-25T23:06:40Z"}
    state = {"conditions": [DONE], "startTime": "2026-11-25T23:06:40Z", "active": 0}
    return {"kind": kind, "metadata": meta, "spec": {"suspend": False, **spec}, "status": state}


def pod(job_id: str) -> Object:
    times = {"startedAt": "2026-11-25T23:06:45Z", "finishedAt": "2026-11-25T23:06:48Z"}
    ended = {"terminated": {"exitCode": 0, "reason": "Completed", "message": WHOLE, **times}}
    container = {"name": labels.CONTAINER, "image": "x", "state": ended, "lastState": {}}
    meta = {"name": f"{job_id}-zzz88", "uid": f"uid-{job_id}-p", "resourceVersion": "7"}
    meta |= {"labels": {**OURS, labels.JOB: job_id, labels.INDEX: "0"}, "annotations": {labels.INDEX: "0"}}
    spec = {"nodeName": "node-1", "containers": [{"name": labels.CONTAINER, "image": "x"}]}
    state = {"phase": "Succeeded", "conditions": [DONE], "containerStatuses": [container], "reason": None}
    return {"kind": "Pod", "metadata": meta, "spec": spec, "status": state}


GOOD, BAD = "whole-aaaaaa", "odd-bbbbbb"
WORKLOADS = {
    "Job": {"completions": 1, "parallelism": 1},
    "JobSet": {"replicatedJobs": [{"name": "n", "template": {"spec": {"completions": 1, "parallelism": 1}}}]},
    "TrainJob": {"trainer": {"numNodes": 1}},
}
KINDS = sorted(PATHS)


def whole(kind: str) -> Object:
    return pod(BAD) if kind == "Pod" else workload(kind, BAD, **WORKLOADS[kind])


@st.composite
def odd_objects(draw: st.DrawFn) -> tuple[str, Object]:
    kind = draw(st.sampled_from(KINDS))
    return kind, draw(hostile.sent(whole(kind)))


class Server:
    """An API server that lists some objects, and tells of others in its watches until it is closed."""

    def __init__(self) -> None:
        self.listed: dict[str, list[Object]] = {path: [] for path in PATHS.values()}
        self.told: dict[str, list[bytes]] = {path: [] for path in PATHS.values()}
        self.over = threading.Event()

    def get(self, path: str, **query: Any) -> Object:
        return {"groups": [{"name": path.split("/")[2]} for path in PATHS.values()]}

    def call(self, method: str, path: str, query: Object) -> bytes:
        found = {"metadata": {"resourceVersion": "7"}, "items": self.listed[path]}
        return json.dumps(found).encode()

    @contextmanager
    def stream(self, path: str, query: Object, *, read_timeout: float) -> Iterator[_Lines]:
        yield _Lines(self, path)


class _Lines:
    def __init__(self, server: Server, path: str) -> None:
        self._server = server
        self._path = path

    def lines(self) -> Iterator[bytes]:
        yield from self._server.told[self._path]
        self._server.told[self._path] = []
        self._server.over.wait(60)


def event(obj: object, kind: str = "MODIFIED") -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode()


def watching(server: Server) -> Objects:
    objects = Objects(server, "research")  # type: ignore[arg-type]
    for path in PATHS.values():
        objects.cache(path)._linger = 0.0
    return objects


def check(objects: Objects, changed: Object) -> None:
    """The good job is told as it is, also after a change; whatever else is listed can be shown."""
    records = Records("site")
    listed = {record.id: record for record in records.newest_first(objects)}
    assert listed[GOOD].status.state is JobState.SUCCEEDED
    hostile.assert_can_be_shown(*listed.values())
    name, version = GOOD, changed["metadata"]["resourceVersion"]
    until(lambda: (found := objects.known(name)) and found["metadata"]["resourceVersion"] == version)


def followed(objects: Objects, job_id: str) -> JobRecord:
    """The last record of a job that is followed without its log."""
    with objects.watched() as watched:
        found = watched.workload(job_id)
        following = Following(
            objects._api,
            "research",
            job_id,
            watched,
            lambda obj, pods: job_record(obj, pods, "site"),
            lambda: watched.pods_of(job_id),
            cursor=0,
            follow=False,
            stop=None,
            on_frame=lambda pod, frame: None,
            log=False,
        )
        *_, last = following.events()
        assert isinstance(last, StatusChanged)
        assert found is not None
        return JobRecord(id=job_id, target="site", spec=None, status=last.status)


@given(st.lists(odd_objects(), min_size=20, max_size=20))
@hostile.examples(10, each=20)
def test_no_object_in_a_list_or_a_watch_hides_another(found: list[tuple[str, Object]]) -> None:
    server = Server()
    good, its_pod = workload("Job", GOOD, **WORKLOADS["Job"]), pod(GOOD)
    for number, (kind, obj) in enumerate(found):
        obj = copy.deepcopy(obj)
        if isinstance(obj.get("metadata"), dict):
            obj["metadata"]["name"] = f"odd-{number:06}"
        if number % 2:
            server.listed[PATHS[kind]].append(obj)
        else:
            server.told[PATHS[kind]].append(event(obj))
    server.listed[PATHS["Job"]].append(good)
    server.listed[PATHS["Pod"]].append(its_pod)
    changed = copy.deepcopy(good)
    changed["metadata"]["resourceVersion"] = "9"
    server.told[PATHS["Job"]].append(event(changed))
    objects = watching(server)
    try:
        with objects.watched() as watched:
            check(objects, changed)
            assert watched.failures() == []
            assert all(cache._thread is not None for cache in watched._caches)
            for obj in watched.workloads():
                followed(objects, obj["metadata"]["name"])
    finally:
        server.over.set()


@given(odd_objects())
@hostile.examples(400)
def test_an_odd_object_is_read_or_its_job_is_unknown_and_says_why(found: tuple[str, Object]) -> None:
    kind, obj = found
    obj = json.loads(json.dumps(obj))
    kept = read(obj, kind)
    if kept is None:
        return
    mine = read(workload("Job", BAD, **WORKLOADS["Job"]), "Job") if kind == "Pod" else kept
    pods = [kept] if kind == "Pod" else [read(pod(BAD), "Pod")]
    assert mine is not None
    record = job_record(mine, [each for each in pods if each is not None], "site")
    hostile.assert_can_be_shown(record)
    if record.status.state is JobState.UNKNOWN:
        hostile.assert_unreadable(record)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("JobSet", {"spec": {"replicatedJobs": [{}]}}),
        ("JobSet", {"spec": {"replicatedJobs": 5}}),
        ("JobSet", {"spec": {"replicatedJobs": [{"template": {"spec": {"completions": "many"}}}]}}),
        ("JobSet", {"status": []}),
        ("TrainJob", {"spec": {"trainer": [1]}}),
        ("Job", {"status": {"conditions": [None]}}),
        ("Job", {"metadata": {"annotations": {labels.SPEC: "[" * 100_000}}}),
        ("Job", {"spec": {"completions": 10**30}}),
        ("Pod", {"status": {"phase": "Failed", "containerStatuses": [{"name": "job", "state": 5}]}}),
    ],
)
def test_a_malformed_object_is_one_unknown_job(kind: str, change: Object) -> None:
    server = Server()
    bad = whole(kind)
    for part, values in change.items():
        bad[part] = {**bad[part], **values} if isinstance(values, dict) else values
    server.listed[PATHS[kind]].append(bad)
    if kind == "Pod":
        server.listed[PATHS["Job"]].append(workload("Job", BAD, **WORKLOADS["Job"]))
    server.listed[PATHS["Job"]].append(workload("Job", GOOD, **WORKLOADS["Job"]))
    server.listed[PATHS["Pod"]].append(pod(GOOD))
    objects = watching(server)
    try:
        listed = {record.id: record for record in Records("site").newest_first(objects)}
        assert listed[GOOD].status.state is JobState.SUCCEEDED
        hostile.assert_can_be_shown(*listed.values())
        if listed[BAD].status.state is JobState.UNKNOWN:
            hostile.assert_unreadable(listed[BAD])
            assert kind in listed[BAD].status.message
        assert followed(objects, BAD).status == listed[BAD].status
    finally:
        server.over.set()


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_that_is_nested_too_deeply_to_read_hides_no_other(kind: str) -> None:
    server = Server()
    text = json.dumps({**whole(kind), "nested": "DEEP"}).replace('"DEEP"', "[" * 100_000 + "]" * 100_000)
    server.told[PATHS[kind]].append(b'{"type":"ADDED","object":' + text.encode() + b"}")
    good = workload("Job", GOOD, **WORKLOADS["Job"])
    changed = copy.deepcopy(good)
    changed["metadata"]["resourceVersion"] = "9"
    server.told[PATHS["Job"]].append(event(changed))
    server.listed[PATHS["Job"]].append(good)
    server.listed[PATHS["Pod"]].append(pod(GOOD))
    server.call = lambda method, path, query: (  # type: ignore[method-assign]
        json.dumps({"metadata": {"resourceVersion": "7"}, "items": ["DEEP", *server.listed[path]]})
        .replace('"DEEP"', text if path == PATHS[kind] else "null")
        .encode()
    )
    objects = watching(server)
    try:
        with objects.watched():
            check(objects, changed)
    finally:
        server.over.set()


@given(hostile.odd.map(hostile._as_sent))
@hostile.examples(200)
def test_what_is_not_deep_stays_as_it_is(value: Any) -> None:
    data = json.dumps(value, ensure_ascii=False).encode()
    assert shallow(data) == data


def test_what_is_deep_becomes_null() -> None:
    data = b'{"a": [[[1, "]"], {"b": "\\"["}]], "c": 2}'
    assert json.loads(shallow(data, 2)) == {"a": [None], "c": 2}
    with pytest.raises(RecursionError):
        msgspec.json.decode(b"[" * 100_000 + b"]" * 100_000)
    assert msgspec.json.decode(shallow(b"[" * 100_000 + b"]" * 100_000)) is not None
