"""`Bounds`: the limits of energy and heat that a job was given, held against what a sampler sees.

A limit acts on what is counted or sampled of devices that are the job's alone. What is shared out or modelled
ends no job: then the limit is not watched, and that is said.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from sovlab.sensors.reading import COUNTER, SAMPLED
from sovlab.sensors.sampler import Gauge, Sampler

ENERGY, HEAT = "energy_budget", "max_temperature"
WARNED, REACHED, UNWATCHED = "warned", "reached", "unwatched"

_WARN_AT = 0.8
"""Share of the energy at which is warned."""
_IN_A_ROW = 3
"""Looks in a row, a second apart, that must be above a temperature: one reading may be wrong."""
_PATIENCE = 10.0
"""Seconds that a device gets to tell a first number before a limit counts as not watched."""


class Bounds:
    """Watches what a sampler sees.

    Args:
        sampler: of the job's devices on this node.
        energy: J that the job may take on this node; None for no limit.
        celsius: that no device of the job may exceed; None for no limit.
    """

    def __init__(self, sampler: Sampler, energy: Optional[float], celsius: Optional[float]) -> None:
        self._sampler = sampler
        self._gauges = _own(sampler.gauges)
        self._energy = energy
        self._celsius = celsius
        self._said: Dict[Tuple[str, str], bool] = {}
        self._hot: Dict[int, Tuple[object, int]] = {}
        self._used: Optional[float] = None
        self._source = ""
        self._why: Dict[str, str] = {}

    def check(self) -> List[Dict[str, Any]]:
        """What there is to be said of the limits since the last time, as JSON: each thing once."""
        found = []
        if self._energy is not None:
            found += self._check_energy(self._energy)
        if self._celsius is not None:
            found += self._check_heat(self._celsius)
        return found

    def told(self) -> Dict[str, Any]:
        """How far each limit is used, as JSON; empty if there are none."""
        limits: Dict[str, Any] = {}
        if self._energy is not None:
            limits[ENERGY] = {"limit": self._energy, "used": self._used, "source": self._source}
        if self._celsius is not None:
            limits[HEAT] = {"limit": self._celsius}
        for what, why in self._why.items():
            limits[what]["why"] = why
        return {"limits": limits} if limits else {}

    def _check_energy(self, limit: float) -> List[Dict[str, Any]]:
        known, sources = 0.0, []
        why = _not_alone(self._gauges)
        if not why:
            for gauge in self._gauges:
                joules = gauge.meter.joules()
                if joules.joules is not None:
                    known += joules.joules
                    sources.append(COUNTER if joules.counted > joules.sampled else SAMPLED)
            if not sources:
                why = "none of its devices has told its energy yet"
        if why:
            return self._unwatched(ENERGY, limit, why, surely=bool(_not_alone(self._gauges)))
        self._why.pop(ENERGY, None)
        # Of devices that tell nothing the sum is short, so a limit that it reaches is reached.
        self._used, self._source = known, SAMPLED if SAMPLED in sources else COUNTER
        message = {"what": ENERGY, "limit": limit, "used": round(known, 3), "source": self._source}
        if known >= limit:
            return self._once(REACHED, message)
        return self._once(WARNED, message) if known >= _WARN_AT * limit else []

    def _check_heat(self, limit: float) -> List[Dict[str, Any]]:
        found: List[Dict[str, Any]] = []
        is_told = False
        for number, gauge in enumerate(self._gauges):
            sample = gauge.last
            hottest = max(sample.temperatures.items(), key=lambda each: each[1], default=None)
            is_told = is_told or hottest is not None
            looked_at, count = self._hot.get(number, (None, 0))
            if sample is looked_at:
                continue
            count = count + 1 if hottest is not None and hottest[1] > limit else 0
            self._hot[number] = (sample, count)
            if count >= _IN_A_ROW and hottest is not None:
                device = gauge.probe.device
                message = {"what": HEAT, "limit": limit, "used": round(hottest[1], 1), "place": hottest[0]}
                message["device"] = f"GPU {device.index}" if device.index is not None else device.id
                found += self._once(REACHED, message)
        if is_told:
            self._why.pop(HEAT, None)
            return found
        missing = [gauge.probe.missing.get("temperature", "") for gauge in self._gauges]
        why = next(filter(None, missing), "") or "none of its devices has told a temperature yet"
        return self._unwatched(HEAT, limit, why, surely=not self._gauges)

    def _unwatched(self, what: str, limit: float, why: str, surely: bool) -> List[Dict[str, Any]]:
        if not self._gauges:
            why = "no sensor here tells what its devices do"
        self._why[what] = why
        if not surely and self._sampler.elapsed < _PATIENCE:
            return []
        return self._once(UNWATCHED, {"what": what, "limit": limit, "why": why})

    def _once(self, state: str, message: Dict[str, Any]) -> List[Dict[str, Any]]:
        key = (message["what"], state)
        if key in self._said:
            return []
        self._said[key] = True
        return [{**message, "state": state}]


def _own(gauges: Sequence[Gauge]) -> List[Gauge]:
    """The devices that a job is told by: its accelerators, else processors and memory, else the node."""
    for kinds in (("gpu",), ("cpu", "memory"), ("node",)):
        mine = [gauge for gauge in gauges if gauge.probe.device.kind in kinds]
        if mine:
            return mine
    return []


def _not_alone(gauges: Sequence[Gauge]) -> str:
    """Why joules of these devices are not the job's alone; empty if they are."""
    if not gauges:
        return "no sensor here measures what the job takes"
    if any(gauge.probe.device.kind != "gpu" for gauge in gauges):
        return "a job's part of a machine's processors is shared out, not measured"
    if any(gauge.probe.device.scope == "board" for gauge in gauges):
        return "only whole boards are measured, of which the job has a part"
    return ""


def words(message: Dict[str, Any], nodes: int) -> str:
    """Why a job was ended by a limit that it reached, as a sentence.

    Args:
        message: one that `Bounds.check` gave.
        nodes: of the job: each has its part of the energy.
    """
    used, limit = message["used"], message["limit"]
    if message["what"] == HEAT:
        where = f"{message['device']} ({message['place']})"
        return f"{where} was at {used:.0f} °C (sampled), and --max-temperature allows {limit:g} °C."
    # Both in one unit, so that they can be compared.
    size, unit = next((each for each in _UNITS if max(used, limit) >= each[0]), _UNITS[-1])
    took = f"{used / size:.0f} {unit}" if used >= 100 * size else f"{used / size:.3g} {unit}"
    part, whole = (f"{joules / size:.6g} {unit}" for joules in (limit, limit * nodes))
    how = "counted" if message.get("source") == COUNTER else "sampled"
    if nodes > 1:
        return (
            f"One of its {nodes} nodes used {took} of energy ({how}), and --energy-budget {whole} "
            f"allows each {part}."
        )
    return f"It used {took} of energy ({how}), and --energy-budget allows {part}."


_UNITS = ((3.6e6, "kWh"), (3600.0, "Wh"), (1.0, "J"))
