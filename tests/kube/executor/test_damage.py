"""Jobs of a cluster that left what no runner writes: each is by itself, and hides no other."""

from __future__ import annotations

import base64
import json
import textwrap
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.core.event import ProgressChanged, StatusChanged
from sovlab.core.job import JobState
from sovlab.core.names import new_job_id
from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.executors.kubernetes.objects.records import marks
from sovlab.kube import labels
from tests import hostile
from tests.cluster.conftest import Cluster
from tests.executors.conftest import Harness
from tests.hostile import NOW, RECORD
from tests.kube.conftest import fake_cluster

OURS = {labels.MANAGED_BY: labels.MANAGER}
SPEC = JobSpec(name="shelf", kind=PayloadKind.CELL, payload="0" * 64)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with fake_cluster() as found:
        yield found
        assert found.fake.failures == []


def message(data: bytes) -> str:
    """A termination message with that for a record."""
    body = zlib.compress(len(data).to_bytes(4, "little") + data, 9)
    return "succeeded\nsovlab:1:" + base64.b64encode(body).decode()


def shelve(cluster: Cluster, *messages: str, **changes: str) -> list[str]:
    """Jobs that have ended, as the cluster keeps them, with those last words."""
    found, jobs, pods, where = [], [], [], {"namespace": cluster.namespace}
    for text in messages:
        job_id, uid = new_job_id("shelf"), str(uuid.uuid4())
        found.append(job_id)
        told = {**marks(SPEC, "00ff", NOW - 90, "secret"), labels.READY: str(NOW), **changes}
        marked = {**OURS, labels.JOB: job_id}
        done = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-11-25T23:06:49Z"}
        jobs.append(
            {
                "metadata": {"name": job_id, "uid": uid, "labels": marked, "annotations": told, **where},
                "spec": {"completions": 1, "parallelism": 1},
                "status": {"conditions": [done], "startTime": "2026-11-25T23:06:40Z"},
            }
        )
        ended = {"exitCode": 0, "reason": "Completed", "message": text}
        times = {"startedAt": "2026-11-25T23:06:45Z", "finishedAt": "2026-11-25T23:06:48Z"}
        state = {"name": labels.CONTAINER, "state": {"terminated": {**ended, **times}}}
        pods.append(
            {
                "metadata": {"name": f"{job_id}-zzz88", "labels": marked, "annotations": {}, **where},
                "spec": {"nodeName": "node-1", "containers": [{"name": labels.CONTAINER, "image": "x"}]},
                "status": {"phase": "Succeeded", "containerStatuses": [state]},
            }
        )
    cluster.fake.fill("jobs", jobs)
    cluster.fake.fill("pods", pods)
    return found


def clear(cluster: Cluster, ids: list[str]) -> None:
    for job_id in ids:
        cluster.fake.delete("pods", f"{job_id}-zzz88", cluster.namespace, grace=0)
        cluster.fake.delete("jobs", job_id, cluster.namespace, policy="Background")


few = hostile.examples(15, each=6)
WHOLE = message(json.dumps({**RECORD, "reason": "succeeded"}).encode())


@given(st.lists(hostile.records, min_size=4, max_size=8))
@few
def test_a_record_with_anything_in_any_place_is_shown_or_unknown(
    cluster: Cluster, state: Path, records: list[dict[str, Any]]
) -> None:
    ids = shelve(cluster, WHOLE, *(message(json.dumps(record).encode()) for record in records))
    executor = cluster.executor(state)
    listed = {record.id: record for record in executor.records()}
    assert listed[ids[0]].status.state is JobState.SUCCEEDED
    hostile.assert_can_be_shown(*listed.values())
    for job_id in ids[1:]:
        if listed[job_id].status.state is JobState.UNKNOWN:
            hostile.assert_unreadable(listed[job_id])
        else:
            assert listed[job_id].status.state.ended
    assert executor.record(ids[1]).status == listed[ids[1]].status
    assert executor.wait(ids[1], 30).status == listed[ids[1]].status
    clear(cluster, ids)


def test_what_is_no_record_makes_the_job_unknown(cluster: Cluster, state: Path) -> None:
    bad = [b"", b"null", b"[]", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 100_000, b'{"reason": 3}']
    bad += [b'{"reason": "succeeded", "ended": 1e400}', b'{"reason": "' + b"x" * (8 << 20) + b'"}']
    ids = shelve(cluster, WHOLE, "sovlab:1:%%%", *map(message, bad))
    executor = cluster.executor(state)
    listed = {record.id: record for record in executor.records()}
    assert listed[ids[0]].status.state is JobState.SUCCEEDED
    for job_id in ids[1:]:
        hostile.assert_unreadable(listed[job_id])
        assert executor.wait(job_id, 30) == listed[job_id]
    hostile.assert_can_be_shown(*listed.values())
    executor.delete(ids[1])
    assert ids[1] not in {record.id for record in executor.records()}
    clear(cluster, ids[:1] + ids[2:])


@pytest.mark.parametrize(
    ("mark", "text"),
    [
        (labels.SPEC, "[" * 200_000),
        (labels.SPEC, "{}"),
        (labels.SPEC, '{"name": "", "kind": "cell", "payload": ""}'),
        (labels.SUBMITTED, "1e300"),
        (labels.SUBMITTED, "-1e300"),
    ],
)
def test_marks_of_a_workload_are_checked_too(cluster: Cluster, state: Path, mark: str, text: str) -> None:
    ids = shelve(cluster, WHOLE) + shelve(cluster, WHOLE, **{mark: text})
    executor = cluster.executor(state)
    listed = {record.id: record for record in executor.records()}
    assert listed[ids[0]].status.state is JobState.SUCCEEDED
    assert listed[ids[1]].status.state is (JobState.UNKNOWN if mark == labels.SPEC else JobState.SUCCEEDED)
    hostile.assert_can_be_shown(*listed.values())
    clear(cluster, ids)


PRINTING = textwrap.dedent(
    """
    import os
    from sovlab.runner import context
    nonce = context.current.order.nonce.encode()
    for frame in frames:
        os.write(1, b"line\\n\\x1esovlab:%b %b\\n" % (nonce, frame))
    print("last", flush=True)
    """
)


@given(st.lists(hostile.frames, min_size=20, max_size=20))
@hostile.examples(5, each=20)
def test_frames_with_anything_in_any_place_end_no_following(
    cluster: Cluster, state: Path, frames: list[dict[str, Any]]
) -> None:
    # What a job says in the right form of its log and its pod is believed: here it says nothing of them.
    said = [frame for frame in frames if frame.get("t") not in ("at", "end", "held", "waiting")]
    odd = [{"t": "at", "o": -1, "s": 10**30}, {"t": "end", "o": True, "s": 1}, {"t": "held", "size": [[]]}]
    harness = Harness(cluster.executor(state), state / "objects")
    packed = [json.dumps(frame).encode()[:60_000] for frame in (*said, *odd)]
    job_id = harness.submit(PRINTING, namespace={"frames": packed})
    events = list(harness.executor.events(job_id))
    assert isinstance(events[-1], StatusChanged)
    assert events[-1].status.state is JobState.SUCCEEDED, harness.log(job_id)
    printed = b"".join(event.data for event in events if hasattr(event, "data"))
    assert printed.count(b"line\n") == len(packed)
    assert printed.endswith(b"last\n")
    history = tuple(event.progress for event in events if isinstance(event, ProgressChanged))
    hostile.assert_can_be_shown(harness.executor.record(job_id), history=history)
    harness.executor.delete(job_id)
