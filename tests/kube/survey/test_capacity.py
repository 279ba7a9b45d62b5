"""What a cluster of two vendors has free, and what waits for it: nodes, pods, and queues of Kueue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sovlab.backends.choice import automatic
from sovlab.client import Call
from sovlab.client.submitting import draft
from sovlab.core.capacity import Capacity
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.survey import queues
from sovlab.kube.transport.connection import Login
from sovlab.options.job import from_keywords
from sovlab.settings import Defaults
from tests.kube.apiserver import FakeCluster, edit, kueue_user
from tests.kube.apiserver.access.auth import Rule
from tests.kube.apiserver.client import eventually
from tests.kube.apiserver.handles import Node

CUDA, ROCM = "nvidia.com/gpu", "amd.com/gpu"
NODES = [
    Node("green-1", {"cpu": "16", "memory": "32Gi", CUDA: "4"}),
    Node("green-2", {"cpu": "16", "memory": "32Gi", CUDA: "4"}),
    Node("red-1", {"cpu": "16", "memory": "32Gi", ROCM: "8"}),
]
SEES = (Rule(("list",), ("nodes", "pods")),)
QUEUES = Rule(("get",), ("clusterqueues",), ("kueue.x-k8s.io",))
WAIT = "trap 'exit 9' TERM; while true; do sleep 0.05; done"


@pytest.fixture
def cluster(tmp_path: Path):
    users = {
        "ada": (*edit("default"), *kueue_user("default"), *SEES),
        "eve": (*edit("default"), *kueue_user("default"), *SEES, QUEUES),
        "bob": edit("default"),
    }
    with FakeCluster(tmp_path / "c", NODES, kueue=True, users=users, namespaces=["others"]) as made:
        yield made
        assert made.failures == []


def job(name: str, resource: str, amount: int, queue: str = "") -> dict[str, Any]:
    main = {
        "name": "main",
        "image": "i",
        "command": ["sh", "-c", WAIT],
        "resources": {"limits": {resource: amount}, "requests": {resource: amount, "cpu": 1}},
    }
    pod = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [main]}
    labels = {"kueue.x-k8s.io/queue-name": queue} if queue else {}
    spec = {"backoffLimit": 0, "template": {"spec": pod}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
    }


def executor(cluster: FakeCluster, state: Path, who: str = "eve", **profile: Any) -> KubernetesExecutor:
    made = ClusterProfile(**{"namespace": "default", "image": "i", **profile})
    return KubernetesExecutor(
        "site", Login(context=who, kubeconfig=cluster.kubeconfig), made, state, agents=False
    )


def seen(cluster: FakeCluster, state: Path, who: str = "eve", **profile: Any) -> dict[str, Capacity]:
    found = executor(cluster, state, who, **profile).capacity()
    return {each.detection.backend: each for each in found}


def running(cluster: FakeCluster, name: str, namespace: str = "default") -> None:
    def look() -> bool:
        status = (cluster.get("jobs", name, namespace) or {}).get("status") or {}
        return bool(status.get("active")) and all(
            pod["spec"].get("nodeName")
            for pod in cluster.list("pods", namespace)
            if pod["metadata"]["labels"].get("job-name") == name
        )

    eventually(look)


def test_what_is_free_lies_on_nodes_and_pods_that_no_node_takes_wait(cluster, state):
    cluster.create(job("holds", CUDA, 3))
    running(cluster, "holds")
    cluster.create(job("waits", CUDA, 4))
    cluster.create(job("larger", CUDA, 8))
    running(cluster, "waits")
    found = eventually(lambda: (s := seen(cluster, state))["cuda"].queued == 1 and s)
    cuda, rocm = found["cuda"], found["rocm"]
    assert (cuda.total, cuda.free, cuda.largest) == (8, 1, 4)
    assert sorted(cuda.free_by_node) == [0, 1]
    assert (rocm.total, rocm.free, rocm.queued, rocm.largest) == (8, 8, 0, 8)
    assert {"green-1", "green-2"} <= set(cuda.nodes)
    assert "red-1" not in cuda.nodes
    assert cuda.seen is not None
    choice = automatic(0, list(found.values()))
    assert choice.why == (
        "rocm, because 8 of 8 GPUs are free, nobody waits; cuda was passed over: 1 waits for it."
    )
    assert automatic(2, list(found.values())).passed["cuda"] == "1 of 8 GPUs is free"
    assert automatic(8, list(found.values())).passed == {}, "no node of cuda's is so large"


def test_the_quota_that_a_queue_leaves_and_what_waits_in_it_count(cluster, state):
    cluster.add_queue("research", {"cpu": 64, CUDA: 2, ROCM: 6})
    found = eventually(lambda: (s := seen(cluster, state, queue="research"))["cuda"].free == 2 and s)
    assert (found["rocm"].free, found["rocm"].queued) == (6, 0)
    assert automatic(0, list(found.values())).backend.name == "cuda"
    cluster.create(job("holds", CUDA, 2, "research"))
    running(cluster, "holds")
    cluster.create(job("waits", CUDA, 1, "research"))

    def look() -> dict[str, Capacity] | None:
        queues._SEEN.clear()
        found = seen(cluster, state, queue="research")
        return found if found["cuda"].queued == 1 and found["cuda"].free == 0 else None

    found = eventually(look)
    assert "queue research" in found["cuda"].source
    choice = automatic(0, list(found.values()))
    assert choice.backend.name == "rocm"
    assert choice.passed == {"cuda": "0 of 8 GPUs are free"}
    assert automatic(2, list(found.values())).backend.name == "rocm"
    # Who may not see the ClusterQueue knows what waits in the namespace, and not what is left.
    mine = seen(cluster, state, "ada", queue="research")
    assert (mine["cuda"].free, mine["cuda"].queued, mine["rocm"].queued) == (6, 1, 0)
    assert "needs the right to get clusterqueues" in mine["cuda"].source


def test_what_others_have_waiting_in_a_queue_is_not_taken_for_nobody(cluster, state):
    cluster.add_queue("research", {"cpu": 64, CUDA: 2, ROCM: 6}, cluster_queue="all")
    local = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "LocalQueue", "metadata": {"name": "theirs"}}
    cluster.create({**local, "spec": {"clusterQueue": "all"}}, "others")
    cluster.create(job("first", CUDA, 2, "theirs"), "others")
    running(cluster, "first", "others")
    cluster.create(job("second", CUDA, 2, "theirs"), "others")

    def look() -> dict[str, Capacity] | None:
        queues._SEEN.clear()
        found = seen(cluster, state, queue="research")
        return found if "1 wait" in found["cuda"].source else None

    found = eventually(look)
    assert (found["cuda"].free, found["cuda"].queued, found["rocm"].queued) == (0, None, None)
    assert "of all namespaces" in found["cuda"].source


def test_a_queue_that_is_stopped_leaves_nothing(cluster, state):
    cluster.add_queue("research", {"cpu": 64, CUDA: 2})
    cluster.update(
        "clusterqueues", "research-all", lambda queue: queue["spec"].update(stopPolicy="Hold"), namespace=""
    )
    found = seen(cluster, state, queue="research")
    assert found["cuda"].free == 0
    assert "stopped" in found["cuda"].source


def test_what_a_queue_has_no_quota_of_is_not_taken(cluster, state):
    cluster.add_queue("research", {"cpu": 64, CUDA: 2})
    found = seen(cluster, state, queue="research")
    assert found["rocm"].free == 0
    assert "no quota of amd.com/gpu" in found["rocm"].source
    assert automatic(1, list(found.values())).passed == {}, "it would wait for ever"


def test_the_queue_that_a_job_names_counts_rather_than_that_of_the_target(cluster, state):
    cluster.add_queue("research", {"cpu": 64, CUDA: 2})
    cluster.add_queue("other", {"cpu": 64, ROCM: 3})
    place = executor(cluster, state, queue="research")
    code = Call(pow, (2, 5))
    for named, backend, free in ((None, "cuda", "2 of 8"), ("other", "rocm", "3 of 8")):
        spec = draft(code, from_keywords({"queue": named} if named else {}), place, Defaults())
        assert spec.backend == backend
        assert spec.backend_why.startswith(f"{backend}, because {free} GPUs are free, nobody waits")


def test_without_rights_nothing_is_taken_for_nothing(cluster, state):
    found = seen(cluster, state, "bob", queue="research")
    assert (found["cuda"].total, found["cuda"].free, found["cuda"].queued) == (None, None, None)


@pytest.mark.parametrize("queue", ["", "research"])
def test_queues_are_read_only_where_there_is_one_and_an_accelerator(tmp_path, state, queue):
    users = {"ada": (*edit("default"), *kueue_user("default"), *SEES)}
    for nodes, wanted in ((NODES, bool(queue)), ([Node()], False)):
        with FakeCluster(tmp_path / f"c{len(nodes)}", nodes, kueue=True, users=users) as made:
            made.add_queue("research", {"cpu": 64, CUDA: 2})
            looks = executor(made, state, "ada", queue=queue)
            for _ in range(2):
                looks.capacity()
            asked = [r.path for r in made.requests if r.user == "ada" and "kueue" in r.path]
            assert len(asked) == (2 if wanted else 0), asked
