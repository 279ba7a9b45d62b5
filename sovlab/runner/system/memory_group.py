"""A cgroup of a job's own, where one may be made: the kernel then keeps the memory limit, also at peaks."""

from __future__ import annotations

import contextlib
import os
import time
from typing import List, NamedTuple, Optional, Tuple

_ROOT = "/sys/fs/cgroup"
_PATIENCE = 1.0
_NEW = 60.0
"""Seconds in which whoever has made a group has entered it."""


class _Files(NamedTuple):
    """How a version of cgroups names what is used here."""

    version: str
    limit: str
    peak: str
    events: str
    more: List[Tuple[str, Optional[str]]]
    """What else to write; None is the limit."""


_V2 = _Files(
    "cgroup v2",
    "memory.max",
    "memory.peak",
    "memory.events",
    [("memory.swap.max", "0"), ("memory.oom.group", "1")],
)
_V1 = _Files(
    "cgroup v1",
    "memory.limit_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.oom_control",
    [("memory.memsw.limit_in_bytes", None)],
)


class MemoryGroup:
    """One cgroup with a memory limit.

    Args:
        path: its directory, which is there.
        home: the directory of the cgroup that this process is in.
        files: of its version.
    """

    def __init__(self, path: str, home: str, files: _Files) -> None:
        self._path = path
        self._home = home
        self._files = files

    @classmethod
    def make(cls, name: str, limit: int) -> Optional[MemoryGroup]:
        """A new one of ``limit`` bytes; None where this process may make none."""
        place = _place()
        if place is None:
            return None
        base, home, files = place
        group = cls(os.path.join(base, name), home, files)
        try:
            _remove_old(base)
            os.mkdir(group._path)
            _write(os.path.join(group._path, files.limit), str(limit))
        except OSError:
            group.remove()
            return None
        for file, value in files.more:
            with contextlib.suppress(OSError):  # an older kernel, or none that swaps
                _write(os.path.join(group._path, file), str(limit) if value is None else value)
        return group

    @property
    def version(self) -> str:
        """``cgroup v2`` or ``cgroup v1``."""
        return self._files.version

    def enter(self) -> bool:
        """Put this process into the group, and what it forks from now on; False if it may not."""
        return _moved(self._path)

    def leave(self) -> bool:
        """Put this process back where it was; what it has forked stays."""
        return _moved(self._home)

    def kills(self) -> int:
        """How often the kernel has killed in it for lack of memory."""
        try:
            with open(os.path.join(self._path, self._files.events)) as file:
                return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
        except (OSError, ValueError):
            return 0

    def peak(self) -> Optional[int]:
        """The most bytes that were in use, files in memory included; None where the kernel does not say."""
        try:
            with open(os.path.join(self._path, self._files.peak)) as file:
                return int(file.read())
        except (OSError, ValueError):
            return None

    def lift(self) -> None:
        """Limit nothing any more."""
        with contextlib.suppress(OSError):
            _write(os.path.join(self._path, self._files.limit), "max" if self._files is _V2 else "-1")

    def remove(self) -> None:
        """Remove it; what it held has ended, and the kernel may need a moment to see that."""
        end = time.monotonic() + _PATIENCE
        while os.path.isdir(self._path):
            try:
                os.rmdir(self._path)
            except OSError:
                if time.monotonic() > end:
                    return
                time.sleep(0.01)


def available() -> str:
    """Which version of cgroups lets this process make a group; empty if none does."""
    place = _place()
    if place is None:
        return ""
    made = MemoryGroup.make(f"sovlab-try-{os.getpid()}", 1 << 30)
    if made is None:
        return ""
    try:
        return made.version if made.enter() and made.leave() else ""
    finally:
        made.remove()


def _place() -> Optional[Tuple[str, str, _Files]]:
    """Where a group may be made, which this process is in now, and how files are named there."""
    for line in _own():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            for root in (_ROOT, f"{_ROOT}/unified"):
                home = _existing(root, path)
                # One that holds processes can give its children no controllers, unless it is the root.
                for base in (home, os.path.dirname(home)):
                    if base.startswith(root) and _gives_memory(base) and os.access(base, os.W_OK):
                        return base, home, _V2
        elif "memory" in controllers.split(","):
            home = _existing(f"{_ROOT}/memory", path)
            if os.path.exists(f"{home}/{_V1.limit}") and os.access(home, os.W_OK):
                return home, home, _V1
    return None


def _own() -> List[str]:
    try:
        with open("/proc/self/cgroup") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _existing(root: str, path: str) -> str:
    """The directory of a cgroup; in a container that sees its own alone, the root."""
    directory = f"{root}{path}".rstrip("/")
    return directory if os.path.isdir(directory) else root


def _gives_memory(directory: str) -> bool:
    try:
        with open(f"{directory}/cgroup.subtree_control") as file:
            return "memory" in file.read().split()
    except OSError:
        return False


def _moved(directory: str) -> bool:
    try:
        _write(os.path.join(directory, "cgroup.procs"), "0")
    except OSError:
        return False
    return True


def _remove_old(base: str) -> None:
    """Remove what runners that were killed have left: groups that hold nothing, and are not new."""
    for name in os.listdir(base):
        path = os.path.join(base, name)
        if name.startswith("sovlab-") and os.path.isdir(path):
            with contextlib.suppress(OSError):
                if time.time() - os.stat(path).st_mtime > _NEW:
                    os.rmdir(path)


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
