"""How much memory a job's processes use, and whether the kernel killed because it ran out."""

from __future__ import annotations

import os
from typing import Dict, Iterable, Optional

from sovlab.runner.system import processes


def used(pids: Iterable[int], enough: int) -> int:
    """Bytes that processes use together, each shared page counted once.

    Files that are only mapped do not count: the kernel drops them when it needs the room. The exact
    answer costs milliseconds, so it is sought only where a quick upper bound is above ``enough``.
    """
    pids = list(pids)
    quick = sum(_resident(pid) for pid in pids) if os.path.exists("/proc/self/statm") else _by_ps(pids)
    if quick <= enough or not os.path.exists("/proc/self/smaps_rollup"):
        return quick
    return sum(_proportional(pid) for pid in pids)


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def _proportional(pid: int) -> int:
    keys = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            sizes = {line.split()[0]: int(line.split()[1]) for line in file if line.endswith("kB\n")}
    except (OSError, ValueError):
        return _resident(pid)
    if keys[0] not in sizes:
        return sizes.get("Pss:", 0) * 1024
    return sum(sizes.get(key, 0) for key in keys) * 1024


def _by_ps(pids: Iterable[int]) -> int:
    answer = processes.answer_of(["ps", "-o", "rss=", "-p", ",".join(map(str, pids))])
    return sum(int(size) for size in answer.split() if size.isdigit()) * 1024


class Kills:
    """Counts the kernel's out-of-memory kills, from the moment this is made."""

    def __init__(self) -> None:
        self._group = _cgroup()
        self._before = self._read()

    def since(self) -> Optional[str]:
        """Where there were kills since: ``this container`` or ``this machine``; None if there were none."""
        now = self._read()
        for scope in ("this container", "this machine"):
            if now.get(scope, 0) > self._before.get(scope, 0):
                return scope
        return None

    def _read(self) -> Dict[str, int]:
        counts = {}
        if self._group is not None:
            counts["this container"] = _count(f"{self._group}/memory.events")
        counts["this machine"] = _count("/proc/vmstat")
        return counts


def _cgroup() -> Optional[str]:
    try:
        with open("/proc/self/cgroup") as file:
            path = next((line[3:].strip() for line in file if line.startswith("0::")), None)
    except OSError:
        return None
    for root in (f"/sys/fs/cgroup{path}", "/sys/fs/cgroup") if path is not None else ():
        if os.path.exists(f"{root}/memory.events"):
            return root.rstrip("/")
    return None


def _count(path: str) -> int:
    try:
        with open(path) as file:
            return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
    except (OSError, ValueError):
        return 0
