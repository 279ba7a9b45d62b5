"""Processor time of this job and of its machine, to share out joules by; and a model, where nothing measures.

A job's share of what a node's processors drew is ``job_seconds / busy_seconds``, over the same span: both
count the seconds in which a CPU worked, summed over CPUs. What the node draws idle is another matter.

Files: the kernel's ``Documentation/admin-guide/cgroup-v2.rst`` and ``cgroup-v1/cpuacct.rst``,
``Documentation/filesystems/proc.rst``, and ``proc(5)``.

Nothing here is a sensor: a sample is a value, and what a model gives is a range.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterable, Iterator, List, NamedTuple, Optional, Tuple

from sovlab.sensors.machine import Machine, number, text

_CGROUPS = "/sys/fs/cgroup"
_PER_THREAD = ((0.69, 4.06), (0.456, 1.957), (0.739, 2.282), (0.81, 4.48))
"""W of one hardware thread, idle and at full load: Cascade Lake, EPYC of the 3rd and 4th generation, Emerald
Rapids; from SPECpower by Cloud Carbon Footprint (ccf-coefficients). Its 8.96 W for EPYC of the 5th generation
is far off all others, and left out."""
_FULL = 0.95
_BELOW_FULL = (1 / 3, 3.0)
_AT_FULL = (1 / 1.95, 1 / 0.72)
"""Measured over modelled. CodeCarbon's model beside RAPL, in 77 readings of 4 processors, was 0.24 to 1.39 of
what was measured below full load, which is about a factor 3 by the medians, and 0.72 to 1.95 at full load."""


class Range(NamedTuple):
    """What a model gives: W that are most likely between ``low`` and ``high``, and its own value."""

    low: float
    middle: float
    high: float


def job_seconds(machine: Machine) -> Optional[float]:
    """CPU seconds that this process's cgroup has used: a container, a batch system's job, a unit of systemd.

    Returns:
        None if this process is in no cgroup but the root, whose count is the whole machine's, or if there is
        no count: then `tree_seconds` of the job's processes is to be used.
    """
    own = next(_groups(machine, ""), None)
    for line in text(own / "cpu.stat").splitlines() if own is not None else ():
        if line.startswith("usage_usec "):
            return int(line.split()[1]) / 1e6
    own = next(_groups(machine, "cpuacct"), None)
    usage = number(own / "cpuacct.usage") if own is not None else None
    return usage / 1e9 if usage is not None else None


def tree_seconds(pids: Iterable[int], machine: Optional[Machine] = None) -> Optional[float]:
    """CPU seconds of processes, and of those of their children that have ended and were waited for.

    A child that is among ``pids`` counts once: until it ends by itself, then by its parent. One whose parent
    does not wait for it is lost when it ends, so the sum may fall.

    Args:
        pids: the processes; one that is gone is left out.
        machine: None is this one.

    Returns:
        None if all are gone.
    """
    machine = machine or Machine()
    ticks = [_ticks_of(text(machine.at(f"/proc/{pid}/stat"))) for pid in pids]
    known = [each for each in ticks if each is not None]
    return sum(known) / os.sysconf("SC_CLK_TCK") if known else None


def busy_seconds(machine: Machine) -> Optional[float]:
    """CPU seconds in which the machine's CPUs worked, since it started; None if /proc/stat is not there.

    Waiting for a disk is idle. Time that a hypervisor gave to others (steal) is not work of this machine.
    """
    times = _times(machine)
    if times is None:
        return None
    _user, _nice, _system, idle, waiting, _interrupts, _soft, stolen = times
    return sum(times) - idle - waiting - stolen


def all_seconds(machine: Machine) -> Optional[float]:
    """CPU seconds of all the machine's CPUs since it started, working or not; None without /proc/stat."""
    times = _times(machine)
    return sum(times) if times is not None else None


def limit(machine: Machine) -> float:
    """How many CPUs this job may use at once: what its container or batch system allows, e.g. 4.0 or 0.5.

    The least of its affinity (cpusets, ``taskset``) and of the quotas of its cgroup and of those above it, as
    far as they can be seen.
    """
    allowed = [float(_affinity(machine))]
    for folder in _groups(machine, ""):
        quota, _, period = text(folder / "cpu.max").partition(" ")
        allowed += _quota(quota, period)
    for folder in _groups(machine, "cpu"):
        allowed += _quota(text(folder / "cpu.cfs_quota_us"), text(folder / "cpu.cfs_period_us"))
    return min(allowed)


def modelled_watts(threads: float, load: float) -> Range:
    """W that threads of a server's processor may draw, in a range as wide as such models are wrong.

    A model is no measurement. It is to be shown apart, as a range, and never to be added to what was
    measured: not to a node's joules, which have the processor's in them, and not to a GPU's, for the sum
    would look measured. It says nothing of memory: neither a container's limit nor what the host has tells
    what that draws.

    Args:
        threads: hardware threads (CPUs as the kernel counts them) that are spoken of; the job's `limit`.
        load: share of their time in which they work, 0 to 1.

    Returns:
        ``threads × (idle + load × (full − idle))`` with the mean of four families of processors; a factor 3
        either way below full load, less at full load.
    """
    load = min(max(load, 0.0), 1.0)
    each = [threads * (idle + load * (full - idle)) for idle, full in _PER_THREAD]
    middle = sum(each) / len(each)
    below, above = _AT_FULL if load >= _FULL else _BELOW_FULL
    # The readings are of processors whose power was known; this one's family is not.
    return Range(min(below * middle, *each), middle, max(above * middle, *each))


def _groups(machine: Machine, controller: str) -> Iterator[Path]:
    """Directories of this process's cgroup and of those above it, without the root; innermost first.

    Args:
        machine: where to look.
        controller: of version 1; empty for version 2.
    """
    for line in text(machine.at("/proc/self/cgroup")).splitlines():
        fields = line.split(":", 2)
        if len(fields) != 3 or controller not in fields[1].split(","):
            continue
        for root in _mounts(machine, fields[1], controller):
            if root.is_dir():
                yield from _upwards(root, fields[2])


def _mounts(machine: Machine, controllers: str, controller: str) -> List[Path]:
    names = (controllers, controller) if controller else ("", "unified")
    return [machine.at(f"{_CGROUPS}/{name}".rstrip("/")) for name in dict.fromkeys(names)]


def _upwards(root: Path, path: str) -> Iterator[Path]:
    parts = [part for part in path.split("/") if part]
    if ".." in parts:  # it was moved to where this container cannot look
        return
    # In a container the path may be one that only the host can see; what is mounted is then its own group.
    if not root.joinpath(*parts).is_dir():
        parts = []
    folders = [root.joinpath(*parts[:length]) for length in range(len(parts), -1, -1)]
    yield from (folder for folder in folders if not _is_root(folder))


def _is_root(folder: Path) -> bool:
    """Whether a directory is a hierarchy's root, rather than a container's own group mounted in its place."""
    # Of version 1 only the root has release_agent; of version 2 only the root lacks cgroup.events.
    return (folder / "release_agent").exists() or not (
        (folder / "cgroup.events").exists() or (folder / "notify_on_release").exists()
    )


def _quota(quota: str, period: str) -> List[float]:
    # Without one it is "max" in version 2, -1 in version 1.
    if quota.isdigit() and period.isdigit() and int(quota) and int(period):
        return [int(quota) / int(period)]
    return []


def _affinity(machine: Machine) -> int:
    for line in text(machine.at("/proc/self/status")).splitlines():
        if line.startswith("Cpus_allowed_list:"):
            return sum(_length(span) for span in line.split(":", 1)[1].strip().split(","))
    return os.cpu_count() or 1


def _length(span: str) -> int:
    first, _, last = span.partition("-")
    return int(last or first) - int(first) + 1


def _times(machine: Machine) -> Optional[Tuple[float, ...]]:
    """Seconds by state, summed over CPUs; those of guests are in the user's already."""
    line = text(machine.at("/proc/stat")).partition("\n")[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None
    return tuple(int(each) / os.sysconf("SC_CLK_TCK") for each in line[1:9])


def _ticks_of(stat: str) -> Optional[int]:
    # The name, in brackets, may have spaces and brackets in it. Then utime is the 12th, cstime the 15th.
    fields = stat.rpartition(")")[2].split()
    return sum(int(each) for each in fields[11:15]) if len(fields) > 15 else None
