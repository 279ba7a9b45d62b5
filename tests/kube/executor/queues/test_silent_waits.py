"""Jobs that a queue does not let start say why, in one sentence, and behind how many they are."""

from __future__ import annotations

import pytest

from sovlab.core.job import JobState, JobStatus
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube.transport.connection import Login
from tests.cluster.conftest import real_cluster
from tests.executors.conftest import Harness
from tests.kube.apiserver.access.auth import Rule, edit
from tests.kube.conftest import fake_cluster
from tests.kube.executor.queues.objects import BASE, Queues
from tests.kube.proxy import until

SLEEP = "import time\nprint('began', flush=True)\ntime.sleep(60)"
FEW, MANY = {"cpu": "1", "memory": "4Gi"}, {"cpu": "4", "memory": "4Gi"}


@pytest.fixture(scope="module", params=["fake", "real"])
def cluster(request):
    """A namespace with Kueue, on each kind of cluster."""
    see = Rule(("get",), ("localqueues",), ("kueue.x-k8s.io",), ("research",))
    settings = {"kueue": True, "users": {"eve": (*edit("research"), see)}}
    with fake_cluster(**settings) if request.param == "fake" else real_cluster() as found:
        if not any(group["name"] == "kueue.x-k8s.io" for group in found.api.get("/apis")["groups"]):
            pytest.skip("this cluster has no Kueue")
        yield found
        assert found.fake is None or found.fake.failures == []


@pytest.fixture(scope="module")
def queues(cluster):
    made = Queues(cluster)
    try:
        made.add("research", FEW)
        made.add_check("budget")
        made.add("checked", MANY, checks=("budget",))
        yield made
    finally:
        made.clear()


@pytest.fixture
def harness(cluster, queues, state):
    made = Harness(cluster.executor(state, queue="research", cpu=0.6), state / "objects")
    yield made
    for record in made.executor.records():
        made.executor.cancel(record.id)
        made.executor.wait(record.id, 90)


def waits(harness: Harness, job_id: str, words: str) -> JobStatus:
    """The status of a job once its message holds these words."""

    def look() -> JobStatus | None:
        found = harness.executor.record(job_id).status
        return found if words in found.message else None

    found: JobStatus = until(look, 60)
    assert found.state is JobState.QUEUED
    return found


def test_the_place_in_the_queue_is_a_number_of_the_status(harness):
    running = harness.submit(SLEEP)
    harness.until_printed(running, b"began")
    both = [harness.submit(SLEEP), harness.submit(SLEEP)]
    until(lambda: {harness.executor.record(each).status.ahead for each in both} == {0, 1})
    assert harness.executor.record(running).status.ahead is None


def test_a_priority_that_is_gone_is_named(queues, harness):
    queues.add_priority("urgent")
    urgent = queues.called("urgent")
    # The queue and the priority are checked once a minute.
    assert harness.executor.record(harness.submit(SLEEP, priority=urgent)).spec.priority == urgent
    queues.remove(f"{BASE}/workloadpriorityclasses/{urgent}")
    found = waits(harness, harness.submit(SLEEP, priority=urgent), urgent)
    assert found.message == (
        f"waiting: in queue research; there is no priority {urgent} (WorkloadPriorityClass), so the queue "
        "does not take it up: cancel it, and submit it with another"
    )


@pytest.mark.parametrize("of", ["local", "behind"])
def test_a_stopped_queue_is_told_and_one_that_is_drained(queues, harness, of):
    path = getattr(queues, of)("research")
    told = {
        "local": "the queue is stopped by an administrator",
        "behind": f"the ClusterQueue {queues.called('research')} behind it is stopped by an administrator",
    }[of]
    runs = harness.submit(SLEEP)
    harness.until_printed(runs, b"began")
    queues.stop(path, "Hold")
    try:
        job_id = harness.submit(SLEEP)
        found = waits(harness, job_id, told)
        assert found.message.endswith(f"in queue research; {told}")
        assert harness.executor.record(runs).status.state is JobState.RUNNING
        queues.stop(path, "HoldAndDrain")
        waits(harness, runs, "requeued, because its queue was stopped and drained")
        assert waits(harness, runs, told).message.startswith("requeued")
    finally:
        queues.stop(path, None)
    until(
        lambda: JobState.RUNNING in {harness.executor.record(each).status.state for each in (runs, job_id)},
        90,
    )


def test_admission_checks_are_named_with_what_they_say(cluster, state, queues, harness):
    other = Harness(cluster.executor(state, queue="checked", cpu=0.6), state / "objects")
    budget = queues.called("budget")
    job_id = other.submit(SLEEP)
    found = waits(other, job_id, "admission check")
    assert found.message == (
        f"waiting: in queue checked, with its quota reserved; admission check {budget} has not passed yet"
    )
    queues.answer(job_id, "Pending", "Ada looks at it.")
    waits(other, job_id, "has not passed yet (Ada looks at it)")
    queues.answer(job_id, "Rejected", "Nothing is left")
    found = waits(other, job_id, "not let start from queue checked")
    assert found.message == (
        f'waiting: not let start from queue checked, because admission check "{budget}" (Nothing is left) '
        "refused it: cancel it, or ask the cluster's administrators"
    )


def test_a_queue_that_lost_what_is_behind_it_says_so(cluster, state, queues, harness):
    queues.add("lost", MANY)
    lost = queues.called("lost")
    other = Harness(cluster.executor(state, queue="lost", cpu=0.6), state / "objects")
    queues.remove(queues.behind("lost", "resourceflavors"))
    job_id = other.submit(SLEEP)
    found = waits(other, job_id, "not active")
    assert found.message.endswith(
        f"the ClusterQueue {lost} behind it is not active (references missing ResourceFlavor(s): {lost}): "
        "ask the cluster's administrators"
    )
    queues.remove(queues.behind("lost"))
    found = waits(other, job_id, "does not exist")
    assert f"the ClusterQueue {lost} behind it does not exist: ask" in found.message


def test_without_the_right_to_see_workloads_the_queue_itself_is_asked(cluster, state, queues):
    if cluster.fake is None:
        pytest.skip("users with few rights are made on the fake")
    eve = Login(context="eve", kubeconfig=cluster.fake.kubeconfig_for("eve"))
    profile = cluster.profile(queue="research", cpu=0.6)
    made = Harness(KubernetesExecutor("site", eve, profile, state, agents=False), state / "objects")
    with queues.stopped(queues.local("research")):
        job_id = made.submit(SLEEP)
        found = waits(made, job_id, "in queue research")
        assert found.message == "waiting: in queue research; the queue is stopped by an administrator"
    until(lambda: made.executor.record(job_id).status.state is JobState.RUNNING)
    other = made.submit(SLEEP)
    found = waits(made, other, "in queue research")
    assert found.message == (
        "waiting: in queue research; what Kueue says of it needs the right to list workloads"
    )
    for each in (job_id, other):
        made.executor.cancel(each)
        made.executor.wait(each, 60)
