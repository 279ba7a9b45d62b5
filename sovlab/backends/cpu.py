"""The processor: always there."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sovlab.backends.provider import Provider
from sovlab.core.backend import Backend, Detection, Device

if TYPE_CHECKING:
    from sovlab.backends.machine import Machine

BACKEND = Backend(name="cpu", title="CPU", device="cpu", distributed="gloo")


def cores() -> int:
    """Cores that this process may run on; fewer than the machine has under ``taskset`` or a batch system."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def look(machine: Machine) -> Detection:
    """One device: the processor, with the machine's memory."""
    usable, all_cores = cores(), os.cpu_count() or 1
    count = f"{usable} core{'s' if usable != 1 else ''}"
    why = f"{count} of {all_cores}, by this process's affinity." if usable < all_cores else f"{count}."
    device = Device(index=0, model=_model(machine), memory=_memory(machine))
    return Detection(backend=BACKEND.name, devices=(device,), why=why)


def _model(machine: Machine) -> str:
    import platform

    from sovlab.backends.machine import text

    if sys.platform == "darwin":
        import subprocess

        try:
            answer = subprocess.run(
                ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"],
                capture_output=True,
                text=True,
                timeout=5,
            )
            return answer.stdout.strip() or platform.machine()
        except (OSError, subprocess.TimeoutExpired):
            return platform.machine()
    for line in text(machine.at("/proc/cpuinfo")).splitlines():
        key, _, value = line.partition(":")
        # "model name" on x86, "cpu" on POWER, "uarch" on RISC-V; ARM names no model.
        if key.strip() in ("model name", "cpu", "uarch"):
            return " ".join(value.split())
    return platform.machine()


def _memory(machine: Machine) -> int | None:
    from sovlab.backends.machine import text

    for line in text(machine.at("/proc/meminfo")).splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


PROVIDER = Provider(BACKEND, look)
