"""`Api` against a server that misbehaves on demand: what it tries again, what it says, and who it is."""

from __future__ import annotations

import contextlib
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from sovlab.core.job import JobState
from sovlab.core.names import new_job_id
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.connection import Login
from sovlab.kube.transport.errors import (
    AlreadyExists,
    CredentialsError,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Overloaded,
    Unreachable,
)
from tests.executors.conftest import Harness
from tests.kube.apiserver.faults import answered, close, cut, lost, respond
from tests.kube.conftest import fake_cluster

SECRETS = "/api/v1/namespaces/research/secrets"


@pytest.fixture(scope="module")
def cluster():
    with fake_cluster() as found:
        yield found
        assert found.fake.failures == []


@pytest.fixture(autouse=True)
def _no_fault_is_left(cluster):
    yield
    cluster.fake.faults.clear()


@pytest.fixture
def api(cluster):
    return Api(Login(context="admin", kubeconfig=cluster.fake.kubeconfig), patience=10)


def secret(name):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}


def calls(cluster, method, begin):
    return [r for r in cluster.fake.requests[begin:] if r.method == method and r.path.startswith(SECRETS)]


def test_an_overloaded_server_is_asked_again_not_before_the_time_that_it_names(cluster, api):
    begin = len(cluster.fake.requests)
    cluster.fake.faults.add("create secrets", respond(429, retry_after=1), times=2)
    begun = time.monotonic()
    assert api.create(SECRETS, secret("patient"))["metadata"]["name"] == "patient"
    assert time.monotonic() - begun >= 2
    assert [r.status for r in calls(cluster, "POST", begin)] == [429, 429, 201]


@pytest.mark.parametrize("fault", [respond(500), respond(503), respond(504), close(), cut(20)])
def test_passing_faults_are_tried_again(cluster, api, fault):
    cluster.fake.faults.add("get secrets", fault, times=2)
    with pytest.raises(NotFound):
        api.get(f"{SECRETS}/nothing")


def test_after_its_patience_the_last_answer_is_told(cluster):
    api = Api(Login(context="admin", kubeconfig=cluster.fake.kubeconfig), patience=0.5)
    cluster.fake.faults.add("get secrets", respond(503, "the database is away"), times=None)
    with pytest.raises(Overloaded, match="the database is away"):
        api.get(f"{SECRETS}/nothing")


@pytest.mark.parametrize("fault", [answered(500), lost()])
def test_an_object_that_was_made_though_the_answer_was_lost_is_there_already(cluster, api, fault):
    cluster.fake.faults.add("create secrets", fault, times=1)
    name = f"lost-{fault.status}"
    with pytest.raises(AlreadyExists):
        api.create(SECRETS, secret(name))
    assert api.get(f"{SECRETS}/{name}")


@pytest.mark.parametrize(
    ("status", "error"), [(403, Forbidden), (404, NotFound), (410, Gone), (422, Invalid), (400, Invalid)]
)
def test_what_will_not_pass_is_told_at_once(cluster, api, status, error):
    begin = len(cluster.fake.requests)
    cluster.fake.faults.add("get secrets", respond(status, "as it is"))
    with pytest.raises(error, match="as it is"):
        api.get(f"{SECRETS}/x")
    assert len(calls(cluster, "GET", begin)) == 1


def test_a_token_that_was_renewed_is_read_again(cluster):
    api = Api(Login(context="admin", kubeconfig=cluster.fake.kubeconfig))
    assert api.get(SECRETS)
    cluster.fake.rotate_token("admin")
    assert api.get(SECRETS)


def test_a_server_that_does_not_know_us_says_to_log_in(cluster):
    api = Api(Login(context="admin", kubeconfig=cluster.fake.kubeconfig))
    token = cluster.fake.token()
    cluster.fake.revoke_token("admin")
    try:
        with pytest.raises(CredentialsError, match="Log in again") as caught:
            api.get(SECRETS)
        assert token.strip() not in str(caught.value)
    finally:
        cluster.fake.rotate_token("admin")


def test_a_page_of_a_proxy_is_not_taken_for_an_answer(cluster, api):
    cluster.fake.faults.add("get secrets", respond(200, body="<html>please log in</html>"))
    with pytest.raises(Unreachable, match="not a Kubernetes API server"):
        api.get(f"{SECRETS}/x")


def kubeconfig(path: Path, original: Path, user: dict, **cluster: str) -> Path:
    import yaml

    config = yaml.safe_load(original.read_text())
    for entry in config["users"]:
        entry["user"] = user
    for entry in config["clusters"]:
        entry["cluster"].update(cluster)
    path.write_text(yaml.safe_dump(config))
    return path


def plugin(tmp_path: Path, script: str) -> dict:
    program = tmp_path / "plugin"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(program),
            "interactiveMode": "Never",
        }
    }


def test_a_credential_plugin_that_fails_is_named_and_nobody_is_asked_as_nobody(cluster, tmp_path):
    user = plugin(tmp_path, "echo 'the session is over' >&2; exit 1")
    path = kubeconfig(tmp_path / "config", cluster.fake.kubeconfig, user)
    begin = len(cluster.fake.requests)
    with pytest.raises(CredentialsError, match="the session is over") as caught:
        Api(Login(context="admin", kubeconfig=path)).get(SECRETS)
    assert "log in again" in str(caught.value)
    assert len(cluster.fake.requests) == begin


def test_a_credential_plugin_gives_a_token(cluster, tmp_path):
    token = cluster.fake.token().strip()
    answer = (
        '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", '
        f'"status": {{"token": "{token}"}}}}'
    )
    path = kubeconfig(
        tmp_path / "config", cluster.fake.kubeconfig, plugin(tmp_path, f"cat <<'E'\n{answer}\nE")
    )
    assert Api(Login(context="admin", kubeconfig=path)).get(SECRETS)["kind"] == "SecretList"


def test_a_context_that_does_not_exist_is_said_with_those_that_do(cluster):
    with pytest.raises(CredentialsError, match=r"Contexts: .*admin"):
        Api(Login(context="nowhere", kubeconfig=cluster.fake.kubeconfig)).get(SECRETS)


def test_a_server_with_another_certificate_is_not_talked_to(cluster, tmp_path):
    import certifi

    user = {"token": "x"}
    path = kubeconfig(
        tmp_path / "config", cluster.fake.kubeconfig, user, **{"certificate-authority": certifi.where()}
    )
    with pytest.raises(Unreachable, match="could not be verified"):
        Api(Login(context="admin", kubeconfig=path), patience=0.5).get(SECRETS)


def test_a_server_that_is_away_is_said_with_its_address(cluster, tmp_path):
    path = kubeconfig(
        tmp_path / "config", cluster.fake.kubeconfig, {"token": "x"}, server="https://127.0.0.1:1"
    )
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:1 .* does not answer"):
        Api(Login(context="admin", kubeconfig=path), patience=0.3).get(SECRETS)


def test_a_server_that_hangs_up_is_away_which_says_nothing_of_its_certificate(cluster, tmp_path):
    def hang_up():
        with contextlib.suppress(OSError):  # the listener is closed
            while True:
                connection, _ = listener.accept()
                connection.recv(65536)
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=hang_up, daemon=True).start()
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        path = kubeconfig(tmp_path / "config", cluster.fake.kubeconfig, {"token": "x"}, server=address)
        with pytest.raises(Unreachable, match=r"does not answer \(the connection was cut off\)"):
            Api(Login(context="admin", kubeconfig=path), patience=0.3).get(SECRETS)
        listener.shutdown(socket.SHUT_RDWR)


def test_a_kubeconfig_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "config"
    path.write_text("{")
    with pytest.raises(CredentialsError):
        Api(Login(context="admin", kubeconfig=path)).get(SECRETS)


@pytest.mark.parametrize("fault", [answered(500), lost(), respond(503), respond(429, retry_after=1)])
@pytest.mark.parametrize("what", ["create jobs", "create secrets", "patch jobs"])
def test_a_submit_makes_each_object_once_whatever_is_lost_on_the_way(cluster, tmp_path, what, fault):
    harness = Harness(cluster.executor(tmp_path), tmp_path / "objects")
    spec, path = harness.spec("print('once')")
    job_id = new_job_id("lost")
    cluster.fake.faults.add(what, fault, times=1)
    harness.executor.submit(job_id, spec, path, {})
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert harness.log(job_id) == b"once\n"
    assert cluster.left(job_id) == {"jobs": 1, "pods": 1, "secrets": 1, "services": 0}
    harness.executor.delete(job_id)


@pytest.mark.parametrize("verb", ["list", "watch"])
def test_a_watch_that_is_too_old_lists_again(cluster, tmp_path, verb):
    harness = Harness(cluster.executor(tmp_path), tmp_path / "objects")
    job_id = harness.submit("import time\nfor i in range(20):\n    print(i, flush=True)\n    time.sleep(0.1)")
    for kind in ("jobs", "pods"):
        cluster.fake.faults.add(f"{verb} {kind}", respond(410), times=2)
    assert harness.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert harness.log(job_id) == "".join(f"{i}\n" for i in range(20)).encode()
