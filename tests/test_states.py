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


@pytest.fixture
def old(tmp_path):
    """A state with a payload that nobody has used for long."""
    pack = states.objects_of(tmp_path) / f"{'a' * 64}.pack"
    pack.write_bytes(b"payload")
    os.utime(pack, (1000.0, 1000.0))
    return pack


def test_a_payload_that_no_job_keeps_goes_with_its_bytes(tmp_path, old):
    assert states.sweep_objects(tmp_path, 2000.0) == len(b"payload")
    assert list(old.parent.iterdir()) == []


def test_a_payload_that_a_job_keeps_or_that_was_used_stays(tmp_path, old):
    assert states.sweep_objects(tmp_path, 500.0) == 0
    os.link(old, tmp_path / "payload.pack")
    assert states.sweep_objects(tmp_path, 2000.0) == 0
    assert old.read_bytes() == b"payload"


@pytest.mark.parametrize("by", [os.utime, lambda pack: os.link(pack, pack.with_name("job"))])
def test_a_payload_that_a_submit_takes_up_meanwhile_is_put_back(tmp_path, old, monkeypatch, by):
    rename = Path.rename

    def taken_up(path, target):
        by(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", taken_up)
    assert states.sweep_objects(tmp_path, 2000.0) == 0
    assert old.read_bytes() == b"payload"
    assert not [each for each in old.parent.iterdir() if each.name.endswith(".gone")]


def test_two_sweeps_at_once_are_no_trouble(tmp_path, old, monkeypatch):
    rename = Path.rename

    def gone(path, target):
        path.unlink()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", gone)
    assert states.sweep_objects(tmp_path, 2000.0) == 0
