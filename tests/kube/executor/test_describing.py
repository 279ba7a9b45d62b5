"""What a submit would make, checked by the server and not made; and the objects of jobs that there are."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sovlab.core.names import new_job_id
from sovlab.errors import JobNotFound, SpecError
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.executors.kubernetes.submitting import profile_for_job
from sovlab.kube import labels
from sovlab.kube.objects.profile import ClusterProfile as Site
from sovlab.kube.objects.redacting import shown
from sovlab.kube.transport.connection import Login
from sovlab.kube.transport.errors import Forbidden
from sovlab.views.yaml import yaml_text
from tests.executors.conftest import Harness
from tests.kube.apiserver.access.auth import edit, kueue_user
from tests.kube.apiserver.cluster import FakeCluster

SOURCE = "import os\nsecret_word = 'hunter' + '2'\nprint('here')"


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeCluster]:
    few = tuple(replace(r, resources=tuple(x for x in r.resources if x != "pods")) for r in edit("research"))
    users = {"researcher": (*edit("research"), *kueue_user("research")), "few": few}
    with FakeCluster(
        tmp_path_factory.mktemp("fake"), users=users, namespace="research", kueue=True, jobset=True
    ) as found:
        marked = {"pod-security.kubernetes.io/enforce": "restricted"}
        found.update(
            "namespaces", "research", lambda obj: obj["metadata"].setdefault("labels", {}).update(marked)
        )
        found.add_queue("fast", {"cpu": 8, "memory": "16Gi"}, namespace="research")
        yield found


@pytest.fixture
def to(fake: FakeCluster, tmp_path: Path):
    """Makes an executor of a user, with changes to its target."""

    def make(who: str = "researcher", **changes) -> Harness:
        site = Site(**{"namespace": "research", "image": "an/image", **changes})
        login = Login(context=who, kubeconfig=fake.kubeconfig)
        executor = KubernetesExecutor("site", login, site, tmp_path / who, agents=False)
        return Harness(executor, tmp_path / "objects")

    return make


def plan(harness: Harness, *, check: bool = False, **changes):
    spec, path = harness.spec(SOURCE, **changes)
    return harness.executor.manifests(new_job_id("test"), spec, path, check=check)


def test_the_server_checks_all_objects_and_their_pods_and_nothing_is_made(fake, to):
    for nodes, kinds in ((1, ["Job", "Secret"]), (2, ["Job", "Service", "Secret"])):
        begin = len(fake.requests)
        found = plan(to(), check=True, nodes=nodes)
        assert [obj["kind"] for obj in found.objects] == kinds
        assert not found.notes
        posted = [r for r in fake.requests[begin:] if r.method == "POST"]
        asked = [r for r in posted if not r.path.endswith("selfsubjectreviews")]
        assert {r.path.rpartition("/")[2] for r in asked} >= {"jobs", "secrets", "pods"}
        assert {(r.query["dryRun"], r.status) for r in asked} == {("All", 201)}
    assert not fake.list("jobs", "research")
    assert not fake.list("secrets", "research")


def test_values_of_secrets_are_their_sizes_and_nothing_of_a_job_is_in_the_yaml(to):
    found = plan(to(), env={"TOKEN": "hunter2"})
    text = yaml_text(found.objects)
    assert "hunter" not in text
    assert base64.b64encode(b"hunter2")[:8].decode() not in text
    (secret,) = [obj for obj in found.objects if obj["kind"] == "Secret"]
    assert set(secret["data"]) == {"runner.pyz", "order.json", "payload.pack"}
    assert all(re.fullmatch(r"<\d+ bytes>", value) for value in secret["data"].values())
    assert list(yaml.safe_load_all(text)) == [dict(obj) for obj in found.objects]
    assert text.startswith("---\napiVersion: batch/v1\nkind: Job\n")


def test_text_of_several_lines_is_a_block_and_nothing_is_folded_or_shared():
    shared = {"a": "x " * 200}
    text = yaml_text([{"one": shared, "two": shared, "script": "a\nb\n", "number": "1", "yes": "yes"}])
    assert "script: |\n  a\n  b\n" in text
    assert "&id" not in text
    assert len(text.splitlines()) == 10
    assert yaml.safe_load(text)["number"] == "1"


def test_bookkeeping_and_copies_of_secrets_are_not_shown():
    copy = "kubectl.kubernetes.io/last-applied-configuration"
    meta = {"name": "s", "managedFields": [{"manager": "x"}], "annotations": {copy: "hunter2", "a": "b"}}
    found = shown({"kind": "Secret", "apiVersion": "v1", "metadata": meta, "stringData": {"k": "hunter2"}})
    assert found["metadata"] == {"name": "s", "annotations": {"a": "b"}}
    assert found["stringData"] == {"k": "<7 bytes>"}
    assert list(found)[:2] == ["apiVersion", "kind"]


def test_what_the_pods_would_be_refused_for_is_told_before_anything_is_made(fake, to):
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    fake.create({**quota, "spec": {"hard": {"pods": "0"}}}, "research")
    try:
        with pytest.raises(Forbidden, match=r"would reject its pods: .*quota none"):
            plan(to(), check=True)
    finally:
        fake.delete("resourcequotas", "none", "research")
    with pytest.raises(Forbidden, match="Pod Security level restricted forbids it"):
        plan(to(user=0), check=True)
    with pytest.raises(Forbidden, match="no service account nobody"):
        plan(to(service_account="nobody"), check=True)
    assert not fake.list("jobs", "research")


def test_who_may_make_no_pods_is_told_that_they_were_not_checked(to):
    found = plan(to("few"), check=True)
    assert "the right to create pods in namespace research" in found.notes[0]


def test_the_objects_of_a_job_are_shown_as_the_cluster_has_them(fake, to):
    harness = to()
    job_id = harness.submit("1", nodes=2)
    found = harness.executor.manifests_of(job_id)
    assert [obj["kind"] for obj in found.objects] == ["Job", "Secret", "Service"]
    assert found.objects[0]["metadata"]["uid"]
    assert all("managedFields" not in obj["metadata"] for obj in found.objects)
    assert not found.notes
    fake.users.add("reader", tuple(_no_secrets(rule) for rule in edit("research")))
    less = to("reader").executor.manifests_of(job_id)
    assert [obj["kind"] for obj in less.objects] == ["Job", "Service"]
    assert less.notes == [
        "Its secrets are not shown: that needs the right to get secrets in namespace research."
    ]
    with pytest.raises(JobNotFound, match="no job"):
        harness.executor.manifests_of(new_job_id("none"))
    harness.executor.cancel(job_id)


def _no_secrets(rule):
    return replace(rule, resources=tuple(r for r in rule.resources if r != "secrets"))


def test_a_job_may_name_a_queue_and_a_priority_of_its_own(to):
    (job, *_) = plan(to(queue="slow", priority="high"), queue="fast").objects
    assert job["metadata"]["labels"][labels.QUEUE] == "fast"
    assert job["metadata"]["labels"][labels.PRIORITY] == "high"


@pytest.mark.parametrize(
    ("target", "own", "want"),
    [
        (("", ""), ("", ""), ("", "")),
        (("slow", "high"), ("", ""), ("slow", "high")),
        (("slow", "high"), ("fast", ""), ("fast", "high")),
        (("slow", "high"), ("", "low"), ("slow", "low")),
        (("", "pods-first"), ("fast", ""), ("fast", "")),
        (("", "pods-first"), ("fast", "high"), ("fast", "high")),
    ],
)
def test_the_targets_priority_counts_where_it_is_of_the_same_kind(to, target, own, want):
    spec, _ = to().spec("1", queue=own[0], priority=own[1])
    found = profile_for_job(Site(namespace="n", queue=target[0], priority=target[1]), spec)
    assert (found.queue, found.priority) == want


def test_a_queue_that_is_not_there_is_refused_before_anything_is_made(fake, to):
    harness = to()
    with pytest.raises(SpecError, match="no queue 'fats' in namespace research") as caught:
        harness.submit("1", queue="fats")
    assert "fast" in caught.value.hint
    with pytest.raises(SpecError, match="no priority 'high' for queues"):  # which not everybody may see
        to("admin").submit("1", queue="fast", priority="high")
    with pytest.raises(SpecError, match=r"no priority 'high' \(PriorityClass\)"):
        harness.submit("1", priority="high")
    assert not [job for job in fake.list("jobs", "research") if labels.QUEUE in job["metadata"]["labels"]]


def test_a_queue_that_was_seen_is_not_asked_for_again(fake, to):
    harness = to()
    begin = len(fake.requests)
    for _ in range(3):
        job_id = harness.submit("1", queue="fast")
        harness.executor.cancel(job_id)
    assert len([r for r in fake.requests[begin:] if r.path.endswith("/localqueues/fast")]) == 1


def test_where_jobset_is_not_for_us_jobs_are_found_all_the_same(to):
    harness = to()
    spec, path = harness.spec("print('ran')")
    job_id = new_job_id("test")
    harness.executor.submit(job_id, spec, path, dict(os.environ))
    assert harness.executor.wait(job_id, 60).status.exit_code == 0
    assert job_id in [record.id for record in harness.executor.records()]
