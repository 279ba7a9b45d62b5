"""What came with a folder counts once the user has trusted that very content."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sovlab.client import Client
from sovlab.errors import SettingsError
from sovlab.settings import load

EVIL = """
target = "evil"
[defaults]
timeout = "5m"
[local]
python = "./evil"
cores = 1
[site]
carbon_intensity = 1
[targets.evil]
executor = "kubernetes"
[targets.evil.kubernetes]
context = "evil"
kubeconfig = "./evil.conf"
image = "evil.example/image"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A user with a target, in a folder that somebody cloned."""
    home, folder = tmp_path / "home", tmp_path / "cloned"
    home.mkdir()
    folder.mkdir()
    monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(home / "config.toml"))
    monkeypatch.setenv("SOVLAB_STATE_DIR", str(home / "state"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    (home / "config.toml").write_text('[targets.mine]\nexecutor = "local"\n')
    monkeypatch.chdir(folder)
    return folder


def shell(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sovlab", *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_of_a_cloned_folder_only_defaults_count(place):
    (place / "sovlab.toml").write_text(EVIL)
    settings = load()
    assert settings.defaults.timeout == 300
    assert (settings.local.python, settings.local.cores, settings.site.carbon_intensity) == (None, None, None)
    assert set(settings.targets) == {"local", "mine"}
    assert settings.target == "local"
    (sentence,) = settings.ignored
    for key in ("target", "local.python", "local.cores", "site.carbon_intensity", "targets.evil"):
        assert key in sentence
    assert "sovlab trust" in sentence


def test_a_choice_among_the_users_own_targets_counts(place):
    (place / "sovlab.toml").write_text('target = "mine"\n')
    settings = load()
    assert (settings.target, settings.ignored) == ("mine", ())


def test_nothing_in_what_is_left_aside_stands_in_the_way(place):
    (place / "sovlab.toml").write_text("[local]\ncores = -1\nnonsense = [[]]\n[targets.x]\nexecutor = 7\n")
    assert load().local.cores is None


def test_trust_is_of_that_very_content_at_that_very_place(place, tmp_path, monkeypatch):
    path = place / "sovlab.toml"
    path.write_text(EVIL)
    said = shell("trust")
    assert said.returncode == 0, said.stderr
    assert f"{path} is trusted as it is now: it sets target, local.python" in said.stdout
    settings = load()
    assert settings.target == "evil"
    assert settings.local.python == str(place / "evil")
    assert settings.ignored == ()
    path.write_text(EVIL.replace('./evil"', './worse"'))
    assert load().local.python is None
    other = tmp_path / "other"
    other.mkdir()
    (other / "sovlab.toml").write_text(EVIL)
    monkeypatch.chdir(other)
    assert load().local.python is None
    assert "left aside" not in shell("trust").stdout


@pytest.mark.parametrize("line", ["SOVLAB_LOCAL_PYTHON=./evil", "export SOVLAB_LOCAL_PYTHON='./evil'  "])
def test_variables_that_an_editor_took_from_the_folder_do_not_count(place, monkeypatch, line):
    (place / ".env").write_text(f"# of the project\n{line}\nSOVLAB_DEFAULTS_GRACE=5\nOTHER=1\n")
    for name, value in (("SOVLAB_LOCAL_PYTHON", "./evil"), ("SOVLAB_DEFAULTS_GRACE", "5")):
        monkeypatch.setenv(name, value)
    settings = load()
    assert (settings.local.python, settings.defaults.grace) == (None, 5)
    assert "SOVLAB_LOCAL_PYTHON" in settings.ignored[0]
    monkeypatch.setenv("SOVLAB_LOCAL_PYTHON", "./mine")  # which the folder did not set
    assert load().local.python == str(place / "mine")
    monkeypatch.setenv("SOVLAB_LOCAL_PYTHON", "./evil")
    assert shell("trust").returncode == 0
    assert load().local.python == str(place / "evil")


@pytest.mark.parametrize("variable", ["SOVLAB_CONFIG_FILE", "SOVLAB_STATE_DIR"])
def test_nor_does_the_place_of_the_users_own_settings_and_state(place, monkeypatch, variable):
    monkeypatch.setenv("HOME", str(place.parent / "home"))
    evil = place / "evil"
    evil.mkdir()
    value = str(evil / "config.toml" if variable == "SOVLAB_CONFIG_FILE" else evil)
    (evil / "config.toml").write_text("[local]\ncores = 1\n")
    (place / ".env").write_text(f"{variable}={value}\n")
    monkeypatch.setenv(variable, value)
    settings = load()
    assert settings.local.cores is None
    assert not settings.state.is_relative_to(place)
    assert variable in settings.ignored[0]


def test_a_kubeconfig_of_the_folder_is_not_used(place, monkeypatch):
    (place.parent / "home" / "config.toml").write_text(
        '[targets.site]\nexecutor = "kubernetes"\n[targets.site.kubernetes]\ncontext = "a"\nimage = "b"\n'
    )
    (place / "evil.conf").write_text("{}")
    (place / ".env").write_text(f"KUBECONFIG={place}/evil.conf\n")
    monkeypatch.setenv("KUBECONFIG", f"{place}/evil.conf")
    client = Client()
    with pytest.raises(SettingsError, match="sets KUBECONFIG, which came with the folder"):
        client.executor("site")
    assert client.executor("local") is not None


def test_a_submit_says_what_was_left_aside(place):
    (place / "sovlab.toml").write_text("[local]\ncores = 1\n")
    (place / "job.py").write_text("print(1)")
    said = shell("submit", "--wait", "job.py")
    assert said.returncode == 0, said.stderr
    assert "sets local.cores, which was left aside" in said.stderr


def test_what_another_process_writes_into_the_settings_is_known_here(place):
    client = Client()
    with pytest.raises(SettingsError, match="later"):
        client.executor("later")
    before = client.executor("mine")
    path = place.parent / "home" / "config.toml"
    path.write_text(path.read_text() + '[targets.later]\nexecutor = "local"\n')
    assert client.executor("later").target == "later"
    assert client.executor("mine") is before


def test_settings_that_were_given_stay(place):
    client = Client(load())
    path = place.parent / "home" / "config.toml"
    path.write_text('[targets.later]\nexecutor = "local"\n')
    with pytest.raises(SettingsError):
        client.executor("later")


def test_the_folder_that_is_the_users_own_settings(place, monkeypatch):
    """Where `SOVLAB_CONFIG_FILE` names the very file, it is the user's."""
    path = place / "sovlab.toml"
    path.write_text("[local]\ncores = 1\n")
    monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(path))
    assert load().local.cores == 1
