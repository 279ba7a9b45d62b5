"""The machine that the numbers are from: absolute times mean nothing without it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import psutil


def describe(peers: Path | None) -> dict[str, str]:
    """What it is, what runs on it, and which versions are compared."""
    try:
        busy = os.getloadavg()[0]
        load = f"{busy:.1f} at the start" + (": other programs are running" if busy > 0.5 else "")
    except OSError:
        load = "unknown"
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": _version("torch"),
        "sovlab": _version("sovlab"),
        "peers": _peers(peers),
        "load": load,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    named = (
        subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        if platform.system() == "Darwin"
        else None
    )
    return (named.stdout.strip() if named else "") or platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


_ASK = """
import importlib.metadata as m, sys
for name in sys.argv[1:]:
    try: print(name, m.version(name))
    except m.PackageNotFoundError: print(name, "not installed")
"""


def _peers(python: Path | None) -> str:
    names = ("torchx", "submitit", "papermill", "kubernetes", "kubeflow")
    if python is None:
        return "no environment for them; make bench makes it"
    asked = subprocess.run([python, "-c", _ASK, *names], capture_output=True, text=True, check=True)
    return ", ".join(asked.stdout.split("\n")).strip(", ")
