"""A job that the cluster puts into a queue of its own runs when that lets it go, and its code runs once."""

from __future__ import annotations

import time

import pytest

from sovlab.core.job import JobState
from sovlab.kube import labels
from tests.executors.conftest import Harness
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

COUNT = """
import os
with open({runs!r}, "a") as file:
    file.write(os.environ.get("RANK", "0") + "\\n")
print("began", flush=True)
import time
time.sleep(1)
"""
WORKLOADS = {
    "job": ({}, 1),
    "nodes": ({}, 2),
    "jobset": ({"workload": "jobset"}, 2),
    "trainjob": ({"workload": "trainjob"}, 2),
}


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster(kueue=True, trainer=True) as found:
        found.fake.add_queue("default", {"cpu": "2", "memory": "8Gi"}, namespace=found.namespace)
        yield found
        assert found.fake.failures == []


@pytest.mark.parametrize("workload", WORKLOADS)
def test_code_runs_once_in_a_namespace_with_a_default_queue(cluster, state, workload):
    target, nodes = WORKLOADS[workload]
    harness = Harness(cluster.executor(state, cpu=0.6, **target), state / "objects")
    runs = state / "runs"
    job_id = harness.submit(COUNT.format(runs=str(runs)), nodes=nodes)
    assert harness.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED
    assert sorted(runs.read_text().split()) == [str(rank) for rank in range(nodes)]
    harness.executor.delete(job_id)


def test_nodes_that_a_queue_lets_go_at_once_find_each_other(cluster, state, monkeypatch):
    harness = Harness(cluster.executor(state, cpu=0.6), state / "objects")
    create = harness.executor._api.create

    def slow(where, body, **rest):
        if where.endswith("/services"):
            job = body["metadata"]["ownerReferences"][0]["name"]
            until(lambda: harness.executor._objects.pods(job))  # the queue has let them go
            time.sleep(1)  # in which they would start if they could
        return create(where, body, **rest)

    monkeypatch.setattr(harness.executor._api, "create", slow)
    job_id = harness.submit(COUNT.format(runs=str(state / "runs")), nodes=2)
    assert harness.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED
    harness.executor.delete(job_id)


def test_a_job_in_a_default_queue_waits_its_turn_and_says_so(cluster, state):
    harness = Harness(cluster.executor(state, cpu=1.5), state / "objects")
    first = harness.submit("import time\nprint('began', flush=True)\ntime.sleep(60)")
    harness.until_printed(first, b"began")
    second = harness.submit("y = 2", outputs=("y",))
    until(lambda: "first in queue default" in harness.executor.record(second).status.message)
    third = harness.submit("1")
    harness.executor.cancel(third)
    assert harness.executor.record(third).status.state is JobState.CANCELLED
    harness.executor.cancel(first)
    assert harness.executor.wait(second, 60).status.state is JobState.SUCCEEDED


@pytest.mark.parametrize("patches", [0, 1, 2])
def test_a_job_that_gets_a_queue_after_it_was_made_is_not_let_go_past_it(
    cluster, state, patches, monkeypatch
):
    """By a controller or a policy of the namespace, at any moment before it is let go."""
    harness = Harness(cluster.executor(state, cpu=0.6), state / "objects")
    spec, path = harness.spec("y = 2", outputs=("y",))
    submission = harness.executor._submission("late-aaaaa" + "bcd"[patches], spec, path)
    create, left = harness.executor._api.create, [patches]

    def created(where, body, **rest):
        made = create(where, body, **rest)
        if where.endswith("/secrets"):
            marked = {"metadata": {"labels": {f"policy.site/{n}": "x" for n in range(left[0])}}}
            marked["metadata"]["labels"][labels.QUEUE] = "default"
            cluster.api.patch(f"{submission._kind.path}/{submission._job_id}", marked)
        return made

    monkeypatch.setattr(harness.executor._api, "create", created)
    cluster.fake.delete("localqueues", "default", cluster.namespace)
    try:
        made = submission.carry_out(harness.executor.local_state)
        assert made["metadata"]["labels"][labels.QUEUE] == "default"
        assert made["spec"]["suspend"] is True
        assert labels.READY in made["metadata"]["annotations"]
    finally:
        version = "kueue.x-k8s.io/v1beta2"
        local = {"apiVersion": version, "kind": "LocalQueue", "metadata": {"name": "default"}}
        cluster.fake.create({**local, "spec": {"clusterQueue": "default-all"}}, cluster.namespace)
    assert harness.executor.wait(submission._job_id, 60).status.state is JobState.SUCCEEDED
