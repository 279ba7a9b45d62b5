"""The fake cluster with Kueue, JobSet and Trainer installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kube.apiserver import FakeCluster, edit, kueue_user
from tests.kube.apiserver.client import Client, eventually

NS = "/api/v1/namespaces/default"
WAIT = "trap 'exit 9' TERM; while true; do sleep 0.05; done"


@pytest.fixture
def queued(tmp_path: Path) -> Iterator[FakeCluster]:
    users = {"ada": (*edit("default"), *kueue_user("default"))}
    with FakeCluster(tmp_path / "c", kueue=True, users=users) as made:
        made.add_queue("research", {"cpu": 4}, preempt=True)
        yield made
        assert made.failures == []


@pytest.fixture
def sets(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path / "c", trainer=True) as made:
        yield made
        assert made.failures == []


def job(
    name: str, cpu: int = 2, script: str = WAIT, queue: str = "research", **labels: str
) -> dict[str, Any]:
    main = {
        "name": "main",
        "image": "i",
        "command": ["sh", "-c", script],
        "resources": {"requests": {"cpu": cpu}},
    }
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [main]}
    metadata = {"name": name, "labels": {"kueue.x-k8s.io/queue-name": queue, **labels}}
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def condition(found: dict[str, Any] | None, kind: str) -> dict[str, Any]:
    conditions = ((found or {}).get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == kind), {})


def workload(cluster: FakeCluster, name: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = cluster.get("jobs", name)
        assert found is not None
        uid = found["metadata"]["uid"]
        all_of = cluster.list("workloads")
        return next((w for w in all_of if w["metadata"]["labels"]["kueue.x-k8s.io/job-uid"] == uid), None)

    return eventually(look)  # type: ignore[no-any-return]


def test_jobs_with_a_queue_wait_for_quota(queued: FakeCluster) -> None:
    made = queued.create(job("first"))
    assert made["spec"]["suspend"] is True
    eventually(lambda: queued.get("jobs", "first")["spec"]["suspend"] is False)
    assert condition(workload(queued, "first"), "Admitted")["message"] == "The workload is admitted"
    queued.create(job("second"))
    eventually(lambda: queued.get("jobs", "second")["spec"]["suspend"] is False)
    queued.create(job("third"))
    queued.create(job("huge", cpu=9))
    third = eventually(lambda: condition(workload(queued, "third"), "QuotaReserved"))
    assert (third["status"], third["reason"]) == ("False", "WaitingForQuota")
    assert third["message"] == (
        "couldn't assign flavors to pod set main: insufficient unused quota for cpu in flavor research-all, "
        "2 more needed"
    )
    assert (
        eventually(lambda: condition(workload(queued, "huge"), "QuotaReserved"))["reason"]
        == "ExceedsMaxQuota"
    )
    queued.delete("jobs", "first", policy="Background")
    eventually(lambda: queued.get("jobs", "third")["spec"]["suspend"] is False)
    assert queued.get("jobs", "huge")["spec"]["suspend"] is True


def test_a_queue_that_is_not_there_admits_nothing(queued: FakeCluster) -> None:
    queued.create(job("lost", queue="nowhere"))
    found = eventually(lambda: condition(workload(queued, "lost"), "QuotaReserved"))
    assert (found["reason"], found["message"]) == ("Misconfigured", "LocalQueue nowhere doesn't exist")
    assert queued.get("jobs", "lost")["spec"]["suspend"] is True


@pytest.mark.parametrize(
    ("kind", "name", "reason"),
    [
        ("localqueues", "research", "LocalQueueStopped"),
        ("clusterqueues", "research-all", "ClusterQueueStopped"),
    ],
)
def test_queues_that_are_stopped_admit_nothing_and_drained_ones_take_back(
    queued: FakeCluster, kind: str, name: str, reason: str
) -> None:
    queued.create(job("runs"))
    eventually(lambda: queued.get("jobs", "runs")["status"].get("active"))
    queued.update(kind, name, lambda q: q["spec"].update(stopPolicy="Hold"))
    queued.create(job("waits"))
    found = eventually(lambda: condition(workload(queued, "waits"), "QuotaReserved"))
    stopped = f"{reason.removesuffix('Stopped')} {name} is stopped"
    assert (found["reason"], found["message"]) == ("Suspended", stopped)
    assert queued.get("jobs", "runs")["spec"]["suspend"] is False
    queued.update(kind, name, lambda q: q["spec"].update(stopPolicy="HoldAndDrain"))
    eventually(lambda: queued.get("jobs", "runs")["spec"]["suspend"] is True)
    taken = condition(workload(queued, "runs"), "Evicted")
    assert (taken["reason"], taken["status"]) == (reason, "True")
    queued.update(kind, name, lambda q: q["spec"].pop("stopPolicy"))
    for each in ("runs", "waits"):
        eventually(lambda each=each: queued.get("jobs", each)["spec"]["suspend"] is False)


def answer(cluster: FakeCluster, name: str, state: str, message: str = "") -> None:
    """What an admission check's controller does."""
    made = workload(cluster, name)["metadata"]["name"]

    def edit(found: dict[str, Any]) -> None:
        found["status"]["admissionChecks"][0].update(state=state, message=message)

    cluster.update("workloads", made, edit, sub="status")


def test_jobs_start_once_their_admission_checks_have_passed(queued: FakeCluster) -> None:
    queued.add_queue("checked", {"cpu": 4}, checks=["budget"])
    for name, state in (("good", "Ready"), ("bad", "Rejected"), ("later", "Retry")):
        queued.create(job(name, cpu=1, queue="checked"))
        eventually(
            lambda name=name: condition(workload(queued, name), "QuotaReserved").get("status") == "True"
        )
        admitted = condition(workload(queued, name), "Admitted")
        assert (admitted["status"], admitted["reason"]) == ("False", "UnsatisfiedAdmissionChecks")
        assert queued.get("jobs", name)["spec"]["suspend"] is True
        answer(queued, name, state, "so it is")
    eventually(lambda: queued.get("jobs", "good")["spec"]["suspend"] is False)
    eventually(lambda: workload(queued, "bad")["spec"]["active"] is False)
    told = eventually(lambda: condition(workload(queued, "bad"), "Evicted"))
    assert told["reason"] == "DeactivatedDueToAdmissionCheck"
    assert 'AdmissionCheck in Rejected state: "budget" (so it is)' in told["message"]

    def tried_again() -> bool:
        check = workload(queued, "later")["status"]["admissionChecks"][0]
        return check["state"] == "Pending" and "Previously: Retry" in check["message"]

    eventually(tried_again)


def test_a_queue_whose_check_is_not_there_is_not_active(queued: FakeCluster) -> None:
    queued.add_queue("odd", {"cpu": 1}, checks=["idle"])
    queued.delete("admissionchecks", "idle")

    def active() -> dict[str, Any]:
        return condition(queued.get("clusterqueues", "odd-all"), "Active")

    eventually(lambda: active().get("reason") == "AdmissionCheckNotFound")
    local = eventually(lambda: condition(queued.get("localqueues", "odd"), "Active"))
    assert (local["status"], local["reason"]) == ("False", "ClusterQueueIsInactive")


def test_users_see_their_place_in_the_queue(queued: FakeCluster) -> None:
    for name in ("a", "b", "c", "d"):
        queued.create(job(name))
        if name in "ab":
            eventually(lambda name=name: queued.get("jobs", name)["spec"]["suspend"] is False)
    ada = Client(queued, "ada")
    path = "/apis/visibility.kueue.x-k8s.io/v1beta2/namespaces/default/localqueues/research/pendingworkloads"

    def places() -> list[tuple[str, int]]:
        found = ada.get(path).json["items"]
        return [(item["metadata"]["name"].split("-")[1], item["positionInLocalQueue"]) for item in found]

    # Those of one second stand in any order.
    eventually(lambda: places() in ([("c", 0), ("d", 1)], [("d", 0), ("c", 1)]))
    assert ada.get("/apis/kueue.x-k8s.io/v1beta2/clusterqueues").code == 403
    queue = ada.get("/apis/kueue.x-k8s.io/v1beta2/namespaces/default/localqueues/research").json
    assert queue["status"]["pendingWorkloads"] == 2
    used = queue["status"]["flavorsUsage"][0]["resources"]
    assert used == [{"name": "cpu", "total": "4"}]


def test_a_higher_priority_takes_the_place_of_a_lower(queued: FakeCluster) -> None:
    head = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass"}
    queued.create({**head, "metadata": {"name": "high"}, "value": 100})
    queued.create(job("low", cpu=4))
    eventually(lambda: (queued.get("jobs", "low")["status"] or {}).get("active"))
    queued.create(job("urgent", cpu=4, **{"kueue.x-k8s.io/priority-class": "high"}))
    eventually(lambda: (queued.get("jobs", "urgent")["status"] or {}).get("active"))
    low = queued.get("jobs", "low")
    assert low["spec"]["suspend"] is True
    assert "failed" not in low["status"]
    evicted = condition(workload(queued, "low"), "Evicted")
    assert (evicted["status"], evicted["reason"]) == ("True", "Preempted")
    assert condition(workload(queued, "low"), "Requeued")["status"] == "True"
    queued.delete("jobs", "urgent", policy="Background")
    eventually(lambda: (queued.get("jobs", "low")["status"] or {}).get("active"))
    assert condition(workload(queued, "low"), "Evicted")["status"] == "False"


def jobset(name: str, script: str, **spec: Any) -> dict[str, Any]:
    main = {"name": "main", "image": "i", "command": ["sh", "-c", script]}
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [main]}
    inner = {"backoffLimit": 0, "parallelism": 2, "completions": 2, "template": {"spec": pod}}
    replicated = [{"name": "node", "template": {"spec": inner}}]
    head = {"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "metadata": {"name": name}}
    return {**head, "spec": {"replicatedJobs": replicated, **spec}}


def test_a_jobset_runs_its_jobs_with_names_for_their_pods(sets: FakeCluster) -> None:
    sets.create(jobset("js", "echo I am $HOSTNAME of js-node-0-0.js"))
    done = eventually(lambda: condition(sets.get("jobsets", "js"), "Completed"))
    assert (done["reason"], done["message"]) == ("AllJobsCompleted", "jobset completed successfully")
    assert sets.get("services", "js")["spec"]["clusterIP"] == "None"
    made = sets.get("jobs", "js-node-0")
    assert made["spec"]["completionMode"] == "Indexed"
    api = Client(sets)
    first = next(p for p in sets.list("pods") if p["spec"]["hostname"] == "js-node-0-0")
    address = first["status"]["podIP"]
    texts = [api.get(f"{NS}/pods/{p['metadata']['name']}/log").raw.decode() for p in sets.list("pods")]
    assert sorted(texts) == [f"I am js-node-0-{index} of {address}\n" for index in range(2)]
    sets.delete("jobsets", "js", policy="Background")
    eventually(lambda: not sets.list("jobs") and not sets.list("pods") and sets.get("services", "js") is None)


def test_a_jobset_starts_all_over_as_often_as_it_may(sets: FakeCluster) -> None:
    policy = {"maxRestarts": 2, "restartStrategy": "BlockingRecreate"}
    sets.create(jobset("js", "exit 1", failurePolicy=policy))
    failed = eventually(lambda: condition(sets.get("jobsets", "js"), "Failed"))
    assert failed["reason"] == "ReachedMaxRestarts"
    assert failed["message"] == (
        "jobset failed due to reaching max number of restarts (first failed job: js-node-0)"
    )
    assert sets.get("jobsets", "js")["status"]["restarts"] == 2


def test_a_suspended_jobset_runs_nothing(sets: FakeCluster) -> None:
    sets.create(jobset("js", "true", suspend=True))
    eventually(lambda: condition(sets.get("jobsets", "js"), "Suspended").get("status") == "True")
    eventually(lambda: sets.get("jobs", "js-node-0"))
    assert sets.list("pods") == []
    sets.update("jobsets", "js", lambda one: one["spec"].update(suspend=False))
    eventually(lambda: condition(sets.get("jobsets", "js"), "Completed"))


def test_a_trainjob_gives_torchrun_what_it_reads(sets: FakeCluster) -> None:
    trainer = {
        "image": "i",
        "command": ["sh", "-c", "env | grep PET_ | sort"],
        "numNodes": 2,
        "numProcPerNode": 1,
        "resourcesPerNode": {"limits": {"cpu": 1}},
    }
    spec = {"runtimeRef": {"name": "torch-distributed"}, "trainer": trainer}
    head = {"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "metadata": {"name": "tj"}}
    sets.create({**head, "spec": spec})
    eventually(lambda: condition(sets.get("trainjobs", "tj"), "Complete"))
    api = Client(sets)
    pods = {p["spec"]["hostname"]: p for p in sets.list("pods")}
    address = pods["tj-node-0-0"]["status"]["podIP"]
    text = api.get(f"{NS}/pods/{pods['tj-node-0-1']['metadata']['name']}/log").raw.decode()
    assert text.splitlines() == [
        f"PET_MASTER_ADDR={address}",
        "PET_MASTER_PORT=29500",
        "PET_NNODES=2",
        "PET_NODE_RANK=1",
        "PET_NPROC_PER_NODE=1",
    ]
    refused = api.post(
        "/apis/trainer.kubeflow.org/v1alpha1/namespaces/default/trainjobs",
        {**head, "metadata": {"name": "other"}, "spec": {"runtimeRef": {"name": "none"}}},
    )
    assert refused.code == 403
    assert "denied the request" in refused.message


def test_jobsets_and_trainjobs_wait_in_the_queue_as_a_whole(tmp_path: Path) -> None:
    label = {"kueue.x-k8s.io/queue-name": "research"}
    trainer = {"image": "i", "command": ["true"], "numNodes": 2, "resourcesPerNode": {"requests": {"cpu": 1}}}
    train = {
        "apiVersion": "trainer.kubeflow.org/v1alpha1",
        "kind": "TrainJob",
        "metadata": {"name": "tj", "labels": label},
        "spec": {"runtimeRef": {"name": "torch-distributed"}, "trainer": trainer},
    }
    js = jobset("js", "true")
    js["metadata"]["labels"] = label
    container = js["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]
    container["resources"] = {"requests": {"cpu": 2}}
    with FakeCluster(tmp_path / "c", kueue=True, trainer=True) as cluster:
        cluster.add_queue("research", {"cpu": 3})
        assert cluster.create(js)["spec"]["suspend"] is True
        assert cluster.create(train)["spec"]["suspend"] is True
        eventually(lambda: condition(cluster.get("trainjobs", "tj"), "Complete"))
        assert cluster.get("jobsets", "js")["spec"]["suspend"] is True
        (waiting,) = [w for w in cluster.list("workloads") if w["metadata"]["name"].startswith("jobset-js-")]
        assert condition(waiting, "QuotaReserved")["reason"] == "ExceedsMaxQuota"
        assert cluster.failures == []


def test_what_is_not_installed_is_not_there(tmp_path: Path) -> None:
    with FakeCluster(tmp_path / "c") as cluster:
        api = Client(cluster)
        assert api.get("/apis/jobset.x-k8s.io/v1alpha2/namespaces/default/jobsets").code == 404
        assert api.get("/apis/kueue.x-k8s.io").code == 404
