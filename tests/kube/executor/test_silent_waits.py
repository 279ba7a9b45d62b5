"""Jobs that a queue does not let start say why, in one sentence, and behind how many they are."""

from __future__ import annotations

from typing import Any

import pytest

from sovlab.core.job import JobState, JobStatus
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube import labels
from sovlab.kube.transport.connection import Login
from tests.executors.conftest import Harness
from tests.kube.apiserver.access.auth import Rule, edit
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

KUEUE = "kueue.x-k8s.io/v1beta2"
SLEEP = "import time\nprint('began', flush=True)\ntime.sleep(60)"


@pytest.fixture(scope="module")
def cluster():
    see = Rule(("get",), ("localqueues",), ("kueue.x-k8s.io",), ("research",))
    with fake_cluster(kueue=True, users={"eve": (*edit("research"), see)}) as found:
        found.fake.add_queue("research", {"cpu": "1", "memory": "4Gi"}, namespace="research")
        found.fake.add_queue(
            "checked", {"cpu": "4", "memory": "4Gi"}, namespace="research", checks=["budget"]
        )
        yield found
        assert found.fake.failures == []


@pytest.fixture
def harness(cluster, state):
    made = Harness(cluster.executor(state, queue="research", cpu=0.6), state / "objects")
    yield made
    for record in made.executor.records():
        made.executor.cancel(record.id)
        made.executor.wait(record.id, 60)


def waits(harness: Harness, job_id: str, words: str) -> JobStatus:
    """The status of a job once its message holds these words."""

    def look() -> JobStatus | None:
        found = harness.executor.record(job_id).status
        return found if words in found.message else None

    found: JobStatus = until(look)
    assert found.state is JobState.QUEUED
    return found


def workload_of(cluster: Any, job_id: str) -> dict[str, Any]:
    uid = cluster.fake.get("jobs", job_id, "research")["metadata"]["uid"]
    marked = {w["metadata"]["labels"][labels.JOB_UID]: w for w in cluster.fake.list("workloads")}
    return marked[uid]


def test_the_place_in_the_queue_is_a_number_of_the_status(harness):
    running = harness.submit(SLEEP)
    harness.until_printed(running, b"began")
    both = [harness.submit(SLEEP), harness.submit(SLEEP)]
    until(lambda: {harness.executor.record(each).status.ahead for each in both} == {0, 1})
    assert harness.executor.record(running).status.ahead is None


def test_a_priority_that_is_gone_is_named(cluster, harness):
    made = {"apiVersion": KUEUE, "kind": "WorkloadPriorityClass", "metadata": {"name": "urgent"}, "value": 9}
    cluster.fake.create(made)
    wanted = harness.submit(SLEEP, priority="urgent")  # the queue and the priority are checked once a minute
    cluster.fake.delete("workloadpriorityclasses", "urgent")
    assert harness.executor.record(wanted).spec is not None
    job_id = harness.submit(SLEEP, priority="urgent")
    found = waits(harness, job_id, "urgent")
    assert found.message == (
        "waiting: in queue research; there is no priority urgent (WorkloadPriorityClass), so the queue does "
        "not take it up: cancel it, and submit it with another"
    )


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("localqueues", "research", "the queue is stopped by an administrator"),
        (
            "clusterqueues",
            "research-all",
            "the ClusterQueue research-all behind it is stopped by an administrator",
        ),
    ],
)
def test_a_stopped_queue_is_told_and_one_that_is_drained(cluster, harness, kind, name, told):
    runs = harness.submit(SLEEP)
    harness.until_printed(runs, b"began")
    where = "research" if kind == "localqueues" else ""
    cluster.fake.update(kind, name, lambda q: q["spec"].update(stopPolicy="Hold"), where)
    try:
        job_id = harness.submit(SLEEP)
        found = waits(harness, job_id, told)
        assert found.message.endswith(f"in queue research; {told}")
        assert harness.executor.record(runs).status.state is JobState.RUNNING
        cluster.fake.update(kind, name, lambda q: q["spec"].update(stopPolicy="HoldAndDrain"), where)
        found = waits(harness, runs, "requeued, because its queue was stopped and drained")
        assert told in waits(harness, runs, told).message
    finally:
        cluster.fake.update(kind, name, lambda q: q["spec"].pop("stopPolicy"), where)
    until(lambda: JobState.RUNNING in {harness.executor.record(each).status.state for each in (runs, job_id)})


def test_admission_checks_are_named_with_what_they_say(cluster, state, harness):
    other = Harness(cluster.executor(state, queue="checked", cpu=0.6), state / "objects")
    job_id = other.submit(SLEEP)
    found = waits(other, job_id, "admission check")
    assert found.message == (
        "waiting: in queue checked, with its quota reserved; admission check budget has not passed yet"
    )
    name = workload_of(cluster, job_id)["metadata"]["name"]

    def answer(state: str, message: str) -> None:
        def change(obj):
            obj["status"]["admissionChecks"][0].update(state=state, message=message)

        cluster.fake.update("workloads", name, change, "research", "status")

    answer("Pending", "Ada looks at it.")
    waits(other, job_id, "has not passed yet (Ada looks at it)")
    answer("Rejected", "Nothing is left.")
    found = waits(other, job_id, "not let start from queue checked")
    assert found.message == (
        'waiting: not let start from queue checked, because admission check "budget" (Nothing is left.) '
        "refused it: cancel it, or ask the cluster's administrators"
    )


def test_a_queue_that_lost_what_is_behind_it_says_so(cluster, state, harness):
    cluster.fake.add_queue("lost", {"cpu": "4", "memory": "4Gi"}, namespace="research")
    other = Harness(cluster.executor(state, queue="lost", cpu=0.6), state / "objects")
    cluster.fake.delete("resourceflavors", "lost-all")
    flavor = other.submit(SLEEP)
    found = waits(other, flavor, "not active")
    assert found.message.endswith(
        "the ClusterQueue lost-all behind it is not active (references missing ResourceFlavor(s): lost-all): "
        "ask the cluster's administrators"
    )
    cluster.fake.delete("clusterqueues", "lost-all")
    found = waits(other, flavor, "does not exist")
    assert "the ClusterQueue" in found.message
    assert "ask the cluster's administrators" in found.message


def test_without_the_right_to_see_workloads_the_queue_itself_is_asked(cluster, state):
    eve = Login(context="eve", kubeconfig=cluster.fake.kubeconfig_for("eve"))
    profile = cluster.profile(queue="research", cpu=0.6)
    made = Harness(KubernetesExecutor("site", eve, profile, state, agents=False), state / "objects")
    cluster.fake.update("localqueues", "research", lambda q: q["spec"].update(stopPolicy="Hold"), "research")
    try:
        job_id = made.submit(SLEEP)
        found = waits(made, job_id, "in queue research")
        assert found.message == "waiting: in queue research; the queue is stopped by an administrator"
    finally:
        cluster.fake.update("localqueues", "research", lambda q: q["spec"].pop("stopPolicy"), "research")
    until(lambda: made.executor.record(job_id).status.state is JobState.RUNNING)
    other = made.submit(SLEEP)
    found = waits(made, other, "in queue research")
    assert found.message == (
        "waiting: in queue research; what Kueue says of it needs the right to list workloads"
    )
    for each in (job_id, other):
        made.executor.cancel(each)
        made.executor.wait(each, 60)
