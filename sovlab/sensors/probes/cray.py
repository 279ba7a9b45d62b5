"""Counters of HPE Cray EX and XC nodes: of the node, its processors, their memory, and each accelerator.

The node's controller measures and the kernel shows it to everybody in ``/sys/cray/pm_counters``, as
``<value> J <time> us`` and ``<value> W <time> us`` (HPE Cray EX documentation, "User Access to Compute Node
Power Data"). All files change together, ten times a second; ``freshness`` counts how often, so what is read
between two equal values of it belongs together.

The node's joules contain all others, and what has no counter of its own: network, losses of the supply.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Tuple

from sovlab.sensors.machine import Machine, entries, text
from sovlab.sensors.probes.processor_heat import description, packages
from sovlab.sensors.sensor import Device, Limits, Probe, Sample, Sensor, Unavailable, places, watts

_COUNTERS = "/sys/cray/pm_counters"
_ATTEMPTS = 4
_NODE, _SOCKET, _ACCELERATOR = 20000.0, 1000.0, 3000.0
"""W that none of them draws."""


def open_probes(machine: Machine) -> Sequence[Probe]:
    """One probe for the node and each of its parts that has a counter.

    Raises:
        Unavailable: this is no such node, or its counters cannot be read.
    """
    folder = machine.at(_COUNTERS)
    if not folder.is_dir():
        raise Unavailable(f"This is no HPE Cray node: there is no {_COUNTERS}.")
    probes: List[Probe] = []
    for part, device, plausible in _parts(machine, folder):
        try:
            probe = CrayProbe(device, folder, part, plausible)
        except OSError:
            continue
        now = probe.read()
        # A part that is not there counts 0 for ever.
        if now.energy or now.power:
            probes.append(probe)
        else:
            probe.close()
    if not probes:
        raise Unavailable(f"The counters of this HPE Cray node in {_COUNTERS} cannot be read, or are all 0.")
    return probes


class CrayProbe(Probe):
    """The counters of a node or of one part of it.

    Args:
        device: what they are of.
        folder: where they are.
        part: how their names begin, e.g. ``accel0_``; empty for the node.
        plausible: W above which nothing is believed if no limit is set.

    Raises:
        OSError: there is no counter of energy, or it cannot be opened.
    """

    def __init__(self, device: Device, folder: Path, part: str, plausible: float) -> None:
        super().__init__(device)
        self._limit = _value(text(folder / f"{part}power_cap")) or None
        self.plausible = min(plausible, 2 * self._limit) if self._limit else plausible
        self.resolution = 0.1
        self.energy_method = "HPE Cray pm_counters"
        self._energy = _File(folder / f"{part}energy")
        self._power = _optional(folder / f"{part}power")
        self._temperature = _optional(folder / "cpu_temp") if device.kind == "cpu" else None
        self._freshness = _optional(folder / "freshness")
        if self._power is not None:
            self.power_method = "HPE Cray pm_counters, 10 times a second"
        else:
            self.missing["power"] = "this node has no such counter"

    def read(self, thorough: bool = True) -> Sample:
        """Energy and power of one moment."""
        energy = power = None
        for _ in range(_ATTEMPTS):
            before = self._freshness.read() if self._freshness is not None else None
            energy = self._energy.read()
            power = self._power.read() if self._power is not None else None
            if before is None or self._freshness is None or self._freshness.read() == before:
                break
        # Else the reader is slowed more than a tenth of a second each time. Each value is a true one even so,
        # but they are a tick apart.
        temperature = self._temperature.read() if thorough and self._temperature is not None else None
        return Sample(
            power=watts(power, self.plausible), energy=energy, temperatures=places(package=temperature)
        )

    def limits(self) -> Limits:
        """The limit that is set for it, if one is."""
        return Limits(power=self._limit)

    def close(self) -> None:
        """Close its files."""
        for file in (self._energy, self._power, self._temperature, self._freshness):
            if file is not None:
                file.close()


def _parts(machine: Machine, folder: Path) -> Iterator[Tuple[str, Device, float]]:
    """How the counters' names begin, what they are of, and W that it does not draw."""
    yield "", Device(id="node", kind="node", scope="node", covers=("gpu", "cpu", "memory")), _NODE
    sockets, name = packages(machine), description(machine).get("model name", "")
    if len(sockets) == 1:
        # Then they are of the devices that RAPL counts, too.
        number = sockets[0].number
        yield "cpu_", Device(id=f"package-{number}", kind="cpu", name=name, scope="package"), _SOCKET
        yield "memory_", Device(id=f"dram-{number}", kind="memory", scope="package"), _SOCKET
    else:
        yield "cpu_", Device(id="cpu", kind="cpu", name=name, scope="node"), _SOCKET * max(2, len(sockets))
        yield "memory_", Device(id="memory", kind="memory", scope="node"), _SOCKET * max(2, len(sockets))
    accelerators = [int(re.findall(r"\d+", file.name)[0]) for file in entries(folder, r"accel\d+_energy")]
    numbered = len(accelerators) == _shown(machine)
    for number in accelerators:
        index = number if numbered else None
        yield f"accel{number}_", Device(id=f"accel-{number}", kind="gpu", index=index), _ACCELERATOR


def _shown(machine: Machine) -> int:
    """How many GPUs the drivers show: an MI250X is two, with one counter, and then their numbers differ."""
    nvidia = entries(machine.at("/proc/driver/nvidia/gpus"), ".+")
    return len(nvidia or machine.listing("/dev/dri", r"renderD\d+"))


class _File:
    """A counter's file, kept open; its first word is the value."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> Optional[float]:
        try:
            return _value(os.pread(self._descriptor, 128, 0).decode("ascii", "replace"))
        except OSError:
            return None

    def close(self) -> None:
        os.close(self._descriptor)


def _optional(path: Path) -> Optional[_File]:
    try:
        return _File(path)
    except OSError:
        return None


def _value(line: str) -> Optional[float]:
    try:
        return float(int(line.split()[0]))
    except (IndexError, ValueError):
        return None


SENSOR = Sensor(name="cray", title="HPE Cray pm_counters", open=open_probes, fallback=True)
