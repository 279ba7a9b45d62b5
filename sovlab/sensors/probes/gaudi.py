"""Intel's Gaudi accelerators: by Habana's management library, else by the habanalabs driver in sysfs.

Calls, units and codes are those of ``hlml.h`` and of Habana's HLML API reference; files are those of the
kernel's ``drivers/accel/habanalabs/common`` (``hwmon.c``, ``sysfs.c``). Neither needs a privilege. The files
tell power and temperatures, and no energy.
"""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple, Type

from sovlab.sensors import sensor
from sovlab.sensors.machine import Machine, NumberFile, driver, entries, number, text
from sovlab.sensors.sensor import HEAT, POWER, Device, Limits, Probe, Sample, Sensor, Unavailable

_CLASSES = (("/sys/class/accel", "/dev/accel", r"accel\d+"), ("/sys/class/habanalabs", "/dev", r"hl\d+"))
"""sysfs class, device folder and names: since Linux 6.2, and before."""

_MOST = 2000.0  # W that no accelerator of today draws: a limit above it is none

_OK, _NOT_SUPPORTED, _ALREADY, _LOST = 0, 3, 5, 15
_CODES = {  # meanings of hlml_return_t
    _NOT_SUPPORTED: "not supported by this device",
    9: "refused as the driver is not loaded",
    10: "refused as the device did not answer in time",
    21: "the device has no value",
    49: "refused with an unknown error, as during a reset",
}

_REFUSED, _IMPOSSIBLE = "refused by the driver, as during a reset", "the device tells a value that cannot be"

_AIP, _BOARD = 0, 1  # of hlml_temperature_sensors_t
_SHUTDOWN, _SLOWDOWN = 0, 1  # of hlml_temperature_thresholds_t
_REASONS = ((1, POWER), (2, HEAT))  # bits of the throttle reasons


def open_probes(machine: Machine) -> Sequence[Probe]:
    """One probe for each accelerator that ``HABANA_VISIBLE_MODULES`` leaves to this process, by module id.

    Raises:
        Unavailable: there is none, or nothing tells of it.
    """
    cards, library = _cards(machine), _Library(machine.hlml)
    probes: List[Probe] = []
    whys: List[str] = []
    for card in cards:
        for way in (_ByLibrary, _ByDriver):
            try:
                probes.append(way(card, library))
                break
            except Unavailable as refusal:
                whys.append(str(refusal))
    if not library.users:
        library.close()
    if not probes:
        why = "; ".join(dict.fromkeys(whys))
        raise Unavailable(f"Gaudi devices were found, but nothing tells of them: {why}.")
    return probes


SENSOR = Sensor("hlml", "Habana's management library or the habanalabs driver in sysfs", open_probes)


class _Card(NamedTuple):
    """An accelerator of this process, its PCI device in sysfs, and its number in ``/dev/accel/accel<n>``."""

    device: Device
    folder: Path
    node: int

    def limit(self) -> Optional[float]:
        """W that its administrator lets it draw."""
        value = number(self.folder / "max_power")
        return None if value is None else sensor.watts(value / 1e3, _MOST)


class _Library:
    """libhlml, opened: without one, or if it refuses, there are no handles."""

    def __init__(self, name: str) -> None:
        self.users = 0
        self._ours, self._refusal = False, "libhlml is not asked"
        try:
            self._hlml = ctypes.CDLL(name) if name else None
        except OSError as error:
            self._hlml, self._refusal = None, str(error)
        if self._hlml:
            code = self.call("hlml_init")
            self._ours = code == _OK  # else this process has it open for something else
            self._refusal = "" if code in (_OK, _ALREADY) else f"libhlml does not start: {_meaning(code)}"

    def call(self, name: str, *arguments: Any) -> int:
        """The code that a call returns; "not supported" if this version of the library has no such call."""
        function = getattr(self._hlml, name, None)
        return _NOT_SUPPORTED if function is None else int(function(*arguments))

    def handle(self, card: _Card) -> ctypes.c_void_p:
        """Its handle of a device: by PCI address, else by the number of the device node."""
        if self._refusal:
            raise Unavailable(self._refusal)
        handle = ctypes.c_void_p()
        address = ctypes.c_char_p(card.device.id.encode())
        code = self.call("hlml_device_get_handle_by_pci_bus_id", address, ctypes.byref(handle))
        if code:
            code = self.call("hlml_device_get_handle_by_index", card.node, ctypes.byref(handle))
        if code:
            raise Unavailable(f"libhlml does not know {card.device.id}: {_meaning(code)}")
        return handle

    def close(self) -> None:
        if self._ours:
            self.call("hlml_shutdown")


class _Utilisation(ctypes.Structure):
    # hlml_utilization_t: one number, of the last second; with room for what a later version may add.
    _fields_ = (("value", ctypes.c_uint), ("room", ctypes.c_uint * 15))


class _ByLibrary(Probe):
    def __init__(self, card: _Card, library: _Library) -> None:
        super().__init__(card.device)
        self._card, self._library, self._handle = card, library, library.handle(card)
        bounds = self.limits()
        self.plausible = 2 * max(bounds.power or 0.0, bounds.default or 0.0) or _MOST
        self.read()
        lacks = {what for what, why in self.missing.items() if why == _CODES[_NOT_SUPPORTED]}
        if lacks >= {"power", "energy"}:
            raise Unavailable(f"libhlml tells neither power nor energy of {card.device.id}")
        self.power_method = "" if "power" in lacks else "HLML power"
        self.energy_method = "" if "energy" in lacks else "HLML energy counter"
        self._open = True
        library.users += 1

    def read(self, thorough: bool = True) -> Sample:
        told = self._ask("power", "hlml_device_get_power_usage")  # mW
        power = _believed(self, "power", None if told is None else told / 1e3, self.plausible)
        # mJ since the driver was loaded; 0 is told by firmware that does not count.
        told = self._ask("energy", "hlml_device_get_total_energy_consumption", kind=ctypes.c_ulonglong)
        energy = _believed(self, "energy", None if told is None else told / 1e3, 2.0**63 / 1e3)
        if not thorough:
            return Sample(power=power, energy=energy)
        board = self._ask("temperature", "hlml_device_get_temperature", _BOARD)
        aip = self._ask("temperature", "hlml_device_get_temperature", _AIP)
        temperatures = sensor.places(gpu=aip, board=board)
        if temperatures:
            self.missing.pop("temperature", None)
        elif aip is not None:
            self.missing["temperature"] = _IMPOSSIBLE
        call = "hlml_device_get_current_clocks_throttle_reasons"
        bits = self._ask("slowing", call, kind=ctypes.c_ulonglong)
        slowing = None if bits is None else frozenset(cause for bit, cause in _REASONS if bits & bit)
        percent = self._ask("busy", "hlml_device_get_utilization_rates", kind=_Utilisation)
        busy = None if percent is None or percent > 100 else percent / 100
        return Sample(power=power, energy=energy, temperatures=temperatures, slowing=slowing, busy=busy)

    def limits(self) -> Limits:
        """Its administrator's and its default power, and the °C of Habana's thresholds."""
        threshold = "hlml_device_get_temperature_threshold"
        default = self._value("hlml_device_get_power_management_default_limit", ctypes.c_uint)[1]
        return Limits(
            power=self._card.limit(),
            default=sensor.watts(default / 1e3, _MOST),
            slowdown=sensor.celsius(self._value(threshold, ctypes.c_uint, _SLOWDOWN)[1]),
            shutdown=sensor.celsius(self._value(threshold, ctypes.c_uint, _SHUTDOWN)[1]),
        )

    def close(self) -> None:
        if self._open:
            self._open = False
            self._library.users -= 1
            if not self._library.users:
                self._library.close()

    def _ask(self, what: str, call: str, *arguments: int, kind: Type[Any] = ctypes.c_uint) -> Optional[int]:
        code, value = self._value(call, kind, *arguments)
        if code == _LOST:
            raise Unavailable(f"The Gaudi device {self.device.id} fell off its bus.")
        if code != _OK:
            self.missing[what] = _meaning(code)
            return None
        self.missing.pop(what, None)
        return value

    def _value(self, call: str, kind: Type[Any], *arguments: int) -> Tuple[int, int]:
        """The code that a call returns, and its value, 0 if it tells none."""
        out = kind()
        code = self._library.call(call, self._handle, *arguments, ctypes.byref(out))
        return code, 0 if code else int(out.value)


class _ByDriver(Probe):
    """The driver does not say which temperature is where: places are ``temp1``, ``temp2``, …, as it has."""

    def __init__(self, card: _Card, _: _Library) -> None:
        super().__init__(card.device)
        self._card = card
        hwmon = (entries(card.folder / "hwmon", r"hwmon\d+") or [card.folder / "no-hwmon"])[0]
        self._power = _open(hwmon / "power1_input", 1e-6)
        opened = {path.name: _open(path, 1e-3) for path in entries(hwmon, r"temp\d+_input")}
        self._temperatures = {name.split("_")[0]: file for name, file in opened.items() if file}
        if not self._power and not self._temperatures:
            raise Unavailable(f"the driver shows no sensors of {card.device.id} in sysfs")
        self.plausible = 2 * (card.limit() or 0.0) or _MOST
        self.power_method = "habanalabs power" if self._power else ""
        files = {"power": self._power, "temperature": self._temperatures}
        self.missing = dict.fromkeys(("energy", "slowing", "busy"), "told by libhlml only")
        self.missing.update(
            {what: "not told by the driver for this device" for what in files if not files[what]}
        )

    def read(self, thorough: bool = True) -> Sample:
        power = self._power.read() if self._power else None
        if power is None and not self._card.folder.exists():
            raise Unavailable(f"The Gaudi device {self.device.id} is gone from sysfs.")
        if self._power and power is None:
            self.missing["power"] = _REFUSED
        power = _believed(self, "power", power, self.plausible)
        if not thorough:
            return Sample(power=power)
        told = sensor.places(**{place: file.read() for place, file in self._temperatures.items()})
        if told:
            self.missing.pop("temperature", None)
        elif self._temperatures:
            self.missing["temperature"] = _REFUSED
        return Sample(power=power, temperatures=told)

    def limits(self) -> Limits:
        """What its administrator lets it draw."""
        return Limits(power=self._card.limit())

    def close(self) -> None:
        for file in (self._power, *self._temperatures.values()):
            if file:
                file.close()
        self._power, self._temperatures = None, {}


def _cards(machine: Machine) -> List[_Card]:
    """Accelerators that work and that this process may open, found and numbered as in `sovlab.backends`."""
    found: Dict[int, _Card] = {}
    unusable: List[str] = []
    for folder, nodes, names in _CLASSES:
        for entry in machine.listing(folder, names):
            device, node = entry / "device", machine.at(nodes) / entry.name
            if driver(device) != "habanalabs":
                continue  # another vendor's accelerator, or a processor's NPU
            status = text(device / "status")
            if status.lower() not in ("operational", ""):
                unusable.append(f"{entry.name} is {status}")
            elif not os.access(node, os.R_OK | os.W_OK):
                unusable.append(f"this user may not open {nodes}/{entry.name}")
            else:
                module = number(device / "module_id")
                index = len(found) if module is None else module
                model = re.sub(r"^GAUDI *", "Gaudi ", text(device / "device_type")).strip()
                identity = Device(device.resolve().name, "gpu", model, index, backend="hpu")
                found[index] = _Card(identity, device, int(re.sub(r"\D", "", entry.name)))
        if found or unusable:
            break
    if not found and unusable:
        raise Unavailable(f"Gaudi devices were found, but none can be used: {', '.join(unusable)}.")
    if not found:
        raise Unavailable("No Gaudi device with the driver habanalabs was found in /sys/class/accel.")
    mask = machine.environ.get("HABANA_VISIBLE_MODULES")
    left: List[int] = []
    for module_id in sorted(found) if mask is None else mask.split(","):
        # As in sovlab.backends: the list ends at the first entry that fits nothing.
        if not re.fullmatch(r"\s*\d+\s*", str(module_id)) or int(module_id) not in found:
            break
        left.append(int(module_id))
    if not left:
        raise Unavailable(f"HABANA_VISIBLE_MODULES={mask} leaves none of {len(found)} Gaudi devices.")
    return [found[index] for index in sorted(set(left))]


def _believed(probe: Probe, quantity: str, value: Optional[float], most: float) -> Optional[float]:
    """A value that was told; None if there is none, or it cannot be, which ``probe.missing`` then says."""
    if value is None or 0 < value <= most:
        if value is not None:
            probe.missing.pop(quantity, None)
        return value
    probe.missing[quantity] = _IMPOSSIBLE
    return None


def _meaning(code: int) -> str:
    return _CODES.get(code, f"refused with the library's error {code}")


def _open(path: Path, scale: float) -> Optional[NumberFile]:
    try:
        return NumberFile(path, scale)
    except OSError:
        return None
