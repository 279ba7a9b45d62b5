"""Several nodes as a JobSet, where the cluster has that."""

from __future__ import annotations

import pytest

from sovlab.core.job import JobState
from sovlab.payload.results import Results
from tests.executors.conftest import Place
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster(jobset=True) as found:
        yield found
        assert found.fake.failures == []


@pytest.fixture
def place(cluster, state):
    return Place(cluster.executor(state, workload="jobset"), state / "objects")


def jobsets(cluster):
    return cluster.api.get(cluster.path("jobsets", group="apis/jobset.x-k8s.io/v1alpha2"))["items"]


def test_each_node_of_a_jobset_knows_the_others(cluster, place):
    source = (
        "import os, socket\nindex, nodes = os.environ['JOB_COMPLETION_INDEX'], 2\n"
        "print('node', os.environ.get('RANK'), 'of', os.environ.get('WORLD_SIZE'))\nrank = os.environ['RANK']"
    )
    job_id = place.submit(source, nodes=2, outputs=("rank",))
    record = place.executor.wait(job_id, 120)
    assert record.status.state is JobState.SUCCEEDED, place.log(job_id)
    assert Results(place.executor.results(job_id), main={}).value("rank") == "0"
    log = place.log(job_id)
    assert b"node 0 of 2" in log
    assert b"node 1 of 2" in log
    assert [r.id for r in place.executor.records()].count(job_id) == 1
    place.executor.delete(job_id)
    until(lambda: not any(cluster.left(job_id).values()) and not jobsets(cluster))


def test_a_jobset_that_is_cancelled_ends(cluster, place):
    job_id = place.submit("import time\nprint('began', flush=True)\ntime.sleep(60)", nodes=2)
    place.until_printed(job_id, b"began")
    place.executor.cancel(job_id)
    assert place.executor.wait(job_id, 60).status.state is JobState.CANCELLED
    assert b"began" in place.log(job_id)


def test_one_node_needs_no_jobset(cluster, place):
    before = len(jobsets(cluster))
    job_id = place.submit("1")
    assert place.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert len(jobsets(cluster)) == before
