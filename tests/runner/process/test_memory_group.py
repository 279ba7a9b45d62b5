"""Where a cgroup for a job's memory may be made, on the layouts that systems have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sovlab.runner.system import memory_group

SCOPE = "/user.slice/user-1000.slice/user@1000.service/app.slice/jupyter.scope"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(memory_group, "_ROOT", str(tmp_path))
    return tmp_path


def in_group(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(memory_group, "_own", lambda: list(lines))


def folder(root: Path, path: str, controllers: str) -> Path:
    made = root / path.lstrip("/")
    made.mkdir(parents=True, exist_ok=True)
    (made / "cgroup.subtree_control").write_text(controllers + "\n")
    return made


def test_beside_the_scope_of_a_session_whose_slice_is_the_users(root, monkeypatch):
    home = folder(root, SCOPE, "")
    base = folder(root, SCOPE.rpartition("/")[0], "cpu memory pids")
    in_group(monkeypatch, f"0::{SCOPE}")
    assert memory_group._place() == (str(base), str(home), memory_group._V2)


def test_nowhere_when_the_slice_gives_no_memory_controller(root, monkeypatch):
    folder(root, SCOPE, "")
    folder(root, SCOPE.rpartition("/")[0], "cpu pids")
    in_group(monkeypatch, f"0::{SCOPE}")
    assert memory_group._place() is None
    assert memory_group.available() == ""


def test_nowhere_above_the_root_that_a_container_sees(root, monkeypatch):
    folder(root, "/", "")
    folder(root.parent, "/", "memory")
    in_group(monkeypatch, "0::/")
    assert memory_group._place() is None


def test_in_the_group_itself_where_the_first_version_has_the_memory_controller(root, monkeypatch):
    home = root / "memory" / "session"
    home.mkdir(parents=True)
    (home / "memory.limit_in_bytes").write_text("-1")
    folder(root / "unified", "/", "")
    in_group(monkeypatch, "4:memory:/session", "1:cpu,cpuacct:/", "0::/")
    assert memory_group._place() == (str(home), str(home), memory_group._V1)


def test_a_group_that_cannot_be_limited_is_none_and_leaves_nothing(root, monkeypatch):
    """A plain directory, in which the kernel makes no files."""
    home = root / "memory"
    home.mkdir()
    (home / "memory.limit_in_bytes").write_text("-1")
    in_group(monkeypatch, "4:memory:/")
    assert memory_group.MemoryGroup.make("sovlab-x", 1 << 30) is None
    assert [entry.name for entry in home.iterdir()] == ["memory.limit_in_bytes"]


def test_what_killed_runners_have_left_is_removed_but_not_what_is_new_or_in_use(root, monkeypatch):
    home = root / "memory"
    home.mkdir()
    (home / "memory.limit_in_bytes").write_text("-1")
    for name in ("sovlab-old", "sovlab-used", "sovlab-new", "theirs"):
        (home / name).mkdir()
    (home / "sovlab-used" / "child").mkdir()
    for name in ("sovlab-old", "sovlab-used", "theirs"):
        os.utime(home / name, (1, 1))
    in_group(monkeypatch, "4:memory:/")
    memory_group.MemoryGroup.make("sovlab-x", 1 << 30)
    left = {entry.name for entry in home.iterdir() if entry.is_dir()}
    assert left == {"sovlab-used", "sovlab-new", "theirs"}
