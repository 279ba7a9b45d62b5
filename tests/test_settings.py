"""Settings from real files and variables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from sovlab.errors import SettingsError
from sovlab.executors.registry import configure, configure_all
from sovlab.settings import (
    Settings,
    Target,
    add_target,
    config_file,
    load,
    remove_target,
    trusting,
    use_target,
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A user's file, a project with a folder in it, which is trusted, and nothing set."""
    monkeypatch.setattr(trusting, "is_trusted", lambda *_: True)  # see test_trusted_settings.py
    monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(tmp_path / "home" / "config.toml"))
    (tmp_path / "home").mkdir()
    (tmp_path / "project" / "notebooks").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project" / "notebooks")
    return tmp_path


def user(place, text):
    path = place / "home" / "config.toml"
    path.write_text(text)
    return path


def project(place, text):
    path = place / "project" / "sovlab.toml"
    path.write_text(text)
    return path


def test_without_any_file_there_are_defaults_and_a_local_target(place):
    settings = load()
    assert settings.target_named(None).name == "local"
    assert settings.defaults.backend == "auto"
    assert settings.defaults.timeout is None
    assert settings.local.cores is None
    assert settings.source("local.cores") == "default"


def test_the_project_wins_over_the_user_and_a_variable_over_both_and_each_value_keeps_its_source(
    place, monkeypatch
):
    mine = user(place, '[local]\ncores = 2\nmemory = "4G"\nkeep_days = 3\n\n[defaults]\ntimeout = "1h30m"\n')
    ours = project(place, "# of the project\nlocal.cores = 3\n[defaults]\ngrace = 5\n")
    monkeypatch.setenv("SOVLAB_LOCAL_KEEP_DAYS", "9")
    settings = load()
    assert (settings.local.cores, settings.source("local.cores")) == (3, f"{ours}, line 2")
    assert (settings.local.memory, settings.source("local.memory")) == (4 << 30, f"{mine}, line 3")
    assert (settings.local.keep_days, settings.source("local.keep_days")) == (9, "SOVLAB_LOCAL_KEEP_DAYS")
    assert (settings.defaults.timeout, settings.defaults.grace) == (5400, 5)


def test_the_nearest_project_file_above_is_read(place):
    project(place, "[local]\ncores = 3\n")
    (place / "project" / "notebooks" / "sovlab.toml").write_text("[local]\ncores = 1\n")
    assert load().local.cores == 1
    assert load(place / "project").local.cores == 3
    assert load(place / "home").local.cores is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_another_user_put_above_is_left_aside_and_told(place):
    path = project(place, '[local]\npython = "/tmp/evil"\n')
    os.chown(path, 65534, 65534)
    settings = load()
    assert settings.local.python is None
    assert str(path) in settings.ignored[0]
    os.chown(place / "project" / "notebooks", 65534, 65534)  # whoever works in their folder trusts them
    assert load().local.python == "/tmp/evil"


def test_a_working_directory_that_is_gone_has_no_project_file(place, tmp_path_factory, monkeypatch):
    gone = tmp_path_factory.mktemp("gone")
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load().local.cores is None


def test_an_interpreter_in_a_file_is_relative_to_that_file(place, monkeypatch):
    project(place, '[local]\npython = ".venv/bin/python"\n')
    assert load().local.python == str(place / "project" / ".venv/bin/python")
    monkeypatch.setenv("SOVLAB_LOCAL_PYTHON", "python3.12")
    assert load().local.python == "python3.12"


def test_the_state_directory_is_one_place_for_all_projects(place, monkeypatch):
    monkeypatch.setenv("SOVLAB_STATE_DIR", str(place / "state"))
    assert load().state == place / "state"
    monkeypatch.delenv("SOVLAB_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "xdg"))
    assert load().state.name == "sovlab"
    assert load().state.is_absolute()
    monkeypatch.delenv("SOVLAB_CONFIG_FILE")
    assert config_file().parts[-2:] == ("sovlab", "config.toml")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[local]\ncorse = 2\n", 2, "Did you mean local.cores"),
        ("target = 'local'\n\nbackend = 'cpu'\n", 3, "Did you mean defaults.backend"),
        ("[locl]\ncores = 2\n", 1, "Did you mean local?"),
        ("[local]\ncores = 'many'\n", 2, "a number of cores"),
        ("[local]\n# none\ncores = 0\n", 3, "greater than zero"),
        ("[local]\ncores = nan\n", 2, "a number of cores"),
        ("[local]\ncores = true\n", 2, "a number of cores"),
        ("[local]\nmemory = 'lots'\n", 2, "16G"),
        ("[local]\nmemory = 0\n", 2, "16G"),
        ("[local]\nkeep_days = -1\n", 2, "zero or more"),
        ("[defaults]\ntimeout = 'soon'\n", 2, "2h"),
        ("[defaults]\nbackend = ''\n", 2, "auto"),
        ("local = 3\n", 1, "There are"),
        ("target = ['a']\n", 1, "name of a target"),
        ("[targets.far]\nexecutor = 'slurm'\n", 1, 'executor = "kubernetes"'),
        ("[targets.far]\nqueue = 'research'\n", 1, 'executor = "kubernetes"'),
        ("[targets.far]\nexecutor = 'kubernetes'\n", 1, "in_cluster"),
        ("[targets.far]\nexecutor = 'kubernetes'\nkontext = 'a'\n", 1, "Did you mean context"),
        ("[targets.far]\nexecutor = 'kubernetes'\ncontext = 'a'\nhold = 'soon'\n", 1, "soon"),
        ("[targets.far]\nexecutor = 'kubernetes'\ncontext = 'a'\nstore = 'nfs'\n", 1, "pvc:CLAIM"),
        ("[targets.far]\nexecutor = 'kubernetes'\ncontext = 'a'\nworkload = 'pod'\n", 1, "jobset"),
        (
            "[targets.far]\nexecutor = 'kubernetes'\ncontext = 'a'\ntraining_runtime = 'A b'\n",
            1,
            "training_runtime",
        ),
        ("[targets.far]\nexecutor = 'kubernetes'\ncontext = 'a'\nuser = 'me'\n", 1, "user"),
        ("[targets]\nfar = 1\n", 2, "[targets.far]"),
        ("[targets.'a b']\nexecutor = 'local'\n", 0, "not a valid name for a target"),
        ("[local\n", 1, "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_with_file_key_and_line(place, text, line, says):
    path = user(place, text)
    with pytest.raises(SettingsError) as caught:
        configure_all(load())
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    if line:
        assert f"line {line}" in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("SOVLAB_LOCAL_CORES", "many", "SOVLAB_LOCAL_CORES: local.cores is 'many'"),
        ("SOVLAB_LOCAL_CORSE", "2", "Did you mean SOVLAB_LOCAL_CORES"),
        ("SOVLAB_TARGTE", "x", "Did you mean SOVLAB_TARGET"),
        ("SOVLAB_DEFAULTS_COLOUR", "x", "not a setting"),
    ],
)
def test_a_wrong_variable_is_named(place, monkeypatch, variable, value, says):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=says):
        load()


def test_variables_of_jobs_and_empty_ones_are_no_settings(place, monkeypatch):
    monkeypatch.setenv("SOVLAB_JOB_ID", "digits-7f3k9q")
    monkeypatch.setenv("SOVLAB_LOCAL_CORES", "")
    assert load().local.cores is None


def test_a_file_that_is_no_text_is_named(place):
    path = place / "home" / "config.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="could not be read"):
        load()


def test_more_targets_can_be_named_and_chosen(place):
    path = user(place, 'target = "lab"\n[targets.lab]\nexecutor = "local"\n')
    settings = load()
    assert settings.target_named(None).name == "lab"
    assert settings.target_named(None).source == f"{path}, line 2"
    assert set(settings.targets) == {"lab", "local"}
    with pytest.raises(SettingsError, match="Did you mean lab"):
        settings.target_named("lap")


def test_a_current_target_that_is_defined_nowhere_is_told_with_the_line_that_names_it(place):
    path = user(place, 'target = "moon"\n')
    settings = load()
    with pytest.raises(SettingsError, match="line 1: target 'moon' is not defined") as caught:
        settings.target_named(None)
    assert str(path) in str(caught.value)
    assert use_target("local") == path
    assert load().target_named(None).name == "local"


LAB = "[targets.lab]\nexecutor = 'local'  # here\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", 'target = "lab"\n'),
        ("# mine\n\n[local]\ncores = 2\n", '# mine\ntarget = "lab"\n\n[local]\ncores = 2\n'),
        ('target = "local"  # at home\n', 'target = "lab"  # at home\n'),
        ("target='local'\n[local]\ntarget_x = 1\n", None),
        ("defaults.backend = 'cpu'\n  target = 'local'\n", "defaults.backend = 'cpu'\n  target = \"lab\"\n"),
        ("\"target\" = 'local'\n", 'target = "lab"\n'),
    ],
)
def test_using_a_target_changes_one_line_and_keeps_the_rest(place, before, after):
    project(place, LAB)
    path = user(place, before)
    if after is None:
        with pytest.raises(SettingsError, match="target_x"):
            use_target("lab")
        assert path.read_text() == before
        return
    use_target("lab")
    assert path.read_text() == after
    assert load().target == "lab"
    assert [p.name for p in path.parent.iterdir()] == ["config.toml"]


def test_a_file_that_cannot_be_edited_safely_is_left_alone(place):
    project(place, LAB)
    before = 'defaults.backend = """\ntarget = "x"\n"""\n'
    path = user(place, before)
    with pytest.raises(SettingsError, match="edited safely"):
        use_target("lab")
    assert path.read_text() == before


def test_a_link_to_the_file_stays_a_link_and_its_mode_is_kept(place):
    project(place, LAB)
    real = place / "dotfiles.toml"
    real.write_text("# kept elsewhere\n")
    real.chmod(0o600)
    link = place / "home" / "config.toml"
    link.symlink_to(real)
    use_target("lab")
    assert link.is_symlink()
    assert real.read_text() == '# kept elsewhere\ntarget = "lab"\n'
    assert real.stat().st_mode & 0o777 == 0o600


def test_using_a_target_that_is_nowhere_writes_nothing(place):
    with pytest.raises(SettingsError, match="moon"):
        use_target("moon")
    assert list((place / "home").iterdir()) == []


def test_settings_can_be_shown_as_json(place):
    document = msgspec.json.decode(msgspec.json.encode({"targets": load().targets}, enc_hook=str))
    assert document["targets"]["local"]["executor"] == "local"
    assert document["targets"]["local"]["source"] == "built in"


def options(name):
    """What the executor of a target takes."""
    return configure_all(load())[name].options


def test_a_target_on_a_cluster_says_all_that_its_jobs_need(place):
    path = user(
        place,
        "[targets.far]\nexecutor = 'kubernetes'\n[targets.far.kubernetes]\ncontext = 'site'\n"
        "kubeconfig = 'kube.conf'\nnamespace = 'ml'\nimage = 'a'\nimages.cuda = 'b'\nqueue = 'research'\n"
        "hold = '10m'\nmemory = '2G'\ntolerations = [{key = 'gpu', operator = 'Exists'}]\n",
    )
    section = options("far")
    assert section.kubeconfig == str(path.parent / "kube.conf")
    assert (section.namespace, section.image, section.images) == ("ml", "a", {"cuda": "b"})
    assert (section.image_for("cuda"), section.image_for("cpu")) == ("b", "a")
    assert (section.hold, section.memory) == (600, 2 << 30)
    assert section.tolerations == [{"key": "gpu", "operator": "Exists"}]
    assert load().outdated == ()


def test_keys_outside_of_their_section_still_count_and_one_line_says_the_new_way(place):
    text = "context = 'site'\nimage = 'a'\nimages.cuda = 'b'\n"
    path = user(place, f"[targets.far]\nexecutor = 'kubernetes'\n{text}")
    old = options("far")
    assert load().outdated == (
        f"{path}, line 1: context, image, images of target far belong under [targets.far.kubernetes] now; "
        "where they are they still count.",
    )
    user(place, f"[targets.far]\nexecutor = 'kubernetes'\n[targets.far.kubernetes]\n{text}")
    assert options("far") == old


def test_of_a_key_that_is_said_twice_that_of_the_section_counts(place):
    user(
        place,
        "[targets.far]\nexecutor = 'kubernetes'\nimage = 'old'\n"
        "[targets.far.kubernetes]\ncontext = 'a'\nimage = 'new'\n",
    )
    assert options("far").image == "new"


def test_a_wrong_key_in_a_section_is_named(place):
    path = user(place, "[targets.far]\nexecutor = 'kubernetes'\n[targets.far.kubernetes]\nkontext = 'a'\n")
    with pytest.raises(SettingsError, match="Did you mean context") as caught:
        configure_all(load())
    assert str(path) in str(caught.value)


def test_each_setting_of_a_target_has_its_source(place):
    mine = user(
        place,
        "[targets.far]\nexecutor = 'kubernetes'\ncontext = 'a'\n\n[targets.far.kubernetes]\nimage = 'i'\n"
        "images.cuda = 'c'\n",
    )
    settings = load()
    assert settings.source("targets.far.kubernetes.context") == f"{mine}, line 3"
    assert settings.source("targets.far.kubernetes.image") == f"{mine}, line 6"
    assert settings.source("targets.far.kubernetes.images") == f"{mine}, line 5"
    assert settings.source("targets.far.kubernetes.queue") == "default"
    ours = project(place, "[targets.far]\nexecutor = 'kubernetes'\n[targets.far.kubernetes]\ncontext = 'b'\n")
    settings = load()
    assert settings.source("targets.far.kubernetes.context") == f"{ours}, line 4"
    assert settings.source("targets.far.kubernetes.image") == "default"


FAR = {"context": "site", "namespace": "ml", "image": "an/image"}
WRITTEN = (
    '[targets.far]\nexecutor = "kubernetes"\n\n[targets.far.kubernetes]\n'
    'context = "site"\nnamespace = "ml"\nimage = "an/image"\n'
)


def add_far(values=FAR, *, force=False):
    return add_target("far", "kubernetes", values, force=force)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", WRITTEN),
        ("# mine\n[local]\ncores = 2", f"# mine\n[local]\ncores = 2\n\n{WRITTEN}"),
        ("target = 'local'\n", f"target = 'local'\n\n{WRITTEN}"),
        ("[targets.near]\nexecutor = 'local'\n", f"[targets.near]\nexecutor = 'local'\n\n{WRITTEN}"),
    ],
)
def test_a_target_is_added_after_all_that_there_is(place, before, after):
    path = user(place, before)
    assert add_far() == path
    assert path.read_text() == after
    assert options("far").image == "an/image"


def test_values_of_all_kinds_are_written_so_that_they_are_read_again(place):
    values = {
        "in_cluster": True,
        "namespace": "ml",
        "image": 'a "b" \\ ä\n',
        "resources": {"cuda": "nvidia.com/mig-1g.10gb"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
        "pull_secrets": ["a", "b"],
        "user": 1000,
        "cpu": 0.25,
        "node_selector": {"kubernetes.io/arch": "amd64"},
    }
    add_target("site.one", "kubernetes", values)
    section = options("site.one")
    assert {key: getattr(section, key) for key in values} == values


def test_a_target_that_is_there_is_written_anew_only_by_force_and_keeps_its_comments(place):
    path = user(
        place,
        "# first\n[targets.far]  # the site's\nexecutor = 'kubernetes'  # ours\n\n"
        '[targets.far.kubernetes]\ncontext = "old"  # of 2025\n'
        "# about images\nimages.cuda = 'c'\ntolerations = [\n  {key = 'gpu'},\n]\nimage = 'an/image'\n\n"
        "# last\n[targets.far.kubernetes.resources]\ncuda = 'x'\n\n[defaults]\ngrace = 5\n",
    )
    before = path.read_text()
    with pytest.raises(SettingsError, match=r"already defined .*line 2"):
        add_far()
    assert path.read_text() == before
    add_far(force=True)
    assert path.read_text() == (
        "# first\n[targets.far]  # the site's\nexecutor = 'kubernetes'  # ours\n\n"
        '[targets.far.kubernetes]\ncontext = "site"  # of 2025\n'
        "# about images\nimage = 'an/image'\nnamespace = \"ml\"\n\n# last\n[defaults]\ngrace = 5\n"
    )


def test_a_target_of_the_old_form_is_written_anew_with_a_section(place):
    path = user(
        place,
        "[targets.far]  # the site's\nexecutor = 'kubernetes'\ncontext = \"old\"\nimages.cuda = 'c'\n\n"
        "[targets.far.resources]\ncuda = 'x'\n\n[defaults]\ngrace = 5\n",
    )
    add_far(force=True)
    assert path.read_text() == (
        "[targets.far]  # the site's\nexecutor = 'kubernetes'\n\n[defaults]\ngrace = 5\n\n"
        '[targets.far.kubernetes]\ncontext = "site"\nnamespace = "ml"\nimage = "an/image"\n'
    )


@pytest.mark.parametrize(
    "before",
    [
        "targets.far.executor = 'local'\n",
        "[targets]\nfar = {executor = 'local'}\n",
        'defaults.backend = """\n[targets.far]\n"""\n[targets]\nfar.executor = "local"\n',
    ],
)
def test_a_target_that_is_written_in_an_unusual_way_is_left_alone(place, before):
    path = user(place, before)
    for change in (lambda: add_far(force=True), lambda: remove_target("far")):
        with pytest.raises(SettingsError, match="edited safely"):
            change()
        assert path.read_text() == before


def test_a_target_of_the_project_is_not_for_the_users_file_to_change(place):
    ours = project(place, "[targets.far]\nexecutor = 'kubernetes'\ncontext = 'a'\n")
    for change in (lambda: add_far(force=True), lambda: remove_target("far")):
        with pytest.raises(SettingsError, match=str(ours)):
            change()
    assert list((place / "home").iterdir()) == []


@pytest.mark.parametrize(("name", "says"), [("local", "this machine"), ("a b", "not a valid name")])
def test_a_target_with_a_wrong_name_is_not_written(place, name, says):
    with pytest.raises(SettingsError, match=says):
        add_target(name, "kubernetes", FAR)
    assert list((place / "home").iterdir()) == []


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({**FAR, "queue": "Fast Lane"}, "queue = 'Fast Lane'"),
        ({**FAR, "store": "nfs"}, "pvc:CLAIM"),
        ({"namespace": "ml"}, "names no cluster"),
    ],
)
def test_a_wrong_section_is_refused_by_its_executor(values, says):
    target = Target(name="far", executor="kubernetes", source="Command line", table=values)
    with pytest.raises(SettingsError, match=says):
        configure(target, Settings(state=Path("/x")))


def test_removing_a_target_leaves_the_rest_and_no_current_target_that_is_gone(place):
    path = user(
        place,
        "# top\ntarget = 'far'  # now\n\n[local]\ncores = 2\n\n# far away\n" + WRITTEN + "\n[defaults]\n",
    )
    remove_target("far")
    assert path.read_text() == (
        '# top\ntarget = "local"  # now\n\n[local]\ncores = 2\n\n# far away\n\n[defaults]\n'
    )
    assert load().target_named(None).name == "local"
    with pytest.raises(SettingsError, match="not defined"):
        remove_target("far")


def test_importing_settings_loads_nothing_heavy():
    heavy = "{'psutil', 'IPython', 'rich', 'torch'}"
    code = f"import sys, sovlab.settings; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        Settings(state=Path("/x")).target = "y"
