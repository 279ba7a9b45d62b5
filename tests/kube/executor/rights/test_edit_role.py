"""A researcher with the ``edit`` role of a namespace and nothing else: all that they need works."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import yaml

from sovlab import backends
from sovlab.core.finding import Level, lacking
from sovlab.core.job import JobState
from sovlab.core.names import new_job_id
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube.survey.probing import probe
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.connection import Login
from sovlab.payload.results import Results
from tests.cluster.conftest import Cluster
from tests.executors.conftest import Harness
from tests.kube.apiserver.access.auth import edit


@pytest.fixture(scope="module")
def researcher(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Login:
    """Who has nothing but the role."""
    if cluster.fake is not None:
        cluster.fake.users.add("researcher", edit(cluster.namespace))
        return Login(context="researcher", kubeconfig=cluster.fake.kubeconfig_for("researcher"))
    return _service_account(cluster, tmp_path_factory.mktemp("who") / "config")


def _service_account(cluster: Cluster, file: Path) -> Login:
    name = {"name": "researcher"}
    cluster.api.create(cluster.path("serviceaccounts"), {"metadata": name})
    subject = {"kind": "ServiceAccount", "name": "researcher", "namespace": cluster.namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    cluster.api.create(
        cluster.path("rolebindings", group="apis/rbac.authorization.k8s.io/v1"),
        {"metadata": name, "subjects": [subject], "roleRef": role},
    )
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = cluster.api.create(f"{cluster.path('serviceaccounts', 'researcher')}/token", asked)
    config = yaml.safe_load(Path(str(cluster.login.kubeconfig)).read_text())
    (context,) = [c["context"] for c in config["contexts"] if c["name"] == cluster.login.context]
    config["users"] = [{"name": "researcher", "user": {"token": token["status"]["token"]}}]
    config["contexts"] = [
        {"name": "researcher", "context": {"cluster": context["cluster"], "user": "researcher"}}
    ]
    file.touch(0o600)
    file.write_text(yaml.safe_dump({**config, "current-context": "researcher"}))
    return Login(context="researcher", kubeconfig=file)


@pytest.fixture
def harness(cluster: Cluster, researcher: Login, state: Path) -> Harness:
    site = cluster.profile(user=1000)
    return Harness(KubernetesExecutor("site", researcher, site, state, agents=False), state / "objects")


def test_nothing_that_is_required_is_missing(cluster, researcher):
    known = {name: provider.backend for name, provider in backends.known().items()}
    found = probe(Api(researcher), cluster.profile(), known)
    assert not lacking(found)
    assert [finding.what for finding in found if finding.level is Level.DEGRADED] == ["hardware"]


def test_the_server_accepts_jobs_on_one_node_and_on_several(harness):
    for nodes in (1, 2):
        spec, path = harness.spec("1", nodes=nodes)
        found = harness.executor.manifests(new_job_id("test"), spec, path, check=True)
        assert not found.notes


def test_a_job_runs_is_followed_cancelled_shown_run_again_and_deleted(harness):
    executor = harness.executor
    data = os.urandom(200_000)
    job_id = harness.submit("y = x + b'!'\nprint('printed')", namespace={"x": data}, outputs=("y",))
    assert executor.wait(job_id, 120).status.state is JobState.SUCCEEDED
    assert harness.log(job_id) == b"printed\n"
    assert Results(executor.results(job_id), main={}).value("y") == data + b"!"
    assert [obj["kind"] for obj in executor.manifests_of(job_id).objects] == ["Job", "Secret"]
    spec, path = executor.request(job_id)
    again = new_job_id("again")
    executor.submit(again, spec, path, {})
    assert executor.wait(again, 120).status.state is JobState.SUCCEEDED
    long = harness.submit("import time\nprint('began')\ntime.sleep(600)")
    harness.until_printed(long, b"began")
    executor.cancel(long)
    assert executor.wait(long, 120).status.state is JobState.CANCELLED
    assert b"began" in harness.log(long)
    assert {job_id, again, long} <= {record.id for record in executor.records()}
    for each in (job_id, again, long):
        executor.delete(each)
    end = time.monotonic() + 30
    while executor.records() and time.monotonic() < end:
        time.sleep(0.2)
    assert not executor.records()


def test_a_large_payload_and_several_nodes_take_no_more(harness):
    data = os.urandom(3 << 20)
    job_id = harness.submit("n = len(data)", namespace={"data": data}, outputs=("n",))
    assert harness.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED
    assert Results(harness.executor.results(job_id), main={}).value("n") == len(data)
    job_id = harness.submit("import os\nprint(os.environ['RANK'])", nodes=2)
    assert harness.executor.wait(job_id, 180).status.state is JobState.SUCCEEDED
