"""What this machine has, kept for a short while, so that not every process looks for it anew.

Kept is what the built-in backends have found, and whether packages add others; those look each time.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sovlab.backends import circumstances, registry
from sovlab.core.backend import Detection, Device

if TYPE_CHECKING:
    from sovlab.backends.machine import Machine

FRESH = 600.0
"""Seconds for which it counts while nothing changes that can be seen cheaply."""
_SETTLED = 2.0
"""Seconds after which the next change of a directory gives it another time, on whatever file system."""


def detections(directory: Path, machine: Machine | None = None) -> list[Detection]:
    """What ``machine`` (default: this one) has of each known backend; broken ones are among them.

    Args:
        directory: where it is kept; one that cannot be read or written is left aside.
        machine: None is this one.
    """
    now = time.time()
    packages = circumstances.packages()
    hardware = (
        circumstances.hardware() if machine is None else circumstances.hardware(machine.root, machine.environ)
    )
    told = repr((hardware, packages, machine and (machine.root, machine.nvml)))
    file = directory / f"{hashlib.sha256(told.encode()).hexdigest()[:16]}.json"
    kept = _read(file, now)
    if kept is not None:
        found, added = kept
    else:
        found, added = registry.detect_built_in(machine), registry.has_added()
        if max(circumstances.times(packages), default=0) < (now - _SETTLED) * 1e9:
            _write(file, found, added, now)
    return [*found, *registry.detect_added(machine)] if added else found


def _read(file: Path, now: float) -> tuple[list[Detection], bool] | None:
    try:
        kept = json.loads(file.read_bytes())
        if not 0 <= now - kept["time"] < FRESH:
            return None
        found = [
            Detection(backend=str(name), devices=tuple(_device(*device) for device in devices), why=str(why))
            for name, devices, why in kept["found"]
        ]
        return (found, bool(kept["added"])) if [d.backend for d in found] == [*registry.BUILT_IN] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _device(index: int, model: str, memory: int | None) -> Device:
    return Device(index=int(index), model=str(model), memory=None if memory is None else int(memory))


def _write(file: Path, found: Sequence[Detection], added: bool, now: float) -> None:
    content = {
        "time": now,
        "found": [(d.backend, [(v.index, v.model, v.memory) for v in d.devices], d.why) for d in found],
        "added": added,
    }
    with suppress(OSError):  # it is only quicker with it
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = file.parent / f".{secrets.token_hex(8)}.tmp"
        try:
            temporary.write_text(json.dumps(content))
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
        for other in file.parent.iterdir():  # of other circumstances, and of processes that were killed
            if other.stat().st_mtime < now - FRESH:
                other.unlink(missing_ok=True)
