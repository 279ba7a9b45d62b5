"""``%sovtarget`` and what it does for submits, against an API server that is a fake."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.completer import provisionalcompleter

from sovlab.client import Client
from sovlab.errors import SettingsError, SpecError, UsageError
from sovlab.jupyter.magics import register
from tests.kube.apiserver.access.auth import edit
from tests.kube.apiserver.cluster import FakeCluster

IMAGE = "registry.site/sovlab-cpu:1"


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeCluster]:
    users = {"researcher": edit("research")}
    with FakeCluster(tmp_path_factory.mktemp("fake"), users=users, namespace="research") as found:
        yield found


@pytest.fixture
def lab(notebook, fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A notebook with settings of its own, and in them a target on the cluster."""
    config = tmp_path / "config.toml"
    monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(config))
    monkeypatch.setattr("sovlab.executors.kubernetes.executor.ensure_agent", lambda *_: None)
    lines = ["[targets.lab]", 'executor = "kubernetes"', 'context = "researcher"', 'namespace = "research"']
    lines += [f'kubeconfig = "{fake.kubeconfig}"', f'image = "{IMAGE}"', "user = 1000", ""]
    config.write_text("\n".join(lines))
    register(notebook.shell, Client())
    notebook.config = config
    return notebook


def test_a_target_is_added_from_the_notebook_and_chosen(lab, fake):
    lab.run(f"%sovtarget add site --kubeconfig {fake.kubeconfig} --context researcher --image {IMAGE}")
    (shown,) = lab.shown
    assert "run commands in jobs" in shown["text/html"]
    assert "%sovtarget site" in shown["text/plain"]
    assert tomllib.loads(lab.config.read_text())["targets"]["site"]["kubernetes"]["user"] == 1000
    lab.run("%sovtarget site")
    assert "→  site" in lab.shown[-1]["text/plain"]
    assert "target" not in tomllib.loads(lab.config.read_text())  # chosen in this notebook alone


def test_what_is_wrong_is_one_sentence_and_writes_nothing(lab, fake):
    before = lab.config.read_text()
    for line, error, says in (
        (f"add lab --kubeconfig {fake.kubeconfig} --context admin", SettingsError, "--force"),
        (f"add site --kubeconfig {fake.kubeconfig}", SpecError, "--context"),
        (f"add site --kubeconfig {fake.kubeconfig} --context admin --queue q", SpecError, "Kueue"),
        ("add site --contxt admin", UsageError, "contxt"),
        ("moon", SettingsError, "moon"),
        ("use moon", SettingsError, "moon"),
        ("remove local", SettingsError, "this machine"),
        ("lab extra", UsageError, "extra"),
    ):
        caught = lab.fails(f"%sovtarget {line}")
        assert isinstance(caught, error), line
        assert says in str(caught)
        assert len(caught._render_traceback_()) == 1
    assert not lab.shown
    assert lab.config.read_text() == before


def test_targets_are_shown_used_everywhere_and_removed(lab):
    lab.run("%sovtarget show lab")
    assert IMAGE in lab.shown[-1]["text/plain"]
    assert "line 6" in lab.shown[-1]["text/plain"]
    lab.run("%sovtarget use lab")
    assert tomllib.loads(lab.config.read_text())["target"] == "lab"
    lab.run("%sovtarget show")
    assert IMAGE in lab.shown[-1]["text/plain"]
    lab.run("%sovtarget remove lab")
    assert "→  local" in lab.shown[-1]["text/plain"]
    assert "targets" not in tomllib.loads(lab.config.read_text())


def test_help_of_an_action_is_its_own(lab, capsys):
    lab.run("%sovtarget --help")
    assert "remove" in capsys.readouterr().out
    lab.run("%sovtarget add --help")
    assert "--store" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("%sovtarget la", "lab"),
        ("%sovtarget a", "add"),
        ("%sovtarget use la", "lab"),
        ("%sovtarget remove lo", "local"),
        ("%sovtarget add x --con", "--context"),
        ("%%sovsubmit --que", "--queue"),
        ("%%sovsubmit --dry-run=", "--dry-run=server"),
        ("%%sovsubmit --target la", "lab"),
    ],
)
def test_tab_completes_targets_actions_and_their_flags(lab, line, offered):
    with provisionalcompleter():
        found = [line[: c.start] + c.text for c in lab.shell.Completer.completions(line, len(line))]
    assert any(completed.endswith(offered) for completed in found), found


def test_tab_completes_contexts(lab, fake, monkeypatch):
    monkeypatch.setattr("sovlab.kube.transport.connection.contexts", lambda: ["researcher", "admin"])
    line = "%sovtarget add x --context re"
    with provisionalcompleter():
        found = [line[: c.start] + c.text for c in lab.shell.Completer.completions(line, len(line))]
    assert line + "searcher" in found


def test_a_dry_run_shows_the_yaml_of_a_cell_and_makes_nothing(lab, fake):
    lab.run("token = 'hunter2'\nx = 1")
    lab.run("%%sovsubmit --target lab --dry-run --in x,token --name cell\nprint(x, token)")
    (shown,) = lab.shown
    assert "<pre>---\napiVersion: batch/v1\nkind: Job" in shown["text/html"]
    assert "&lt;" in shown["text/html"]  # the sizes of the Secret's values are text, not tags
    assert "hunter2" not in str(shown)
    assert "Nothing was submitted" in shown["text/plain"]
    lab.run("%%sovsubmit --target lab --dry-run=server --nodes 2 --name cell\nprint(1)")
    assert "would accept all 3 objects" in lab.shown[-1]["text/plain"]
    assert not fake.list("jobs", "research")


def test_a_script_is_planned_the_same_way(lab, tmp_path):
    (tmp_path / "train.py").write_text("print(1)")
    lab.run("%sovsubmit --target lab --dry-run=server train.py -- --lr 0.1")
    assert "would accept all 2 objects" in lab.shown[-1]["text/plain"]


def test_queue_and_priority_are_refused_where_there_are_none(lab, fake):
    for line, says in (
        ("--queue fast", "target local is this machine"),
        ("--priority high", "target local is this machine"),
        ("--dry-run=server", "no server to ask"),
        ("--target lab --queue fast", "Kueue is not installed"),
        ("--target lab --priority high", "no priority 'high'"),
    ):
        caught = lab.fails(f"%%sovsubmit {line}\n1")
        assert isinstance(caught, SpecError), line
        assert says in str(caught)
    assert not fake.list("jobs", "research")
    import sovlab

    with pytest.raises(SpecError, match="this machine"):
        sovlab.submit(abs, -1, queue="fast")
    with pytest.raises(SpecError, match="queue is 3"):
        sovlab.submit(abs, -1, queue=3)


def test_a_cell_runs_on_the_cluster_and_its_variables_come_back(lab):
    lab.run("x = 20")
    lab.run("%sovtarget lab")
    lab.run("%%sovsubmit --name there --out y --wait\ny = 2 * x + 2")
    assert lab["y"] == 42
