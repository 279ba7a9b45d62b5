"""images/workbench: what is started where, and what its check finds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WORKBENCH = Path(__file__).parents[2] / "images/workbench"
OPENSHIFT = """--ServerApp.port=8888
--ServerApp.token=''
--ServerApp.base_url=/notebook/project/mine"""


@pytest.fixture
def start(tmp_path):
    """Start the workbench with a Python that only says what it was called with."""
    program = tmp_path / "python3"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    program.chmod(0o755)

    def run(*args, **env):
        done = subprocess.run(
            ["sh", WORKBENCH / "start", *args],
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **env},
        )
        return done.stdout.splitlines()

    return run


@pytest.mark.parametrize(
    ("env", "args", "started"),
    [
        ({}, (), "-m jupyter lab --ServerApp.ip=0.0.0.0 --ServerApp.port=8888 --no-browser"),
        (
            {"NOTEBOOK_ARGS": OPENSHIFT},
            (),
            "-m jupyter lab --ServerApp.ip=0.0.0.0 --ServerApp.port=8888 --no-browser --ServerApp.port=8888 "
            "--ServerApp.token='' --ServerApp.base_url=/notebook/project/mine",
        ),
        (
            {"NB_PREFIX": "/notebook/mine"},
            ("--debug",),
            "-m jupyter lab --ServerApp.ip=0.0.0.0 --ServerApp.port=8888 --no-browser "
            "--ServerApp.base_url=/notebook/mine --debug",
        ),
        ({"JUPYTERHUB_API_TOKEN": "x"}, ("--debug",), "-m jupyterhub.singleuser --debug"),
        ({"JUPYTERHUB_API_TOKEN": "x", "NB_PREFIX": "/y"}, (), "-m jupyterhub.singleuser"),
    ],
)
def test_it_starts_what_its_surroundings_ask_for(start, env, args, started):
    assert start(*args, **env) == started.split()


def found(tmp_path, **env):
    """What check.py finds wrong here; a hub's part and root are not a matter of tests."""
    names = ("HOME", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    done = subprocess.run(
        [sys.executable, WORKBENCH / "check.py"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **{name: str(tmp_path / name) for name in names}, **env},
    )
    assert done.returncode == bool(done.stderr)
    lines = done.stderr.splitlines()
    return [line for line in lines if "as root" not in line and "jupyterhub is not there" not in line]


def test_check_finds_nothing_wrong_where_the_workbench_is_whole(tmp_path):
    if not (Path(sys.prefix) / "share/jupyter/labextensions/sovlab").exists():
        pytest.skip("the extension of JupyterLab is not built here: make lab")
    assert found(tmp_path) == []


def test_check_names_what_is_missing(tmp_path):
    (tmp_path / "file").touch()
    settings = tmp_path / "settings"
    settings.mkdir()
    (settings / "jupyter_server_config.json").write_text(
        '{"ServerApp": {"jpserver_extensions": {"sovlab.jupyter.server": false}}}'
    )
    told = "\n".join(
        found(
            tmp_path,
            HOME=str(tmp_path / "file/below"),
            JUPYTERLAB_SETTINGS_DIR="",
            JUPYTER_CONFIG_PATH=str(settings),
        )
    )
    assert "cannot be written: Not a directory" in told
    assert "JUPYTERLAB_SETTINGS_DIR is not set." in told
    assert "The server extension sovlab.jupyter.server is not enabled." in told


def test_it_runs_as_no_root():
    lines = (WORKBENCH / "Containerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER ")][-1] == "USER 1001:0"
