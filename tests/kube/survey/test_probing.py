"""What a look at a cluster finds, through the eyes of users with more and fewer rights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import pytest

from sovlab import backends
from sovlab.core.finding import Level, lacking, settings_of
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.survey import addons
from sovlab.kube.survey.probing import probe
from sovlab.kube.survey.rights import NEEDED
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.connection import Login
from sovlab.kube.transport.errors import CredentialsError, Unreachable
from tests.kube.apiserver.access.auth import EVERYTHING, Rule, edit, kueue_user
from tests.kube.apiserver.cluster import FakeCluster, Node
from tests.kube.apiserver.faults import respond

BACKENDS = {name: provider.backend for name, provider in backends.known().items()}
NODES = Rule(("list",), ("nodes",))
ALL_PODS = Rule(("list",), ("pods",))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeCluster]:
    """A cluster with nothing beside Kubernetes."""
    users = {"researcher": edit("research"), "stranger": ()}
    with FakeCluster(tmp_path_factory.mktemp("plain"), users=users, namespace="research") as found:
        yield found


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeCluster]:
    """A cluster with Kueue, JobSet and Trainer."""
    users = {"researcher": edit("research"), "queued": (*edit("research"), *kueue_user("research"))}
    with FakeCluster(
        tmp_path_factory.mktemp("rich"), users=users, namespace="research", kueue=True, trainer=True
    ) as found:
        yield found


def look(cluster: FakeCluster, who: str, **place):
    api = Api(Login(context=who, kubeconfig=cluster.kubeconfig), patience=0.5)
    return probe(api, ClusterProfile(**{"namespace": "research", "image": "an/image", **place}), BACKENDS)


def of(found, what: str):
    (finding,) = [finding for finding in found if finding.what == what]
    return finding


def test_the_edit_role_of_a_namespace_is_all_that_is_required(plain):
    found = look(plain, "researcher")
    assert not lacking(found)
    assert [f.what for f in found if f.level is Level.DEGRADED] == ["hardware"]
    assert "list nodes" in of(found, "hardware").advice
    assert {right.what for right in NEEDED} <= {finding.what for finding in found}
    assert not any(record.status >= 500 for record in plain.requests)


def test_nothing_is_made_by_looking(plain):
    before = len(plain.requests)
    look(plain, "researcher", priority="high", store="pvc:data")
    made = [r for r in plain.requests[before:] if r.method != "GET" and "selfsubject" not in r.path]
    assert all(r.query.get("dryRun") == "All" for r in made)


@pytest.mark.parametrize("right", NEEDED, ids=lambda right: right.what.replace(" ", "-"))
def test_each_right_that_is_missing_is_named_with_what_is_lost(plain, right):
    verb = right.verbs[0]
    rules = tuple(_without(rule, right, verb) for rule in edit("research"))
    plain.users.add("limited", rules)
    finding = of(look(plain, "limited"), right.what)
    assert finding.level is (Level.MISSING if right.required else Level.DEGRADED)
    assert finding.found == f"may not {verb} {right.title}"
    assert right.loss in finding.advice
    assert f"the right to {verb} {right.title} in namespace research" in finding.advice
    assert not finding.named


def _without(rule: Rule, right, verb: str) -> Rule:
    if right.resource not in rule.resources or right.group not in rule.groups:
        return rule
    verbs = tuple(v for v in rule.verbs if v != verb)
    return replace(rule, verbs=verbs)


def test_a_namespace_that_is_not_there_is_named_with_those_that_are(plain):
    (finding,) = lacking(look(plain, "admin", namespace="nowhere"))
    assert finding.named
    assert "there is no namespace nowhere" in finding.found
    assert "research" in finding.advice


def test_a_namespace_in_which_one_may_nothing_is_as_good_as_none(plain):
    found = look(plain, "stranger")
    (finding,) = lacking(found)
    assert finding.named
    assert "or you have no rights in it" in finding.found
    assert "the role edit in research" in finding.advice
    assert found[-1] is finding  # and there is nothing more to see


def test_a_cluster_that_does_not_answer_questions_about_rights_is_told(plain):
    fault = plain.faults.add("create selfsubjectaccessreviews", respond(403), times=None)
    try:
        found = look(plain, "researcher")
    finally:
        plain.faults.remove(fault)
    assert of(found, "rights").level is Level.DEGRADED
    assert not lacking(found)


def test_a_server_that_is_gone_and_one_that_does_not_know_us_are_errors(plain, tmp_path):
    config = plain.kubeconfig.read_text()
    gone = tmp_path / "gone.conf"
    gone.write_text(config.replace(plain.url, "https://127.0.0.1:9"))
    with pytest.raises(Unreachable, match="does not answer"):
        probe(
            Api(Login(context="admin", kubeconfig=gone), patience=0.1),
            ClusterProfile(namespace="research"),
            {},
        )
    plain.users.add("forgotten", ())
    kubeconfig = plain.kubeconfig
    plain.revoke_token("forgotten")
    with pytest.raises(CredentialsError, match="does not accept"):
        probe(
            Api(Login(context="forgotten", kubeconfig=kubeconfig)), ClusterProfile(namespace="research"), {}
        )


def test_an_image_is_asked_for(plain):
    finding = of(look(plain, "researcher", image=""), "image")
    assert finding.level is Level.MISSING
    assert not finding.named
    assert "--image" in finding.advice
    some = of(look(plain, "researcher", image="", images={"cuda": "an/image"}), "image")
    assert some.level is Level.DEGRADED
    assert "cpu" in some.advice


@pytest.mark.parametrize(
    ("modes", "level"),
    [(["ReadWriteMany"], Level.OK), (["ReadWriteOnce"], Level.DEGRADED), (["ReadOnlyMany"], Level.MISSING)],
)
def test_a_claim_is_looked_at_for_who_may_write_to_it(plain, modes, level):
    name = f"data-{modes[0].lower()}"
    spec = {"accessModes": modes, "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec}
    plain.create(claim, "research")
    finding = of(look(plain, "researcher", store=f"pvc:{name}"), "store")
    assert (finding.level, modes[0] in finding.found) == (level, True)
    other = of(look(plain, "researcher", store="pvc:dta"), "store")
    assert other.named
    assert name in other.advice


ASKED = {"accessModes": ["ReadWriteMany"]}


@pytest.mark.parametrize(
    ("status", "level", "found"),
    [
        ({"phase": "Lost"}, Level.MISSING, "claim data is lost"),
        # What a claim asks for counts until it is bound; then what its volume has.
        ({"phase": "Pending"}, Level.OK, "claim data, ReadWriteMany"),
        (
            {"phase": "Bound", "accessModes": ["ReadWriteOnce"]},
            Level.DEGRADED,
            "claim data, ReadWriteOnce",
        ),
    ],
)
def test_a_claim_that_is_lost_or_not_bound_yet_is_told(plain, monkeypatch, status, level, found):
    spec = {**ASKED, "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {"name": "data"}, "spec": spec, "status": status}
    real = Api.get

    def get(self, path, **query):
        return claim if path.endswith("/persistentvolumeclaims/data") else real(self, path, **query)

    monkeypatch.setattr(Api, "get", get)
    finding = of(look(plain, "researcher", store="pvc:data"), "store")
    assert (finding.level, finding.found) == (level, found)


def test_with_a_claim_pods_are_given_its_group_where_the_cluster_does_not_choose(plain):
    found = look(plain, "researcher", store="pvc:data")
    assert settings_of(found) == {"user": 1000, "fs_group": 1000}
    assert of(found, "read the store").level is Level.OK
    assert settings_of(look(plain, "researcher", store="pvc:data", user=7)) == {"fs_group": 7}
    assert settings_of(look(plain, "researcher", user=7)) == {}
    (openshift,) = addons.user(
        {"security.openshift.io": ["v1"]}, ClusterProfile(namespace="n", store="pvc:data")
    )
    assert (openshift.level, openshift.sets) == (Level.OK, {})
    (told,) = addons.user({"security.openshift.io": ["v1"]}, ClusterProfile(namespace="n", user=7))
    assert told.level is Level.DEGRADED


def test_several_contexts_or_none_are_no_matter_of_the_current_one(plain, tmp_path):
    from sovlab.kube.transport.connection import contexts, namespace_of

    file = tmp_path / "config"
    file.write_text(plain.kubeconfig.read_text().replace("current-context: admin\n", ""))
    assert {"admin", "researcher", "stranger"} <= set(contexts(file))
    assert namespace_of(Login(context="researcher", kubeconfig=file)) == "research"
    assert contexts(tmp_path / "none") == []
    file.write_text("a: [")
    with pytest.raises(CredentialsError, match="cannot be read"):
        contexts(file)


@pytest.mark.parametrize(
    ("rules", "level", "says", "advice"),
    [
        (EVERYTHING, Level.OK, "cpu 8 of 8 free", ""),
        ((*edit("research"), NODES), Level.DEGRADED, "cpu 8", "list pods in all namespaces"),
        (edit("research"), Level.DEGRADED, "not known", "list nodes"),
    ],
)
def test_what_is_free_is_known_as_far_as_one_may_look(plain, rules, level, says, advice):
    plain.users.add("looker", rules)
    finding = of(look(plain, "looker"), "hardware")
    assert (finding.level, says in finding.found, advice in finding.advice) == (level, True, True)


def test_a_quota_tells_what_one_may_have(plain):
    spec = {"hard": {"requests.nvidia.com/gpu": "4", "requests.cpu": "20"}}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "share"}, "spec": spec}
    plain.create(quota, "research")
    try:
        _eventually(lambda: plain.get("resourcequotas", "share", "research").get("status", {}).get("hard"))
        finding = of(look(plain, "researcher"), "hardware")
    finally:
        plain.delete("resourcequotas", "share", "research")
    assert "cuda 4 of 4 free" in finding.found
    assert "quota" in finding.found


def _eventually(condition) -> None:
    import time

    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("nodes", "sets", "level"),
    [
        ([{"nvidia.com/mig-1g.10gb": "7"}], {"resources": {"cuda": "nvidia.com/mig-1g.10gb"}}, Level.OK),
        ([{"nvidia.com/mig-1g.10gb": "7", "nvidia.com/mig-2g.20gb": "3"}], {}, Level.DEGRADED),
        ([{"nvidia.com/mig-1g.10gb": "7"}, {"nvidia.com/gpu": "2"}], {}, Level.OK),
    ],
)
def test_slices_of_gpus_are_found_by_their_name(tmp_path, nodes, sets, level):
    made = [Node(f"node-{i}", {"cpu": "8", "memory": "16Gi", **n}) for i, n in enumerate(nodes)]
    with FakeCluster(tmp_path, made, namespace="research") as cluster:
        found = look(cluster, "admin", user=1000)
        assert settings_of(found) == sets
        assert of(found, "MIG").level is level
        told = look(cluster, "admin", user=1000, resources={"cuda": "nvidia.com/mig-1g.10gb"})
        assert not [finding for finding in told if finding.what == "MIG"]
        assert "cuda 7 of 7 free" in of(told, "hardware").found


def test_without_kueue_a_queue_is_an_error_of_the_target(plain):
    finding = of(look(plain, "researcher", queue="fast"), "queue")
    assert (finding.level, finding.named) == (Level.MISSING, True)
    assert "Kueue is not installed" in finding.found
    assert not [f for f in look(plain, "researcher") if f.what == "queue"]


def test_the_queues_that_there_are_are_told_and_one_that_is_not_is_refused(rich):
    assert "no queue" in of(look(rich, "queued"), "queue").found
    rich.add_queue("fast", {"cpu": 4, "memory": "8Gi"}, namespace="research")
    one = of(look(rich, "queued"), "queue")
    assert (one.level, one.found) == (Level.OK, "there is one: fast")
    assert "--queue fast" in one.advice
    rich.add_queue("slow", {"cpu": 4, "memory": "8Gi"}, namespace="research")
    assert of(look(rich, "queued"), "queue").found == "there are fast, slow"
    chosen = look(rich, "queued", queue="fast")
    assert of(chosen, "queue").found == "jobs are submitted to queue fast"
    assert of(chosen, "say why the queue waits").level is Level.OK
    wrong = of(look(rich, "queued", queue="fats"), "queue")
    assert wrong.named
    assert "fast, slow" in wrong.advice
    hidden = look(rich, "researcher", queue="fast")
    assert of(hidden, "queue").level is Level.OK
    assert "list workloads.kueue.x-k8s.io" in of(hidden, "say why the queue waits").advice
    assert "you may not list its queues" in of(look(rich, "researcher"), "queue").found


def test_a_queue_that_lets_nothing_start_is_told_before_it_is_chosen(rich):
    rich.add_queue("idle", {"cpu": 4, "memory": "8Gi"}, namespace="research")
    rich.update("localqueues", "idle", lambda q: q["spec"].update(stopPolicy="Hold"), "research")
    found = of(look(rich, "queued", queue="idle"), "queue")
    assert (found.level, found.found) == (
        Level.DEGRADED,
        "jobs are submitted to queue idle, which lets nothing start now: "
        "the queue is stopped by an administrator",
    )
    assert "--queue NAME" in found.advice
    rich.update("localqueues", "idle", lambda q: q["spec"].pop("stopPolicy"), "research")
    rich.delete("resourceflavors", "idle-all")
    _eventually(
        lambda: "idle-all behind it is not active" in of(look(rich, "queued", queue="idle"), "queue").found
    )
    rich.delete("localqueues", "idle", "research")


def test_a_priority_is_another_object_in_a_queue_than_without_one(rich):
    rich.create(
        {
            "apiVersion": "scheduling.k8s.io/v1",
            "kind": "PriorityClass",
            "metadata": {"name": "soon"},
            "value": 9,
        }
    )
    body = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "WorkloadPriorityClass", "value": 9}
    rich.create({**body, "metadata": {"name": "now"}})
    for user in ("admin", "researcher"):  # who may not see the classes has a pod checked
        assert of(look(rich, user, priority="soon"), "priority").level is Level.OK
        wrong = of(look(rich, user, priority="now"), "queue")
        assert (wrong.named, "PriorityClass" in wrong.found) == (True, True)
    rich.add_queue("third", {"cpu": 4, "memory": "8Gi"}, namespace="research")
    assert of(look(rich, "admin", queue="third", priority="now"), "priority").level is Level.OK
    assert of(look(rich, "admin", queue="third", priority="soon"), "queue").named


def test_jobset_is_used_where_it_is_installed_and_allowed(rich, plain):
    allowed = _several(look(rich, "admin"))
    assert allowed.sets == {"workload": "jobset"}
    denied = _several(look(rich, "researcher"))
    assert (denied.level, denied.sets) == (Level.OK, {})
    assert "create, get, list, watch, patch, delete jobsets.jobset.x-k8s.io" in denied.advice
    assert _several(look(rich, "researcher", workload="jobset")).level is Level.MISSING
    absent = _several(look(plain, "researcher", workload="jobset"))
    assert (absent.level, absent.named) == (Level.MISSING, True)


def _several(found):
    return next(f for f in found if "JobSet" in f.found)


def _of_trainer(found, word: str):
    return next(f for f in found if f.what == "several nodes" and word in f.found)


def test_trainer_is_told_and_not_needed(rich):
    found = of(look(rich, "researcher"), "trainer")
    assert (found.level, found.sets) == (Level.OK, {})
    assert 'workload = "trainjob"' in found.advice


def test_trainjobs_are_looked_into_where_the_target_asks_for_them(rich, plain):
    allowed = _of_trainer(look(rich, "admin", workload="trainjob"), "TrainJobs")
    assert (allowed.level, allowed.found) == (
        Level.OK,
        "TrainJobs with ClusterTrainingRuntime torch-distributed",
    )
    other = look(rich, "admin", workload="trainjob", training_runtime="none")
    unknown = _of_trainer(other, "there is no")
    assert (unknown.level, unknown.named) == (Level.MISSING, True)
    assert "There are torch-distributed." in unknown.advice
    denied = _of_trainer(look(rich, "researcher", workload="trainjob"), "trainjobs")
    assert denied.level is Level.MISSING
    assert "trainjobs.trainer.kubeflow.org" in denied.advice
    absent = _of_trainer(look(plain, "researcher", workload="trainjob"), "Trainer")
    assert (absent.level, absent.named) == (Level.MISSING, True)


class Answers:
    """An API that has runtime classes, which the fake does not."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def get(self, path: str):
        assert path.endswith("runtimeclasses")
        return {"items": [{"metadata": {"name": name}} for name in self._names]}


def test_the_runtime_class_for_nvidia_is_used_where_there_is_one():
    place = ClusterProfile(namespace="research")
    (found,) = addons.runtime_classes(Answers("nvidia", "gvisor"), place)
    assert found.sets == {"runtime_class": {"cuda": "nvidia"}}
    assert not list(addons.runtime_classes(Answers("gvisor"), place))
    named = msgspec.structs.replace(place, runtime_class={"cuda": "nvidia"})
    assert not list(addons.runtime_classes(Answers("nvidia"), named))
    (wrong,) = addons.runtime_classes(Answers("gvisor"), named)
    assert (wrong.level, wrong.named) == (Level.MISSING, True)
    assert "gvisor" in wrong.advice


def test_a_kueue_that_is_too_old_to_be_asked_is_told():
    groups = {"kueue.x-k8s.io": ["v1beta1"]}
    (found,) = addons.queue(None, groups, None, ClusterProfile(namespace="research", queue="fast"))
    assert (found.level, "v1beta1" in found.found) == (Level.DEGRADED, True)


def test_no_finding_holds_a_token(plain):
    text = str(look(plain, "researcher"))
    assert plain.token("researcher") not in text
