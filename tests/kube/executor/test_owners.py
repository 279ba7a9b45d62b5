"""Whose a job is, of several users who share a namespace."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sovlab.client import Cell, Client, Script
from sovlab.core.job import JobState
from sovlab.errors import ForeignJob, JobNotFound
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube import labels
from sovlab.kube.transport.connection import Login
from sovlab.options.job import Options
from sovlab.settings import load
from tests.kube.apiserver.access.auth import edit
from tests.kube.conftest import fake_cluster

RULES = {"alice": edit("research"), "bob": edit("research"), "carol@uni.example": edit("research")}


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster(users=RULES) as found:
        yield found
        assert found.fake.failures == []


class User:
    """A user with a machine: settings, a key and a state of their own."""

    def __init__(self, cluster, folder: Path, name: str) -> None:
        folder.mkdir()
        self.folder, self.name = folder, name
        lines = [
            'target = "site"',
            "[targets.site]",
            'executor = "kubernetes"',
            "[targets.site.kubernetes]",
            f'context = "{name}"',
            f'kubeconfig = "{cluster.fake.kubeconfig_for(name)}"',
            'namespace = "research"',
            'image = "registry.site/sovlab-cpu:1"',
            "user = 1000",
        ]
        (folder / "config.toml").write_text("\n".join(lines))
        self.environ = {
            "SOVLAB_CONFIG_FILE": str(folder / "config.toml"),
            "SOVLAB_STATE_DIR": str(folder / "state"),
        }
        self.client = Client(load(folder, self.environ))
        self.client._executors["site"] = KubernetesExecutor(  # whose agent is no child of this process
            "site",
            Login(context=name, kubeconfig=cluster.fake.kubeconfig_for(name)),
            cluster.profile(user=1000),
            folder / "state",
            key_file=folder / "signing.key",
            agents=False,
        )

    def submit(self, source: str, name: str):
        path = self.folder / f"{name}.py"
        path.write_text(source)
        return self.client.submit(Script(path), Options(name=name)).job

    def shell(self, *words: str):
        return subprocess.run(
            [sys.executable, "-m", "sovlab", *words],
            env={**os.environ, **self.environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def user(cluster, tmp_path):
    return lambda name, machine="1": User(cluster, tmp_path / f"{name}-{machine}", name)


def test_all_objects_of_a_job_say_whose_it_is(cluster, user):
    job = user("carol@uni.example").submit("print('hello')", "hello")
    selected = {"labelSelector": f"{labels.JOB}={job.id}"}
    digests = set()
    for kind, group in (("jobs", "apis/batch/v1"), ("pods", "api/v1"), ("secrets", "api/v1")):
        items = cluster.api.get(cluster.path(kind, group=group), **selected)["items"]
        digests |= {item["metadata"]["labels"][labels.OWNER] for item in items}
        if kind != "pods":
            assert items[0]["metadata"]["annotations"][labels.OWNER_NAME] == "carol@uni.example"
    assert len(digests) == 1
    assert job.wait(120).state is JobState.SUCCEEDED
    assert job.record.owner == "carol@uni.example"


def test_a_name_is_ones_own_job(user):
    alice, bob = user("alice"), user("bob")
    hers = alice.submit("print('hers')", "digits")
    his = bob.submit("print('his')", "digits")  # the newest of that name
    assert alice.client.job("digits").id == hers.id
    assert bob.client.job("digits").id == his.id
    his_only = bob.submit("print('his')", "only-his")
    with pytest.raises(JobNotFound, match="You have no job 'only-his'") as caught:
        alice.client.job("only-his")
    assert f"is bob's; its id finds it: {his_only.id}" in caught.value.hint
    found = alice.client.job(his_only.id)
    assert (found.last.owner, found.last.own, found.last.trusted) == ("bob", False, False)
    assert found.wait(120).state is JobState.SUCCEEDED
    assert "his" in found.logs()


def test_lists_are_of_ones_own_and_say_what_they_leave_out(user):
    alice, bob = user("alice"), user("bob")
    hers, his = alice.submit("print(1)", "one"), bob.submit("print(2)", "two")
    listed = alice.shell("jobs", "-n", "0")
    assert hers.id in listed.stdout
    assert his.id not in listed.stdout
    assert "of others" in listed.stderr
    assert "sovlab jobs --all-users" in listed.stderr
    everything = alice.shell("jobs", "-n", "0", "--all-users")
    row = next(line for line in everything.stdout.splitlines() if his.id in line)
    assert row.split()[-1] == "bob"
    documents = json.loads(alice.shell("jobs", "-n", "0", "--all-users", "--json").stdout)
    assert {d["id"]: (d["owner"], d["own"]) for d in documents}[his.id] == ("bob", False)


def test_what_ends_a_job_or_deletes_it_is_for_ones_own(user):
    alice, bob = user("alice"), user("bob")
    his = bob.submit("import time\ntime.sleep(600)", "long")
    refused = alice.shell("cancel", his.id)
    assert refused.returncode == 2
    assert f"Job {his.id} is bob's: it is not cancelled." in refused.stderr
    assert "--all-users" in refused.stderr
    assert not his.record.status.state.ended
    foreign = alice.client.job(his.id)
    for change in (foreign.cancel, foreign.delete):
        with pytest.raises(ForeignJob):
            change()
    assert alice.shell("cancel", "--all-users", his.id).returncode == 0
    assert his.wait(120).state is JobState.CANCELLED
    hers = alice.submit("print(1)", "short")
    hers.wait(120)
    assert alice.shell("clean", "--all").returncode == 0
    left = {record.id for record in bob.client.jobs()}
    assert hers.id not in left
    assert his.id in left
    assert alice.shell("clean", "--all", "--all-users").returncode == 0
    assert his.id not in {record.id for record in bob.client.jobs() if record.status.state.ended}


CODE = """import pathlib

class Bad:
    def __reduce__(self):
        return pathlib.Path.touch, (pathlib.Path({!r}),)

value = Bad()
"""


def test_what_anothers_job_left_is_loaded_only_if_it_is_trusted(user, tmp_path):
    alice, bob = user("alice"), user("bob")
    touched = tmp_path / "touched"
    cell = Cell(CODE.format(str(touched)), {"__name__": "__main__"}, label="In[1]")
    his = bob.client.submit(cell, Options(name="trap", outputs=("value",))).job
    assert his.wait(120).state is JobState.SUCCEEDED
    touched.unlink(missing_ok=True)
    for values in (lambda job: job.result(), lambda job: job.results(), lambda job: job.partial()):
        with pytest.raises(ForeignJob, match="is bob's: what it left would run code here, as you") as caught:
            values(alice.client.job(his.id))
        assert f"sovlab trust {his.id}" in caught.value.hint
    with pytest.raises(ForeignJob, match="its code would run as yours"):
        alice.client.job(his.id).rerun()
    assert not touched.exists()
    assert alice.shell("trust", his.id).returncode == 0
    with contextlib.suppress(Exception):
        alice.client.job(his.id).result("value")
    assert touched.exists()


def test_an_exception_of_anothers_job_is_told_in_words_and_not_loaded(user):
    alice, bob = user("alice"), user("bob")
    his = bob.submit("raise ValueError('on purpose')", "fails")
    his.wait(120)
    error = alice.client.job(his.id).exception()
    assert type(error).__name__ == "UserCodeError"
    assert "ValueError: on purpose" in str(error)
    assert isinstance(bob.client.job(his.id).exception(), ValueError)


def test_who_labels_a_job_as_mine_has_not_signed_it(cluster, user):
    alice, bob = user("alice"), user("bob")
    mine = alice.submit("print(1)", "mine")
    forged = bob.submit("print(1)", "mine")
    meta = cluster.api.get(cluster.path("jobs", mine.id, "apis/batch/v1"))["metadata"]
    patch = {
        "metadata": {
            "labels": {labels.OWNER: meta["labels"][labels.OWNER]},
            "annotations": {
                labels.OWNER_NAME: "alice",
                labels.SIGNATURE: meta["annotations"][labels.SIGNATURE],  # of another job
            },
        }
    }
    cluster.api.patch(cluster.path("jobs", forged.id, "apis/batch/v1"), patch)
    forged.wait(120)
    found = alice.client.job("mine")
    assert found.id == forged.id  # what an object says decides what a list shows, and nothing that runs code
    with pytest.raises(ForeignJob, match=r"says it is yours \(alice\), but has no signature of yours"):
        found.result()


def test_from_another_machine_the_users_key_tells(user):
    here, there = user("alice"), user("alice", "2")
    job = here.submit("raise ValueError('on purpose')", "far")
    job.wait(120)
    far = there.client.job("far")
    assert (far.last.own, far.last.trusted) == (True, False)
    key = (here.folder / "signing.key").read_bytes()
    assert (here.folder / "signing.key").stat().st_mode & 0o777 == 0o600
    again = user("alice", "3")
    (again.folder / "signing.key").write_bytes(key)
    assert again.client.job("far").last.trusted
    assert isinstance(again.client.job("far").exception(), ValueError)


def test_where_the_cluster_says_nobody_who_one_is_jobs_of_this_state_are_ones_own(cluster, user):
    from tests.kube.apiserver.faults import respond

    fault = cluster.fake.faults.add("create selfsubjectreviews", respond(403), times=None)
    try:
        alice = user("alice")
        job = alice.submit("print(1)", "unknown")
        assert job.wait(120).state is JobState.SUCCEEDED
        assert alice.client.job("unknown").id == job.id
        assert (job.record.owner, job.record.own, job.record.trusted) == ("", True, True)
        bob = user("bob")
        with pytest.raises(JobNotFound, match="You have no job 'unknown'") as caught:
            bob.client.job("unknown")
        assert "says of no owner whether it is yours" in caught.value.hint
    finally:
        cluster.fake.faults.remove(fault)
