"""Whether the kernel killed for want of memory, as the control group and the machine count it."""

from __future__ import annotations

import builtins
import os

import pytest

from sovlab.runner.system.memory import Kills


@pytest.fixture
def files(monkeypatch, tmp_path):
    """What the files that the kernel makes hold; those that are not named are not there."""
    found: dict[str, str] = {}
    real = builtins.open

    def opened(path, *args, **options):
        if str(path).startswith(("/proc/self/cgroup", "/proc/vmstat", "/sys/fs/cgroup")):
            if path not in found:
                raise FileNotFoundError(path)
            copy = tmp_path / "file"
            copy.write_text(found[path])
            return real(copy, *args, **options)
        return real(path, *args, **options)

    exists = os.path.exists
    monkeypatch.setattr(builtins, "open", opened)
    monkeypatch.setattr(os.path, "exists", lambda path: path in found or exists(path))
    return found


def counted(kills: int) -> str:
    return f"low 0\nhigh 3\nmax 12\noom 2\noom_kill {kills}\noom_group_kill 0\n"


def test_a_kill_in_its_control_group_is_that_of_the_container(files):
    files["/proc/self/cgroup"] = "1:name=systemd:/x\n0::/kubepods/pod7/c1\n"
    files["/sys/fs/cgroup/kubepods/pod7/c1/memory.events"] = counted(4)
    files["/proc/vmstat"] = "pgfault 1\noom_kill 9\n"
    kills = Kills()
    assert kills.since() is None
    files["/proc/vmstat"] = "pgfault 2\noom_kill 10\n"
    assert kills.since() == "this machine"
    files["/sys/fs/cgroup/kubepods/pod7/c1/memory.events"] = counted(5)
    assert kills.since() == "this container"


def test_in_a_namespace_of_its_own_the_group_is_the_root(files):
    files["/proc/self/cgroup"] = "0::/\n"
    files["/sys/fs/cgroup/memory.events"] = counted(0)
    kills = Kills()
    files["/sys/fs/cgroup/memory.events"] = counted(1)
    assert kills.since() == "this container"


def test_without_control_groups_the_machine_counts(files):
    files["/proc/vmstat"] = "oom_kill 1\n"
    kills = Kills()
    files["/proc/vmstat"] = "oom_kill 2\n"
    assert kills.since() == "this machine"
    files["/proc/vmstat"] = "nothing of it"
    assert kills.since() is None
