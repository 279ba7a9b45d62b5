"""Why a kernel died, as far as its machine tells: the signal, and whether memory ran out."""

from __future__ import annotations

import os
import signal
from typing import Any, Dict, Optional, Tuple

_V1 = ("memory.oom_control", "memory.limit_in_bytes", "memory.max_usage_in_bytes")
_V2 = ("memory.events", "memory.max", "memory.peak")
_ROOT = "/sys/fs/cgroup"
_LARGEST = 1 << 60
"""What cgroup v1 has for no limit is more."""


class Deaths:
    """Watches the group of processes that this one is in (cgroup v1 or v2) for want of memory.

    Args:
        root: where cgroups are mounted.
        own: the file that says which this process is in.
    """

    def __init__(self, root: str = _ROOT, own: str = "/proc/self/cgroup") -> None:
        self._place, self._files = _place(root, own)
        self._before = self._kills()

    def why(self, status: Optional[int]) -> str:
        """A sentence on a kernel that has ended; empty if nothing is known of it.

        Args:
            status: its exit status, negative for a signal, as `subprocess` has it; None if not known.
        """
        if self._kills() > self._before:
            limit, peak = self._bytes(self._files[1]), self._bytes(self._files[2])
            said = f" of {_size(limit)}" if limit is not None and limit < _LARGEST else ""
            most = f", at its peak it had {_size(peak)}" if peak is not None else ""
            return (
                f"It ran out of memory: the system ended it at the limit{said}{most}. "
                "Ask for more with --memory, or hold less at a time."
            )
        if status is None:
            return ""
        if status < 0:
            try:
                return f"It was ended by {signal.Signals(-status).name}."
            except ValueError:
                return f"It was ended by signal {-status}."
        return f"It ended itself with status {status}."

    def _kills(self) -> int:
        counts: Dict[str, str] = {}
        for line in self._read(self._files[0]).splitlines():
            name, _, value = line.partition(" ")
            counts[name] = value
        value = counts.get("oom_kill", "")
        return int(value) if value.isascii() and value.isdigit() else 0

    def _bytes(self, name: str) -> Optional[int]:
        value = self._read(name).strip()
        return int(value) if value.isascii() and value.isdigit() else None

    def _read(self, name: str) -> str:
        try:
            with open(os.path.join(self._place, name)) as file:
                return file.read(4096)
        except OSError:
            return ""


def exit_status(manager: Any) -> Optional[int]:
    """The exit status of a kernel manager's process; None if it is not known."""
    process = getattr(getattr(manager, "provisioner", None), "process", None)
    try:
        status = process.poll() if process is not None else None
    except OSError:
        return None
    return status if isinstance(status, int) else None


def _place(root: str, own: str) -> Tuple[str, Tuple[str, str, str]]:
    """The group's folder and its files; where it is not to be seen, as in most containers, the root is it."""
    try:
        with open(own) as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        lines = []
    for parts in lines:
        if len(parts) != 3:
            continue
        _, controllers, path = parts
        if controllers and "memory" not in controllers.split(","):
            continue
        base, files = (os.path.join(root, "memory"), _V1) if controllers else (root, _V2)
        for folder in (os.path.join(base, path.lstrip("/")), base):
            if os.path.exists(os.path.join(folder, files[0])):
                return folder, files
    return root, _V2


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
