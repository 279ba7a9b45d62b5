"""`Phases`: the energy of named phases of a job, by looks at their begins and ends."""

from __future__ import annotations

import json
import math
import time
from typing import Any, Dict, List, Optional, Tuple

from sovlab.sensors.sampler import Sampler

_FRESH = 0.02
"""Seconds for which a look is still one: code that marks its phases a thousand times a second keeps nobody
busy with that."""
_MOST = 50
_LONGEST_LINE = 4096


class Phases:
    """Adds up what is told of phases.

    Args:
        sampler: looks at the devices.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._looked = float("-inf")
        self._rest = b""
        self._open: Dict[str, List[Tuple[float, List[Optional[float]]]]] = {}
        self._closed: Dict[str, Dict[str, Any]] = {}

    def feed(self, data: bytes) -> None:
        """Take in what a job has written into the pipe: lines of ``["begin" or "end", name, seconds]``."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_LONGEST_LINE]
        for line in lines:
            try:
                what, name, at = json.loads(line)
                at = float(at)
            except (ValueError, TypeError):
                continue
            if (
                math.isfinite(at)
                and isinstance(name, str)
                and (name in self._closed or len(self._closed) < _MOST)
            ):
                self._mark(what, name, at)

    def told(self) -> Dict[str, Any]:
        """For each phase: how often, how many seconds, and J of each device by its number; as JSON."""
        return {"phases": self._closed} if self._closed else {}

    def _mark(self, what: str, name: str, at: float) -> None:
        joules = self._joules()
        if what == "begin":
            self._open.setdefault(name, []).append((at, joules))
            return
        if not self._open.get(name):
            return  # it began before the sampler did
        began, before = self._open[name].pop()
        if self._open[name]:
            return  # it lies within another of its name, which counts
        phase = self._closed.setdefault(name, {"count": 0, "seconds": 0.0, "j": {}})
        phase["count"] += 1
        phase["seconds"] = round(phase["seconds"] + max(at - began, 0.0), 6)
        for number, (first, last) in enumerate(zip(before, joules)):
            if last is not None:
                key = str(number)
                phase["j"][key] = round(phase["j"].get(key, 0.0) + last - (first or 0.0), 3)

    def _joules(self) -> List[Optional[float]]:
        if time.monotonic() - self._looked >= _FRESH:
            self._sampler.look_now()
            self._looked = time.monotonic()
        return [gauge.meter.joules().joules for gauge in self._sampler.gauges]
