"""AMD GPUs: what the amdgpu driver shows in sysfs; no library of AMD's and no privilege is needed.

Source: the kernel's ``Documentation/gpu/amdgpu/thermal.rst`` for hwmon; `gpu_metrics` has its own.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from sovlab.sensors.machine import Machine, NumberFile, entries, number, text
from sovlab.sensors.probes.gpu_metrics import Metrics, MetricsFile, causes
from sovlab.sensors.sensor import (
    Device,
    Limits,
    Probe,
    Sample,
    Sensor,
    Unavailable,
    celsius,
    places,
    watts,
    write_watts,
)

_NODES = "/sys/class/kfd/kfd/topology/nodes"
_PCI = r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_PLACES = {"edge": "gpu", "junction": "hotspot", "mem": "memory"}
_POWER_FILES = (("power1_average", "the firmware's mean"), ("power1_input", "at that moment"))
_CAPS = ("power1_cap", "power1_cap_min", "power1_cap_max", "power1_cap_default")
"""In the order of `Limits`."""

_ERROR = 4293.0
"""W: drivers have printed errors as unsigned numbers, 4294.97 W and a little less."""
_NEAR = 5.0
"""°C below its limit from which on the hot spot may be what slows a GPU."""

_TWO_DIES = (0x7408, 0x740C)
"""MI250X and MI250: a module of two GPUs, one of which reports the power of both, and the other 0."""
_MI300A = 0x74A0
_PARTS = {"DPX": 2, "TPX": 3, "QPX": 4, "CPX": 8}
"""GPUs that a card is divided into, by its compute partition mode; an MI300A in CPX into six."""

_OTHER_DIE = "reported by the other GPU of its module, for both"
_MOMENT_ONLY = "this GPU tells what slows it at the moment, not for how long"
_TIME_ONLY = "this GPU counts the time in which it was slowed instead"
_NO_TABLE = "the driver shows no gpu_metrics of this GPU"
_NOTHING = "the driver shows none of this GPU"
_NONE_NOW = "no number from the driver at the moment, as during a reset or while the GPU sleeps"


def open_probes(machine: Machine) -> Sequence[Probe]:
    """One probe for each card with a GPU that this process may use, numbered as HIP numbers them.

    A card that is divided is one device with the lowest of its numbers, however many parts are here.

    Raises:
        Unavailable: there is none, or the driver shows nothing of it.
    """
    probes = [_Gpu(card, hwmon) for card in _cards(machine) for hwmon in _hwmon(card.folder)]
    if not probes:
        raise Unavailable(
            "The amdgpu driver shows no sensors of the GPUs here, as in a machine with a virtual part of one."
        )
    return probes


SENSOR = Sensor(name="amdgpu", title="the amdgpu driver in sysfs", open=open_probes)


class _Card(NamedTuple):
    """A PCI device, the lowest number of its parts that are here, and how many of them are."""

    folder: Path
    lowest: Optional[int]
    parts: int


class _Gpu(Probe):
    def __init__(self, card: _Card, hwmon: Path) -> None:
        self._hwmon = hwmon
        self._files: List[NumberFile] = []
        self._status = card.folder / "power/runtime_status"
        self._table = MetricsFile(card.folder / "gpu_metrics")
        # This wakes a card that sleeps, once: what it can tell is not to be known otherwise.
        metrics = self._table.read()
        opened = [(name, kind, self._open(hwmon / name, 1e-6)) for name, kind in _POWER_FILES]
        files = [(name, kind, file) for name, kind, file in opened if file]
        model, told = number(card.folder / "device"), [file.read() for _, _, file in files]
        self._second = model in _TWO_DIES and 0.0 in told and not any(told)
        device, note = _describe(card, model, metrics, self._second)
        super().__init__(device)
        self._sources: List[Tuple[str, Optional[NumberFile]]] = [
            (f"amdgpu {name}, {kind}{note}", file) for name, kind, file in files
        ]
        if metrics.power is not None:
            self._sources.append((f"amdgpu gpu_metrics, power of the socket{note}", None))
        self._busy = self._open(card.folder / "gpu_busy_percent", 0.01)
        self._temperatures: Dict[str, NumberFile] = {}
        self._critical: Dict[str, float] = {}
        self._emergency: Dict[str, float] = {}
        self._find_temperatures()
        limits = self.limits()
        bounds = [bound for bound in (limits.power, limits.highest) if bound]
        if bounds:
            self.plausible = min(2 * max(bounds), _ERROR)
        self._settle(metrics, note)

    def read(self, thorough: bool = True) -> Sample:
        if text(self._status) == "suspended":
            # A reading would wake it, or keep it awake.
            return self._explained(Sample())
        by_table = bool(self.energy_method) or any(file is None for _, file in self._sources)
        metrics = self._table.read() if thorough or by_table else Metrics()
        sample = Sample(power=self._watts(metrics), energy=metrics.energy if self.energy_method else None)
        if sample.power is None and sample.energy is None and not self._hwmon.exists():
            raise Unavailable(f"The GPU {self.device.id} is gone.")
        if not thorough:
            return self._explained(sample)
        self._explain_slowing(metrics)
        there = places(**{place: file.read() for place, file in self._temperatures.items()})
        margins = {place: self._critical[place] - there[place] for place in there if place in self._critical}
        hot = margins.get("hotspot", _NEAR + 1) <= _NEAR
        busy = self._busy.read() if self._busy else None
        return self._explained(
            sample._replace(
                temperatures={**places(hotspot=metrics.hotspot, memory=metrics.memory), **there},
                margin=min(margins.values(), default=None),
                slowed=metrics.slowed,
                slowing=None if metrics.throttlers is None else causes(metrics.throttlers, hot),
                busy=busy if busy is not None and 0.0 <= busy <= 1.0 else None,
            )
        )

    def limits(self) -> Limits:
        # The second die of a module shows a highest limit that cannot be set on it.
        cap, lowest, highest, default = (None if self._second else _cap(self._hwmon / name) for name in _CAPS)
        place = "hotspot" if "hotspot" in self._critical else "gpu"
        return Limits(cap, lowest, highest, default, self._critical.get(place), self._emergency.get(place))

    def cap_now(self) -> Optional[float]:
        return None if self._second else _cap(self._hwmon / _CAPS[0])

    def cap(self, watts: float) -> None:
        write_watts(self._hwmon / _CAPS[0], watts)

    def close(self) -> None:
        for file in self._files:
            file.close()
        self._table.close()

    def _open(self, path: Path, scale: float) -> Optional[NumberFile]:
        try:
            self._files.append(NumberFile(path, scale))
        except OSError:
            return None
        return self._files[-1]

    def _find_temperatures(self) -> None:
        for label in entries(self._hwmon, r"temp\d+_label"):
            place, stem = _PLACES.get(text(label)), label.name[: -len("label")]
            file = self._open(self._hwmon / f"{stem}input", 1e-3) if place else None
            if place and file:
                self._temperatures[place] = file
                for name, bounds in (("crit", self._critical), ("emergency", self._emergency)):
                    bound = celsius((number(self._hwmon / f"{stem}{name}") or 0) / 1000)
                    if bound is not None:
                        bounds[place] = bound

    def _settle(self, metrics: Metrics, note: str) -> None:
        """Say where its watts and joules are from, and why what is missing is."""
        if self._second:
            self.missing["power"] = self.missing["energy"] = _OTHER_DIE
        elif self._sources:
            self.power_method = self._sources[0][0]
            self._watts(metrics)
        else:
            self.missing["power"] = _NOTHING
        if not self._table.there:
            self.missing.setdefault("energy", _NO_TABLE)
        elif metrics.version and metrics.energy is None:
            self.missing.setdefault("energy", metrics.refused or "not counted by this GPU")
        elif not self._second:
            self.energy_method = f"amdgpu gpu_metrics, energy accumulator{note}"
        self._explain_slowing(metrics)
        if not self._temperatures and metrics.hotspot is None and metrics.memory is None:
            self.missing["temperature"] = _NOTHING
        if self._busy is None:
            self.missing["busy"] = _NOTHING

    def _watts(self, metrics: Metrics) -> Optional[float]:
        """From the first source that gives a number; from then on from that one only."""
        for method, file in self._sources:
            value = watts(metrics.power if file is None else file.read(), self.plausible)
            if value is not None:
                self._sources, self.power_method = [(method, file)], method
                return value
        return None

    def _explain_slowing(self, metrics: Metrics) -> None:
        silent = (metrics.refused or "not told by this GPU") if self._table.there else _NO_TABLE
        self.missing["slowed"] = silent if metrics.throttlers is None else _MOMENT_ONLY
        self.missing["slowing"] = _TIME_ONLY if metrics.slowed else silent
        if metrics.slowed or metrics.throttlers is not None:
            del self.missing["slowed" if metrics.slowed else "slowing"]

    def _explained(self, sample: Sample) -> Sample:
        for quantity, value in (("power", sample.power), ("energy", sample.energy)):
            if value is None:
                self.missing.setdefault(quantity, _NONE_NOW)
            elif self.missing.get(quantity) == _NONE_NOW:
                del self.missing[quantity]
        return sample


def _describe(card: _Card, model: Optional[int], metrics: Metrics, second: bool) -> Tuple[Device, str]:
    """A card as a device, and what is to be known of its watts and joules."""
    scope, note = "device", ""
    covers: Tuple[str, ...] = ()
    if model == _MI300A:
        scope, covers = "module", ("cpu", "memory")
    elif metrics.version.startswith(("2.", "3.")):
        scope, covers = "package", ("cpu",)
    parts = _PARTS.get(text(card.folder / "current_compute_partition"), 1)
    parts = min(parts, 6) if model == _MI300A else parts
    if card.parts < parts:
        scope, note = "board", f" (of the whole card; here are {card.parts} of its {parts} parts)"
    elif model in _TWO_DIES and not second:
        scope, note = "board", " (of both GPUs of the module)"
    name = text(card.folder / "product_name")
    return Device(card.folder.name, "gpu", name, card.lowest, scope, covers, "rocm"), note


def _cap(path: Path) -> Optional[float]:
    return watts((number(path) or 0) * 1e-6, _ERROR)


def _hwmon(folder: Path) -> List[Path]:
    return [each for each in entries(folder / "hwmon", r"hwmon\d+") if text(each / "name") == "amdgpu"][:1]


def _cards(machine: Machine) -> List[_Card]:
    found: Dict[Path, List[Optional[int]]] = {}
    for index, render, properties in _renders(machine):
        folder = (machine.at(f"/sys/class/drm/{render}") / "device").resolve()
        if not re.fullmatch(_PCI, folder.name):
            # A part of a card is a device amdgpu_xcp.N of the platform, without sensors. The topology has the
            # card's PCI address, with the part's number in place of the function, or in the highest bits.
            where = _whole(properties, "location_id")
            address = f"{_whole(properties, 'domain'):04x}:{where >> 8 & 0xFF:02x}:{where >> 3 & 0x1F:02x}.0"
            folder = machine.at(f"/sys/bus/pci/devices/{address}").resolve()
        if _hwmon(folder) or properties:
            found.setdefault(folder, []).append(index)
    if not found:
        drm = machine.listing("/sys/class/drm", r"renderD\d+")
        if any(_hwmon((each / "device").resolve()) for each in drm):
            raise Unavailable("This machine has AMD GPUs; none of their render devices is in this container.")
        raise Unavailable("There is no GPU with the amdgpu driver.")
    return [_Card(folder, indices[0], len(indices)) for folder, indices in found.items()]


def _renders(machine: Machine) -> Sequence[Tuple[Optional[int], str, Mapping[str, str]]]:
    """Number, render device and properties of each GPU that is left to this process.

    They are found and numbered by the rules of `sovlab.backends.rocm`. Where the compute driver shows none,
    each render device that is here counts, without a number.
    """
    nodes: List[Tuple[str, Mapping[str, str]]] = []
    for node in machine.listing(_NODES, r"\d+"):
        lines = (line.split(None, 1) for line in text(node / "properties").splitlines())
        properties = {pair[0]: pair[1].strip() for pair in lines if len(pair) == 2}
        render = f"renderD{properties.get('drm_render_minor', '')}"
        if properties.get("simd_count", "0") != "0" and machine.at(f"/dev/dri/{render}").exists():
            nodes.append((render, properties))
    if not nodes:
        renders = machine.listing("/sys/class/drm", r"renderD\d+")
        return [(None, each.name, {}) for each in renders if machine.at(f"/dev/dri/{each.name}").exists()]
    driver = machine.at("/dev/kfd")
    if driver.exists() and not os.access(driver, os.R_OK | os.W_OK):
        raise Unavailable(
            f"{len(nodes)} AMD GPUs were found, but this user may not open /dev/kfd; join the group render."
        )
    ids = [f"GPU-{_whole(properties, 'unique_id'):x}" for _, properties in nodes]
    rocr = _left(ids, machine.environ.get("ROCR_VISIBLE_DEVICES"))
    left = _left([""] * len(rocr), machine.environ.get("HIP_VISIBLE_DEVICES"))
    if not left:
        raise Unavailable(
            f"ROCR_VISIBLE_DEVICES and HIP_VISIBLE_DEVICES leave this process none of {len(nodes)} AMD GPUs."
        )
    return [(index, *nodes[rocr[index]]) for index in left]


def _left(ids: Sequence[str], value: Optional[str]) -> List[int]:
    """The places in ``ids`` that the value of a variable leaves, as `sovlab.backends.machine` reads it."""
    if value is None:
        return list(range(len(ids)))
    left = set()
    for entry in value.split(","):
        entry = entry.strip()
        if re.fullmatch(r"\d+", entry):
            index = int(entry)
        else:
            index = next((i for i, name in enumerate(ids) if entry and name.startswith(entry)), -1)
        if not 0 <= index < len(ids):
            break
        left.add(index)
    return sorted(left)


def _whole(properties: Mapping[str, str], name: str) -> int:
    try:
        return int(properties.get(name, "0"))
    except ValueError:
        return 0
