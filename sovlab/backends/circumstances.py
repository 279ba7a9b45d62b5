"""What the finding of hardware depends on, read in a fraction of the time that looking for it takes.

What cannot be seen cheaply, such as a GPU that has fallen off the bus, is not in it: `sovlab.backends.cache`
lets what was found grow old.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from sovlab._version import __version__

VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "HABANA_VISIBLE_MODULES",
    "HIP_VISIBLE_DEVICES",
    "LD_LIBRARY_PATH",
    "ROCR_VISIBLE_DEVICES",
    "ZE_AFFINITY_MASK",
)
"""Environment variables that hide devices, or a vendor's library, from this process."""

_NODES = {
    "dev": ("nvidia", "kfd", "hl", "dxg"),
    "dev/accel": ("accel",),
    "dev/dri": ("renderD",),
    "dev/nvidia-caps": ("nvidia",),
}
"""Folders of device files, and how the names of those begin that a backend looks at."""
_CLASSES = ("proc/driver/nvidia/gpus", "sys/class/drm", "sys/class/kfd/kfd/topology/nodes")
"""Folders in which drivers name their devices."""
_WITH_STATUS = ("sys/class/accel", "sys/class/habanalabs")
"""Those whose devices tell whether they work."""
_PACKED = ("site-packages", "dist-packages", ".zip", ".egg")
_STANDARD = str(Path(os.__file__).parent)
_HERE = Path(__file__).parent

Facts = tuple[object, ...]
"""Plain values: as long as nothing has changed they are equal, and so is their `repr`."""


def hardware(root: Path = Path("/"), environ: Mapping[str, str] | None = None) -> Facts:
    """What the built-in backends' findings depend on.

    Args:
        root: what ``/sys``, ``/proc`` and ``/dev`` lie in.
        environ: has the variables that hide devices; None is that of this process.
    """
    names = os.environ if environ is None else environ
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    return (
        __version__,
        tuple((e.name, _changed(e.path)) for e in _entries(_HERE) if e.name.endswith(".py")),
        _text(root / "proc/sys/kernel/random/boot_id"),
        tuple(os.uname()),
        (os.getuid(), *sorted(os.getgroups())),
        (affinity, os.cpu_count(), os.sysconf("SC_PHYS_PAGES")),
        tuple(names.get(name) for name in VARIABLES),
        tuple(_node(entry) for folder, start in _NODES.items() for entry in _entries(root / folder, start)),
        tuple(entry.name for folder in _CLASSES for entry in _entries(root / folder)),
        tuple(
            (entry.name, _text(Path(entry.path, "device/status")))
            for folder in _WITH_STATUS
            for entry in _entries(root / folder)
        ),
    )


def place() -> Facts:
    """What tells this machine since its start, and the devices that this process is left, from others."""
    boot = _text(Path("/proc/sys/kernel/random/boot_id"))
    return (__version__, boot, os.uname().nodename, os.getuid(), tuple(map(os.environ.get, VARIABLES)))


def packages() -> Facts:
    """What it depends on which packages add backends: those that are installed where Python looks."""
    finders = [finder for finder in sys.meta_path if hasattr(finder, "find_distributions")]
    places = [(folder, _place(folder or ".")) for folder in sys.path]
    return (
        tuple(getattr(finder, "__name__", type(finder).__name__) for finder in finders),
        tuple((folder, told) for folder, told in places if told),
    )


def times(facts: object) -> Iterator[int]:
    """The times in what `packages` says, in ns."""
    if isinstance(facts, int):
        yield facts
    elif isinstance(facts, tuple):
        for fact in facts:
            yield from times(fact)


def _place(folder: str) -> object:
    """When a place of packages has changed; of a folder with files that change, the packages in it."""
    if folder.endswith(_PACKED):
        return _changed(folder)
    if folder.startswith(_STANDARD):
        return None
    infos = (entry for entry in _entries(Path(folder)) if entry.name.endswith((".dist-info", ".egg-info")))
    return tuple((i.name, _changed(i.path), _changed(f"{i.path}/entry_points.txt")) for i in infos)


def _node(entry: os.DirEntry[str]) -> object:
    """A device file, and who may open it."""
    try:
        status = entry.stat()
    except OSError:
        return entry.name
    return (entry.name, status.st_rdev, status.st_mode, status.st_uid, status.st_gid, status.st_ctime_ns)


def _entries(folder: Path, start: str | tuple[str, ...] = "") -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in entries if e.name.startswith(start)), key=lambda entry: entry.name)
    except OSError:
        return []


def _changed(path: str) -> int | None:
    try:
        return Path(path).stat().st_mtime_ns
    except OSError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
