"""Why a kernel died, by cgroups of either version, as files of their layout."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from sovlab.runner.notebook.deaths import Deaths, exit_status


@pytest.fixture
def group(tmp_path):
    """Make a group's files; gives a watch of it, and what writes into its files."""

    def make(own, folder, **files):
        place = tmp_path / folder
        place.mkdir(parents=True, exist_ok=True)
        write(place, **files)
        (tmp_path / "own").write_text(own)
        return Deaths(str(tmp_path), str(tmp_path / "own")), lambda **more: write(place, **more)

    def write(place, **files):
        for name, text in files.items():
            (place / f"memory.{name}").write_text(text)

    return make


def test_memory_that_ran_out_is_told_with_limit_and_peak(group):
    files = {"events": "low 0\noom 1\noom_kill 1\n", "max": "400000000\n", "peak": "399900000\n"}
    watch, write = group("0::/\n", ".", **files)
    assert watch.why(-9) == "It was ended by SIGKILL."  # that kill was before
    write(events="low 0\noom 2\noom_kill 2\n")
    assert watch.why(-9) == (
        "It ran out of memory: the system ended it at the limit of 400 MB, at its peak it had 400 MB. "
        "Ask for more with --memory, or hold less at a time."
    )


def test_cgroups_of_version_1_and_groups_of_ones_own(group):
    own = "12:cpu,cpuacct:/x\n9:memory:/job/1\n0::/\n"
    usage = {"limit_in_bytes": "2500000000", "max_usage_in_bytes": "2400000000"}
    watch, write = group(own, "memory/job/1", oom_control="oom_kill_disable 0\noom_kill 0\n", **usage)
    write(oom_control="oom_kill_disable 0\noom_kill 3\n")
    assert "at the limit of 2.5 GB, at its peak it had 2.4 GB" in watch.why(None)


def test_what_is_not_known_is_not_told(group, tmp_path):
    watch, write = group("0::/deep/in/the/host\n", ".", events="oom_kill 0\n", max="max\n")
    write(events="oom_kill 1\n")
    assert watch.why(-9).startswith("It ran out of memory: the system ended it at the limit. ")
    nothing = Deaths(str(tmp_path / "none"), str(tmp_path / "none"))
    assert nothing.why(None) == ""
    assert nothing.why(3) == "It ended itself with status 3."
    assert nothing.why(-250) == "It was ended by signal 250."
    broken, write = group("0::/\n", ".", events="oom_kill many\noom_kill\n")
    write(events="oom_kill \xb2\n")
    assert broken.why(None) == ""


def test_the_status_is_that_of_the_managers_process():
    process = subprocess.Popen([sys.executable, "-c", "import os; os._exit(7)"])
    process.wait()
    assert exit_status(SimpleNamespace(provisioner=SimpleNamespace(process=process))) == 7
    assert exit_status(SimpleNamespace(provisioner=SimpleNamespace(process=None))) is None
    assert exit_status(None) is None
