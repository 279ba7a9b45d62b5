"""What is left on this machine of a cluster's jobs goes, too, once the cluster has none of them any more."""

from __future__ import annotations

import os
import time

import pytest

from sovlab.core.job import JobState
from tests.executors.conftest import Harness
from tests.kube.conftest import fake_cluster

DAY = 86400.0


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster() as found:
        yield found
        assert found.fake.failures == []


@pytest.fixture
def harness(cluster, state):
    return Harness(cluster.executor(state), state / "objects")


def age(harness, job_id, days):
    """Make what is here of a job look old."""
    directory, then = harness.executor.local_state.root / job_id, time.time() - days * DAY
    for path in (*directory.rglob("*"), directory):
        os.utime(path, (then, then))


def fetched(harness):
    """A job whose results are here and which the cluster has deleted by itself."""
    job_id = harness.submit("y = bytes(100_000)", outputs=("y",))
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert harness.executor.results(job_id).exists()
    return job_id


def taken_by_the_cluster(cluster, harness, job_id):
    cluster.fake.delete("jobs", job_id, "research", policy="Background")
    cluster.fake.wait(lambda: job_id not in [r.id for r in harness.executor.records()])


def test_results_of_a_job_that_the_cluster_has_no_more_go_when_they_are_old(cluster, harness):
    old, young, there = fetched(harness), fetched(harness), fetched(harness)
    for job_id in (old, young):
        taken_by_the_cluster(cluster, harness, job_id)
    age(harness, old, 20)
    age(harness, there, 20)  # its workload is there, and says when it ended
    executor, here = harness.executor, harness.executor.local_state
    would = executor.clean(older_than=14 * DAY, dry_run=True)
    assert would.jobs == (old,)
    assert would.bytes >= 100_000
    assert here.results(old).exists()
    assert executor.clean(older_than=14 * DAY) == would
    assert not (here.root / old).exists()
    assert here.results(young).exists()
    assert here.results(there).exists()


def test_what_is_still_to_be_brought_stays(cluster, harness):
    here = harness.executor.local_state
    here.make("digits-aaaaaa")
    here.put_bytes("digits-aaaaaa", b"payload")
    here.request_transfer("digits-aaaaaa")
    age(harness, "digits-aaaaaa", 20)
    assert harness.executor.clean(older_than=14 * DAY).jobs == ()
    assert here.payload("digits-aaaaaa").exists()
    here.withdraw_request("digits-aaaaaa")
    assert harness.executor.clean(older_than=14 * DAY).jobs == ("digits-aaaaaa",)


def test_payloads_that_no_job_keeps_go_with_a_clean_of_any_target(harness, state):
    pack = state / "objects" / f"{'a' * 64}.pack"
    pack.parent.mkdir(exist_ok=True)
    pack.write_bytes(b"payload")
    os.utime(pack, (1000.0, 1000.0))
    harness.executor.clean(older_than=14 * DAY, dry_run=True)
    assert pack.exists()
    assert harness.executor.clean(older_than=14 * DAY).bytes == len(b"payload")
    assert not pack.exists()


def test_a_submit_that_is_on_its_way_keeps_its_payload_whatever_the_age(harness):
    here = harness.executor.local_state
    here.make("digits-bbbbbb")
    here.put_bytes("digits-bbbbbb", b"payload")  # its workload is made next
    assert "digits-bbbbbb" not in harness.executor.clean(older_than=0.0).jobs
    assert here.payload("digits-bbbbbb").exists()
