"""Processor time on trees of files as cgroups of both versions and /proc show it, and the model's range."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sovlab.sensors.machine import Machine
from sovlab.sensors.probes import processor_time
from sovlab.sensors.probes.processor_time import modelled_watts
from tests.sensors.processor_trees import grow

CGROUP = "/sys/fs/cgroup"
POD = "/kubepods.slice/kubepods-burstable.slice/pod7f.slice/cri-containerd-8a.scope"
TICKS = os.sysconf("SC_CLK_TCK")


def v2(path, usage=None, limit=None):
    """A group of version 2; the root has neither cgroup.events nor cpu.max."""
    folder = f"{CGROUP}{path}".rstrip("/")
    files = {f"{folder}/cgroup.procs": ""}
    if usage is not None:
        files[f"{folder}/cpu.stat"] = f"usage_usec {usage}\nuser_usec 5\nsystem_usec 6\nnr_periods 0\n"
    if limit is not None:
        files[f"{folder}/cgroup.events"] = "populated 1\nfrozen 0\n"
        files[f"{folder}/cpu.max"] = f"{limit}\n"
    return files


def v1(controller, path, root=False, **files):
    """A group of version 1; only the root has a release_agent."""
    folder = f"{CGROUP}/{controller}{path}".rstrip("/")
    more = {"release_agent": ""} if root else {}
    return {
        f"{folder}/{name}": f"{text}\n" for name, text in {"notify_on_release": "0", **more, **files}.items()
    }


def tree(tmp_path, *parts, group="0::/\n", allowed="0-95"):
    files = {
        "/proc/self/cgroup": group,
        "/proc/self/status": f"Name:\tpython\nCpus_allowed_list:\t{allowed}\n",
    }
    for part in parts:
        files.update(part)
    return grow(tmp_path, files)


# the job's seconds


def test_a_group_of_version_2_counts_in_microseconds(tmp_path):
    parts = (
        v2("", 9000000000),
        v2("/system.slice", 7000000, "max 100000"),
        v2("/system.slice/a", 2500000, "max 1"),
    )
    machine = tree(tmp_path, *parts, group="0::/system.slice/a\n")
    assert processor_time.job_seconds(machine) == pytest.approx(2.5)


def test_a_container_that_sees_its_own_group_alone_has_it_in_place_of_the_root(tmp_path):
    machine = tree(tmp_path, v2("", 3000000, "400000 100000"))
    assert processor_time.job_seconds(machine) == pytest.approx(3.0)


def test_a_path_that_only_the_host_can_see_is_what_is_mounted(tmp_path):
    machine = tree(tmp_path, v2("", 3000000, "400000 100000"), group=f"0::{POD}\n")
    assert processor_time.job_seconds(machine) == pytest.approx(3.0)


def test_the_root_counts_the_whole_machine_and_is_no_job(tmp_path):
    assert processor_time.job_seconds(tree(tmp_path, v2("", 9000000000))) is None


def test_a_group_without_a_count_is_not_counted_by_the_one_above_it(tmp_path):
    machine = tree(tmp_path, v2("/a", 7000000, "max 1"), v2("/a/b", None, "max 1"), group="0::/a/b\n")
    assert processor_time.job_seconds(machine) is None


def test_a_group_that_cannot_be_seen_is_not_counted_by_the_one_above_it(tmp_path):
    machine = tree(tmp_path, v2("", 9000000000), v2("/a", 7000000, "max 1"), group="0::/a/b\n")
    assert processor_time.job_seconds(machine) is None


def test_a_process_that_was_moved_out_of_its_container_is_not_counted_by_it(tmp_path):
    machine = tree(tmp_path, v2("", 3000000, "max 1"), group="0::/../other\n")
    assert processor_time.job_seconds(machine) is None


@pytest.mark.parametrize("controllers", ["cpuacct", "cpu,cpuacct"])
def test_a_group_of_version_1_counts_in_nanoseconds(tmp_path, controllers):
    group = f"4:{controllers}:/slurm/job_7\n3:memory:/other\n0::/\n"
    parts = (
        v1(controllers, "", root=True, **{"cpuacct.usage": 9 * 10**15}),
        v1(controllers, "/slurm/job_7", **{"cpuacct.usage": 1250000000}),
    )
    assert processor_time.job_seconds(tree(tmp_path, *parts, group=group)) == pytest.approx(1.25)


def test_the_root_of_version_1_is_no_job_and_a_container_in_its_place_is(tmp_path):
    host = tree(
        tmp_path / "host",
        v1("cpuacct", "", root=True, **{"cpuacct.usage": 5000000000}),
        group="2:cpuacct:/\n",
    )
    assert processor_time.job_seconds(host) is None
    inside = tree(
        tmp_path / "inside",
        v1("cpuacct", "", **{"cpuacct.usage": 5000000000}),
        group="2:cpuacct:/docker/8a\n",
    )
    assert processor_time.job_seconds(inside) == pytest.approx(5.0)


def test_both_versions_side_by_side_are_read_by_the_newer(tmp_path):
    group = "2:cpuacct:/user\n0::/user\n"
    unified = {
        f"{CGROUP}/unified/user/cgroup.events": "populated 1\n",
        f"{CGROUP}/unified/user/cpu.stat": "usage_usec 4000000\n",
    }
    machine = tree(tmp_path, unified, v1("cpuacct", "/user", **{"cpuacct.usage": 1}), group=group)
    assert processor_time.job_seconds(machine) == pytest.approx(4.0)


def test_a_system_without_cgroups_has_no_count(tmp_path):
    assert processor_time.job_seconds(Machine(root=tmp_path, environ={})) is None


# processes


def stat(pid, name, *, own=(0, 0), children=(0, 0)):
    user, system, child_user, child_system = (int(seconds * TICKS) for seconds in (*own, *children))
    return {
        f"/proc/{pid}/stat": f"{pid} ({name}) S 1 {pid} {pid} 0 -1 4194304 100 0 0 0 {user} {system} "
        f"{child_user} {child_system} 20 0 1 0 8000 9000000 500 18446744073709551615\n"
    }


def test_processes_count_with_the_children_that_they_waited_for(tmp_path):
    machine = tree(
        tmp_path, stat(10, "python", own=(3, 1), children=(5, 2)), stat(11, "a) b (c d", own=(0.5, 0.25))
    )
    assert processor_time.tree_seconds([10], machine) == pytest.approx(11.0)
    assert processor_time.tree_seconds([10, 11, 12], machine) == pytest.approx(11.75)
    assert processor_time.tree_seconds([12], machine) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_child_that_worked_and_ended_is_in_this_processs_time():
    # In a process of its own: this one may have other children, which end meanwhile.
    code = (
        "import os, subprocess, sys\n"
        "from sovlab.sensors.probes.processor_time import tree_seconds\n"
        "before = tree_seconds([os.getpid()])\n"
        "work = 'import time\\nwhile time.process_time() < 0.3: pass'\n"
        "subprocess.run([sys.executable, '-c', work], check=True)\n"
        "print(tree_seconds([os.getpid()]) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=120, stdout=subprocess.PIPE)
    assert float(done.stdout) >= 0.28


# the machine


def test_busy_is_neither_idle_nor_waiting_for_disks_nor_given_to_others(tmp_path):
    # user nice system idle iowait irq softirq steal guest guest_nice; guests are in user and nice already
    seconds = (100, 10, 20, 500, 30, 4, 6, 50, 70, 5)
    line = "cpu  " + " ".join(str(each * TICKS) for each in seconds)
    machine = tree(tmp_path, {"/proc/stat": f"{line}\ncpu0 1 2 3 4 5 6 7 8 9 10\nintr 5\n"})
    assert processor_time.busy_seconds(machine) == pytest.approx(140)
    assert processor_time.all_seconds(machine) == pytest.approx(720)


@pytest.mark.parametrize("content", ["", "cpu  1 2 3 4\n", "intr 1 2 3 4 5 6 7 8 9 10\n"])
def test_a_machine_that_does_not_tell_is_none(tmp_path, content):
    machine = tree(tmp_path, {"/proc/stat": content})
    assert processor_time.busy_seconds(machine) is None
    assert processor_time.all_seconds(machine) is None


# how many CPUs


def test_a_pod_with_a_limit_of_4_on_a_host_of_96_has_4(tmp_path):
    assert processor_time.limit(tree(tmp_path, v2("", 1, "400000 100000"))) == 4.0


@pytest.mark.parametrize(
    ("own", "pod", "allowed", "cpus"),
    [
        ("max 100000", "max 100000", "0-95", 96),
        ("max 100000", "200000 100000", "0-95", 2),
        ("50000 100000", "200000 100000", "0-95", 0.5),
        ("800000 100000", "max 100000", "0-2,8,10-11", 6),
        ("800000 100000", "max 100000", "3", 1),
    ],
)
def test_the_least_of_quotas_and_affinity_counts(tmp_path, own, pod, allowed, cpus):
    parent = POD.rpartition("/")[0]
    machine = tree(
        tmp_path, v2("", 1), v2(parent, 1, pod), v2(POD, 1, own), group=f"0::{POD}\n", allowed=allowed
    )
    assert processor_time.limit(machine) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [(-1, 96), (150000, 1.5)])
def test_a_quota_of_version_1_counts(tmp_path, quota, cpus):
    files = {"cpu.cfs_quota_us": quota, "cpu.cfs_period_us": 100000}
    parts = v1("cpu", "", root=True), v1("cpu", "/docker/8a", **files)
    assert processor_time.limit(tree(tmp_path, *parts, group="5:cpu:/docker/8a\n")) == cpus


def test_without_proc_it_is_what_the_system_has(tmp_path):
    assert processor_time.limit(Machine(root=tmp_path, environ={})) == os.cpu_count()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_on_this_machine_it_is_no_more_than_the_affinity():
    assert 0 < processor_time.limit(Machine()) <= len(os.sched_getaffinity(0))


# the model


def test_the_model_is_a_factor_3_either_way_below_full_load():
    idle, half = modelled_watts(8, 0.0), modelled_watts(8, 0.5)
    assert idle.middle == pytest.approx(8 * 0.67375)
    assert half.middle == pytest.approx(8 * (0.67375 + 3.19475) / 2)
    assert (half.low, half.high) == (pytest.approx(half.middle / 3), pytest.approx(half.middle * 3))


def test_the_model_is_narrower_at_full_load_and_never_narrower_than_the_processors_it_is_of():
    full = modelled_watts(1, 1.0)
    assert full.middle == pytest.approx(3.19475)
    assert full.low == pytest.approx(3.19475 / 1.95)
    assert full.high == pytest.approx(4.48)
    assert full.high < 8.96  # the outlier is in no range


def test_a_load_that_cannot_be_is_the_nearest_that_can():
    assert modelled_watts(2, 1.7) == modelled_watts(2, 1.0)
    assert modelled_watts(2, -0.2) == modelled_watts(2, 0.0)


def test_a_small_container_on_a_large_host_gets_no_watts_for_the_hosts_memory():
    assert modelled_watts(4, 1.0).high < 20
