"""Power meters of a machine's firmware (ACPI 4.0, device ``ACPI000D``), which are NVIDIA Grace's own too.

Files and units: the kernel's ``Documentation/hwmon/acpi_power_meter.rst``. Older kernels have them in
``hwmonN/device``, newer ones in ``hwmonN`` itself.

A meter that says nothing of itself is of the whole machine. Grace's have a label in ``power1_oem_info``, and
one socket has several that contain each other (NVIDIA Grace Performance Tuning Guide, "Power Telemetry"):

* ``Module Power Socket N``: Grace, the GPU beside it, and the memory of both;
* ``Grace Power Socket N``: the processor with its memory (newer firmware: ``Total Power Socket N``);
* ``CPU Power Socket N`` and ``SysIO Power Socket N``: its cores, and the rest of its chip, without memory.

Of each socket one is read: Grace's, because the GPU has a sensor of its own; else what the chip draws; else
the module's. None counts energy.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

from sovlab.sensors.machine import Machine, NumberFile, number, text
from sovlab.sensors.sensor import Device, Probe, Sample, Sensor, Unavailable, watts

_LABEL = re.compile(
    r"(?P<part>Module|Grace|Total|CPU|SysIO|SoC)( Rail)?( Input)? Power( in uW)? Socket (?P<socket>\d+)", re.I
)
_INPUTS = ("power1_average", "power1_input")
_MODULE, _SOCKET, _NODE = 5000.0, 1000.0, 30000.0
"""W that none of them draws. A broken meter tells 4294967 W, which is all ones in mW."""


def open_probes(machine: Machine) -> Sequence[Probe]:
    """One probe for each socket with labelled meters, and one for the machine if a meter is of all of it.

    Raises:
        Unavailable: there is no meter, or none whose value means something.
    """
    meters = [meter for chip in machine.listing("/sys/class/hwmon", r"hwmon\d+") for meter in _meters(chip)]
    if not meters:
        raise Unavailable("This machine's firmware has no power meter (ACPI) that the kernel knows.")
    sockets: Dict[int, Dict[str, Path]] = {}
    plain: List[Path] = []
    for meter in meters:
        told = text(meter / "power1_oem_info")
        label = _LABEL.fullmatch(told)
        if label is not None:
            sockets.setdefault(int(label["socket"]), {})[label["part"].lower()] = meter
        elif "socket" not in told.lower():  # else a part of a socket that is not known here
            plain.append(meter)
    probes = [probe for socket in sorted(sockets) for probe in _of_socket(socket, sockets[socket])]
    whole = [
        probe
        for meter in plain
        for probe in _working(
            Device(id="node", kind="node", scope="node", covers=("gpu", "cpu", "memory")), [meter], _NODE
        )
    ]
    # Of several nobody knows which contains which.
    if len(whole) == 1:
        return [*probes, *whole]
    for probe in whole:
        probe.close()
    if probes:
        return probes
    if whole:
        raise Unavailable(
            f"This machine has {len(whole)} power meters (ACPI) that do not say what they are of."
        )
    raise Unavailable("This machine's power meter (ACPI) cannot be read, or gives no value that can be true.")


class PowerMeterProbe(Probe):
    """One meter, or several that are parts of one device.

    Args:
        device: what they are of.
        meters: their directories.
        plausible: W above which nothing is believed.

    Raises:
        OSError: one of them cannot be opened.
    """

    def __init__(self, device: Device, meters: Sequence[Path], plausible: float) -> None:
        super().__init__(device)
        self.plausible = plausible
        self.missing["energy"] = "an ACPI power meter counts none"
        self.power_method = "ACPI power meter"
        interval = number(meters[0] / "power1_average_interval")
        if interval:
            self.power_method += f", mean of {interval / 1000:g} s"
        self._files: List[NumberFile] = []
        try:
            for meter in meters:
                self._files.append(_open(meter))
        except OSError:
            self.close()
            raise

    def read(self, thorough: bool = True) -> Sample:
        """Its power; None if a part of it gives no value that can be true."""
        values = [watts(file.read(), self.plausible) for file in self._files]
        known = [value for value in values if value is not None]
        return Sample(power=sum(known) if len(known) == len(values) else None)

    def close(self) -> None:
        """Close its files."""
        for file in self._files:
            file.close()


def _meters(chip: Path) -> List[Path]:
    """The directory of a chip with the files of a power meter, which batteries' are not taken for."""
    return [
        folder
        for folder in (chip, chip / "device")
        if text(folder / "name") == "power_meter"
        and any((folder / name).exists() for name in _INPUTS)
        and number(folder / "power1_is_battery") != 1
    ]


def _open(meter: Path) -> NumberFile:
    try:
        return NumberFile(meter / _INPUTS[0], 1e-6)
    except OSError:
        return NumberFile(meter / _INPUTS[1], 1e-6)


def _of_socket(socket: int, meters: Mapping[str, Path]) -> List[Probe]:
    """One probe: of Grace, else of the chip, else of the module, whichever works first."""
    place = f"package-{socket}"
    processor = Device(id=place, kind="cpu", scope="socket", covers=("memory",))
    chip = Device(id=place, kind="cpu", scope="package")
    module = Device(id=f"module-{socket}", kind="node", scope="module", covers=("gpu", "cpu", "memory"))
    parts = [meters[part] for part in ("cpu", "sysio", "soc") if part in meters]
    for device, chosen, plausible in (
        (processor, [meters[part] for part in ("grace", "total") if part in meters][:1], _SOCKET),
        (chip, parts if "cpu" in meters else [], _SOCKET),
        (module, [meters["module"]] if "module" in meters else [], _MODULE),
    ):
        found = _working(device, chosen, plausible)
        if found:
            return found
    return []


def _working(device: Device, meters: Sequence[Path], plausible: float) -> List[Probe]:
    """A probe, if there are meters and they give a value now."""
    if not meters:
        return []
    try:
        probe = PowerMeterProbe(device, meters, plausible)
    except OSError:
        return []
    if probe.read().power is not None:
        return [probe]
    probe.close()
    return []


SENSOR = Sensor(name="acpi", title="ACPI power meters", open=open_probes, fallback=True)
