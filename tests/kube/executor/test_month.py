"""A month of two users who share a namespace and a store: what goes with time, and whose."""

from __future__ import annotations

import datetime
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sovlab.core.job import JobState
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube.transport.connection import Login
from tests.executors.conftest import Harness
from tests.kube.apiserver.access.auth import edit
from tests.kube.conftest import fake_cluster
from tests.kube.s3server import ACCESS, SECRET, S3Server

DAY = 86400.0
KEPT = 14
DAYS = (29, 20, 15, 10, 3, 0)
"""How many days ago jobs were submitted."""


class User:
    """One of the users, at a machine of their own."""

    def __init__(self, cluster: Any, name: str, state: Path, **profile: Any) -> None:
        self.cluster, self.name, self.state, self.profile = cluster, name, state, profile
        self.jobs: dict[int, str] = {}

    def harness(self) -> Harness:
        who = Login(context=self.name, kubeconfig=self.cluster.fake.kubeconfig_for(self.name))
        profile = self.cluster.profile(**self.profile)
        executor = KubernetesExecutor("site", who, profile, self.state, agents=False)
        return Harness(executor, self.state / "objects")

    def run(self, days: int) -> str:
        """A job with a payload and results that are too large to travel otherwise."""
        made = self.harness()
        blob = self.name.encode() + os.urandom(2 << 20)
        job_id = made.submit("back = blob[::-1]", namespace={"blob": blob}, outputs=("back",))
        assert made.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED
        self.jobs[days] = job_id
        return job_id

    def grow_old(self, days: int) -> None:
        """What is here of a job is as old as the job; after a day the cluster has it no more."""
        job_id, then = self.jobs[days], time.time() - days * DAY
        mine = self.harness().executor.local_state.root / job_id
        for path in (*mine.rglob("*"), mine):
            os.utime(path, (then, then))
        if days > 1:
            self.cluster.fake.delete("jobs", job_id, "research", policy="Background")

    def clean(self, **how: Any) -> Any:
        return self.harness().executor.clean(older_than=KEPT * DAY, **how)


@pytest.fixture
def site() -> Iterator[Any]:
    users = {name: edit("research") for name in ("alice", "bob")}
    with fake_cluster(users=users) as found:
        yield found
        assert found.fake.failures == []


@pytest.fixture
def states() -> Iterator[tuple[Path, Path]]:
    with (
        tempfile.TemporaryDirectory(prefix="sov-") as alice,
        tempfile.TemporaryDirectory(prefix="sov-") as bob,
    ):
        yield Path(alice), Path(bob)


def days_in(keys: Any, user: User) -> set[int]:
    """Of which days results are there."""
    return {days for days, job_id in user.jobs.items() if any(f"{job_id}.pack" in str(key) for key in keys)}


def test_a_month_in_a_bucket_that_two_users_share(site, states, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with S3Server() as s3:
        where = {"store": "s3://shared/jobs", "s3_endpoint": s3.url}
        alice, bob = (User(site, n, s, **where) for n, s in zip(("alice", "bob"), states, strict=True))
        for days in DAYS:
            for user in (alice, bob):
                before = set(s3.objects)
                user.run(days)
                made = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)
                assert len(set(s3.objects) - before) == 2, "a payload and results"
                s3.times.update(dict.fromkeys(set(s3.objects) - before, made))
                user.grow_old(days)
        assert days_in(s3.objects, alice) == days_in(s3.objects, bob) == set(DAYS)
        # A payload of long ago that is sent again today stays.
        would, there = alice.clean(dry_run=True), dict(s3.objects)
        assert s3.objects == there
        cleaned = alice.clean()
        assert cleaned.bytes >= would.bytes > 3 * 2 * (2 << 20), "three payloads and three results"
        young = {days for days in DAYS if days < KEPT}
        assert days_in(s3.objects, alice) == young
        assert days_in(s3.objects, bob) == set(DAYS), "another's stay"
        # Bob's state is lost: what is his is known by its folder.
        bob.state = bob.state / "new"
        bob.clean()
        assert days_in(s3.objects, bob) == young
        oldest = min(s3.times[key] for key in s3.objects)
        assert datetime.datetime.now(datetime.UTC) - oldest < datetime.timedelta(days=KEPT)
        assert len(s3.objects) == 2 * 2 * len(young)
        assert all("/research." in key for key in s3.objects), "nothing is without an owner"


def test_a_month_in_a_volume(site, states):
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "store"}, "spec": claim}
    site.api.create(site.path("persistentvolumeclaims"), body)
    alice, bob = (
        User(site, name, state, store="pvc:store")
        for name, state in zip(("alice", "bob"), states, strict=True)
    )
    for days in DAYS:
        for user in (alice, bob):
            user.run(days)
            user.grow_old(days)

    def there() -> list[Path]:
        return [path for path in site.fake.directory.rglob("results/*.pack") if "pods" not in path.parts]

    assert days_in(there(), alice) == days_in(there(), bob) == set(DAYS)
    alice.clean(dry_run=True)
    assert days_in(there(), alice) == set(DAYS)
    alice.clean()
    young = {days for days in DAYS if days < KEPT}
    assert days_in(there(), alice) == young
    assert days_in(there(), bob) == set(DAYS), "another's stay"
