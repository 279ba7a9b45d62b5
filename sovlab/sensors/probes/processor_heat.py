"""Temperatures of processors, and how long heat has slowed them: by the kernel's hwmon and thermal_throttle.

Drivers: ``coretemp`` (Intel), ``k10temp`` and ``zenpower`` (AMD), each described in the kernel's
``Documentation/hwmon``; their files are named as in ``Documentation/hwmon/sysfs-interface.rst``. What a limit
means is in their sources: ``crit`` is where a processor slows itself. ``max`` is not taken for it: coretemp's
is the target of the fans, k10temp's is 70 °C whatever the processor.

Throttling is counted by Intel's processors alone (``drivers/thermal/intel/therm_throt.c``).

Devices are named as RAPL's are, ``package-0`` and so on by the kernel's ``physical_package_id``, so that what
both say of one can be put together.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from sovlab.sensors.machine import Machine, NumberFile, entries, number, text
from sovlab.sensors.sensor import HEAT, Device, Limits, Probe, Sample, Sensor, Unavailable, celsius, places

_CPUS = "/sys/devices/system/cpu"
_AMD = ("k10temp", "zenpower")
_CORETEMP = "coretemp"
# The first that there is. Tctl steers the fans, and on some models is up to 27 °C above what the die has;
# processors older than Zen have one sensor without a label.
_LABELS = (r"Package id \d+", r"Physical id \d+", "Tdie", "Tctl", "")


class Package(NamedTuple):
    """A processor in its socket.

    Attributes:
        number: the kernel's ``physical_package_id``.
        dies: its dies, as the kernel numbers them.
        cpu: directory of its first CPU in sysfs.
    """

    number: int
    dies: Tuple[int, ...]
    cpu: Path


def packages(machine: Machine) -> List[Package]:
    """The machine's processors, by number (``Documentation/admin-guide/cputopology.rst``)."""
    found: Dict[int, Package] = {}
    for cpu in machine.listing(_CPUS, r"cpu\d+"):
        package = number(cpu / "topology/physical_package_id")
        if package is None or package < 0:  # it is offline; or the firmware does not tell, as on some ARM
            continue
        die = number(cpu / "topology/die_id")
        known = found.setdefault(package, Package(package, (), cpu))
        if die is not None and die not in known.dies:
            found[package] = known._replace(dies=(*known.dies, die))
    return [found[package] for package in sorted(found)]


def description(machine: Machine) -> Mapping[str, str]:
    """What /proc/cpuinfo says of the first CPU, e.g. its ``model name`` and ``vendor_id``; may be empty."""
    found: Dict[str, str] = {}
    try:
        with machine.at("/proc/cpuinfo").open(errors="replace") as file:
            for line in file:
                key, colon, value = line.partition(":")
                if not colon and found:
                    break
                found[key.strip()] = " ".join(value.split())
    except OSError:
        pass
    return found


def is_virtual(machine: Machine) -> bool:
    """Whether an x86 processor is one of a virtual machine's."""
    return "hypervisor" in description(machine).get("flags", "").split()


def open_probes(machine: Machine) -> Sequence[Probe]:
    """One probe for each processor with a temperature or a count of throttling.

    Raises:
        Unavailable: there is neither.
    """
    name = description(machine).get("model name", "")
    sockets = packages(machine)
    sensors = _sensors_by_device(machine, sockets)
    throttling = {f"package-{package.number}": package.cpu for package in sockets}
    probes = []
    for device in dict.fromkeys([*sensors, *throttling]):
        probe = HeatProbe(
            Device(id=device, kind="cpu", name=name, scope="package"),
            sensors.get(device, []),
            throttling.get(device),
        )
        if probe.tells_something():
            probes.append(probe)
        else:
            probe.close()
    if not probes:
        raise Unavailable(_reason(machine))
    return probes


class HeatProbe(Probe):
    """The temperature of one processor, of its hottest die where each has a sensor.

    ``slowed`` are seconds in which heat slowed the package, and the monotonic clock: the kernel adds to the
    first when such a spell ends.

    Args:
        device: the processor.
        sensors: its temperature files (``temp1_input``), one for each die or one for all.
        cpu: directory of one of its CPUs in sysfs; None if they are not known.
    """

    def __init__(self, device: Device, sensors: Sequence[Path], cpu: Optional[Path]) -> None:
        super().__init__(device)
        self._temperatures = [file for file in map(_opened, sensors) if file is not None]
        limits = [celsius(_limit(sensor)) for sensor in sensors]
        self._slowdown = min((limit for limit in limits if limit is not None), default=None)
        folder = cpu / "thermal_throttle" if cpu is not None else None
        self._throttled = _opened(folder / "package_throttle_total_time_ms") if folder is not None else None
        if not self._temperatures:
            self.missing["temperature"] = "no driver for its sensor is loaded (coretemp, k10temp)"
        if self._slowdown is None:
            self.missing["slowdown"] = "its driver does not tell at what temperature it slows itself"
        if self._throttled is None:
            self.missing["slowed"] = _not_counted(folder)

    def tells_something(self) -> bool:
        """Whether there is anything to read."""
        return bool(self._temperatures or self._throttled)

    def read(self, thorough: bool = True) -> Sample:
        """Its temperature, the margin, and how long it was slowed; nothing of it is power or energy."""
        if not thorough:
            return Sample()
        known = [
            value for value in (celsius(file.read()) for file in self._temperatures) if value is not None
        ]
        hottest = max(known, default=None)
        slowed = self._throttled.read() if self._throttled is not None else None
        return Sample(
            temperatures=places(package=hottest),
            margin=self._slowdown - hottest if self._slowdown is not None and hottest is not None else None,
            slowed={} if slowed is None else {HEAT: (slowed, time.monotonic())},
        )

    def limits(self) -> Limits:
        """Where it slows itself."""
        return Limits(slowdown=self._slowdown)

    def close(self) -> None:
        """Close its files."""
        for file in (*self._temperatures, self._throttled):
            if file is not None:
                file.close()


def _opened(path: Path) -> Optional[NumberFile]:
    try:
        return NumberFile(path, 1e-3)  # all are in thousandths: of a degree, of a second
    except OSError:
        return None


def _limit(sensor: Path) -> Optional[float]:
    value = number(sensor.with_name(sensor.name.replace("_input", "_crit")))
    return None if value is None else value / 1000


def _sensors_by_device(machine: Machine, sockets: Sequence[Package]) -> Dict[str, List[Path]]:
    found: Dict[str, List[Path]] = {}
    amd: List[Path] = []
    # The kernel numbers coretemp's chips, and labels them, by die through all packages.
    by_die = [package.number for package in sockets for _ in package.dies or (0,)]
    for chip in machine.listing("/sys/class/hwmon", r"hwmon\d+"):
        driver = text(chip / "name")
        sensor = _package_sensor(chip) if driver in (_CORETEMP, *_AMD) else None
        if sensor is None:
            continue
        if driver in _AMD:
            amd.append(sensor)
            continue
        label = text(sensor.with_name(sensor.name.replace("_input", "_label")))
        die = int(label.split()[-1])
        # Older kernels write the package's own number, which may be above the number of dies.
        package = by_die[die] if die < len(by_die) else die
        found.setdefault(f"package-{package}", []).append(sensor)
    # AMD's have no number. They are PCI devices, one or four to a socket, in the order of the sockets.
    amd.sort(key=lambda sensor: os.path.realpath(sensor.parent / "device"))
    share, rest = divmod(len(amd), len(sockets)) if sockets else (0, 1)
    for index, sensor in enumerate(amd):
        place = f"package-{sockets[index // share].number}" if not rest else f"processor-sensor-{index}"
        found.setdefault(place, []).append(sensor)
    return found


def _package_sensor(chip: Path) -> Optional[Path]:
    labelled = [
        (text(file.with_name(file.name.replace("_input", "_label"))), file)
        for file in entries(chip, r"temp\d+_input")
    ]
    for wanted in _LABELS:
        for label, file in labelled:
            if re.fullmatch(wanted, label):
                return file
    return None


def _not_counted(folder: Optional[Path]) -> str:
    if folder is None or not folder.is_dir():
        return "only Intel's processors count it, and virtual machines do not show it"
    if not entries(folder, ".+"):
        return "its count is masked in this container, as container runtimes do"
    return "this processor counts it for its cores only"


def _reason(machine: Machine) -> str:
    if is_virtual(machine):
        return "This is a virtual machine, which is shown no temperature of its processors."
    return (
        "The kernel shows no temperature of the processors in /sys/class/hwmon; an administrator may load "
        "the driver, which is coretemp for Intel's and k10temp for AMD's."
    )


SENSOR = Sensor(name="hwmon", title="the kernel's temperature sensors (hwmon)", open=open_probes)
