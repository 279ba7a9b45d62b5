"""`Machine`: what detection reads, so that the same code reads this machine or a tree of files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sovlab.core.backend import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a provider may look at.

    Attributes:
        root: the directory with ``sys``, ``proc``, ``dev`` and ``usr``.
        environ: variables that hide devices from this process.
        nvml: NVIDIA's management library as the dynamic linker finds it; empty to do without.
    """

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    nvml: str = "libnvidia-ml.so.1"

    def at(self, path: str) -> Path:
        """The absolute ``path`` under `root`."""
        return self.root / path.lstrip("/")

    def listing(self, folder: str, pattern: str) -> list[Path]:
        """Entries of ``folder`` whose whole name matches the regular expression, by their numbers."""
        try:
            entries = list(self.at(folder).iterdir())
        except OSError:
            return []
        return sorted((e for e in entries if re.fullmatch(pattern, e.name)), key=_numbers)


def text(path: Path) -> str:
    """The stripped content of a small file; empty if it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """The whole number in a small file, decimal or ``0x…``; None if there is none."""
    try:
        return int(text(path), 0)
    except ValueError:
        return None


def driver(device: Path) -> str:
    """Name of the kernel driver bound to a sysfs device; empty if there is none."""
    try:
        return (device / "driver").readlink().name
    except OSError:
        return ""


def left_visible(
    devices: Sequence[Device], variable: str, machine: Machine, ids: Mapping[int, str] | None = None
) -> tuple[tuple[Device, ...], str]:
    """The devices that ``variable`` leaves to this process, and a remark if it hides some.

    As the vendors' runtimes do, this reads a comma-separated list of indices, or of ids that may be
    shortened, and stops at the first entry that fits no device.

    Args:
        devices: all of the machine's.
        variable: e.g. ``CUDA_VISIBLE_DEVICES``; when it is not set, nothing is hidden.
        machine: the machine whose environment may set it.
        ids: unique id of each device, by index.
    """
    value = machine.environ.get(variable)
    if value is None:
        return tuple(devices), ""
    by_index = {device.index: device for device in devices}
    visible: dict[int, Device] = {}
    for entry in value.split(","):
        entry = entry.strip()
        if re.fullmatch(r"\d+", entry):
            index: int | None = int(entry)
        else:
            index = next((i for i, name in (ids or {}).items() if entry and name.startswith(entry)), None)
        if index is None or index not in by_index:
            break
        visible[index] = by_index[index]
    if len(visible) == len(devices):
        return tuple(devices), ""
    remark = f"{variable}={value} leaves {len(visible)} of {len(devices)}"
    return tuple(visible[index] for index in sorted(visible)), remark


def _numbers(entry: Path) -> tuple[list[int], str]:
    # card10 comes after card2; PCI addresses are of one length, and hexadecimal.
    digits = [] if ":" in entry.name else re.findall(r"\d+", entry.name)
    return [int(number) for number in digits], entry.name
