"""kubectl, and the Python client, against the fake cluster."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kube.apiserver import FakeCluster, edit
from tests.kube.apiserver.client import eventually

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[FakeCluster]:
    with FakeCluster(tmp_path / "c", users={"ada": edit("default")}) as made:
        yield made
        assert made.failures == []


@pytest.fixture
def kubectl(cluster: FakeCluster, tmp_path: Path) -> Kubectl:
    def run(*args: str, text: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "KUBECONFIG": str(cluster.kubeconfig_for("ada")),
        }
        done = subprocess.run(
            ["kubectl", *args], env=env, input=text, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, done.stderr
        return done

    return run


def job(name: str, script: str) -> str:
    main = {"name": "main", "image": "python:3.12", "command": ["sh", "-c", script]}
    template = {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "containers": [main]}}
    body = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template},
    }
    return json.dumps(body)


@needs_kubectl
def test_the_ways_of_kubectl(cluster: FakeCluster, kubectl: Kubectl) -> None:
    assert (
        kubectl("create", "-f", "-", text=job("one", "echo hello; sleep 60")).stdout
        == "job.batch/one created\n"
    )
    eventually(lambda: [p for p in cluster.list("pods") if p["status"]["phase"] == "Running"])
    table = kubectl("get", "pods,jobs").stdout
    assert "READY" in table
    assert "1/1     Running" in table
    name = cluster.list("pods")[0]["metadata"]["name"]
    assert "Successfully assigned" in kubectl("describe", "pod", name).stdout
    assert "SuccessfulCreate" in kubectl("describe", "job", "one").stdout
    assert kubectl("logs", "job/one").stdout == "hello\n"
    assert kubectl("exec", name, "--", "echo", "here").stdout == "here\n"
    assert kubectl("exec", "-i", name, "--", "cat", text="given").stdout == "given"
    assert "exit code 3" in kubectl("exec", name, "--", "sh", "-c", "exit 3", code=3).stderr
    patch = '{"metadata":{"labels":{"a":"b"}}}'
    assert kubectl("patch", "job", "one", "-p", patch).stdout == "job.batch/one patched\n"
    assert kubectl("get", "jobs", "-l", "a=b", "-o", "name").stdout == "job.batch/one\n"
    assert 'User "ada" cannot list resource "nodes"' in kubectl("get", "nodes", code=1).stderr
    assert kubectl("delete", "job", "one").stdout.startswith('job.batch "one" deleted')
    eventually(lambda: cluster.list("pods") == [])


@needs_kubectl
def test_kubectl_follows_and_waits(cluster: FakeCluster, kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", text=job("one", "for i in 1 2 3; do echo $i; sleep 0.2; done"))
    assert (
        "unchanged"
        in kubectl("apply", "-f", "-", text=job("one", "for i in 1 2 3; do echo $i; sleep 0.2; done")).stdout
    )
    eventually(lambda: [p for p in cluster.list("pods") if p["status"]["phase"] != "Pending"])
    assert kubectl("logs", "-f", "job/one").stdout == "1\n2\n3\n"
    assert "condition met" in kubectl("wait", "--for=condition=complete", "job/one", "--timeout=20s").stdout
    wrong = job("two", "true").replace('"template"', '"templat"')
    refused = kubectl("create", "-f", "-", text=wrong, code=1)
    assert 'unknown field "spec.templat"' in refused.stderr


def test_the_python_client_reads_what_the_server_sends(cluster: FakeCluster) -> None:
    pytest.importorskip("kubernetes")
    program = """
import sys
from kubernetes import client, config, watch
config.load_kube_config(sys.argv[1])
batch, core = client.BatchV1Api(), client.CoreV1Api()
batch.create_namespaced_job("default", {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "one"},
    "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [
        {"name": "main", "image": "i", "command": ["echo", "hello"]}]}}}})
for event in watch.Watch().stream(batch.list_namespaced_job, "default", timeout_seconds=20):
    if any(c.type == "Complete" for c in event["object"].status.conditions or []):
        break
pod = core.list_namespaced_pod("default", label_selector="job-name=one").items[0]
assert core.read_namespaced_pod_log(pod.metadata.name, "default") == "hello\\n"
assert [n.metadata.name for n in core.list_node().items] == ["node-1"]
core.list_namespaced_event("default"); core.list_namespaced_service("default")
try:
    batch.read_namespaced_job("none", "default")
except client.ApiException as error:
    assert error.status == 404
batch.delete_namespaced_job("one", "default", propagation_policy="Foreground")
print("fine")
"""
    command = [sys.executable, "-W", "ignore", "-c", program, str(cluster.kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.stdout == "fine\n", done.stderr


def test_as_a_process_it_says_where_it_is(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.kube.apiserver",
        "--dir",
        str(tmp_path / "c"),
        "--node",
        "n:cpu=4,memory=8Gi",
    ]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        config = Path(process.stdout.readline().strip())
        try:
            assert config.exists()
            found = _nodes(config)
            process.send_signal(signal.SIGUSR1)
            eventually(lambda: _nodes(config) is None)
            process.send_signal(signal.SIGUSR2)
            assert eventually(lambda: _nodes(config)) == found == ["n"]
        finally:
            process.terminate()
        assert process.wait(20) == 0


def _nodes(config: Path) -> list[str] | None:
    """The names of the nodes by a bare request; None while nobody answers."""
    import http.client
    import ssl
    import urllib.error
    import urllib.request

    import yaml

    read: dict[str, Any] = yaml.safe_load(config.read_text())
    server = read["clusters"][0]["cluster"]
    token = Path(read["users"][0]["user"]["tokenFile"]).read_text()
    context = ssl.create_default_context(cafile=server["certificate-authority"])
    request = urllib.request.Request(
        server["server"] + "/api/v1/nodes", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return [item["metadata"]["name"] for item in json.load(answer)["items"]]
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError):
        return None  # stopped: before it was connected to, or in the middle of its answer
