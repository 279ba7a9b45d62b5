"""Which sensors there are, in the order in which they are tried; and what they find on a machine."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from sovlab.sensors.machine import Machine
from sovlab.sensors.sensor import Device, Limits, Probe, Sample, Sensor, Unavailable

GROUP = "sovlab.sensors"
"""Entry points of this group hold a `Sensor`. The names of the built-in ones cannot be taken."""

BUILT_IN = {
    "nvml": "nvidia",
    "amdgpu": "amd",
    "intel": "intel",
    "hlml": "gaudi",
    "rapl": "rapl",
    "acpi": "power_meter",
    "cray": "cray",
    "hwmon": "processor_heat",
}
"""Module in `sovlab.sensors.probes` of each, by its name: first what is nearest to the device."""


class Found(NamedTuple):
    """What can be measured on a machine.

    Attributes:
        probes: one a device.
        unavailable: why a sensor measures nothing, by its name; a sentence.
    """

    probes: Tuple[Probe, ...]
    unavailable: Dict[str, str]


def known(added: bool = True) -> Dict[str, Sensor]:
    """All sensors by name: the built-in ones in their order, then, if ``added``, those of other packages."""
    sensors = {name: _built_in(name) for name in BUILT_IN}
    if added:
        sensors.update(_added()[0])
    return sensors


def find(machine: Optional[Machine] = None, added: bool = True) -> Found:
    """Open what can be read of ``machine`` (default: this one). A sensor that breaks is a finding.

    Args:
        machine: what to look at.
        added: whether to ask the sensors of other packages too, which takes some milliseconds more.
    """
    machine = machine if machine is not None else Machine()
    probes: Dict[str, Probe] = {}
    kinds: Dict[str, str] = {}
    unavailable = dict(_added()[1]) if added else {}
    for name, sensor in known(added).items():
        try:
            opened = list(sensor.open(machine))
        except Unavailable as reason:
            unavailable[name] = str(reason)
            continue
        except Exception as error:
            unavailable[name] = f"{sensor.title} failed: {type(error).__name__}: {error}."
            continue
        mine: Dict[str, str] = {}
        for probe in opened:
            device = probe.device
            if device.id in probes:
                probes[device.id] = JoinedProbe(probes[device.id], probe)
            elif sensor.fallback and device.kind in kinds:
                unavailable.setdefault(name, f"{kinds[device.kind]} measures the same.")
                probe.close()
                continue
            else:
                probes[device.id] = probe
            if probe.energy_method or probe.power_method:
                mine[device.kind] = sensor.title
        kinds.update(mine)
    return Found(tuple(probes.values()), unavailable)


class JoinedProbe(Probe):
    """One device that two sensors read: what the first does not tell, the second may.

    Args:
        first, second: probes of devices of the same id.
    """

    def __init__(self, first: Probe, second: Probe) -> None:
        super().__init__(_joined(first.device, second.device))
        self._probes = (first, second)
        counting = first if first.energy_method else second
        self.energy_method = counting.energy_method
        self.wraps_at, self.resolution = counting.wraps_at, counting.resolution
        self.forgets_at = counting.forgets_at
        self.settling, self.period = counting.settling, min(first.period, second.period)
        powered = first if first.power_method else second
        self.power_method = powered.power_method
        self.plausible = powered.plausible if powered.power_method else counting.plausible
        self.missing = {**second.missing, **first.missing}
        for quantity, method in (("energy", self.energy_method), ("power", self.power_method)):
            if method:
                self.missing.pop(quantity, None)

    def read(self, thorough: bool = True) -> Sample:
        """What either tells now."""
        first, second = (_read(probe, thorough) for probe in self._probes)
        if first is None or second is None:
            found = first or second
            if found is None:
                raise Unavailable("The device is gone.")
            return found
        return Sample(
            power=first.power if first.power is not None else second.power,
            energy=first.energy if self._probes[0].energy_method else second.energy,
            temperatures={**second.temperatures, **first.temperatures},
            margin=first.margin if first.margin is not None else second.margin,
            slowed=first.slowed or second.slowed,
            slowing=first.slowing if first.slowing is not None else second.slowing,
            busy=first.busy if first.busy is not None else second.busy,
        )

    def limits(self) -> Limits:
        """What either says of the device's bounds."""
        first, second = (probe.limits() for probe in self._probes)
        return Limits(*(a if a is not None else b for a, b in zip(first, second)))

    def close(self) -> None:
        """Let go of both."""
        for probe in self._probes:
            probe.close()


def _read(probe: Probe, thorough: bool) -> Optional[Sample]:
    try:
        return probe.read(thorough)
    except Unavailable:
        return None


def _joined(first: Device, second: Device) -> Device:
    index = first.index if first.index is not None else second.index
    return replace(first, name=first.name or second.name, index=index)


def _built_in(name: str) -> Sensor:
    sensor = importlib.import_module(f"sovlab.sensors.probes.{BUILT_IN[name]}").SENSOR
    assert isinstance(sensor, Sensor)
    return sensor


_found: List[Tuple[Dict[str, Sensor], Dict[str, str]]] = []


def _added() -> Tuple[Dict[str, Sensor], Dict[str, str]]:
    """Sensors of other packages by name; and why others could not be loaded, by name."""
    if _found:
        return _found[0]
    import importlib.metadata

    loaded: Dict[str, Sensor] = {}
    broken: Dict[str, str] = {}
    points: Any = importlib.metadata.entry_points()
    # Python 3.9 gives a dict, later ones what can be asked.
    group = points.select(group=GROUP) if hasattr(points, "select") else points.get(GROUP, [])
    for point in group:
        if point.name in BUILT_IN:
            if point.value == f"sovlab.sensors.probes.{BUILT_IN[point.name]}:SENSOR":
                continue
            broken[f"{point.name} ({point.value})"] = f"{point.name} is the name of a built-in sensor."
            continue
        try:
            sensor = point.load()
            if not isinstance(sensor, Sensor):
                raise TypeError(f"{point.value} holds {type(sensor).__name__}, not a Sensor")
        except Exception as error:
            broken[point.name] = f"It could not be loaded: {type(error).__name__}: {error}."
        else:
            loaded[point.name] = sensor
    _found.append((loaded, broken))
    return _found[0]
