"""Cancelled is final: also where the pod goes just then, by whoever takes it away, and for every client."""

from __future__ import annotations

from pathlib import Path

import pytest

from sovlab.core.job import JobState
from sovlab.errors import JobNotFound
from sovlab.kube.reading.pods import condition, is_leaving
from sovlab.kube.transport.errors import ApiError
from tests.executors.conftest import Harness
from tests.kube.apiserver.faults import respond
from tests.kube.apiserver.handles import Node
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

SLOW = """
import os, signal, time
with open({runs!r}, "a") as file:
    file.write("run\\n")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("began", flush=True)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def cluster():
    nodes = [Node("node-1"), Node("node-2")]
    with fake_cluster(nodes=nodes, kueue=True) as found:
        found.fake.add_queue("research", {"cpu": "1", "memory": "4Gi"}, namespace="research", preempt=True)
        for name, value in (("low", 10), ("high", 1000)):
            kind = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass"}
            found.fake.create({**kind, "metadata": {"name": name}, "value": value})
        yield found
        assert found.fake.failures == []


class Case:
    """A job that takes its time to go, and how often it has begun."""

    def __init__(self, cluster, state: Path, **target) -> None:
        self.cluster = cluster
        self.state = state
        self.target = target
        self.runs = state / "runs"
        self.harness = Harness(cluster.executor(state, **target), state / "objects")
        self.job_id = self.harness.submit(SLOW.format(runs=str(self.runs)), grace=3.0)
        self.harness.until_printed(self.job_id, b"began")

    @property
    def pod(self) -> str:
        return self.harness.executor._objects.pods(self.job_id)[0]["metadata"]["name"]

    def until_leaving(self) -> None:
        until(lambda: any(map(is_leaving, self.harness.executor._objects.pods(self.job_id))))

    def check(self) -> None:
        """It is cancelled, stays so for everybody, and its code has run once."""
        executor = self.harness.executor
        told = executor.wait(self.job_id, 60).status
        assert told.state is JobState.CANCELLED
        elsewhere = self.cluster.executor(self.state / "elsewhere", **self.target)
        while not self.is_over():
            for client in (executor, elsewhere):
                assert client.record(self.job_id).status.state is JobState.CANCELLED
        assert executor.record(self.job_id).status == told
        assert executor.wait(self.job_id, 1).status == told
        assert self.runs.read_text() == "run\n"

    def is_over(self) -> bool:
        job = self.cluster.fake.get("jobs", self.job_id, self.cluster.namespace)
        return job is None or condition(job, "Failed", "Complete") is not None


def evict(case: Case) -> None:
    case.cluster.fake.evict(case.pod, case.cluster.namespace)


def drain(case: Case) -> None:
    found = case.harness.executor._objects.pods(case.job_id)[0]
    case.cluster.fake.drain(found["spec"]["nodeName"])


def delete(case: Case) -> None:
    case.cluster.api.delete(case.cluster.path("pods", case.pod))


@pytest.fixture(autouse=True)
def _uncordoned(cluster):
    yield
    for name in ("node-1", "node-2"):
        cluster.fake.cordon(name, on=False)


@pytest.mark.parametrize("takes_away", [evict, drain, delete])
def test_a_job_that_is_cancelled_while_its_pod_goes_does_not_run_again(cluster, state, takes_away):
    case = Case(cluster, state)
    takes_away(case)
    case.until_leaving()
    case.harness.executor.cancel(case.job_id)
    case.check()


@pytest.mark.parametrize("takes_away", [evict, drain, delete])
def test_a_cancelled_job_whose_pod_is_taken_away_before_its_end_does_not_come_to_life(
    cluster, state, takes_away, monkeypatch
):
    monkeypatch.setattr("sovlab.executors.kubernetes.cancelling._LATEST", 0.0)
    case = Case(cluster, state)
    case.harness.executor.cancel(case.job_id)
    takes_away(case)
    case.harness.executor.wait(case.job_id, 120)
    until(case.is_over, 120)
    assert case.harness.executor.record(case.job_id).status.state is JobState.CANCELLED
    assert cluster.executor(state / "elsewhere").record(case.job_id).status.state is JobState.CANCELLED


def test_a_job_that_is_cancelled_while_its_queue_takes_it_back_does_not_run_again(cluster, state):
    case = Case(cluster, state, queue="research", priority="low", cpu=0.6)
    high = cluster.executor(state / "high", queue="research", priority="high", cpu=0.6)
    urgent = Harness(high, state / "objects").submit("1")
    case.until_leaving()
    case.harness.executor.cancel(case.job_id)
    told = case.harness.executor.wait(case.job_id, 60).status
    assert told.state is JobState.CANCELLED
    assert high.wait(urgent, 60).status.state is JobState.SUCCEEDED
    until(lambda: case.is_over() or not case.harness.executor._objects.pods(case.job_id))
    assert case.harness.executor.record(case.job_id).status.state is JobState.CANCELLED
    after = Harness(high, state / "objects").submit("1")
    assert high.wait(after, 60).status.state is JobState.SUCCEEDED
    assert case.runs.read_text() == "run\n"


def test_a_queued_job_that_may_not_be_deleted_is_not_told_as_cancelled(cluster, state):
    case = Case(cluster, state, queue="research", priority="low", cpu=0.6)
    waiting = case.harness.submit("1")
    until(lambda: case.harness.executor.record(waiting).status.state is JobState.QUEUED)
    fault = cluster.fake.faults.add("delete jobs", respond(403, "not yours"), times=None)
    with pytest.raises(ApiError, match="not yours"):
        case.harness.executor.cancel(waiting)
    assert case.harness.executor.record(waiting).status.state is JobState.QUEUED
    cluster.fake.faults.remove(fault)
    case.harness.executor.cancel(waiting)
    assert case.harness.executor.record(waiting).status.state is JobState.CANCELLED
    with pytest.raises(JobNotFound):
        cluster.executor(state / "elsewhere").record(waiting)
    case.harness.executor.cancel(case.job_id)
    case.check()
