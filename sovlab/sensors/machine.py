"""`Machine`: what is read of a computer, so that the same code reads this one or a tree of files."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import List, Mapping, Optional, Tuple


@dataclass(frozen=True)
class Machine:
    """What sensors, and the backends' look for devices, may read.

    Attributes:
        root: the directory with ``sys``, ``proc``, ``dev`` and ``usr``.
        environ: variables that hide devices from this process.
        nvml: NVIDIA's management library as the dynamic linker finds it; empty to do without.
        hlml: Habana's management library, likewise.
    """

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    nvml: str = "libnvidia-ml.so.1"
    hlml: str = "libhlml.so"

    def at(self, path: str) -> Path:
        """The absolute ``path`` under `root`."""
        return self.root / path.lstrip("/")

    def listing(self, folder: str, pattern: str) -> List[Path]:
        """Entries of ``folder`` whose whole name matches the regular expression, by their numbers."""
        return entries(self.at(folder), pattern)


def entries(folder: Path, pattern: str) -> List[Path]:
    """Entries of ``folder`` whose whole name matches the regular expression, by their numbers."""
    try:
        found = list(folder.iterdir())
    except OSError:
        return []
    return sorted((e for e in found if re.fullmatch(pattern, e.name)), key=_numbers)


def text(path: Path) -> str:
    """The stripped content of a small file; empty if it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def number(path: Path) -> Optional[int]:
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


class NumberFile:
    """A file of the kernel's with one number, kept open: a sampler reads it ten times a second.

    Args:
        path: the file.
        scale: what the number is multiplied by, e.g. 1e-6 for microwatts in watts.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, scale: float = 1.0) -> None:
        self.path = path
        self._scale = scale
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> Optional[float]:
        """The number now, scaled; None if there is none, or the driver refuses for the moment."""
        try:
            return int(os.pread(self._descriptor, 64, 0)) * self._scale
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Close the file; doing it again does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        # A look that fails half-way leaves files that nobody closes.
        self.close()


def _numbers(entry: Path) -> Tuple[List[int], str]:
    # card10 comes after card2; PCI addresses are of one length, and hexadecimal.
    digits = [] if ":" in entry.name else re.findall(r"\d+", entry.name)
    return [int(each) for each in digits], entry.name
