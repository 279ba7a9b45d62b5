"""Manifests against golden files, the schemas of Kubernetes, and the rules that clusters enforce.

``python -m tests.kube.objects.test_manifests --update`` writes the golden files anew.
"""

from __future__ import annotations

import base64
import copy
import difflib
import functools
import json
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kubernetes_validate import utils

from sovlab import backends
from sovlab.core.names import MAX_ID, is_job_id, new_job_id
from sovlab.core.spec import JobSpec, PayloadKind, Resources
from sovlab.errors import SpecError
from sovlab.executors.kubernetes.objects.records import marks
from sovlab.kube import labels
from sovlab.kube.objects import manifests, podspec
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.quantities import parse

GOLDEN = Path(__file__).parent / "golden"
JOB = "digits-7k2m9x"
UID = "2f6c1f0e-0000-4000-8000-000000000000"
MARKS = {
    labels.SPEC: '{"name":"digits"}',
    labels.SUBMITTED: "1795648000.0",
    labels.NONCE: "00ff00ff00ff00ff",
    labels.DELIVERY: "secret",
}
VERSIONS = sorted({v.rpartition(".")[0] for v in utils.all_versions()} - {f"1.{n}" for n in range(34)})
"""Of Kubernetes: all whose schemas the validator brings, from 1.34 on."""


@dataclass(frozen=True)
class Case:
    """A request, a backend and a place."""

    backend: str = "cpu"
    spec: dict[str, Any] = field(default_factory=dict)
    place: dict[str, Any] = field(default_factory=dict)
    part: bool = False
    """With a payload that has a Secret of its own."""

    def objects(self, job_id: str = JOB, **changes: Any) -> list[dict[str, Any]]:
        """What the cluster is asked for, in this order."""
        spec = JobSpec(
            **{
                "name": "digits",
                "kind": PayloadKind.CELL,
                "payload": "0" * 64,
                "backend": self.backend,
                **self.spec,
            }
        )
        spec = replace(spec, **changes)
        place = ClusterProfile(
            **{"namespace": "research", "image": "registry.example.org/torch:2.9", **self.place}
        )
        workload = manifests.workload(job_id, spec, backends.get(self.backend), place, MARKS)
        owner = {**workload, "metadata": {**workload["metadata"], "uid": UID}}
        found = [workload]
        if self.part:
            found.append(
                manifests.secret(job_id, place, owner, {"payload.pack": b"payload"}, part="-payload")
            )
        found.append(manifests.secret(job_id, place, owner, {"runner.pyz": b"runner", "order.json": b"{}"}))
        if spec.nodes > 1 and manifests.kind(spec, place) == "Job":
            found.append(manifests.service(job_id, place, owner))
        return found


_GPU = {"resources": Resources(gpus=1)}
CASES = {
    "cpu": Case(),
    "cpu-memory": Case(spec={"resources": Resources(cpu=2.5, memory=4 << 30)}),
    "processes": Case(spec={"procs": 4}),
    "payload-apart": Case(part=True),
    "cuda": Case("cuda", _GPU),
    "cuda-mig": Case("cuda", _GPU, {"resources": {"cuda": "nvidia.com/mig-1g.10gb"}}),
    "rocm": Case("rocm", {"resources": Resources(gpus=2, memory=64 << 30)}),
    "xpu": Case("xpu", _GPU),
    "xpu-i915": Case("xpu", _GPU, {"resources": {"xpu": "gpu.intel.com/i915"}}),
    "hpu": Case("hpu", {"resources": Resources(gpus=2, cpu=8, memory=128 << 30)}),
    "nodes": Case("cuda", {"nodes": 4, "procs": 8, "resources": Resources(gpus=8, cpu=32)}),
    "jobset": Case(
        "cuda", {"nodes": 4, "resources": Resources(gpus=1)}, {"workload": "jobset", "queue": "research"}
    ),
    "trainjob": Case(
        "cuda",
        {"nodes": 4, "procs": 2, "timeout": 3600.0, "resources": Resources(gpus=2)},
        {"workload": "trainjob", "store": "pvc:sovlab-store", "queue": "research", "user": 1000},
    ),
    "jobset-one-node": Case(place={"workload": "jobset"}),
    "queue": Case(place={"queue": "research", "priority": "batch"}),
    "priority": Case(place={"priority": "low"}),
    "claim": Case(place={"store": "pvc:sovlab-store"}),
    "nodes-labelled": Case(
        "cuda",
        _GPU,
        {
            "node_selector": {"topology.kubernetes.io/region": "fr", "nvidia.com/gpu.product": "NVIDIA-L40S"},
            "tolerations": ({"key": "team", "operator": "Equal", "value": "ml", "effect": "NoExecute"},),
            "runtime_class": {"cuda": "nvidia"},
            "images": {"cuda": "registry.example.org/torch:2.9-cuda"},
            "python": "/opt/venv/bin/python",
        },
    ),
    "account": Case(place={"service_account": "trainer", "pull_secrets": ["registry", "mirror"]}),
    "user": Case(place={"user": 1001, "fs_group": 2000, "store": "pvc:sovlab-store"}),
    "timeout": Case(spec={"timeout": 7200.0}),
    "long-grace": Case(spec={"grace": 599.5, "timeout": 60.0}),
}


def reader() -> dict[str, Any]:
    """The pod that mounts the store to read it."""
    place = ClusterProfile(
        namespace="research", image="registry.example.org/torch:2.9", store="pvc:sovlab-store"
    )
    return manifests.reader(f"{JOB}-reader", _owner(), place, "cpu", seconds=600)


def _owner() -> dict[str, Any]:
    workload = CASES["claim"].objects()[0]
    return {**workload, "metadata": {**workload["metadata"], "uid": UID}}


def everything() -> dict[str, list[dict[str, Any]]]:
    """All objects, by golden file."""
    return {**{name: case.objects() for name, case in CASES.items()}, "reader": [reader()]}


ALL = sorted(everything())


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def as_yaml(objects: list[dict[str, Any]]) -> str:
    return yaml.dump_all(objects, Dumper=_Plain, sort_keys=False, width=110, explicit_start=True)


def pod_template(workload: dict[str, Any]) -> dict[str, Any]:
    """The pod of a workload, with ``metadata`` and ``spec``."""
    if workload["kind"] == "Pod":
        return workload
    spec = job_of(workload)
    template: dict[str, Any] = spec["template"]
    return template


def job_of(workload: dict[str, Any]) -> dict[str, Any]:
    """The spec of the Job that a workload is, or that a cluster with Trainer's own runtime makes of it."""
    if workload["kind"] == "TrainJob":
        from tests.kube.apiserver.controllers import trainjobs

        meta = {**workload["metadata"], "uid": UID}
        workload = {
            "kind": "JobSet",
            **trainjobs.build({**workload, "metadata": meta}, trainjobs.TORCH_RUNTIME),
        }
    spec: dict[str, Any] = workload["spec"]
    return spec["replicatedJobs"][0]["template"]["spec"] if workload["kind"] == "JobSet" else spec


def pod_of(workload: dict[str, Any]) -> dict[str, Any]:
    return pod_template(workload)["spec"]  # type: ignore[no-any-return]


# --- golden files and schemas


@pytest.mark.parametrize("name", ALL)
def test_manifests_are_those_of_the_golden_file(name: str) -> None:
    path = GOLDEN / f"{name}.yaml"
    known, made = path.read_text() if path.exists() else "", as_yaml(everything()[name])
    difference = difflib.unified_diff(
        known.splitlines(), made.splitlines(), f"golden/{name}.yaml", "now", lineterm=""
    )
    hint = "If this is meant: python -m tests.kube.objects.test_manifests --update"
    assert known == made, "\n".join(["", *difference, hint])


def test_there_is_no_golden_file_without_a_case() -> None:
    assert sorted(p.stem for p in GOLDEN.glob("*.yaml")) == ALL


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once() -> Any:
    known = utils.schema_contents
    utils.schema_contents = functools.cache(known)
    yield
    utils.schema_contents = known


def validate(obj: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(obj, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ALL)
def test_manifests_fulfil_the_strict_schema(name: str, version: str) -> None:
    for obj in yaml.safe_load_all((GOLDEN / f"{name}.yaml").read_text()):
        if obj["kind"] == "JobSet":
            check_jobset(obj)
            inner = obj["spec"]["replicatedJobs"][0]["template"]
            obj = {"apiVersion": "batch/v1", "kind": "Job", **inner}
        if obj["kind"] == "TrainJob":
            check_trainjob(obj)
            template = copy.deepcopy(pod_template(obj))
            obj = {"apiVersion": "v1", "kind": "Pod", **template}
        validate(obj, version)
        if obj["kind"] == "Job":  # schemas of templates are those of pods, but say so where it can be seen
            validate({"apiVersion": "v1", "kind": "Pod", **pod_template(obj)}, version)


def test_the_strict_schema_finds_a_misspelt_field() -> None:
    for path in (["spec"], ["spec", "template", "spec"], ["spec", "template", "spec", "containers", 0]):
        job = copy.deepcopy(CASES["cpu"].objects()[0])
        place: Any = job
        for step in path:
            place = place[step]
        place["backOffLimit"] = 1
        with pytest.raises(kubernetes_validate.ValidationError, match="backOffLimit"):
            validate(job, VERSIONS[-1])


def test_schemas_from_1_34_to_the_newest_are_used() -> None:
    assert VERSIONS[0] == "1.34"
    assert VERSIONS[-1] == utils.latest_version().rpartition(".")[0]


_BOOL, _COUNT, _TEXT = (bool,), (int,), (str,)
_RULE = {"name": _TEXT, "action": _TEXT, "onJobFailureReasons": (list,), "targetReplicatedJobs": (list,)}
_JOBSET: dict[str, Any] = {
    "suspend": _BOOL,
    "ttlSecondsAfterFinished": _COUNT,
    "network": {"enableDNSHostnames": _BOOL, "publishNotReadyAddresses": _BOOL, "subdomain": _TEXT},
    "failurePolicy": {"maxRestarts": _COUNT, "restartStrategy": _TEXT, "rules": [_RULE]},
    "successPolicy": {"operator": _TEXT},
    "startupPolicy": {"startupPolicyOrder": _TEXT},
    "coordinator": {"replicatedJob": _TEXT, "jobIndex": _COUNT, "podIndex": _COUNT},
    "managedBy": _TEXT,
    "replicatedJobs": [{"name": _TEXT, "groupName": _TEXT, "replicas": _COUNT, "template": {}}],
}
"""What of JobSet's CRD (v1alpha2, release 0.12) a workload may use; the template is a Job's."""


def check_jobset(obj: dict[str, Any]) -> None:
    assert obj["apiVersion"] == "jobset.x-k8s.io/v1alpha2"
    assert set(obj) == {"apiVersion", "kind", "metadata", "spec"}
    _check_fields(obj["spec"], _JOBSET, "spec")
    assert set(obj["spec"]["replicatedJobs"][0]["template"]) == {"metadata", "spec"}


_NAMED = [{"name": _TEXT}]
_PATCH: dict[str, Any] = {
    "serviceAccountName": _TEXT,
    "volumes": [{}],
    "imagePullSecrets": _NAMED,
    "securityContext": {},
    "nodeSelector": {},
    "tolerations": [{}],
    "terminationGracePeriodSeconds": _COUNT,
    "containers": [{"name": _TEXT, "volumeMounts": [{}], "securityContext": {}}],
}
_META = {"labels": {}, "annotations": {}}
_TRAINJOB: dict[str, Any] = {
    "suspend": _BOOL,
    "runtimeRef": {"apiGroup": _TEXT, "kind": _TEXT, "name": _TEXT},
    "activeDeadlineSeconds": _COUNT,
    "trainer": {
        "image": _TEXT,
        "command": [_TEXT],
        "env": [{"name": _TEXT, "value": _TEXT}],
        "numNodes": _COUNT,
        "numProcPerNode": _COUNT,
        "resourcesPerNode": {"requests": {}, "limits": {}},
    },
    "runtimePatches": [
        {
            "manager": _TEXT,
            "trainingRuntimeSpec": {
                "template": {
                    "spec": {
                        "replicatedJobs": [
                            {
                                "name": _TEXT,
                                "template": {"spec": {"template": {"metadata": _META, "spec": _PATCH}}},
                            }
                        ]
                    }
                }
            },
        }
    ],
}
"""What of TrainJob's CRD (v1alpha1, release 2.3) a workload may use."""


def check_trainjob(obj: dict[str, Any]) -> None:
    assert obj["apiVersion"] == "trainer.kubeflow.org/v1alpha1"
    assert set(obj) == {"apiVersion", "kind", "metadata", "spec"}
    _check_fields(obj["spec"], _TRAINJOB, "spec")
    assert "/" in obj["spec"]["runtimePatches"][0]["manager"]


def _check_fields(value: Any, known: Any, where: str) -> None:
    if isinstance(known, tuple):
        assert type(value) in known, f"{where} is {value!r}"
    elif isinstance(known, list):
        for item in value:
            _check_fields(item, known[0], f"{where}[]")
    elif known:
        assert set(value) <= set(known), f"{where} has {set(value) - set(known)}"
        for key, inner in value.items():
            _check_fields(inner, known[key], f"{where}.{key}")


# --- Jobs


def test_the_pod_of_one_node_is_replaced_when_the_cluster_takes_its_node_and_never_else() -> None:
    spec = CASES["cpu"].objects()[0]["spec"]
    disrupted = [{"type": "DisruptionTarget", "status": "True"}]
    assert spec["podFailurePolicy"] == {"rules": [{"action": "Ignore", "onPodConditions": disrupted}]}
    assert spec["backoffLimit"] == 0
    assert pod_of(CASES["cpu"].objects()[0])["restartPolicy"] == "Never"


def test_one_of_several_nodes_is_never_replaced() -> None:
    spec = CASES["nodes"].objects()[0]["spec"]
    assert [rule["action"] for rule in spec["podFailurePolicy"]["rules"]] == ["FailJob"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == 4


@pytest.mark.parametrize("name", CASES)
def test_a_pod_is_made_anew_only_when_the_one_before_has_ended(name: str) -> None:
    workload = CASES[name].objects()[0]
    if workload["kind"] != "TrainJob":  # where it is the runtime's to say
        assert job_of(workload)["podReplacementPolicy"] == "Failed"


@pytest.mark.parametrize("name", CASES)
def test_a_workload_is_held_back_until_all_is_there(name: str) -> None:
    assert CASES[name].objects()[0]["spec"]["suspend"] is True


@pytest.mark.parametrize("name", CASES)
def test_all_that_a_job_needs_is_owned_by_its_workload(name: str) -> None:
    workload, *others = CASES[name].objects()
    assert others
    for obj in others:
        (owner,) = obj["metadata"]["ownerReferences"]
        assert (owner["apiVersion"], owner["kind"]) == (workload["apiVersion"], workload["kind"])
        assert (owner["name"], owner["uid"]) == (JOB, UID)
        assert obj["metadata"]["namespace"] == workload["metadata"]["namespace"]
        # An owner's deletion is not blocked: that would take the right to set finalizers of Jobs.
        assert owner["blockOwnerDeletion"] is False


def test_the_ranks_meet_at_the_first_pod() -> None:
    job, _, service = CASES["nodes"].objects()
    pod = pod_of(job)
    host, _, port = _rendezvous(pod).partition(":")
    # An Indexed Job calls its pods <job>-<index>; DNS has them under the Service that is their subdomain.
    assert host == f"{job['metadata']['name']}-0.{service['metadata']['name']}"
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    assert service["spec"]["ports"][0]["port"] == int(port)


def test_the_ranks_of_a_jobset_meet_at_its_first_pod() -> None:
    (jobset, _secret) = CASES["jobset"].objects()
    name, replicated = jobset["metadata"]["name"], jobset["spec"]["replicatedJobs"][0]["name"]
    host = _rendezvous(pod_of(jobset)).partition(":")[0]
    # https://jobset.sigs.k8s.io: <jobset>-<replicatedJob>-<job index>-<pod index>.<subdomain>
    assert host == f"{name}-{replicated}-0-0.{jobset['spec']['network']['subdomain']}"


def test_the_ranks_of_a_trainjob_meet_where_trainer_has_them_meet() -> None:
    trainjob = CASES["trainjob"].objects()[0]
    env = {e["name"]: e.get("value") for e in pod_of(trainjob)["containers"][0]["env"]}
    assert env["SOVLAB_RENDEZVOUS"].partition(":")[0] == env["PET_MASTER_ADDR"]
    assert (env["PET_NNODES"], env["PET_NPROC_PER_NODE"]) == ("4", "2")


@pytest.mark.parametrize(
    ("place", "what"),
    [({"runtime_class": {"cpu": "kata"}}, "runtime class"), ({"priority": "high"}, "priority class")],
)
def test_a_trainjob_that_only_its_runtime_could_make_is_refused(place: dict[str, Any], what: str) -> None:
    with pytest.raises(SpecError, match=what) as caught:
        Case(spec={"nodes": 2}, place={"workload": "trainjob", **place}).objects()
    assert "workload" in caught.value.hint


def test_a_training_runtime_may_be_of_the_namespace() -> None:
    place = {"workload": "trainjob", "training_runtime": "TrainingRuntime/ours"}
    trainjob = Case(spec={"nodes": 2}, place=place).objects()[0]
    named = {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": "ours"}
    assert trainjob["spec"]["runtimeRef"] == named


def _rendezvous(pod: dict[str, Any]) -> str:
    env = {e["name"]: e["value"] for e in pod["containers"][0]["env"]}
    return str(env["SOVLAB_RENDEZVOUS"])


@given(st.text("abcdefghijkmnpqrstvwxyz-0123456789", min_size=1, max_size=50))
def test_ranks_meet_at_a_port_that_systems_do_not_give_out_by_themselves(job_id: str) -> None:
    # Linux gives out 32768 to 60999, Kubernetes 30000 to 32767 for Services.
    assert 20000 <= labels.port(job_id) < 30000
    assert labels.port(job_id) == labels.port(job_id)


def test_a_queue_gets_the_priority_of_queues_and_no_priority_class() -> None:
    job = CASES["queue"].objects()[0]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "research"
    assert job["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "batch"
    assert "priorityClassName" not in pod_of(job)
    # Kueue manages what carries the label: pods that did would be queued a second time.
    assert "kueue.x-k8s.io/queue-name" not in pod_template(job)["metadata"]["labels"]


def test_without_a_queue_the_priority_is_a_priority_class() -> None:
    job = CASES["priority"].objects()[0]
    assert pod_of(job)["priorityClassName"] == "low"
    assert not [label for label in job["metadata"]["labels"] if "kueue" in label]


def test_a_deadline_leaves_the_runner_time_to_end_the_job_itself() -> None:
    for name in ("timeout", "long-grace"):
        case = CASES[name]
        pod = pod_of(case.objects()[0])
        grace = pod["terminationGracePeriodSeconds"]
        assert grace > case.spec.get("grace", 30.0)
        assert (
            pod["activeDeadlineSeconds"] > case.spec["timeout"] + grace + ClusterProfile(namespace="n").hold
        )
        assert "activeDeadlineSeconds" not in case.objects()[0]["spec"], "a Job's deadline deletes its pods"


@pytest.mark.parametrize("seconds", [1e12, float("inf")])
def test_times_stay_within_what_kubernetes_takes(seconds: float) -> None:
    job = Case(place={"keep": seconds}).objects(timeout=seconds)[0]
    assert pod_of(job)["activeDeadlineSeconds"] == job["spec"]["ttlSecondsAfterFinished"] == 2**31 - 1


def test_no_memory_of_its_own_means_no_limit_and_shared_memory_as_the_node_gives_it() -> None:
    pod = pod_of(CASES["cpu"].objects()[0])
    assert "limits" not in pod["containers"][0]["resources"]
    assert {"name": "shm", "emptyDir": {"medium": "Memory"}} in pod["volumes"]
    limited = pod_of(CASES["cpu-memory"].objects()[0])
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(4 << 30)}} in limited["volumes"]


# --- resources


@pytest.mark.parametrize("name", CASES)
def test_resources_follow_the_rules_of_kubernetes(name: str) -> None:
    found = pod_of(CASES[name].objects()[0])["containers"][0]["resources"]
    requests, limits = found["requests"], found.get("limits", {})
    assert {"cpu", "memory"} <= set(requests)
    for resource, amount in limits.items():
        assert parse(requests[resource]) <= parse(amount)
        if resource not in ("cpu", "memory"):  # devices and huge pages cannot be overcommitted
            assert requests[resource] == amount
            assert float(parse(amount)).is_integer()
    assert all(resource in limits for resource in requests if resource not in ("cpu", "memory"))
    for resource, amount in limits.items():
        if resource.startswith("hugepages-"):
            assert parse(amount) % parse(resource.partition("-")[2]) == 0


def test_huge_pages_come_with_each_gaudi() -> None:
    limits = pod_of(CASES["hpu"].objects()[0])["containers"][0]["resources"]["limits"]
    assert limits["habana.ai/gaudi"] == "2"
    assert parse(limits["hugepages-2Mi"]) == 2 * 21000 * 2**20


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("cuda", "nvidia.com/gpu"),
        ("cuda-mig", "nvidia.com/mig-1g.10gb"),
        ("rocm", "amd.com/gpu"),
        ("xpu", "gpu.intel.com/xe"),
        ("xpu-i915", "gpu.intel.com/i915"),
    ],
)
def test_devices_are_asked_for_by_the_name_that_the_cluster_has_for_them(name: str, device: str) -> None:
    limits = pod_of(CASES[name].objects()[0])["containers"][0]["resources"]["limits"]
    assert [resource for resource in limits if "/" in resource] == [device]


@given(st.floats(0.0001, 1e6, allow_nan=False, exclude_max=True))
def test_cores_are_written_as_quantities_to_the_thousandth(cores: float) -> None:
    text = podspec.quantity(cores)
    assert re.fullmatch(r"[1-9][0-9]*m?", text)
    assert abs(parse(text) - cores) <= 0.001


# --- names


@pytest.mark.parametrize("nodes", [1, 2, 1000])
@pytest.mark.parametrize("workload", ["job", "jobset", "trainjob"])
def test_names_stay_within_their_limits_for_the_longest_job_id(workload: str, nodes: int) -> None:
    job_id = new_job_id("x" * 100)
    assert len(job_id) == MAX_ID
    found = Case(place={"workload": workload}, part=True).objects(job_id, nodes=nodes)
    for obj in found:
        assert_dns_label(obj["metadata"]["name"])
        marked = [obj["metadata"]["labels"]]
        if obj["kind"] in manifests.API_VERSIONS:
            marked.append(pod_template(obj)["metadata"]["labels"])
        for label, value in (item for some in marked for item in some.items()):
            assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", value), label
            assert len(label.rpartition("/")[2]) <= 63
    last = nodes - 1
    if found[0]["kind"] != "Job":
        replicated = "node"
        if found[0]["kind"] == "JobSet":
            replicated = found[0]["spec"]["replicatedJobs"][0]["name"]
        # JobSet's webhook wants the names of pods, with a suffix of five, to be DNS labels.
        assert_dns_label(f"{job_id}-{replicated}-0-{last}-abcde")
    else:
        assert_dns_label(f"{job_id}-{last}")
    pod = pod_of(found[0])
    for port in (p for obj in found if obj["kind"] == "Service" for p in obj["spec"]["ports"]):
        assert len(port["name"]) <= 15
    assert len({v["name"] for v in pod["volumes"]}) == len(pod["volumes"])
    mounted = {m["name"] for m in pod["containers"][0]["volumeMounts"]}
    assert mounted == {v["name"] for v in pod["volumes"]}


def assert_dns_label(name: str) -> None:
    """RFC 1035, which is stricter than RFC 1123: what Services and the webhook of JobSet ask for."""
    assert re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name), f"{name} has {len(name)} characters"


# --- what users write


HOSTILE = 'x", "command": ["sh"] } --- !!python/object:os.system $(touch /tmp/owned) `id` {{ 7*7 }} \' : #'


def test_what_users_write_stays_data() -> None:
    case = CASES["nodes"]
    plain, hostile = case.objects()[0], case.objects(name=HOSTILE, origin=HOSTILE, backend_why=HOSTILE)[0]
    assert hostile == plain, "the request travels in an annotation alone"
    spec = JobSpec(name=HOSTILE, kind=PayloadKind.CELL, payload="0" * 64, origin=HOSTILE)
    place = ClusterProfile(namespace="research", image="image")
    told = marks(spec, "00ff", 1.0, "secret")
    made = manifests.workload(new_job_id(HOSTILE), spec, backends.get("cpu"), place, told)
    read = yaml.safe_load(as_yaml([made]))
    assert read == made
    assert json.loads(read["metadata"]["annotations"][labels.SPEC])["name"] == " ".join(HOSTILE.split())
    del read["metadata"]["annotations"]
    assert not [word for word in ("$(", "`", "{{", "!!", "/tmp", '", "') if word in str(read["spec"])]
    assert is_job_id(read["metadata"]["name"])


@pytest.mark.parametrize("name", CASES)
def test_no_command_goes_through_a_shell_or_through_the_expansion_of_variables(name: str) -> None:
    (container,) = pod_of(CASES[name].objects()[0])["containers"]
    assert container["command"][0] == CASES[name].place.get("python", "python3")
    assert "args" not in container
    assert not [word for word in container["command"] if "$(" in word or " " in word]


def test_environment_and_arguments_are_in_the_secret_alone() -> None:
    secret = {
        "env": {"API_TOKEN": "tok-5ecr3t"},
        "args": ("--password", "hunter2"),
        "labels": {"ab": "Cell In[7]"},
    }
    for case in (CASES["cpu"], CASES["jobset"]):
        spec = JobSpec(
            name="n", kind=PayloadKind.SCRIPT, payload="0" * 64, nodes=case.spec.get("nodes", 1), **secret
        )
        place = ClusterProfile(namespace="research", image="image", **case.place)
        told = marks(spec, "00ff", 1.0, "secret")
        made = json.dumps(manifests.workload(JOB, spec, backends.get("cpu"), place, told))
        for word in ("API_TOKEN", "5ecr3t", "password", "hunter2", "Cell In"):
            assert word not in made


def test_a_secret_holds_what_it_was_given_and_cannot_be_changed() -> None:
    data = {"runner.pyz": bytes(range(256)), "order.json": b"{}"}
    place = ClusterProfile(namespace="research")
    made = manifests.secret(JOB, place, _owner(), data, part="-payload")
    assert {name: base64.b64decode(value) for name, value in made["data"].items()} == data
    assert made["immutable"] is True
    assert made["metadata"]["name"] == f"{JOB}-payload"


def test_a_pod_waits_for_the_secret_with_the_runner_and_not_for_one_that_may_not_be() -> None:
    (given_,) = [v for v in pod_of(CASES["cpu"].objects()[0])["volumes"] if v["name"] == "given"]
    runner, payload = (source["secret"] for source in given_["projected"]["sources"])
    assert runner == {"name": JOB}
    assert payload == {"name": f"{JOB}-payload", "optional": True}


# --- security


def violations(pod: dict[str, Any]) -> list[str]:
    """Rules of the *restricted* Pod Security Standard, and of *baseline* below it, that a pod breaks.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/, as of Kubernetes 1.36.
    """
    found: list[str] = []
    security = pod.get("securityContext") or {}
    containers = [
        c for kind in ("initContainers", "containers", "ephemeralContainers") for c in pod.get(kind) or ()
    ]

    def check(rule: str, ok: bool) -> None:
        if not ok:
            found.append(rule)

    def each(rule: str, holds: Any) -> None:
        check(rule, all(holds(c.get("securityContext") or {}, c) for c in containers))

    def everywhere(key: str) -> list[Any]:
        own = [(c.get("securityContext") or {}).get(key) for c in containers]
        return [value for value in (security.get(key), *own) if value is not None]

    check("host namespaces", not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")))
    check("hostProcess", not any(o.get("hostProcess") for o in everywhere("windowsOptions")))
    each("privileged", lambda s, c: not s.get("privileged"))
    each(
        "capabilities",
        lambda s, c: set((s.get("capabilities") or {}).get("add") or ()) <= {"NET_BIND_SERVICE"},
    )
    each("drop ALL", lambda s, c: "ALL" in ((s.get("capabilities") or {}).get("drop") or ()))
    each("hostPort", lambda s, c: not any(p.get("hostPort") for p in c.get("ports") or ()))
    each("host of probes", lambda s, c: '"host"' not in json.dumps([c.get(k) for k in _PROBES]))
    profiles = {"RuntimeDefault", "Localhost"}
    check("AppArmor", all(p.get("type") in profiles for p in everywhere("appArmorProfile")))
    types = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
    check(
        "SELinux",
        all(
            o.get("type", "") in types and not {"user", "role"} & set(o) for o in everywhere("seLinuxOptions")
        ),
    )
    each("procMount", lambda s, c: s.get("procMount", "Default") == "Default")
    check("sysctls", {s["name"] for s in security.get("sysctls") or ()} <= _SYSCTLS)
    volumes = {key for volume in pod.get("volumes") or () for key in volume if key != "name"}
    check("volumes", volumes <= _VOLUMES)
    each("allowPrivilegeEscalation", lambda s, c: s.get("allowPrivilegeEscalation") is False)
    each("runAsNonRoot", lambda s, c: s.get("runAsNonRoot", security.get("runAsNonRoot")) is True)
    check("runAsUser", 0 not in everywhere("runAsUser"))
    each(
        "seccomp",
        lambda s, c: (
            (s.get("seccompProfile") or security.get("seccompProfile") or {}).get("type") in profiles
        ),
    )
    return found


_PROBES = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")
_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


@pytest.mark.parametrize("name", ALL)
def test_pods_fulfil_the_restricted_pod_security_standard(name: str) -> None:
    assert violations(pod_of(everything()[name][0])) == []


@pytest.mark.parametrize(
    ("rule", "pod", "container"),
    [
        ("host namespaces", {"hostIPC": True}, {}),
        ("hostProcess", {"securityContext": {"windowsOptions": {"hostProcess": True}}}, {}),
        ("privileged", {}, {"securityContext": {"privileged": True}}),
        ("capabilities", {}, {"securityContext": {"capabilities": {"drop": ["ALL"], "add": ["SYS_PTRACE"]}}}),
        ("drop ALL", {}, {"securityContext": {"capabilities": {"drop": ["NET_RAW"]}}}),
        ("hostPort", {}, {"ports": [{"containerPort": 1, "hostPort": 1}]}),
        ("host of probes", {}, {"livenessProbe": {"httpGet": {"host": "10.0.0.1", "port": 1}}}),
        ("AppArmor", {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}, {}),
        ("SELinux", {"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}, {}),
        ("procMount", {}, {"securityContext": {"procMount": "Unmasked"}}),
        ("sysctls", {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}, {}),
        ("volumes", {"volumes": [{"name": "dev", "hostPath": {"path": "/dev"}}]}, {}),
        ("allowPrivilegeEscalation", {}, {"securityContext": {"allowPrivilegeEscalation": None}}),
        ("runAsNonRoot", {"securityContext": {"runAsNonRoot": None}}, {}),
        ("runAsUser", {}, {"securityContext": {"runAsUser": 0}}),
        ("seccomp", {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, {}),
    ],
)
def test_each_rule_of_the_standard_is_checked(
    rule: str, pod: dict[str, Any], container: dict[str, Any]
) -> None:
    broken = copy.deepcopy(pod_of(CASES["cpu"].objects()[0]))
    for target, change in ((broken, pod), (broken["containers"][0], container)):
        for key, value in change.items():
            target[key] = {**target.get(key, {}), **value} if isinstance(value, dict) else value
    assert violations(broken) == [rule]


@pytest.mark.parametrize("name", ALL)
def test_pods_stand_openshift_where_the_place_asks_for_no_user(name: str) -> None:
    """``restricted-v2`` chooses UID, GID and SELinux level from the namespace, and refuses others."""
    pod = pod_of(everything()[name][0])
    asked = CASES[name].place if name in CASES else {}
    for security in (pod["securityContext"], *(c["securityContext"] for c in pod["containers"])):
        assert ("user" in asked) or not {"runAsUser", "runAsGroup"} & set(security)
        assert ("fs_group" in asked) or not {"fsGroup", "supplementalGroups"} & set(security)
        assert not {"seLinuxOptions", "privileged", "windowsOptions"} & set(security)
    assert {key for volume in pod["volumes"] for key in volume if key != "name"} <= _VOLUMES


def test_a_place_that_asks_for_a_user_gets_it() -> None:
    security = pod_of(CASES["user"].objects()[0])["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"], security["fsGroup"]) == (1001, 0, 2000)
    assert security["fsGroupChangePolicy"] == "OnRootMismatch"


@pytest.mark.parametrize("name", [name for name in ALL if name != "trainjob"])  # its runtime says it
def test_pods_are_given_no_credentials_of_the_cluster(name: str) -> None:
    pod = pod_of(everything()[name][0])
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False


@pytest.mark.parametrize("name", ALL)
def test_what_was_sent_can_be_read_by_any_user_and_changed_by_none(name: str) -> None:
    pod = pod_of(everything()[name][0])
    (mount,) = [m for m in pod["containers"][0]["volumeMounts"] if m["name"] == "given"]
    assert mount["readOnly"] is True
    (volume,) = [v for v in pod["volumes"] if v["name"] == "given"]
    assert (volume.get("projected") or volume["secret"])["defaultMode"] == 0o444


def update() -> None:
    """Write the golden files."""
    GOLDEN.mkdir(exist_ok=True)
    made = everything()
    for path in GOLDEN.glob("*.yaml"):
        if path.stem not in made:
            path.unlink()
    for name, objects in made.items():
        (GOLDEN / f"{name}.yaml").write_text(as_yaml(objects))


if __name__ == "__main__":
    if sys.argv[1:] != ["--update"]:
        raise SystemExit("python -m tests.kube.objects.test_manifests --update")
    update()
