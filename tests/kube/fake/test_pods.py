"""The fake cluster: Jobs, pods and nodes, with real processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kube.apiserver import FakeCluster, Node
from tests.kube.apiserver.client import Client, eventually

NS = "/api/v1/namespaces/default"
PODS = f"{NS}/pods"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
# Ends as it is told to, at once; `sh` alone, as the first process of a container, would not hear SIGTERM.
WAIT = "trap 'exit 9' TERM; while true; do sleep 0.05; done"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path / "c") as made:
        yield made
        assert made.failures == []


@pytest.fixture
def api(cluster: FakeCluster) -> Client:
    return Client(cluster)


def pod_spec(script: str, container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    main = {"name": "main", "image": "python:3.12", "command": ["sh", "-c", script], **(container or {})}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 2,
        "containers": [main],
        **spec,
    }


def pod(
    name: str, script: str = "true", container: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": pod_spec(script, container, **spec),
    }


def job(
    name: str, script: str = "true", container: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    template = {"spec": pod_spec(script, container, **spec.pop("pod", {}))}
    body = {"backoffLimit": 0, "template": template, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": body}


class Lab:
    """Short words for what the tests wait for."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster

    def over(self, name: str) -> dict[str, Any]:
        return self.until(name, lambda found: found["status"]["phase"] in ("Succeeded", "Failed"))

    def running(self, name: str) -> dict[str, Any]:
        return self.until(name, lambda found: found["status"]["phase"] == "Running")

    def until(self, name: str, check: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            found = self.cluster.get("pods", name)
            return found if found and check(found) else None

        return eventually(look)  # type: ignore[no-any-return]

    def job(self, name: str, *kinds: str) -> dict[str, Any]:
        wanted = kinds or ("Complete", "Failed")

        def look() -> dict[str, Any] | None:
            found = self.cluster.get("jobs", name)
            assert found is not None
            return (
                found
                if any(c["type"] in wanted and c["status"] == "True" for c in conditions(found))
                else None
            )

        return eventually(look)  # type: ignore[no-any-return]

    def pods(self, job: str) -> list[dict[str, Any]]:
        found = self.cluster.list("pods")
        return [one for one in found if one["metadata"].get("labels", {}).get("job-name") == job]

    def events(self, name: str) -> list[tuple[str, str]]:
        found = [e for e in self.cluster.list("events") if e["involvedObject"]["name"] == name]
        return [(e["reason"], e["message"]) for e in found]


def conditions(found: dict[str, Any]) -> list[dict[str, Any]]:
    return found.get("status", {}).get("conditions") or []


def condition(found: dict[str, Any], kind: str) -> dict[str, Any]:
    return next((c for c in conditions(found) if c["type"] == kind), {})


def ended(found: dict[str, Any]) -> dict[str, Any]:
    return found["status"]["containerStatuses"][0]["state"]["terminated"]  # type: ignore[no-any-return]


@pytest.fixture
def lab(cluster: FakeCluster) -> Lab:
    return Lab(cluster)


# Jobs


def test_a_job_runs_its_command_and_completes(cluster: FakeCluster, lab: Lab) -> None:
    cluster.create(job("one", "echo hello > $HOME/out; echo done > /dev/termination-log"))
    found = lab.job("one")
    assert [c["type"] for c in conditions(found)] == ["SuccessCriteriaMet", "Complete"]
    status = found["status"]
    assert (status["succeeded"], status["ready"], status["terminating"]) == (1, 0, 0)
    assert status["startTime"] <= status["completionTime"]
    (made,) = lab.pods("one")
    assert made["status"]["phase"] == "Succeeded"
    assert made["status"]["podIP"].startswith("127.")
    assert ended(made)["reason"] == "Completed"
    eventually(lambda: "finalizers" not in lab.pods("one")[0]["metadata"])
    eventually(lambda: sorted(reason for reason, _ in lab.events("one")) == ["Completed", "SuccessfulCreate"])


def test_a_container_has_only_its_own_environment(
    cluster: FakeCluster, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAKED", "yes")
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)$(NOT)$$(A)"},
        {"name": "C", "value": "$(D)"},
        {"name": "D", "value": "late"},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    program = "import json,os; json.dump(dict(os.environ), open('/dev/termination-log','w'))"
    command = ["python3", "-c", program.replace("'/dev/termination-log'", "os.environ['LOG']")]
    env.append({"name": "LOG", "value": "/dev/termination-log"})
    cluster.create(pod("one", container={"command": command, "env": env}, enableServiceLinks=False))
    import json

    seen = json.loads(ended(lab.over("one"))["message"])
    assert seen["B"] == "1$(NOT)$(A)"
    assert (seen["C"], seen["POD"], seen["HOSTNAME"]) == ("$(D)", "one", "one")
    assert "LEAKED" not in seen
    assert Path(seen["HOME"]).is_relative_to(cluster.directory)


def test_a_job_that_fails_says_how(cluster: FakeCluster, lab: Lab) -> None:
    container = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    cluster.create(job("one", "echo what happened; exit 7", container))
    found = lab.job("one")
    assert [c["type"] for c in conditions(found)] == ["FailureTarget", "Failed"]
    failed = condition(found, "Failed")
    assert (failed["reason"], failed["message"]) == (
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    )
    assert found["status"]["failed"] == 1
    (made,) = lab.pods("one")
    assert (ended(made)["exitCode"], ended(made)["reason"]) == (7, "Error")
    assert ended(made)["message"] == "what happened\n"


def test_failed_pods_are_replaced_up_to_the_limit(cluster: FakeCluster, lab: Lab) -> None:
    cluster.create(job("one", "exit 1", backoffLimit=2))
    assert lab.job("one")["status"]["failed"] == 3
    assert len(lab.pods("one")) == 3


def test_a_failure_policy_ends_a_job_at_once(cluster: FakeCluster, lab: Lab) -> None:
    rules = [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
    ]
    cluster.create(job("one", "exit 42", backoffLimit=5, podFailurePolicy={"rules": rules}))
    failed = condition(lab.job("one"), "Failed")
    (made,) = lab.pods("one")
    assert failed["reason"] == "PodFailurePolicy"
    assert failed["message"] == (
        f"Container main for pod default/{made['metadata']['name']} failed with exit code 42 matching "
        f"FailJob rule "
        "at index 1"
    )


def test_an_eviction_is_not_the_jobs_fault(cluster: FakeCluster, api: Client, lab: Lab) -> None:
    rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]
    cluster.create(job("one", WAIT, podFailurePolicy={"rules": rules}))
    first = eventually(lambda: [p for p in lab.pods("one") if p["status"]["phase"] == "Running"])[0]
    name = first["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    assert api.post(f"{PODS}/{name}/eviction", body).code == 201
    watched = lab.until(name, lambda found: "deletionTimestamp" in found["metadata"])
    assert condition(watched, "DisruptionTarget")["reason"] == "EvictionByEvictionAPI"
    second = eventually(lambda: [p for p in lab.pods("one") if p["metadata"]["name"] != name])[0]
    assert "failed" not in lab.cluster.get("jobs", "one")["status"]
    assert second["metadata"]["name"] != name


def test_a_suspended_job_loses_its_pods_and_gets_new_ones(
    cluster: FakeCluster, api: Client, lab: Lab
) -> None:
    cluster.create(job("one", WAIT))
    first = eventually(lambda: [p for p in lab.pods("one") if p["status"]["phase"] == "Running"])[0]
    api.patch(f"{JOBS}/one", {"spec": {"suspend": True}})
    found = lab.job("one", "Suspended")
    assert "startTime" not in found["status"]
    eventually(lambda: lab.pods("one") == [])
    assert "failed" not in cluster.get("jobs", "one")["status"]
    api.patch(f"{JOBS}/one", {"spec": {"suspend": False}})
    second = eventually(lambda: lab.pods("one"))[0]
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    resumed = eventually(lambda: condition(cluster.get("jobs", "one"), "Suspended")["status"] == "False")
    assert resumed
    assert {"Suspended", "Resumed", "SuccessfulDelete"} <= {reason for reason, _ in lab.events("one")}


def test_a_job_has_its_deadline(cluster: FakeCluster, lab: Lab) -> None:
    cluster.create(job("one", WAIT, activeDeadlineSeconds=1))
    failed = condition(lab.job("one"), "Failed")
    assert (failed["reason"], failed["message"]) == (
        "DeadlineExceeded",
        "Job was active longer than specified deadline",
    )
    assert [p["status"]["phase"] for p in lab.pods("one")] in ([], ["Failed"])


def test_a_finished_job_goes_with_its_pods_when_its_time_is_over(cluster: FakeCluster, lab: Lab) -> None:
    cluster.create(job("one", ttlSecondsAfterFinished=1))
    lab.job("one")
    eventually(lambda: cluster.get("jobs", "one") is None and lab.pods("one") == [])


def test_an_indexed_job_knows_who_is_who(cluster: FakeCluster, api: Client, lab: Lab) -> None:
    cluster.create(
        job(
            "one",
            "echo $JOB_COMPLETION_INDEX $HOSTNAME",
            completionMode="Indexed",
            completions=3,
            parallelism=3,
        )
    )
    assert lab.job("one")["status"]["completedIndexes"] == "0-2"
    for made in lab.pods("one"):
        index = made["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"]
        assert made["metadata"]["name"].startswith(f"one-{index}-")
        text = api.get(f"{PODS}/{made['metadata']['name']}/log").raw.decode()
        assert text == f"{index} one-{index}\n"


TORCH = """
import torch, torch.distributed as dist
dist.init_process_group("gloo")
total = torch.ones(1) * (dist.get_rank() + 1)
dist.all_reduce(total)
print("sum", int(total), "of", dist.get_world_size(), flush=True)
dist.destroy_process_group()
"""


def test_torchrun_meets_through_a_headless_service(cluster: FakeCluster, api: Client, lab: Lab) -> None:
    selector = {"batch.kubernetes.io/job-name": "two"}
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": selector}
    cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "two"}, "spec": spec})
    command = [
        "python3",
        "-m",
        "torch.distributed.run",
        "--nnodes=2",
        "--nproc-per-node=1",
        "--node-rank=$(JOB_COMPLETION_INDEX)",
        "--master-addr=two-0.two",
        "--master-port=29731",
        "/work/train.py",
    ]
    cluster.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "code"}, "data": {"train.py": TORCH}}
    )
    volume = {"volumes": [{"name": "code", "configMap": {"name": "code"}}], "subdomain": "two"}
    container = {"command": command, "volumeMounts": [{"name": "code", "mountPath": "/work"}]}
    body = job("two", container=container, pod=volume, completionMode="Indexed", completions=2, parallelism=2)
    cluster.create(body)
    found = eventually(lambda: _finished(cluster, "two"), 90)
    logs = [api.get(f"{PODS}/{made['metadata']['name']}/log").raw.decode() for made in lab.pods("two")]
    assert condition(found, "Complete").get("status") == "True", logs
    assert all("sum 3 of 2" in text for text in logs)


def _finished(cluster: FakeCluster, name: str) -> dict[str, Any] | None:
    found = cluster.get("jobs", name)
    assert found is not None
    return found if any(c["type"] in ("Complete", "Failed") for c in conditions(found)) else None


def test_a_name_that_no_service_gives_stays_a_name(cluster: FakeCluster, api: Client, lab: Lab) -> None:
    text = "echo other-0.nothing self.two 127.0.0.1"
    cluster.create(pod("one", text, hostname="self", subdomain="two"))
    lab.over("one")
    assert api.get(f"{PODS}/one/log").raw == b"other-0.nothing self.two 127.0.0.1\n"


def test_a_deleted_job_takes_its_processes_along(cluster: FakeCluster, api: Client, lab: Lab) -> None:
    cluster.create(job("one", "sleep 600 & echo $! > $HOME/child; " + WAIT))
    made = eventually(lambda: [p for p in lab.pods("one") if p["status"]["phase"] == "Running"])[0]
    file = cluster.pod_directory(made["metadata"]["name"]) / "containers/main/child"
    child = int(eventually(lambda: file.exists() and file.read_text()))
    api.delete(f"{JOBS}/one", {"propagationPolicy": "Background"})
    eventually(lambda: lab.pods("one") == [])
    eventually(lambda: not alive(child))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# Volumes, images, nodes


def test_volumes_are_where_the_container_says(cluster: FakeCluster, api: Client, lab: Lab) -> None:
    for kind, name in (("Secret", "s"), ("ConfigMap", "c")):
        data = {"stringData" if kind == "Secret" else "data": {"a.txt": f"of {name}", "b.txt": "other"}}
        cluster.create({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **data})
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    head = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}}
    cluster.create({**head, "spec": claim})
    labels = {"fieldRef": {"fieldPath": "metadata.name"}}
    volumes = [
        {"name": "s", "secret": {"secretName": "s", "defaultMode": 0o400,
                                 "items": [{"key": "a.txt", "path": "in/a"}]}},
        {"name": "both", "projected": {"sources": [
            {"configMap": {"name": "c"}}, {"secret": {"name": "none", "optional": True}},
            {"downwardAPI": {"items": [{"path": "name", **labels}]}}]}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
    ]  # fmt: skip
    mounts = [("s", "/etc/s"), ("both", "/etc/s/both"), ("tmp", "/tmp/work"), ("data", "/data")]
    script = (
        "cat /etc/s/in/a /etc/s/both/a.txt /etc/s/both/name; ls /etc/s/both; echo kept >> /data/file; "
        "echo /datax x/data; cp /etc/s/in/a /tmp/work/a; stat -Lc %a /etc/s/in/a"
    )
    container = {"volumeMounts": [{"name": name, "mountPath": path} for name, path in mounts]}
    for name in ("one", "two"):
        cluster.create(pod(name, script, container, volumes=volumes))
        assert lab.over(name)["status"]["phase"] == "Succeeded", api.get(f"{PODS}/{name}/log").raw
    text = api.get(f"{PODS}/two/log").raw.decode()
    assert text == "of sof ctwoa.txt\nb.txt\nname\n/datax x/data\n400\n"
    kept = cluster.volumes.claim_directory("default", "data") / "file"
    assert kept.read_text() == "kept\nkept\n"


def test_a_missing_secret_is_waited_for(cluster: FakeCluster, api: Client, lab: Lab) -> None:
    volumes = [{"name": "v", "secret": {"secretName": "late"}}]
    cluster.create(
        pod("one", "cat /v/a", {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}, volumes=volumes)
    )
    text = 'MountVolume.SetUp failed for volume "v" : secret "late" not found'
    eventually(lambda: ("FailedMount", text) in lab.events("one"))
    waiting = cluster.get("pods", "one")["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting == {"reason": "ContainerCreating"}
    refused = api.get(f"{PODS}/one/log")
    assert (refused.code, refused.message) == (
        400,
        'container "main" in pod "one" is waiting to start: ContainerCreating',
    )
    cluster.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "late"}, "stringData": {"a": "here"}}
    )
    assert lab.over("one")["status"]["phase"] == "Succeeded"


def test_an_image_that_is_not_there(cluster: FakeCluster, api: Client, lab: Lab) -> None:
    cluster.create(pod("one", container={"image": "registry.example/missing:1"}))

    def reason(found: dict[str, Any]) -> str:
        states = found["status"].get("containerStatuses") or [{}]
        return str(states[0].get("state", {}).get("waiting", {}).get("reason"))

    lab.until("one", lambda found: reason(found) == "ErrImagePull")
    found = lab.until("one", lambda found: reason(found) == "ImagePullBackOff")
    waiting = found["status"]["containerStatuses"][0]["state"]["waiting"]
    assert waiting["message"].startswith(
        'Back-off pulling image "registry.example/missing:1": ErrImagePull: '
    )
    assert api.get(f"{PODS}/one/log").message.endswith("waiting to start: trying and failing to pull image")
    assert ("BackOff", 'Back-off pulling image "registry.example/missing:1"') in lab.events("one")


def test_commands_that_cannot_start(cluster: FakeCluster, lab: Lab) -> None:
    cluster.create(pod("none", container={"command": ["no-such-program"]}))
    found = ended(lab.over("none"))
    assert (found["exitCode"], found["reason"]) == (128, "StartError")
    assert 'exec: "no-such-program": executable file not found in $PATH' in found["message"]
    cluster.create(pod("nothing", container={"command": []}))
    lab.until("nothing", lambda one: "CreateContainerError" in str(one["status"]))
    env = [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}}]
    cluster.create(pod("env", container={"env": env}))
    one = lab.until("env", lambda one: "CreateContainerConfigError" in str(one["status"]))
    assert one["status"]["containerStatuses"][0]["state"]["waiting"]["message"] == 'secret "none" not found'


def test_init_containers_come_first_and_in_order(cluster: FakeCluster, api: Client, lab: Lab) -> None:
    mounts = {"volumeMounts": [{"name": "v", "mountPath": "/v"}], "image": "i"}
    inits = [
        {"name": name, "command": ["sh", "-c", f"echo {name} >> /v/log"], **mounts}
        for name in ("first", "second")
    ]
    spec = {"initContainers": inits, "volumes": [{"name": "v", "emptyDir": {}}]}
    cluster.create(pod("one", "cat /v/log", mounts, **spec))
    assert lab.over("one")["status"]["phase"] == "Succeeded"
    assert api.get(f"{PODS}/one/log", container="main").raw == b"first\nsecond\n"
    unclear = api.get(f"{PODS}/one/log")
    assert unclear.code == 400
    assert unclear.message == (
        "a container name must be specified for pod one, choose one of: [main] or one of the init "
        "containers: "
        "[first second]"
    )
    bad = [{**inits[0], "command": ["sh", "-c", "exit 4"]}]
    cluster.create(pod("two", "true", mounts, **{**spec, "initContainers": bad}))
    found = lab.over("two")
    assert found["status"]["phase"] == "Failed"
    assert found["status"]["containerStatuses"][0]["state"] == {"waiting": {"reason": "PodInitializing"}}


def test_too_much_memory_is_the_end(cluster: FakeCluster, lab: Lab) -> None:
    command = ["python3", "-c", "x = bytearray(200 * 1024 * 1024); import time; time.sleep(30)"]
    cluster.create(pod("one", container={"command": command, "resources": {"limits": {"memory": "64Mi"}}}))
    assert (ended(lab.over("one"))["exitCode"], ended(lab.over("one"))["reason"]) == (137, "OOMKilled")


def test_the_first_process_hears_sigterm_only_if_it_listens(
    cluster: FakeCluster, api: Client, lab: Lab
) -> None:
    cluster.create(pod("deaf", "exec sleep 60", terminationGracePeriodSeconds=1))
    cluster.create(pod("polite", "trap 'echo bye > $LOG; exit 3' TERM; echo ready; "
                       "while true; do sleep 0.05; done",
                       {"env": [{"name": "LOG", "value": "/dev/termination-log"}]}))  # fmt: skip
    for name in ("deaf", "polite"):
        lab.running(name)
        api.patch(f"{PODS}/{name}", {"metadata": {"finalizers": ["example.org/look"]}})
    eventually(lambda: api.get(f"{PODS}/polite/log").raw == b"ready\n")
    for name in ("deaf", "polite"):
        api.delete(f"{PODS}/{name}")
    deaf, polite = ended(lab.over("deaf")), ended(lab.over("polite"))
    assert deaf["exitCode"] == 137
    assert (polite["exitCode"], polite["message"]) == (3, "bye\n")
    gone = cluster.get("pods", "polite")["metadata"]
    assert gone["deletionGracePeriodSeconds"] in (0, 2)


def test_containers_are_started_again_with_a_back_off(cluster: FakeCluster, api: Client, lab: Lab) -> None:
    spec = pod("one", "echo run; exit 3")
    spec["spec"]["restartPolicy"] = "OnFailure"
    cluster.create(spec)
    found = lab.until("one", lambda one: "CrashLoopBackOff" in str(one["status"]))
    state = found["status"]["containerStatuses"][0]
    assert state["lastState"]["terminated"]["exitCode"] == 3
    assert state["restartCount"] >= 1
    assert found["status"]["phase"] == "Running"
    assert api.get(f"{PODS}/one/log", previous="true").raw == b"run\n"


def test_pods_wait_for_a_node_that_fits(tmp_path: Path) -> None:
    taint = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
    nodes = [
        Node("small", {"cpu": 2, "memory": "4Gi"}, {"zone": "a"}),
        Node("large", {"cpu": 8, "memory": "16Gi", "nvidia.com/gpu": 2}, {"zone": "b"}, [taint]),
    ]
    gpu = {"resources": {"limits": {"nvidia.com/gpu": 2}}}
    tolerations = {"tolerations": [{"key": "gpu", "operator": "Exists"}]}
    with FakeCluster(tmp_path / "c", nodes) as cluster:
        lab = Lab(cluster)

        def why(name: str) -> str:
            found = lab.until(name, lambda one: condition(one, "PodScheduled").get("status") == "False")
            assert condition(found, "PodScheduled")["reason"] == "Unschedulable"
            return str(condition(found, "PodScheduled")["message"])

        cluster.create(pod("taint", container=gpu))
        assert why("taint") == (
            "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated taint "
            "{gpu: yes}. no "
            "new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful "
            "for scheduling."
        )
        eventually(lambda: ("FailedScheduling", why("taint")) in lab.events("taint"))
        cluster.create(pod("zone", nodeSelector={"zone": "c"}))
        assert "1 node(s) didn't match Pod's node affinity/selector" in why("zone")
        cluster.create(pod("claim", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "none"}}]))
        assert 'persistentvolumeclaim "none" not found' in why("claim")
        cluster.create(pod("first", WAIT, gpu, **tolerations))
        assert lab.running("first")["spec"]["nodeName"] == "large"
        cluster.create(pod("second", container=gpu, **tolerations))
        assert "1 No preemption victims found for incoming pod" in why("second")
        cluster.delete("pods", "first", grace=0)
        assert lab.over("second")["spec"]["nodeName"] == "large"
        affinity = {
            "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
        }
        node = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": affinity}}
        cluster.create(pod("third", affinity=node))
        assert lab.over("third")["spec"]["nodeName"] == "small"
        assert cluster.failures == []


def test_a_drained_node_gets_no_pods(cluster: FakeCluster, lab: Lab) -> None:
    cluster.add_node(Node("node-2"))
    cluster.create(job("one", WAIT, backoffLimit=3))
    first = eventually(lambda: [p for p in lab.pods("one") if p["status"]["phase"] == "Running"])[0]
    here = first["spec"]["nodeName"]
    cluster.drain(here)
    eventually(
        lambda: "node.kubernetes.io/unschedulable" in str(cluster.get("nodes", here)["spec"].get("taints"))
    )
    moved = eventually(lambda: [p for p in lab.pods("one") if p["spec"].get("nodeName") not in (None, here)])
    assert moved
    cluster.create(pod("two", nodeSelector={"kubernetes.io/hostname": here}))
    message = lab.until("two", lambda found: condition(found, "PodScheduled").get("message"))
    assert "1 node(s) were unschedulable" in condition(message, "PodScheduled")["message"]


def test_a_lost_node_takes_its_pods_along(cluster: FakeCluster, lab: Lab) -> None:
    cluster.add_node(Node("node-2"))
    rules = [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]
    cluster.create(job("one", "echo $$$$ > $HOME/pid; " + WAIT, podFailurePolicy={"rules": rules}))
    first = eventually(lambda: [p for p in lab.pods("one") if p["status"]["phase"] == "Running"])[0]
    here, name = first["spec"]["nodeName"], first["metadata"]["name"]
    file = cluster.pod_directory(name) / "containers/main/pid"
    pid = int(eventually(lambda: file.exists() and file.read_text()))
    connection, response = Client(cluster, timeout=1).open(
        "GET", f"{PODS}/{name}/log", query={"follow": "true"}
    )
    cluster.kill_node(here)
    eventually(lambda: not alive(pid))
    # Nobody ends the stream of a node without power.
    with pytest.raises(TimeoutError):
        response.read(1)
    connection.close()
    assert Client(cluster).get(f"{PODS}/{name}/log").message.endswith("connect: no route to host")
    lost = lab.until(name, lambda found: "deletionTimestamp" in found["metadata"])
    assert condition(lost, "DisruptionTarget")["reason"] == "DeletionByTaintManager"
    # Nobody can say that the pod has ended: it stays, and is not replaced, until its node is gone for good.
    assert lost["status"]["phase"] == "Running"
    ready = condition(cluster.get("nodes", here), "Ready")
    assert (ready["status"], ready["message"]) == ("Unknown", "Kubelet stopped posting node status.")
    cluster.delete("nodes", here)
    moved = eventually(lambda: [p for p in lab.pods("one") if p["metadata"]["name"] != name])
    assert moved[0]["metadata"]["name"] != name
    assert "failed" not in cluster.get("jobs", "one")["status"]


def test_leaving_the_cluster_ends_every_process(tmp_path: Path) -> None:
    script = "setsid sleep 600 & echo $! > $HOME/child; exec sleep 600"
    with FakeCluster(tmp_path / "c") as cluster:
        cluster.create(pod("one", script, terminationGracePeriodSeconds=60))
        Lab(cluster).running("one")
        file = cluster.pod_directory("one") / "containers/main/child"
        child = int(eventually(lambda: file.exists() and file.read_text()))
        assert alive(child)
    eventually(lambda: not alive(child))
    assert os.getpid() != child
