"""Intel's discrete GPUs: energy, limits, temperatures and slowing, from the xe and i915 drivers in sysfs.

Both drivers have a hwmon folder for a discrete GPU, readable by everybody (the kernel's ABI files
``sysfs-driver-intel-xe-hwmon`` and ``sysfs-driver-intel-i915-hwmon``). They count energy and tell no power:
that is joules by seconds. An integrated GPU has none; its energy is in its processor's. Reading wakes a GPU
that sleeps.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set

from sovlab.sensors import sensor
from sovlab.sensors.machine import Machine, NumberFile, driver, entries, number, text
from sovlab.sensors.sensor import HEAT, POWER, Device, Limits, Probe, Sample, Sensor, Unavailable

_INTEGRATED = ":00:02.0"
"""Where every Intel processor has its own GPU on the PCI bus."""

_MOST = 2000.0
"""W that no card of today draws. A limit register with all bits set reads 4095.875 W: that is no limit."""

_PLACES = {"pkg": "gpu", "vram": "memory"}
"""Places by the drivers' labels. Left out: ``vram_ch_0`` and so on, a tenth of a second each."""

_UNLABELLED = {"xe": {"2": "pkg", "3": "vram"}, "i915": {"1": "pkg"}}
"""What the ABI files say of temperatures by number, where there is no label."""

_POWER = ("pl1", "pl2", "pl4", "vr_tdc", "iccmax", "fastvmode", "psys_pl1", "psys_pl2", "psys_crit")
"""Throttle reasons that are limits of power or current, of the package and of the card (psys)."""

_BUSY = "refused by the driver for the moment"
_UNTOLD = "not told by this driver for this GPU"
_VIRTUAL = "not told to a virtual function: its host reads the whole card"


def open_probes(machine: Machine) -> Sequence[Probe]:
    """One probe for each discrete GPU whose render node is in ``/dev/dri``, by PCI address.

    The tiles of a card share one counter, so it is one device, with the number of the first of its tiles that
    this process has: Level Zero and `sovlab.backends` number tiles. Its scope is ``board`` if
    ``ZE_AFFINITY_MASK`` hides some of them, else ``device`` if the counter is the whole card's, and
    ``package`` if it leaves out the card's memory and voltage regulators.

    Raises:
        Unavailable: there is none, or none that its driver tells anything of.
    """
    probes = [_Gpu(card) for card in _cards(machine)]
    useful = [probe for probe in probes if probe.useful]
    if not useful:
        raise Unavailable(
            "An Intel GPU was found, but its driver shows no sensors: i915 does since Linux 6.2 and xe since "
            "6.8, and neither does for a virtual function."
        )
    return useful


SENSOR = Sensor(name="intel", title="the xe and i915 drivers in sysfs", open=open_probes)


_REGISTER = 2**32 / 2**14
"""J that the hardware's register holds: 32 bits of 2^-14 J, the usual unit."""


class _Card(NamedTuple):
    """A GPU of this process: the first of its tiles that it has, and whether others of them are hidden."""

    address: str
    drm: Path
    first: int
    part: bool


class _Gpu(Probe):
    def __init__(self, card: _Card) -> None:
        self._folder = card.drm / "device"
        name = driver(self._folder)
        # By name, as numbers change at every boot. Cards of several tiles have i915_gt0, … as well.
        hwmons = {text(each / "name"): each for each in entries(self._folder / "hwmon", r"hwmon\d+")}
        self._hwmon = hwmons.get(name, self._folder / "no-hwmon")
        # The card's energy has the package's in it: never both. Of DG2 and PVC, xe counts the package's only.
        whole = _open(self._hwmon / "energy1_input", 1e-6)
        self._energy = whole or _open(self._hwmon / "energy2_input", 1e-6)
        self._power = "power2" if self._energy and not whole else "power1"
        if name == "i915" and "i915_gt0" not in hwmons:
            # Where it has no counters of single tiles, i915 reads the package's register (i915_hwmon.c), the
            # one that xe shows as energy2_input, "pkg".
            whole = None
        scope = "board" if card.part else "device" if whole else "package"
        model = f"Intel GPU {number(self._folder / 'device') or 0:04x}"
        super().__init__(Device(card.address, "gpu", model, card.first, scope, backend="xpu"))
        self._temperatures = self._thermometers(name)
        self._throttles = _throttles(card.drm, name)
        self.useful = bool(self._energy or self._temperatures or self._throttles)
        # The hardware's register has 32 bits of 2^-14 J, and the drivers add up what it moved only when
        # somebody reads it: at 1000 W a whole turn, 262 kJ, is lost after 4.36 minutes without a look, at
        # 300 W after 14.6 (xe_hwmon.c). No value shows that, and the file's own 63 bits never wrap: wraps_at
        # stays None.
        self.period = 30.0
        self.forgets_at = _REGISTER
        # The first difference was millions of watts on some cards (MangoHud's issues 1082 and 1793).
        self.settling = 1
        bounds = [bound for bound in map(self._limit, ("max", "cap", "rated_max")) if bound]
        self.plausible = 2 * max(bounds) if bounds else _MOST
        self.energy_method = f"{name} energy counter" if self._energy else ""
        self.missing["power"] = "this driver counts energy only"
        self.missing["busy"] = "this driver tells no load in sysfs"
        reason = _VIRTUAL if (self._folder / "physfn").exists() else _UNTOLD
        found = {"energy": self._energy, "temperature": self._temperatures, "slowing": self._throttles}
        self.missing.update({quantity: reason for quantity, files in found.items() if not files})
        if not self._energy and entries(self._hwmon, r"energy[12]_input"):
            self.missing["energy"] = "this user may not read it"

    def read(self, thorough: bool = True) -> Sample:
        energy = self._energy.read() if self._energy else None
        if energy is not None and energy < 0:
            energy = None  # the drivers print it as a signed number
        if energy is None and not (self._folder / "vendor").exists():
            raise Unavailable(f"The GPU {self.device.id} is gone from sysfs.")
        if self._energy and energy is None:
            self.missing["energy"] = _BUSY
        elif self._energy:
            self.missing.pop("energy", None)
        if not thorough:
            return Sample(energy=energy)
        temperatures = sensor.places(**{place: file.read() for place, file in self._temperatures.items()})
        told = [causes for causes in map(_causes, self._throttles) if causes is not None]
        slowing = frozenset().union(*told) if told else None
        return Sample(energy=energy, temperatures=temperatures, slowing=slowing)

    def limits(self) -> Limits:
        """W of what the counter is of, and °C at which the package is switched off.

        The power is the sustained limit (PL1), else the burst limit (PL2), else the critical one (I1): the
        first that is there and is not switched off, which reads as 0.
        """
        kept = [limit for limit in map(self._limit, ("max", "cap", "crit")) if limit]
        shutdown = None
        if "gpu" in self._temperatures:
            path = self._temperatures["gpu"].path
            shutdown = number(path.with_name(path.name.replace("_input", "_emergency")))
        return Limits(
            power=kept[0] if kept else None,
            default=self._limit("rated_max"),
            shutdown=sensor.celsius(None if shutdown is None else shutdown / 1e3),
        )

    def cap_now(self) -> Optional[float]:
        """The sustained limit (PL1); see `Probe.cap_now`."""
        return self._limit("max")

    def cap(self, watts: float) -> None:
        sensor.write_watts(self._hwmon / f"{self._power}_max", watts)

    def close(self) -> None:
        for file in (self._energy, *self._temperatures.values()):
            if file:
                file.close()
        self._energy, self._temperatures = None, {}

    def _thermometers(self, name: str) -> Dict[str, NumberFile]:
        found: Dict[str, NumberFile] = {}
        for path in entries(self._hwmon, r"temp\d+_input"):
            numeral = path.name[len("temp") : -len("_input")]
            label = text(path.with_name(f"temp{numeral}_label")) or _UNLABELLED[name].get(numeral, "")
            file = _open(path, 1e-3) if label in _PLACES else None
            if file:
                found[_PLACES[label]] = file
        return found

    def _limit(self, name: str) -> Optional[float]:
        value = number(self._hwmon / f"{self._power}_{name}")
        return None if value is None else sensor.watts(value / 1e6, _MOST)


def _cards(machine: Machine) -> List[_Card]:
    found: Dict[str, Path] = {}
    for drm in machine.listing("/sys/class/drm", r"card\d+"):
        device = drm / "device"
        if driver(device) in ("xe", "i915"):
            found[device.resolve().name] = drm
    tiles: Dict[str, List[int]] = {}
    first = closed = 0
    for address, drm in sorted(found.items()):
        # Integrated GPUs, and those whose render node is kept from this process, count in the numbering.
        integrated = address.endswith(_INTEGRATED)
        count = 1 if integrated else len(entries(drm / "device", r"tile\d+") or entries(drm / "gt", r"gt\d+"))
        nodes = entries(drm / "device/drm", r"renderD\d+")
        if any((machine.at("/dev/dri") / node.name).exists() for node in nodes) and not integrated:
            tiles[address] = list(range(first, first + max(count, 1)))
        closed += not integrated and address not in tiles
        first += max(count, 1)
    if not tiles:
        raise Unavailable(
            "An Intel GPU was found, but its render node is not in /dev/dri."
            if closed
            else "No discrete Intel GPU with the driver xe or i915 was found in /sys/class/drm."
        )
    mask = machine.environ.get("ZE_AFFINITY_MASK")
    left = _left_visible(mask, {tile for numbers in tiles.values() for tile in numbers})
    cards = [
        _Card(address, found[address], min(left.intersection(numbers)), not left.issuperset(numbers))
        for address, numbers in tiles.items()
        if left.intersection(numbers)
    ]
    if not cards:
        raise Unavailable(f"ZE_AFFINITY_MASK={mask} leaves none of {len(tiles)} Intel GPUs.")
    return cards


def _left_visible(mask: Optional[str], known: Set[int]) -> Set[int]:
    # As in sovlab.backends: the list ends at the first entry that fits nothing.
    left: Set[int] = set()
    for entry in [] if mask is None else mask.split(","):
        if not re.fullmatch(r"\d+", entry.strip()) or int(entry) not in known:
            break
        left.add(int(entry))
    return known if mask is None else left


def _throttles(drm: Path, name: str) -> List[Path]:
    """Folders with throttle reasons, one for each graphics or media unit."""
    if name == "i915":
        units = entries(drm / "gt", r"gt\d+")
        return [unit for unit in units if (unit / "throttle_reason_status").exists()]
    units = [unit for tile in entries(drm / "device", r"tile\d+") for unit in entries(tile, r"gt\d+")]
    return [folder for folder in (unit / "freq0/throttle" for unit in units) if folder.is_dir()]


def _causes(folder: Path) -> Optional[FrozenSet[str]]:
    """Why a unit is slowed now; None if it does not tell (``xe_gt_throttle.c``, ``intel_gt_sysfs_pm.c``)."""
    names = text(folder / "reasons").split()  # newer xe: those of one moment, or "none"
    if not names:
        status = number(folder / "status")
        if status is None:
            status = number(folder / "throttle_reason_status")
        if status is None:
            return None
        files = entries(folder, r"(throttle_)?reason_\w+") if status else []
        names = [file.name for file in files if number(file)]
    causes = set()
    for reason in (re.sub(r"^(throttle_)?reason_", "", name) for name in names):
        if "therm" in reason or reason in ("prochot", "ratl"):
            causes.add(HEAT)
        elif reason in _POWER:
            causes.add(POWER)
    return frozenset(causes)


def _open(path: Path, scale: float) -> Optional[NumberFile]:
    try:
        return NumberFile(path, scale)
    except OSError:
        return None
