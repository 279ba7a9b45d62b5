"""Jobs that an older sovlab submitted to a cluster: what it sent there is sent again, and its runner runs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from sovlab.client.job import Job
from sovlab.core.event import LogChunk, ProgressChanged
from sovlab.core.job import JobState, Reason
from sovlab.core.names import new_job_id
from sovlab.errors import JobNotFound
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube import labels
from sovlab.payload.results import Results
from tests.cluster.conftest import Cluster
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

from .conftest import DATA, WHOLE, Left, Older


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with fake_cluster(trainer=True) as found:  # and JobSet
        claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
        store = {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "store"},
            "spec": claim,
        }
        found.api.create(found.path("persistentvolumeclaims"), store)
        yield found
        assert found.fake.failures == []


@pytest.fixture(scope="module")
def queueing() -> Iterator[Cluster]:
    with fake_cluster(kueue=True) as found:
        found.fake.add_queue("batch", {"cpu": "0", "memory": "0"}, namespace=found.namespace)
        yield found
        assert found.fake.failures == []


Submit = Callable[..., Left]


@pytest.fixture
def submit(cluster: Cluster, older: Older) -> Submit:
    def make(name: str, *, go: bool = False) -> Left:
        if go:
            older.go.touch()
        return Left(cluster, name, older.go)

    return make


@pytest.fixture
def executor(cluster: Cluster, older: Older) -> KubernetesExecutor:
    return cluster.executor(older.state)


def ended(cluster: Cluster, job_id: str) -> None:
    """Wait until the cluster says that a job has ended, which sovlab has not looked at so far."""

    def look() -> bool:
        status = cluster.api.get(cluster.path("jobs", job_id, group="apis/batch/v1")).get("status") or {}
        return any(c["type"] in ("Complete", "Failed") for c in status.get("conditions") or ())

    until(look, 60)


def until_running(executor: KubernetesExecutor, job_id: str) -> None:
    for event in executor.events(job_id):
        if isinstance(event, ProgressChanged):
            return
    raise AssertionError("the job ended before it said how far it was")


def log(executor: KubernetesExecutor, job_id: str, **options: Any) -> bytes:
    return b"".join(e.data for e in executor.events(job_id, **options) if isinstance(e, LogChunk))


# --- one that runs


def test_a_running_job_is_listed_and_followed_to_its_end(
    executor: KubernetesExecutor, submit: Submit
) -> None:
    job = submit("small")
    until_running(executor, job.id)
    (record,) = (r for r in executor.records() if r.id == job.id)
    assert (record.name, record.target, record.status.state) == ("small", "cluster", JobState.RUNNING)
    assert (record.spec.origin, record.spec.grace, record.spec.outputs) == ("In[5]", 5.0, ("answer",))
    events: list[Any] = []
    for event in executor.events(job.id):
        events.append(event)
        if isinstance(event, ProgressChanged):
            job.go.touch()
    assert events[-1].status.state is JobState.SUCCEEDED
    assert b"".join(e.data for e in events if isinstance(e, LogChunk)) == b"began -\ndone\n"
    assert [e.progress.step for e in events if isinstance(e, ProgressChanged)] == [1, 2]
    assert Results(executor.results(job.id), main={}).values() == {"answer": 42}


def test_a_running_job_is_cancelled_and_can_save_before(executor: KubernetesExecutor, submit: Submit) -> None:
    job = submit("small")
    until_running(executor, job.id)
    executor.cancel(job.id)
    status = executor.wait(job.id, 60).status
    assert (status.state, status.reason) == (JobState.CANCELLED, Reason.CANCELLED)
    assert log(executor, job.id) == b"began -\nsaved\n"


def test_results_that_a_pod_holds_are_fetched(executor: KubernetesExecutor, submit: Submit) -> None:
    job = submit("held", go=True)
    assert executor.wait(job.id, 60).status.state is JobState.SUCCEEDED
    assert Results(executor.results(job.id), main={}).values() == WHOLE


def test_a_payload_that_is_kept_here_is_brought(executor: KubernetesExecutor, submit: Submit) -> None:
    job = submit("streamed", go=True)
    (kept,) = (DATA / "clusters" / "cluster").glob("streamed-??????")
    shutil.copytree(kept, executor.local_state.root / job.id)
    assert executor.wait(job.id, 60).status.state is JobState.SUCCEEDED
    assert Results(executor.results(job.id), main={}).values() == WHOLE


@pytest.mark.parametrize("name", ["nodes", "jobset", "trainjob"])
def test_a_job_of_several_nodes_is_followed_to_its_end(
    cluster: Cluster, executor: KubernetesExecutor, submit: Submit, name: str
) -> None:
    job = submit(name)
    events = list(executor.events(job.id))
    printed = dict.fromkeys((0, 1), b"")
    for event in events:
        if isinstance(event, LogChunk):
            printed[event.rank] += event.data
    assert events[-1].status.state is JobState.SUCCEEDED, printed
    assert printed == {0: b"node 0 of 2\n", 1: b"node 1 of 2\n"}
    assert Results(executor.results(job.id), main={}).value("rank") == "0"
    assert executor.record(job.id).spec.nodes == 2
    executor.delete(job.id)
    until(lambda: not any(cluster.left(job.id).values()))


# --- one that has ended


def test_an_ended_job_is_listed_read_and_gives_its_results(
    cluster: Cluster, executor: KubernetesExecutor, submit: Submit
) -> None:
    job = submit("small", go=True)
    ended(cluster, job.id)
    (record,) = (r for r in executor.records() if r.id == job.id)
    assert (record.status.state, record.status.exit_code) == (JobState.SUCCEEDED, 0)
    assert [r.name for r in record.status.returned] == ["answer"]
    assert (record.status.progress.step, record.status.progress.metrics) == (2, {"loss": 0.25})
    assert record.status.submitted < record.status.started <= record.status.ended
    assert log(executor, job.id) == b"began -\ndone\n"
    handle = Job(job.id, executor, lambda record, resume: pytest.fail("nobody asked"))
    assert handle.result() == {"answer": 42}


def test_an_ended_job_gives_its_error(cluster: Cluster, executor: KubernetesExecutor, submit: Submit) -> None:
    job = submit("fails")
    ended(cluster, job.id)
    status = executor.record(job.id).status
    assert (status.state, status.message) == (JobState.FAILED, "Diverged: the loss is 1000000000.0")
    assert status.error["frames"][0]["source"] == "raise Diverged(1e9)"
    with pytest.raises(ValueError, match="the loss is") as caught:
        Job(job.id, executor, lambda record, resume: pytest.fail("nobody asked")).result()
    assert caught.value.loss == 1e9
    assert "Cell In[5], line 8" in str(caught.value.__cause__)


def test_a_log_is_read_on_from_where_the_older_sovlab_had_come_to(
    cluster: Cluster, executor: KubernetesExecutor, submit: Submit
) -> None:
    job = submit("fails")
    ended(cluster, job.id)
    (pod,) = cluster.api.get(cluster.path("pods"), labelSelector=f"{labels.JOB}={job.id}")["items"]
    raw = cluster.api.call("GET", cluster.path("pods", f"{pod['metadata']['name']}/log"))
    # Places are counted in what the job printed, without what the pod's runner says of them.
    said = re.sub(rb'\x1esovlab:\w+ {"t":"at",.*\n', b"", raw)
    place = said.index(b"before\n") + len(b"before\n")
    older = json.loads((DATA / "cluster-cursors.json").read_bytes())[0]
    cursor = re.sub(r"@\w+=\d+/", f"@{pod['metadata']['uid'][:8]}={place}/", older)
    whole = log(executor, job.id)
    assert whole.startswith(b"before\nCell In[5], line 8\n")
    assert log(executor, job.id, offset=cursor) == whole.removeprefix(b"before\n")


def test_what_an_ended_job_ran_runs_again(
    cluster: Cluster, executor: KubernetesExecutor, submit: Submit
) -> None:
    job = submit("small", go=True)
    ended(cluster, job.id)
    spec, payload = executor.request(job.id)
    assert spec.env == {"GO": str(job.go)}
    assert list(spec.labels.values()) == ["In[5]"]
    again = new_job_id(spec.name)
    executor.submit(again, spec, payload, {})
    assert executor.wait(again, 60).status.state is JobState.SUCCEEDED
    assert Results(executor.results(again), main={}).values() == {"answer": 42}


def test_the_objects_of_a_job_are_shown_without_its_secrets(
    cluster: Cluster, executor: KubernetesExecutor, submit: Submit
) -> None:
    job = submit("small", go=True)
    shown = executor.manifests_of(job.id).objects
    assert sorted(obj["kind"] for obj in shown) == ["Job", "Secret"]
    assert str(job.go) not in json.dumps(shown)


def test_an_ended_job_is_deleted_with_all_that_it_made(
    cluster: Cluster, executor: KubernetesExecutor, submit: Submit
) -> None:
    job = submit("small", go=True)
    ended(cluster, job.id)
    executor.delete(job.id)
    until(lambda: not any(cluster.left(job.id).values()))
    with pytest.raises(JobNotFound):
        executor.record(job.id)


# --- one whose target has a store


def test_results_in_a_store_are_fetched_and_deleted(cluster: Cluster, older: Older, submit: Submit) -> None:
    executor = cluster.executor(older.state, store="pvc:store")
    job = submit("stored", go=True)
    ended(cluster, job.id)
    kept = cluster.fake.volumes.claim_directory(cluster.namespace, "store") / "results" / f"{job.id}.pack"
    assert kept.exists()
    assert Results(executor.results(job.id), main={}).values() == WHOLE
    executor.delete(job.id)
    assert not kept.exists()


def test_what_a_job_saved_in_a_store_is_there_for_the_job_that_resumes_it(
    cluster: Cluster, older: Older, submit: Submit
) -> None:
    executor = cluster.executor(older.state, store="pvc:store")
    job = submit("stored")
    until_running(executor, job.id)
    executor.cancel(job.id)
    assert executor.wait(job.id, 60).status.state is JobState.CANCELLED
    spec, payload = executor.request(job.id)
    older.go.touch()
    again = new_job_id(spec.name)
    executor.submit(again, replace(spec, resume=job.id), payload, {})
    assert executor.wait(again, 60).status.state is JobState.SUCCEEDED
    assert log(executor, again) == b"began 7\ndone\n"


# --- one in a queue


def test_a_job_in_a_queue_is_listed_and_cancelled_there(queueing: Cluster, older: Older) -> None:
    executor = queueing.executor(older.state, queue="batch")
    job = Left(queueing, "queued", older.go)
    until(lambda: "in queue batch" in executor.record(job.id).status.message)
    assert [(r.id, r.status.state) for r in executor.records()] == [(job.id, JobState.QUEUED)]
    executor.cancel(job.id)
    until(lambda: not any(queueing.left(job.id).values()))
    assert executor.record(job.id).status.state is JobState.CANCELLED


def test_a_job_that_the_older_sovlab_cancelled_in_its_queue_is_still_listed(
    cluster: Cluster, executor: KubernetesExecutor
) -> None:
    (kept,) = (DATA / "clusters" / "cluster").glob("buried-??????")
    shutil.copytree(kept, executor.local_state.root / kept.name)
    record = executor.record(kept.name)
    status = record.status
    assert record in executor.records()
    assert (record.name, status.state, status.reason) == ("buried", JobState.CANCELLED, Reason.CANCELLED)
    assert status.message == "It was cancelled before it started."
    assert status.submitted < status.ended
    assert executor.wait(kept.name, 5) == record
    assert [event.status for event in executor.events(kept.name)] == [status]
    assert executor.results(kept.name) is None
    executor.cancel(kept.name)
    executor.delete(kept.name)
    with pytest.raises(JobNotFound):
        executor.record(kept.name)
