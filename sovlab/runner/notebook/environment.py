"""What a notebook runs with, so that a later run can be compared: packages, processor, driver."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
from typing import Any, Dict, List, Mapping, Set

_SHOWN, _LONGEST = 40, 1000
"""Packages that are named, and characters of their names: the rest is in the digest alone."""
_MOST = 3000
"""Packages that are listed beside the notebook."""
_SAID = re.compile(r"^\s*(?:import|from)\s+([A-Za-z_][\w.]*(?:\s*,\s*[A-Za-z_][\w.]*)*)", re.MULTILINE)
_OTHERWISE = {
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "cv2": "opencv-python",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "bs4": "beautifulsoup4",
}
"""Packages that are imported under another name than they are installed by."""
_ALWAYS = ("torch", "numpy")


def described(notebook: Mapping[str, Any]) -> Dict[str, Any]:
    """Python, packages, system, processor and driver of accelerators; ``all`` is for the file beside it.

    Args:
        notebook: nbformat 4; of the packages that its cells import the versions are named.
    """
    versions = packages()
    lines = [f"{name}=={version}" for name, version in sorted(versions.items())]
    wanted = sorted({*_ALWAYS, *_imported(notebook)} & versions.keys())
    named: List[str] = []
    for name in wanted[:_SHOWN]:
        line = f"{name}=={versions[name]}"
        if sum(map(len, named)) + len(line) <= _LONGEST:
            named.append(line)
    return {
        "lock": {
            "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest(),
            "count": len(lines),
            "python": platform.python_version(),
            "packages": named,
        },
        "all": lines[:_MOST],
        "system": {
            "name": platform.system(),
            "machine": platform.machine(),
            "distribution": _first("/etc/os-release", r'^PRETTY_NAME="?([^"\n]+)'),
        },
        "processor": _first("/proc/cpuinfo", r"^model name\s*:\s*(.+)$") or platform.machine(),
        "driver": _first("/proc/driver/nvidia/version", r"Kernel Module\D*?(\d[\d.]+)"),
    }


def packages() -> Dict[str, str]:
    """Versions of what is installed, by normalised name (PyPA's name normalization), as folders tell it.

    No file of them is read: of hundreds that would take as long as a short cell.
    """
    found: Dict[str, str] = {}
    for place in sys.path:
        try:
            names = os.listdir(place or ".")
        except OSError:
            continue
        for name in names:
            base, kind = os.path.splitext(name)
            if kind not in (".dist-info", ".egg-info"):
                continue
            project, _, version = base.partition("-")
            if version:
                # What comes first in the path is what is imported.
                found.setdefault(re.sub(r"[-_.]+", "-", project).lower(), version.split("-py")[0])
    return found


def _imported(notebook: Mapping[str, Any]) -> Set[str]:
    found: Set[str] = set()
    for cell in notebook["cells"]:
        if cell.get("cell_type") != "code":
            continue
        source = cell.get("source") or ""
        for names in _SAID.findall(source if isinstance(source, str) else "".join(source)):
            for name in names.split(","):
                top = name.strip().partition(".")[0]
                found.add(_OTHERWISE.get(top, re.sub(r"[-_.]+", "-", top).lower()))
    return found


def _first(path: str, pattern: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(pattern, file.read(1 << 16), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip()[:100] if found else ""
