"""The amdgpu driver's binary file ``gpu_metrics``: what it tells of power, energy, heat and throttling.

Source: ``drivers/gpu/drm/amd/include/kgd_pp_interface.h`` of the kernel (``struct gpu_metrics_v1_1`` to
``v1_9``). A header with the size and the revision comes first, then fields, little-endian. The driver fills
the table with ones before it writes what it has: a field of ones is absent. So is one past the end of the
file, which the driver cuts at a page.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Tuple

from sovlab.sensors.sensor import HEAT, POWER, celsius

_JOULE = 2.0**-16
"""Unit of ``energy_accumulator``: 15.259 µJ."""

_PAGE = 4096

_HOTSPOT = 1 << 36
_POWER_BITS = 0x00FF_00FF
"""0–7: package power (PPT, SPL); 16–23: current of a rail (TDC, EDC, APCC)."""
_HEAT_BITS = 0xFFFF << 32
"""32–43: temperature of a part; 44–45: voltage regulators; 46–47: PROCHOT."""

_Field = Tuple[int, str]

_FIRST: Mapping[str, _Field] = {
    "hotspot": (6, "<H"),
    "memory": (8, "<H"),
    "power": (22, "<H"),
    "energy": (24, "<Q"),
}
_MI300: Mapping[str, _Field] = {"hotspot": (4, "<H"), "memory": (6, "<H"), "power": (10, "<H")}


def _counting(energy: int, counter: int) -> Mapping[str, _Field]:
    names = ("counter", "prochot", "ppt", "socket", "vr", "hbm")
    counts = {name: (counter + 4 * number, "<I") for number, name in enumerate(names)}
    return {**_MI300, "energy": (energy, "<Q"), **counts}


# By revision and size; the size is 0 where only the end of the table varies. `throttle_status` is read of
# none: up to 1.3 its bits are each chip's own, from 1.4 on the driver writes 0 into it ("not reported through
# metrics now"), which is no measurement.
_LAYOUTS: Mapping[Tuple[int, int], Mapping[str, _Field]] = {
    (1, 96): _FIRST,
    (2, 104): _FIRST,
    (3, 120): {**_FIRST, "throttlers": (112, "<Q")},
    (4, 288): {**_MI300, "energy": (24, "<Q")},
    (5, 360): {**_MI300, "energy": (88, "<Q")},
    (6, 384): _counting(energy=88, counter=104),  # as it first was upstream
    (6, 312): _counting(energy=16, counter=32),  # AMD's own packages of the driver
    (6, 1664): _counting(energy=16, counter=32),
    (7, 0): _counting(energy=24, counter=40),
    (8, 0): _counting(energy=24, counter=40),
}

# 1.9 names its fields: by amdgpu_metrics_attr_id, and by the amdgpu_metrics_attr_unit that is read here.
_CELSIUS, _WATTS, _NO_UNIT = 2, 3, 0
_ATTRIBUTES: Mapping[Tuple[int, int], str] = {
    (0, _CELSIUS): "hotspot",
    (1, _CELSIUS): "memory",
    (3, _WATTS): "power",
    (7, _NO_UNIT): "energy",
    (9, _NO_UNIT): "counter",
    (10, _NO_UNIT): "prochot",
    (11, _NO_UNIT): "ppt",
    (12, _NO_UNIT): "socket",
    (13, _NO_UNIT): "vr",
    (14, _NO_UNIT): "hbm",
}
_TYPES = ("<B", "<b", "<H", "<h", "<I", "<i", "<Q", "<q")

_RESIDENCIES = ((POWER, ("ppt",)), (HEAT, ("prochot", "socket", "vr", "hbm")))
"""PROCHOT is heat, not facility: "throttling at critical temperature" (AMD SMI's page "GPU violations")."""


class Metrics(NamedTuple):
    """What one reading of ``gpu_metrics`` told; None, or empty, is what it did not.

    Attributes:
        version: its revision, e.g. ``1.3``; empty if there is not even a header.
        power: W of the socket.
        energy: J since some moment.
        hotspot: °C of the hottest place on the chip.
        memory: °C of the memory.
        slowed: as in `Sample`: by cause, ticks in which the firmware throttled, and ticks that it counted.
            The thermal limits are counted one by one and added up here: while two of them hold, they count
            twice. Up to 1.8 the counters are of 32 bits, and wrap.
        throttlers: what throttles now: bits by the kernel's ``SMU_THROTTLER_…_BIT``, the same for all chips.
        refused: why it was not decoded, a clause; empty if it was.
    """

    version: str = ""
    power: Optional[float] = None
    energy: Optional[float] = None
    hotspot: Optional[float] = None
    memory: Optional[float] = None
    slowed: Mapping[str, Tuple[float, float]] = {}
    throttlers: Optional[int] = None
    refused: str = ""


class MetricsFile:
    """A ``gpu_metrics`` file, kept open.

    Args:
        path: the file.

    Attributes:
        there: whether it could be opened.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1
        self.there = self._descriptor >= 0

    def read(self) -> Metrics:
        """What it tells now; nothing if it is not there, or the driver refuses (EPERM during a reset)."""
        content = b""
        try:
            # The kernel gives at most a page at once, and newer tables are longer.
            while self.there and len(content) % _PAGE == 0:
                piece = os.pread(self._descriptor, _PAGE, len(content))
                content += piece
                if not piece:
                    break
        except OSError as error:
            return Metrics(refused=f"the driver refuses gpu_metrics: {error.strerror}")
        return decode(content)

    def close(self) -> None:
        """Close the file."""
        if self.there:
            os.close(self._descriptor)
            self.there = False


def decode(data: bytes) -> Metrics:
    """What the content of a ``gpu_metrics`` file tells; a broken one tells less, and never raises."""
    if len(data) < 4:
        return Metrics(refused="gpu_metrics is empty or cut off")
    size, major, minor = struct.unpack_from("<HBB", data)
    version = f"{major}.{minor}"
    if major in (2, 3):
        return Metrics(version, refused=f"gpu_metrics is in layout {version}, of processors with graphics")
    data = data[:size]
    if (major, minor) == (1, 9):
        fields = _self_described(data)
    else:
        layout = _LAYOUTS.get((minor, size)) or _LAYOUTS.get((minor, 0)) if major == 1 else None
        if layout is None:
            return Metrics(
                version, refused=f"gpu_metrics is in layout {version} of {size} bytes, not known here"
            )
        fields = _placed(data, layout)
    energy, power = fields.get("energy"), fields.get("power")
    return Metrics(
        version,
        # A driver that has no such figure writes 0 as often as ones.
        power=float(power) if power else None,
        energy=energy * _JOULE if energy else None,
        hotspot=_degrees(fields, "hotspot"),
        memory=_degrees(fields, "memory"),
        slowed=_slowed(fields),
        throttlers=fields.get("throttlers"),
    )


def causes(throttlers: int, hotspot_is_hot: bool) -> FrozenSet[str]:
    """Why a GPU is slowed now.

    Args:
        throttlers: as in `Metrics`.
        hotspot_is_hot: whether its hot spot is near its limit. If not, that bit is not believed: firmware of
            RDNA 3 and 4 sets it always, idle or busy, 70 °C below the limit; the other bits are right there.
    """
    heat = _HEAT_BITS if hotspot_is_hot else _HEAT_BITS & ~_HOTSPOT
    return frozenset(cause for cause, bits in ((POWER, _POWER_BITS), (HEAT, heat)) if throttlers & bits)


def _placed(data: bytes, layout: Mapping[str, _Field]) -> Dict[str, int]:
    found: Dict[str, int] = {}
    for name, (offset, kind) in layout.items():
        width = struct.calcsize(kind)
        if offset + width <= len(data):
            value = struct.unpack_from(kind, data, offset)[0]
            if value != (1 << 8 * width) - 1:
                found[name] = value
    return found


def _self_described(data: bytes) -> Dict[str, int]:
    """Fields of 1.9: a count, then for each its encoding (AMDGPU_METRICS_ENC_ATTR) and its values, packed."""
    found: Dict[str, int] = {}
    if len(data) < 8:
        return found
    at = 8
    for _ in range(struct.unpack_from("<i", data, 4)[0]):
        if at + 8 > len(data):
            break
        encoding = struct.unpack_from("<Q", data, at)[0]
        at += 8
        number, kind = encoding & 0x3FF, encoding >> 20 & 0xF
        if kind >= len(_TYPES):
            break  # nobody can tell where the next one begins
        width = struct.calcsize(_TYPES[kind])
        name = _ATTRIBUTES.get((encoding >> 10 & 0x3FF, encoding >> 24 & 0xFF))
        if name and number and at + width <= len(data):
            value = struct.unpack_from(_TYPES[kind], data, at)[0]
            if value >= 0 and data[at : at + width] != b"\xff" * width:
                found[name] = value
        at += number * width
    return found


def _degrees(fields: Mapping[str, int], name: str) -> Optional[float]:
    value = fields.get(name)
    return None if value is None else celsius(float(value))


def _slowed(fields: Mapping[str, int]) -> Mapping[str, Tuple[float, float]]:
    counter = fields.get("counter")
    if not counter:
        return {}
    pairs: Dict[str, Tuple[float, float]] = {}
    for cause, names in _RESIDENCIES:
        counts: List[int] = [fields[name] for name in names if name in fields]
        if counter in counts:
            # Throttled in each tick since it started, idle ones too: firmware that counts something else.
            # A count above the counter is no sign of that: both wrap.
            return {}
        if counts:
            pairs[cause] = (float(sum(counts)), float(counter))
    return pairs
