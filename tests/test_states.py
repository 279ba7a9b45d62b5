"""The directory of a user's state is for that user's eyes only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sovlab.client import Client
from sovlab.errors import SettingsError
from sovlab.settings import load, states


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.fixture
def open_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_it_is_made_for_its_owner_alone(tmp_path, open_umask):
    state = tmp_path / "a" / "state"
    states.private(state)
    assert mode(state) == 0o700


@pytest.mark.parametrize("bits", [0o755, 0o770, 0o701])
def test_one_that_is_open_is_closed(tmp_path, bits):
    tmp_path.chmod(bits)
    states.private(tmp_path)
    assert mode(tmp_path) == 0o700


def test_one_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(SettingsError, match="belongs to another user") as caught:
        states.private(tmp_path)
    assert "SOVLAB_STATE_DIR" in caught.value.hint


def test_one_that_cannot_be_closed_is_refused(tmp_path, monkeypatch):
    tmp_path.chmod(0o777)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)  # as on file systems without modes
    with pytest.raises(SettingsError, match="is open to others"):
        states.private(tmp_path)


def test_one_that_cannot_be_made_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        states.private(tmp_path / "file" / "state")
    assert "SOVLAB_STATE_DIR" in caught.value.hint


def test_a_client_closes_it_before_anything_is_in_it(tmp_path, open_umask):
    environ = {
        "SOVLAB_STATE_DIR": str(tmp_path / "x" / "state"),
        "SOVLAB_CONFIG_FILE": str(tmp_path / "c.toml"),
    }
    Client(load(tmp_path, environ)).executor("local")
    assert mode(tmp_path / "x" / "state") == 0o700
