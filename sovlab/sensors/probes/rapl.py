"""Energy that processors and their memory count themselves (RAPL), as the kernel's powercap shows it.

Intel's and AMD's processors both stand under ``intel-rapl``. Files and units:
``Documentation/power/powercap/powercap.rst``; names of the zones: ``drivers/powercap/intel_rapl_common.c``.

* A package's joules are without its memory's on servers: ``dram``, where there is one, is added to them.
  ``core`` and ``uncore`` are parts of a package, ``psys`` is the whole platform with all of them, and
  ``intel-rapl-mmio`` is a package's counter by another way: they are left aside.
* A package of several dies has a zone for each (``package-0-die-1``). Intel's count apart. AMD's all show the
  socket's one counter, on kernels older than 2024: then one is kept, as ``package-0``.
* The counter begins again from 0 after 262143 J (Intel) or 65533 J (AMD, and Intel's memory), the latter
  every 2.7 minutes at 400 W. Whoever reads it must look more often than that.
* Only root may read it since Linux 5.10 (CVE-2020-8694), and nobody in a container: since 2023 the runtimes
  hide ``/sys/devices/virtual/powercap``, to which the links in ``/sys/class/powercap`` point.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set, Tuple

from sovlab.sensors.machine import Machine, NumberFile, number, text
from sovlab.sensors.probes.processor_heat import description, is_virtual
from sovlab.sensors.sensor import Device, Limits, Probe, Sample, Sensor, Unavailable

_CLASS = "/sys/class/powercap"
_ZONE = r"intel-rapl:\d+(:\d+)?"
_PACKAGE = r"package-(\d+)(-die-\d+)?"
_MOST = 1000.0
"""W that no socket draws; the largest of 2026 are made for 500 W."""
_ONE_COUNTER = ("AuthenticAMD", "HygonGenuine")
"""Vendors whose processors count once for a socket, whatever dies it has (`rapl_msrs_are_pkg_scope`)."""
_CLOSE = 1.0
"""J by which two readings of one counter differ at most if they are made right after one another."""
_TICKS = 0.02
"""Seconds in which a counter that is at 0 has surely moved."""


def open_probes(machine: Machine) -> Sequence[Probe]:
    """One probe for each package (or die) and each package's memory.

    Raises:
        Unavailable: the machine has no counters, this process may not read them, or they do not count.
    """
    zones = machine.listing(_CLASS, _ZONE)
    about = description(machine)
    found: List[RaplProbe] = []
    hindrances: Set[str] = set()
    for zone in zones:
        device = _device(zone, about.get("model name", ""))
        if device is None:
            continue
        try:
            probe = RaplProbe(device, zone)
        except PermissionError:
            hindrances.add("refused")
            continue
        except OSError:
            hindrances.add("gone")
            continue
        if _is_dead(probe):
            hindrances.add("dead")
            probe.close()
        else:
            found.append(probe)
    if not found:
        raise Unavailable(_reason(machine, zones, hindrances))
    return _without_mirrors(found, about.get("vendor_id", "") in _ONE_COUNTER)


class RaplProbe(Probe):
    """The energy counter of one zone.

    Args:
        device: what the zone is of.
        zone: its directory.

    Raises:
        OSError: its counter cannot be opened; `PermissionError` if that is forbidden.
    """

    def __init__(self, device: Device, zone: Path) -> None:
        super().__init__(device)
        self._energy = NumberFile(zone / "energy_uj", 1e-6)
        self._zone = zone
        self.energy_method = "RAPL energy counter"
        self.missing["power"] = "RAPL counts energy only"
        # Without it a step back tells nothing: neither where it ended, nor that it was no reset.
        span = number(zone / "max_energy_range_uj")
        self.wraps_at = span * 1e-6 if span else None
        self.resolution = 0.01
        limits = [limit for pair in self._constraints().values() for limit in pair if limit is not None]
        # What the firmware says of its memory is often less than that draws.
        self._highest = min(max(limits), _MOST / 2) if limits and device.kind == "cpu" else None
        self.plausible = 2 * self._highest if self._highest is not None else _MOST

    def read(self, thorough: bool = True) -> Sample:
        """The counter now, in J."""
        return Sample(energy=self._energy.read())

    def limits(self) -> Limits:
        """A processor's limit over the longer time, unless it is switched off; and its highest of any kind.

        For seconds it may draw what is set for the short term: four times as much in a laptop.
        """
        if self._highest is None:
            return Limits()
        limit, _ = self._constraints().get("long_term", (None, None))
        return Limits(power=limit if number(self._zone / "enabled") else None, highest=self._highest)

    def close(self) -> None:
        """Close the counter."""
        self._energy.close()

    def _constraints(self) -> Dict[str, Tuple[Optional[float], Optional[float]]]:
        """Power limits in W by name, each as it is set and as the processor is made for; AMD's have none."""
        found = {}
        for index in range(3):
            prefix = f"constraint_{index}"
            limits = [number(self._zone / f"{prefix}_{kind}_uw") for kind in ("power_limit", "max_power")]
            # 0 stands for none.
            limit, highest = (value * 1e-6 if value else None for value in limits)
            found[text(self._zone / f"{prefix}_name")] = limit, highest
        return found


def _device(zone: Path, name: str) -> Optional[Device]:
    """What a zone is of; None for those that are left aside, and for those that a container hides."""
    own = text(zone / "name")
    package = re.fullmatch(_PACKAGE, own)
    if package is not None:
        return Device(id=own, kind="cpu", name=name, scope="package")
    if own != "dram":
        return None
    parent = re.fullmatch(_PACKAGE, text(zone.with_name(zone.name.rpartition(":")[0]) / "name"))
    if parent is None:
        return None
    return Device(id=parent.group().replace("package", "dram"), kind="memory", scope="package")


def _is_dead(probe: Probe) -> bool:
    """Whether a counter is at 0 and stays there, as a hypervisor's does."""
    if probe.read().energy != 0:
        return False
    time.sleep(_TICKS)
    return probe.read().energy == 0


def _without_mirrors(probes: Sequence[RaplProbe], one_counter: bool) -> List[Probe]:
    """Probes without those of dies that show the same counter as another die of their package."""
    kept: List[Probe] = []
    by_package: Dict[str, List[RaplProbe]] = {}
    for probe in probes:
        by_package.setdefault(probe.device.id.partition("-die-")[0], []).append(probe)
    for package, dies in by_package.items():
        first, others = dies[0], dies[1:]
        distinct = [other for other in others if not (one_counter or _is_mirror(first, other))]
        for other in others:
            if other not in distinct:
                other.close()
        if others and not distinct:
            first.device = replace(first.device, id=package)
        kept += [first, *distinct]
    return kept


def _is_mirror(first: Probe, other: Probe) -> bool:
    """Whether two zones show one counter: twice, the second is between two readings of the first."""
    for _ in range(2):
        before, between, after = first.read().energy, other.read().energy, first.read().energy
        if before is None or between is None or after is None:
            return False
        if not before - _CLOSE <= between <= after + _CLOSE:
            return False
    return True


def _reason(machine: Machine, zones: Sequence[Path], hindrances: Set[str]) -> str:
    if "refused" in hindrances:
        return (
            "The energy counters of the processors (RAPL) may be read by root only, since Linux 5.10; an "
            "administrator may open energy_uj in /sys/class/powercap/intel-rapl:* to a group."
        )
    if "dead" in hindrances:
        return "The energy counters of the processors (RAPL) stay at 0, as in a virtual machine."
    if zones and not any(text(zone / "name") for zone in zones):
        return (
            "The energy counters of the processors (RAPL) are masked in this container, for root too, as "
            "container runtimes do since 2023; only a program on the node itself can read them."
        )
    if is_virtual(machine):
        return "This is a virtual machine, which is shown no energy counters of its processors (RAPL)."
    if not machine.at(_CLASS).is_dir():
        return f"This kernel shows no energy counters of the processors (RAPL): there is no {_CLASS}."
    return (
        f"There are no energy counters of the processors (RAPL) in {_CLASS}; if these are Intel's or AMD's, "
        "an administrator may load the driver intel_rapl_msr."
    )


SENSOR = Sensor(name="rapl", title="RAPL through powercap", open=open_probes)
