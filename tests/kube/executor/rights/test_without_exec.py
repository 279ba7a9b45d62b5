"""A user who may not run commands in pods: what then does not travel is said, and not waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sovlab.core.event import StatusChanged
from sovlab.core.job import JobState
from sovlab.errors import SpecError
from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube.transport.connection import Login
from tests.executors.conftest import Harness
from tests.kube.apiserver.access.auth import edit
from tests.kube.conftest import fake_cluster

LESS = tuple(
    replace(rule, resources=tuple(each for each in rule.resources if each != "pods/exec"))
    for rule in edit("research")
)


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster(users={"eve": LESS}) as found:
        yield found
        assert found.fake.failures == []


@pytest.fixture
def harness(cluster, tmp_path):
    eve = Login(context="eve", kubeconfig=cluster.fake.kubeconfig_for("eve"))
    state = tmp_path / "state"
    return Harness(
        KubernetesExecutor("site", eve, cluster.profile(hold=5.0), state, agents=False), state / "objects"
    )


def test_a_payload_that_would_never_get_there_is_refused(cluster, harness):
    begin = len(cluster.fake.requests)
    said = r"would be sent 2\.\d MB, .* the right to create, get pods/exec"
    with pytest.raises(SpecError, match=said) as caught:
        harness.submit("print(len(data))", namespace={"data": bytes(range(256)) * 8000})
    assert "in namespace research" in str(caught.value)
    assert "store" in caught.value.hint
    made = [r for r in cluster.fake.requests[begin:] if r.method == "POST" and "selfsubject" not in r.path]
    assert made == []


def test_what_travels_without_is_not_asked_about(harness):
    job_id = harness.submit("print('hello')")
    assert harness.executor.wait(job_id, 120).status.state is JobState.SUCCEEDED


def test_results_that_cannot_be_had_are_not_said_to_be_fetched(harness):
    job_id = harness.submit("import os\ny = os.urandom(1_000_000)", outputs=("y",))
    told = [e.status.message for e in harness.executor.events(job_id) if isinstance(e, StatusChanged)]
    said = "its results cannot be fetched: that needs the right to create, get pods/exec"
    assert any(said in message for message in told), told
    assert not any("are being fetched" in message for message in told)
