"""`Caps`: limits of power that are set for one job, and put back after it.

What was there before is noted in a file for each device before anything is set, and the file is locked for
as long as the cap is kept: so no two jobs of a machine cap one device, and what a job that was killed with
all of its processes has left is put back by the next that caps it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from sovlab.sensors.sensor import Device, Probe, Unavailable

_SAME = 1.0
"""W by which two limits may differ and be the same: drivers round."""


class Caps:
    """The caps of one job.

    Args:
        probes: of its accelerators.
        watts: that each of them is to keep to.
        folder: for the notes; the same for all jobs of the machine.
    """

    def __init__(self, probes: Sequence[Probe], watts: float, folder: str) -> None:
        self._probes = probes
        self._watts = watts
        self._folder = folder
        self._kept: Dict[int, _Note] = {}

    def set(self) -> List[str]:
        """Set them; why one is not set, a clause for each such device."""
        refused = [] if self._probes else ["not set: no sensor here tells of an accelerator of the job's"]
        for number, probe in enumerate(self._probes):
            try:
                self._kept[number] = self._set(probe)
            except (Unavailable, OSError) as error:
                refused.append(f"not set on {label(probe.device)}: {_clause(error)}")
        return refused

    def take_over(self) -> None:
        """Take over what a process has left that had set them and was killed."""
        for number, probe in enumerate(self._probes):
            try:
                note = _Note(self._folder, probe.device)
            except (Unavailable, OSError):
                continue
            if note.before is None:
                note.close()
            else:
                self._kept[number] = note

    def put_back(self) -> List[str]:
        """Put back what was there before; why that failed, a clause for each such device.

        A limit that somebody else has set meanwhile stays.
        """
        failed = []
        for number, note in self._kept.items():
            probe = self._probes[number]
            try:
                now = probe.cap_now()
                if note.before is not None and now is not None and _is_same(now, note.set):
                    probe.cap(note.before)
                note.clear()
            except (Unavailable, OSError) as error:
                failed.append(f"not put back on {label(probe.device)}: {_clause(error)}")
            note.close()
        self._kept = {}
        return failed

    def _set(self, probe: Probe) -> _Note:
        limits, before = probe.limits(), probe.cap_now()
        if before is None:
            raise Unavailable(probe.missing.get("cap", "its driver tells no limit that can be set"))
        low, high = limits.lowest, limits.highest
        if (low is not None and self._watts < low - _SAME) or (
            high is not None and self._watts > high + _SAME
        ):
            raise Unavailable(f"it keeps only to {low or 0:.0f} to {high or 0:.0f} W")
        note = _Note(self._folder, probe.device)
        try:
            if note.before is not None and _is_same(before, note.set):
                before = note.before  # of a job that was killed before it could put it back
            note.write(before, self._watts)
            probe.cap(self._watts)
        except BaseException:
            note.clear()
            note.close()
            raise
        return note


class _Note:
    """What was set on a device, and what before; locked until it is closed, or its process ends.

    Raises:
        Unavailable: another job keeps the device.
        OSError: there cannot be such a file, or it is somebody else's.
    """

    def __init__(self, folder: str, device: Device) -> None:
        name = re.sub(r"[^A-Za-z0-9.-]", "_", device.id)[:100]
        self._path = str(Path(folder) / f"sovlab-cap-{name}.json")
        # All may write to the folder: not through a link, and not a file that another user has put there.
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        try:
            about = os.fstat(self._descriptor)
            if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid():
                raise Unavailable(f"{self._path} is another user's")
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Unavailable("another job has capped it") from error
        except BaseException:
            os.close(self._descriptor)
            raise
        self.before: Optional[float] = None
        self.set = 0.0
        try:
            told = json.loads(os.pread(self._descriptor, 4096, 0))
            self.before, self.set = float(told["before"]), float(told["set"])
        except (ValueError, TypeError, KeyError):
            pass  # empty, or cut off as it was written: then nothing had been set yet

    def write(self, before: float, watts: float) -> None:
        """Note it; on the disk when this returns."""
        self.before, self.set = before, watts
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, json.dumps({"before": before, "set": watts}).encode(), 0)
        os.fsync(self._descriptor)

    def clear(self) -> None:
        """Nothing is set any more. The file stays: another job may be waiting for its lock."""
        self.before = None
        os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        os.close(self._descriptor)


def label(device: Device) -> str:
    """``GPU 0``."""
    return f"GPU {device.index}" if device.index is not None else device.id


def _is_same(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME


def _clause(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error).rstrip(".")
