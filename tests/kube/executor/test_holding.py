"""Jobs that are held back on a cluster: in no queue, without quota, and let go once when it is time."""

from __future__ import annotations

import threading
import time

import pytest

from sovlab.core.event import StatusChanged
from sovlab.core.job import JobState, Reason
from sovlab.core.spec import Deferral
from sovlab.errors import JobNotFound
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.executors.kubernetes.holding import is_held, let_go
from sovlab.kube import labels
from sovlab.kube.objects.manifests import API_VERSIONS
from tests.executors.conftest import Harness
from tests.kube.apiserver.faults import respond
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

FAR = 3600.0
COUNT = "with open({runs!r}, 'a') as file:\n    file.write('run\\n')\ny = 2"

outlives = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""A process is left behind, which is what the test is about."""


@pytest.fixture(scope="module", params=[False, True], ids=["queue", "default"])
def cluster(request):
    """One with a queue that has room for one job; or one where Kueue puts all jobs into its own, too."""
    with fake_cluster(kueue=True, trainer=True) as found:
        found.fake.add_queue("research", {"cpu": "1", "memory": "4Gi"}, namespace="research")
        if request.param:
            found.fake.add_queue("default", {"cpu": "2", "memory": "8Gi"}, namespace="research")
        found.has_default = request.param
        yield found
        assert found.fake.failures == []


@pytest.fixture
def harness(cluster, state):
    made = Harness(cluster.executor(state, queue="research", cpu=0.6), state / "objects")
    yield made
    for record in made.executor.records():
        if not record.status.state.ended:
            made.executor.cancel(record.id)


def deferred(seconds: float, duration: float = 1.0) -> dict:
    """What is said of a request that is to start in some seconds, by a forecast that falls then."""
    now = time.time()
    times = (now, now + seconds, now + seconds + FAR)
    forecast = {"signal": "carbon intensity", "unit": "gCO2e/kWh", "times": times, "values": (340.0, 210.0)}
    deferral = Deferral(asked=now, start=now + seconds, duration=duration, **forecast)
    return {"deferral": deferral, "finish_by": now + seconds + FAR}


def come(cluster, job_id, seconds=-1.0, kind="jobs", group="apis/batch/v1"):
    """Have the start of a job come now, or in some seconds; when that is."""
    when = time.time() + seconds
    cluster.api.patch(
        cluster.path(kind, job_id, group), {"metadata": {"annotations": {labels.HELD: f"{when!r}"}}}
    )
    return when


def workload(cluster, job_id, kind="jobs"):
    return cluster.fake.get(kind, job_id, "research")


def reserved(cluster):
    """Names of the jobs that have quota."""
    found = cluster.api.get("/apis/kueue.x-k8s.io/v1beta2/namespaces/research/workloads").get("items") or []
    return [
        item["metadata"]["ownerReferences"][0]["name"]
        for item in found
        if any(
            c["type"] == "QuotaReserved" and c["status"] == "True"
            for c in (item.get("status") or {}).get("conditions") or ()
        )
    ]


def test_a_job_that_is_held_back_is_in_no_queue_and_says_until_when(cluster, harness):
    job_id = harness.submit("1", **deferred(FAR))
    found = workload(cluster, job_id)
    queue = found["metadata"]["labels"].get(labels.QUEUE)
    assert queue == (labels.NO_QUEUE if cluster.has_default else None)
    told = found["metadata"]["annotations"]
    assert float(told[labels.HELD]) == pytest.approx(time.time() + FAR, abs=60)
    assert float(told[labels.DEADLINE]) == pytest.approx(time.time() + 2 * FAR, abs=60)
    assert found["spec"]["suspend"] is True
    record = harness.executor.record(job_id)
    assert (record.status.state, record.status.reason) == (JobState.PENDING, Reason.DEFERRED)
    assert record.status.due == record.spec.deferral.start
    assert record.status.message.startswith("waiting until ")
    assert "lowest carbon intensity" in record.status.message
    # All of the queue's quota is for others meanwhile.
    other = harness.submit("y = 1", outputs=("y",))
    assert harness.executor.wait(other, 60).status.state is JobState.SUCCEEDED
    assert job_id not in reserved(cluster)
    assert workload(cluster, job_id)["spec"]["suspend"] is True


def test_it_gets_its_queue_when_its_start_has_come_for_whoever_waits(cluster, harness, state):
    runs = state / "runs"
    job_id = harness.submit(COUNT.format(runs=str(runs)), outputs=("y",), **deferred(FAR))
    assert harness.executor.record(job_id).status.reason is Reason.DEFERRED
    when = come(cluster, job_id, 2)
    seen = [e.status for e in harness.executor.events(job_id) if isinstance(e, StatusChanged)]
    assert seen[-1].state is JobState.SUCCEEDED
    found = workload(cluster, job_id)
    assert found["metadata"]["labels"][labels.QUEUE] == "research"
    assert not is_held(found)
    assert seen[-1].started >= when - 1  # which the cluster tells in whole seconds
    assert runs.read_text() == "run\n"


@pytest.mark.parametrize("how", ["record", "records", "wait"])
def test_another_client_lets_it_go_where_nobody_else_is_left(cluster, state, how):
    harness = Harness(cluster.executor(state, queue="research", cpu=0.6), state / "objects")
    job_id = harness.submit("y = 2", outputs=("y",), **deferred(FAR))
    elsewhere = cluster.executor(state / "elsewhere")
    look = {
        "record": lambda: elsewhere.record(job_id),
        "records": elsewhere.records,
        "wait": lambda: elsewhere.wait(job_id, 60),
    }[how]
    elsewhere.record(job_id), elsewhere.records()
    assert is_held(workload(cluster, job_id))
    come(cluster, job_id)

    def let_go() -> bool:
        look()
        return not is_held(workload(cluster, job_id))

    until(let_go)
    assert elsewhere.wait(job_id, 60).status.state is JobState.SUCCEEDED


def test_two_that_let_it_go_at_once_do_it_once(cluster, harness, state):
    runs = state / "runs"
    job_id = harness.submit(COUNT.format(runs=str(runs)), **deferred(FAR))
    path = cluster.path("jobs", job_id, group="apis/batch/v1")
    begin, did = threading.Barrier(4), []

    def one() -> None:
        begin.wait(30)
        did.append(let_go(cluster.api, path))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(did) == [False, False, False, True]
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert runs.read_text() == "run\n"


def test_nobody_lets_go_what_is_not_due_or_not_complete(cluster, harness):
    job_id = harness.submit("1", **deferred(FAR))
    incomplete = harness.submit("1", **deferred(FAR))
    path = cluster.path("jobs", incomplete, group="apis/batch/v1")
    cluster.api.patch(path, {"metadata": {"annotations": {labels.READY: None}}})
    come(cluster, incomplete)
    for each in (job_id, incomplete):
        harness.executor.record(each)
        assert is_held(workload(cluster, each))


def test_one_that_may_not_be_changed_is_still_shown(cluster, harness):
    job_id = harness.submit("y = 2", outputs=("y",), **deferred(FAR))
    come(cluster, job_id)
    fault = cluster.fake.faults.add("patch jobs", respond(403, "not yours"), times=None)
    until(lambda: "its time has come" in harness.executor.record(job_id).status.message)
    assert harness.executor.record(job_id).status.state is JobState.PENDING
    cluster.fake.faults.remove(fault)
    elsewhere = cluster.executor(harness.objects.parent / "elsewhere")
    assert elsewhere.wait(job_id, 60).status.state is JobState.SUCCEEDED


def test_a_job_that_is_cancelled_while_it_is_held_back_never_runs(cluster, harness):
    job_id = harness.submit("print('never')", **deferred(FAR))
    harness.executor.cancel(job_id)
    told = harness.executor.wait(job_id, 30).status
    assert (told.state, told.due) == (JobState.CANCELLED, None)
    assert told.message == "It was cancelled before it started."
    assert workload(cluster, job_id) is None
    with pytest.raises(JobNotFound):
        cluster.executor(harness.objects.parent / "elsewhere").record(job_id)


def test_a_submit_whose_answer_was_lost_makes_one_job_that_is_held_back(cluster, harness):
    spec, path = harness.spec("1", **deferred(FAR))
    for _ in range(2):
        harness.executor.submit("again-abcdef", spec, path, {})
    assert [record.id for record in harness.executor.records()].count("again-abcdef") == 1
    assert is_held(workload(cluster, "again-abcdef"))


@pytest.mark.parametrize("kind", ["jobset", "trainjob"])
def test_several_nodes_are_held_back_as_one(cluster, state, kind):
    harness = Harness(
        cluster.executor(state, queue="research", cpu=0.3, workload=kind, priority=None), state / "objects"
    )
    job_id = harness.submit("1", nodes=2, **deferred(FAR))
    found = workload(cluster, job_id, f"{kind}s")
    assert found["metadata"]["labels"].get(labels.QUEUE) in (None, labels.NO_QUEUE)
    assert harness.executor.record(job_id).status.reason is Reason.DEFERRED
    come(
        cluster,
        job_id,
        -1.0,
        f"{kind}s",
        f"apis/{API_VERSIONS[harness.executor._objects.of_job(job_id).kind.name]}",
    )
    assert harness.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED
    assert workload(cluster, job_id, f"{kind}s")["metadata"]["labels"][labels.QUEUE] == "research"


def test_without_a_queue_it_runs_when_its_start_has_come_or_in_the_queue_of_the_cluster(cluster, state):
    harness = Harness(cluster.executor(state, cpu=0.6), state / "objects")
    job_id = harness.submit("y = 2", outputs=("y",), **deferred(FAR))
    assert workload(cluster, job_id)["spec"]["suspend"] is True
    come(cluster, job_id)
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    queue = workload(cluster, job_id)["metadata"]["labels"].get(labels.QUEUE)
    assert queue == ("default" if cluster.has_default else None)


def test_a_cluster_that_will_not_try_gets_no_job_into_its_queue(cluster, state, monkeypatch):
    monkeypatch.setattr("sovlab.executors.kubernetes.holding.keep_out", lambda *_: None)
    harness = Harness(cluster.executor(state, cpu=8), state / "objects")  # more than the queue can give
    job_id = harness.submit("1", **deferred(FAR))
    queue = workload(cluster, job_id)["metadata"]["labels"].get(labels.QUEUE)
    assert queue == (labels.NO_QUEUE if cluster.has_default else None)
    harness.executor.cancel(job_id)


def test_a_held_job_that_somebody_runs_by_hand_runs(cluster, state):
    harness = Harness(cluster.executor(state, cpu=0.1), state / "objects")
    job_id = harness.submit("y = 2", outputs=("y",), **deferred(FAR))
    path = cluster.path("jobs", job_id, group="apis/batch/v1")
    if cluster.has_default:
        cluster.api.patch(path, {"metadata": {"labels": {labels.QUEUE: "default"}}})
    else:
        cluster.api.patch(path, {"spec": {"suspend": False}})
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED


@pytest.mark.parametrize("told", ["", "soon", "-1", "1e400", "9" * 400])
def test_a_start_that_is_none_holds_nothing_for_ever(cluster, harness, told):
    job_id = harness.submit("y = 2", outputs=("y",), **deferred(FAR))
    path = cluster.path("jobs", job_id, group="apis/batch/v1")
    cluster.api.patch(path, {"metadata": {"annotations": {labels.HELD: told}}})
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED


@outlives
def test_the_agent_lets_it_go_when_nobody_looks(cluster, state):
    profile = cluster.profile(queue="research", cpu=0.6)
    executor = KubernetesExecutor("cluster", cluster.login, profile, state)
    job_id = Harness(executor, state / "objects").submit("y = 2", outputs=("y",), **deferred(FAR))
    come(cluster, job_id, 2)
    until(lambda: not is_held(workload(cluster, job_id)), 60)
    assert cluster.executor(state / "elsewhere").wait(job_id, 60).status.state is JobState.SUCCEEDED
    until(lambda: job_id not in executor.local_state.requested(), 60)  # the agent has done its work


@outlives
def test_a_list_starts_the_agent_again_that_went_with_the_machine(cluster, state):
    profile = cluster.profile(queue="research", cpu=0.6)
    executor = KubernetesExecutor("cluster", cluster.login, profile, state)
    quiet = KubernetesExecutor("cluster", cluster.login, profile, state, agents=False)
    job_id = Harness(quiet, state / "objects").submit("y = 2", outputs=("y",), **deferred(FAR))
    quiet.local_state.request_transfer(job_id)  # all that is left of an agent that was killed
    assert job_id in [record.id for record in executor.records()]
    come(cluster, job_id, 2)
    until(lambda: not is_held(workload(cluster, job_id)), 60)
    until(lambda: job_id not in executor.local_state.requested(), 60)
