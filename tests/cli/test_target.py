"""``sovlab target`` and what runs on a cluster, as a shell sees it, against an API server that is a fake."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sovlab import cli
from sovlab.client import Client
from tests.kube.apiserver.access.auth import Rule, edit
from tests.kube.apiserver.cluster import FakeCluster
from tests.kube.apiserver.faults import delay, respond
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import Kind

IMAGE = "registry.site/sovlab-cpu:1"


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeCluster]:
    reader = Rule(("get", "list", "watch"), ("*",), ("", "batch"), ("research",))
    users = {"researcher": edit("research"), "reader": (reader,)}
    with FakeCluster(
        tmp_path_factory.mktemp("fake"), users=users, namespace="research", jobset=True
    ) as found:
        yield found


class Shell:
    """Runs commands in this process, as each would run in one of its own.

    Args:
        config: the user's settings file.
        monkeypatch: of the test.
        capsys: of the test.
    """

    def __init__(self, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
        self.config = config
        self._patch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: str) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        client: list[Client] = []

        def default() -> Client:
            client[:] = client or [Client()]
            return client[0]

        for module in ("commands", "target"):
            self._patch.setattr(f"sovlab.cli.{module}.default", default)
        self._capsys.readouterr()
        try:
            status = cli.main(words)
        except SystemExit as error:
            status = error.code
        out, err = self._capsys.readouterr()
        return status, out, err


@pytest.fixture
def sovlab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Shell:
    monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(tmp_path / "config.toml"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    # The process that fetches results when the command has ended would outlive the test.
    monkeypatch.setattr("sovlab.executors.kubernetes.executor.ensure_agent", lambda *_: None)
    return Shell(tmp_path / "config.toml", monkeypatch, capsys)


def add(sovlab: Shell, fake: FakeCluster, *words: str, name: str = "site", user: str = "researcher"):
    kubeconfig = str(fake.kubeconfig)
    return sovlab("target", "add", name, "--kubeconfig", kubeconfig, "--context", user, *words)


def given(sovlab: Shell, fake: FakeCluster, user: str = "researcher", *, current: bool = False) -> None:
    """A settings file as `add` would write it."""
    values = {"context": user, "kubeconfig": str(fake.kubeconfig), "namespace": "research", "image": IMAGE}
    lines = [f'target = "{"site" if current else "local"}"', "[targets.site]", 'executor = "kubernetes"']
    lines.append("[targets.site.kubernetes]")
    lines += [f'{key} = "{value}"' for key, value in values.items()]
    sovlab.config.write_text("\n".join([*lines, "user = 1000", ""]))


def test_adding_a_target_looks_at_the_cluster_and_writes_what_suits_it(sovlab, fake):
    sovlab.config.write_text("# mine\n[local]\ncores = 2  # of four\n")
    status, out, err = add(sovlab, fake, "--image", IMAGE)
    assert status == 0, err
    assert "run commands in jobs" in out
    assert "degraded" in out
    assert f"Target site was written to {sovlab.config}" in err
    text = sovlab.config.read_text()
    assert text.startswith("# mine\n[local]\ncores = 2  # of four\n\n[targets.site]\n")
    table = tomllib.loads(text)["targets"]["site"]
    assert table["executor"] == "kubernetes"
    assert table["kubernetes"] == {
        "context": "researcher",
        "kubeconfig": str(fake.kubeconfig),
        "namespace": "research",
        "image": IMAGE,
        "user": 1000,
    }
    assert fake.token("researcher") not in out + err


def test_what_is_found_out_is_written_and_told_as_json(sovlab, fake):
    status, out, _ = add(sovlab, fake, "--image", IMAGE, "--use", "--json", user="admin")
    document = json.loads(out)
    assert status == 0
    assert document["settings"]["workload"] == "jobset"
    assert {finding["level"] for finding in document["findings"]} == {"ok"}
    assert tomllib.loads(sovlab.config.read_text())["target"] == "site"


def test_a_target_with_which_no_job_can_run_is_written_and_the_exit_status_is_1(sovlab, fake):
    status, out, err = add(sovlab, fake, user="reader")
    assert status == 1
    assert "may not create, patch jobs.batch" in out
    assert "none is set, and jobs need one" in out
    assert "sovlab doctor --target site" in err
    assert "site" in tomllib.loads(sovlab.config.read_text())["targets"]


def test_a_user_that_pods_may_not_have_is_left_out(sovlab, fake):
    fake.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "picky"}})
    fake.users.grant("researcher", (*edit("research"), *edit("picky")))
    fake.registry.webhooks.append(_refuse_user_1000)
    try:
        status, out, _ = add(sovlab, fake, "--image", IMAGE, "--namespace", "picky")
    finally:
        fake.registry.webhooks.remove(_refuse_user_1000)
        fake.users.grant("researcher", edit("research"))
    assert status == 0
    assert "UID 1000 is not accepted" in out
    assert "user" not in tomllib.loads(sovlab.config.read_text())["targets"]["site"]["kubernetes"]


def _refuse_user_1000(kind: Kind, obj: dict) -> None:
    if kind.kind == "Pod" and obj["spec"].get("securityContext", {}).get("runAsUser") == 1000:
        raise ApiError(403, "Forbidden", 'admission webhook "uids" denied the request: UID 1000')


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--namespace", "nowhere"], 2, "no namespace nowhere"),
        (["--queue", "fast"], 2, "Kueue is not installed"),
        (["--priority", "high"], 2, "no priority 'high'"),
        (["--store", "pvc:data"], 2, "no PersistentVolumeClaim data"),
        (["--store", "nfs"], 2, "pvc:CLAIM"),
        (["--queue", "Fast Lane"], 2, "queue = 'Fast Lane'"),
        (["--context", "moon"], 2, "no context 'moon'"),
        (["--in-cluster"], 2, "contradict"),
        (["--kubeconfig", "/nowhere/config"], 2, "no kubeconfig /nowhere/config"),
    ],
)
def test_a_wrong_request_is_one_sentence_and_writes_nothing(sovlab, fake, words, status, says):
    done, out, err = add(sovlab, fake, *words)
    assert (done, out) == (status, "")
    assert says in err
    assert len(err.splitlines()) == 1
    assert not sovlab.config.exists()


def test_a_cluster_that_gives_no_answer_is_status_3(sovlab, fake, tmp_path, monkeypatch):
    monkeypatch.setattr("sovlab.executors.kubernetes.examining._PATIENCE", 0.1)
    gone = tmp_path / "gone.conf"
    gone.write_text(fake.kubeconfig.read_text().replace(fake.url, "https://127.0.0.1:9"))
    status, _, err = sovlab("target", "add", "site", "--kubeconfig", str(gone), "--context", "admin")
    assert status == 3
    assert "does not answer" in err
    fake.users.add("forgotten", ())
    fake.revoke_token("forgotten")
    status, _, err = add(sovlab, fake, user="forgotten")
    assert status == 3
    assert "does not accept the credentials" in err
    assert not sovlab.config.exists()


def test_of_several_contexts_one_must_be_named_and_of_one_none(sovlab, fake, tmp_path, monkeypatch):
    status, _, err = sovlab("target", "add", "site", "--kubeconfig", str(fake.kubeconfig))
    assert status == 2
    assert "contexts: " in err
    assert "researcher" in err
    one = yaml.safe_load(fake.kubeconfig.read_text())
    one["contexts"] = [c for c in one["contexts"] if c["name"] == "researcher"]
    del one["current-context"]
    (tmp_path / "one.conf").write_text(yaml.safe_dump(one))
    status, _, err = sovlab("target", "add", "site", "--kubeconfig", "one.conf", "--image", IMAGE)
    assert status == 0, err
    table = tomllib.loads(sovlab.config.read_text())["targets"]["site"]["kubernetes"]
    assert (table["context"], table["kubeconfig"]) == ("researcher", str(tmp_path / "one.conf"))


def test_a_target_is_not_written_anew_without_force(sovlab, fake):
    assert add(sovlab, fake, "--image", IMAGE)[0] == 0
    text = sovlab.config.read_text() + '# kept\nimages.cuda = "another/image"\n\n[defaults]\ngrace = 5\n'
    sovlab.config.write_text(text)
    status, _, err = add(sovlab, fake, "--image", "a/new:one")
    assert status == 2
    assert "--force" in err
    assert sovlab.config.read_text() == text
    assert add(sovlab, fake, "--image", "a/new:one", "--force")[0] == 0
    document = tomllib.loads(sovlab.config.read_text())
    assert document["targets"]["site"]["kubernetes"]["image"] == "a/new:one"
    assert "images" not in document["targets"]["site"]["kubernetes"]
    assert document["defaults"] == {"grace": 5}
    assert "# kept" in sovlab.config.read_text()
    assert add(sovlab, fake, name="local")[0] == 2
    assert add(sovlab, fake, name="two words")[0] == 2


def test_a_target_is_shown_with_the_source_of_each_setting(sovlab, fake):
    given(sovlab, fake, current=True)
    status, out, _ = sovlab("target", "show")
    assert status == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert IMAGE in lines["image"]
    assert f"{sovlab.config}, line " in lines["image"]
    assert lines["queue"].split() == ["queue", "—", "default"]
    document = json.loads(sovlab("target", "show", "site", "--json")[1])
    assert document["target"]["settings"]["image"] == IMAGE
    assert document["sources"]["hold"] == "default"
    assert "built in" in sovlab("target", "show", "local")[1]
    assert sovlab("target", "show", "moon")[0] == 2


def test_targets_are_listed_chosen_and_removed(sovlab, fake):
    given(sovlab, fake)
    assert sovlab("target", "use", "site")[0] == 0
    (line,) = [line for line in sovlab("target")[1].splitlines() if line.startswith("→")]
    assert line.split()[1] == "site"
    assert json.loads(sovlab("target", "--json")[1])["current"] == "site"
    status, _, err = sovlab("target", "remove", "site")
    assert (status, "left as they are" in err) == (0, True)
    assert json.loads(sovlab("target", "--json")[1])["current"] == "local"
    assert sovlab("target", "remove", "site")[0] == 2
    assert sovlab("target", "remove", "local")[0] == 2


def test_a_dry_run_prints_the_yaml_and_nothing_else_on_standard_output(sovlab, fake, tmp_path):
    given(sovlab, fake, current=True)
    (tmp_path / "train.py").write_text("print('secret-word')")
    before = len(fake.requests)
    status, out, err = sovlab("submit", "--dry-run", "train.py", "--env", "TOKEN=hunter2", "--nodes", "2")
    assert status == 0, err
    assert [doc["kind"] for doc in yaml.safe_load_all(out)] == ["Job", "Service", "Secret"]
    assert "hunter2" not in out + err
    assert "Would submit 'train' to target site" in err
    assert "Nothing was submitted" in err
    asked = {r.method for r in fake.requests[before:] if not r.path.endswith("/selfsubjectreviews")}
    assert asked == {"GET"}
    status, again, err = sovlab("submit", "--dry-run=server", "train.py")
    assert status == 0
    assert "would accept all 2 objects" in err
    assert len(list(yaml.safe_load_all(again))) == 2
    assert not fake.list("jobs", "research")
    plan = json.loads(sovlab("submit", "--dry-run=server", "--json", "train.py")[1])
    assert (plan["checked"], plan["manifests"][0]["kind"]) == (True, "Job")


def test_manifests_of_a_job_are_printed(sovlab, fake, tmp_path):
    given(sovlab, fake, current=True)
    (tmp_path / "train.py").write_text("print('ran')")
    status, out, err = sovlab("submit", "train.py", "--wait", "--env", "TOKEN=hunter2")
    assert status == 0, err
    status, text, err = sovlab("manifests", "train")
    assert status == 0, err
    job, secret = yaml.safe_load_all(text)
    assert job["metadata"]["name"] == out.strip()
    assert "managedFields" not in text
    assert secret["data"]["order.json"].endswith(" bytes>")
    assert len(json.loads(sovlab("manifests", "train", "--json")[1])) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["submit", "train.py", "--queue", "fast"], "target local is this machine"),
        (["submit", "train.py", "--priority", "high"], "target local is this machine"),
        (["submit", "train.py", "--dry-run=server"], "no server to ask"),
        (["submit", "train.py", "--dry-run=client"], "dry-run"),
        (["submit", "train.py", "--target", "site", "--queue", "../pods"], "--queue is '../pods'"),
        (["submit", "train.py", "--target", "site", "--queue", "fast"], "Kueue is not installed"),
        (["submit", "train.py", "--target", "site", "--priority", "high"], "no priority 'high'"),
        (["manifests", "nobody", "--target", "site"], "nobody"),
        (["target", "add"], "missing"),
        (["target", "use"], "missing"),
    ],
)
def test_what_a_target_does_not_have_is_refused_in_one_sentence(sovlab, fake, tmp_path, words, says):
    given(sovlab, fake)
    (tmp_path / "train.py").write_text("1")
    status, out, err = sovlab(*words)
    assert (status, out) == (2, "")
    assert says in err
    assert not [job for job in fake.list("jobs", "research") if job["spec"].get("suspend")]


def test_on_this_machine_a_dry_run_is_what_it_was_and_a_job_has_no_manifests(sovlab, tmp_path, client):
    (tmp_path / "train.py").write_text("1")
    status, out, _ = sovlab("submit", "--dry-run", "train.py", "--target", "local")
    assert status == 0
    assert out.startswith("Would submit 'train' to target local")
    job_id = sovlab("submit", "train.py", "--name", "plain")[1].strip()
    status, _, err = sovlab("manifests", job_id)
    assert status == 2
    assert "process of this machine" in err
    client.job(job_id).wait(60)


def test_the_doctor_looks_at_a_cluster_and_runs_a_job_there(sovlab, fake):
    given(sovlab, fake)
    status, out, err = sovlab("doctor", "--target", "site")
    assert status == 0, out + err
    assert "✓ submit: may create, patch jobs.batch" in out
    assert "✓ a job: ran on target site and came back" in out
    # Hardware cannot be seen whole by this user, and of all else nothing is wrong.
    marked = [line for line in out.splitlines() if "(degraded)" in line]
    assert marked
    assert all(line.startswith("✓ ") for line in marked)
    assert len(marked) < len([line for line in out.splitlines() if line.startswith("✓ ")])
    assert not [line for line in marked if line.startswith(("✓ submit", "✓ a job"))]
    assert not [j for j in fake.list("jobs", "research") if j["metadata"]["name"].startswith("doctor")]
    given(sovlab, fake, "reader")
    status, out, _ = sovlab("doctor", "--target", "site")
    assert status == 1
    assert "✗ submit: may not create, patch jobs.batch" in out
    assert not [line for line in out.splitlines() if line.startswith("✗") and "(degraded)" in line]
    assert "ran on target" not in out


def test_a_process_of_its_own_does_the_same(fake, tmp_path):
    import os

    env = {**os.environ, "SOVLAB_CONFIG_FILE": str(tmp_path / "config.toml")}
    words = ["target", "add", "site", "--kubeconfig", str(fake.kubeconfig), "--context", "researcher"]
    done = subprocess.run(
        [sys.executable, "-m", "sovlab", *words, "--image", IMAGE],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[0].split() == ["What", "State", "Found", "More"]


def test_a_log_that_is_refused_is_said_and_is_no_success(sovlab, fake, tmp_path):
    given(sovlab, fake, current=True)
    (tmp_path / "s.py").write_text("print('began')\n")
    fake.faults.add("get pods/log", respond(403, "pods/log is forbidden here"), times=None)
    try:
        status, job_id, err = sovlab("submit", "s.py", "--follow")
        assert "pods/log is forbidden here" in err
        assert "succeeded" in err
        assert status == 3
        for words in (("logs",), ("logs", "--follow"), ("logs", "--tail", "3")):
            status, out, err = sovlab(words[0], job_id.strip(), *words[1:])
            assert (status, out.strip()) == (3, "")
            assert "pods/log is forbidden here" in err
        assert sovlab("wait", job_id.strip())[0] == 0
    finally:
        fake.faults.clear()


def test_a_wait_of_a_shell_ends_in_time_though_the_server_hangs(sovlab, fake, tmp_path):
    given(sovlab, fake, current=True)
    (tmp_path / "s.py").write_text("import time\ntime.sleep(60)\n")
    job_id = sovlab("submit", "s.py")[1].strip()
    fake.faults.add("* *", delay(600.0), times=None)
    try:
        begun = time.monotonic()
        status, _, err = sovlab("wait", job_id, "--timeout", "1s")
        assert (status, "has not answered after 1 s" in err) == (124, True)
        assert time.monotonic() - begun < 15, "a call that hangs is waited for half a minute"
    finally:
        fake.faults.clear()
    sovlab("cancel", job_id)
