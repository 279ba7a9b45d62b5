"""What a sensor is: it finds the devices that it can read, and each is read by a probe of its own.

A sensor never guesses. What a device does not tell is None, with the reason in `Probe.missing`; a value that
is no measurement (a sentinel, an error printed as a number, 0 °C of a part that is not there) is None too.
Whoever reads probes puts the values together (`sovlab.sensors.meter`): a probe keeps no history.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from sovlab.sensors.machine import Machine

HEAT, POWER, FACILITY = "heat", "power", "facility"
"""Why a device slows itself: it is too hot; it is at its power limit; the site's power brake is on."""

_TOO_HOT = 200.0


class Unavailable(Exception):
    """A sensor or a device cannot be read; the message is a sentence that says why."""


@dataclass(frozen=True)
class Device:
    """What is measured.

    Attributes:
        id: the same whoever reads it: a GPU's UUID or PCI address, ``package-0``.
        kind: ``gpu`` (any accelerator), ``cpu``, ``memory``, ``node``, or a site's own, e.g. ``coolant``.
        name: its model, for people; may be empty.
        index: as its vendor's runtime and `sovlab.backends` number it; None where they do not.
        scope: what its watts and joules are of: ``device``; ``board`` if this job has only a part of it;
            ``module`` for a GPU with its processor and their memory; ``package``, ``socket``, ``node``.
        covers: kinds whose joules are in this one's: never to be added to it.
        backend: which of `sovlab.backends` runs jobs on it, e.g. ``cuda``; empty for none, or unknown.
    """

    id: str
    kind: str
    name: str = ""
    index: Optional[int] = None
    scope: str = "device"
    covers: Tuple[str, ...] = ()
    backend: str = ""


class Sample(NamedTuple):
    """What one look at a device gave.

    Attributes:
        power: W now, or the mean of the device's own window.
        energy: J that the device has counted since some moment, which a reset may move.
        temperatures: °C by place: ``gpu``, ``memory``, ``hotspot``, ``package``, ``board``, …
        margin: °C that are left until the device slows itself; below 0 it is past that.
        slowed: how long it has been slowed, by cause: two counts since some moment, of the time (or the
            ticks) in which it was, and of all time (or ticks) in the same unit.
        slowing: causes for which it is slowed at this moment; None if it does not tell.
        busy: share of the time in which it worked, 0 to 1.
    """

    power: Optional[float] = None
    energy: Optional[float] = None
    temperatures: Mapping[str, float] = {}
    margin: Optional[float] = None
    slowed: Mapping[str, Tuple[float, float]] = {}
    slowing: Optional[FrozenSet[str]] = None
    busy: Optional[float] = None


class Limits(NamedTuple):
    """What a device says of its own bounds.

    Attributes:
        power: W that it keeps to now.
        lowest, highest: W between which that can be set.
        default: W that it keeps to if nobody sets anything.
        slowdown, shutdown: °C at which it slows itself, and at which it switches itself off.
    """

    power: Optional[float] = None
    lowest: Optional[float] = None
    highest: Optional[float] = None
    default: Optional[float] = None
    slowdown: Optional[float] = None
    shutdown: Optional[float] = None


class Probe:
    """Reads one device. A vendor's probe overrides `read`, and `limits` where there are some.

    Args:
        device: what it reads.

    Attributes:
        device: what it reads.
        energy_method: where its joules are from, e.g. ``NVML energy counter``; empty if it counts none.
        power_method: where its watts are from, e.g. ``NVML power, mean of 1 s``; empty if it tells none.
        missing: what it does not tell, and why: a clause by ``power``, ``energy``, ``temperature``, ….
        wraps_at: J at which its counter begins again from 0; None if it does not, or nobody knows.
        forgets_at: J that it loses if nobody has read it meanwhile; None if it keeps them.
        resolution: seconds in which its counter surely moves while the device draws power.
        plausible: W above which a reading or a mean is not believed; twice the power limit, where known.
        settling: how many of its counter's first steps are nonsense.
        period: seconds after which it must have been read again, or its counter may have wrapped unseen.
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.energy_method = ""
        self.power_method = ""
        self.missing: Dict[str, str] = {}
        self.wraps_at: Optional[float] = None
        self.forgets_at: Optional[float] = None
        self.resolution = 0.1
        self.plausible = 2000.0
        self.settling = 0
        self.period = 30.0

    def read(self, thorough: bool = True) -> Sample:
        """What the device tells now.

        Args:
            thorough: whether to ask for all; else for power and energy only, as fast as may be.

        Raises:
            Unavailable: the device is gone.
        """
        raise NotImplementedError

    def limits(self) -> Limits:
        """What the device says of its bounds."""
        return Limits()

    def cap_now(self) -> Optional[float]:
        """W that `cap` or its like has set; None if there is none, `missing` says why as ``cap``."""
        return None

    def cap(self, watts: float) -> None:
        """Have the device keep to this power, until somebody sets another.

        Raises:
            Unavailable: it may not be set, or not to this; the message is a clause.
        """
        raise Unavailable("its driver lets no program set a limit")

    def close(self) -> None:
        """Let go of files and libraries."""


class Sensor(NamedTuple):
    """What an entry point of the group ``sovlab.sensors`` holds.

    Attributes:
        name: short, e.g. ``nvml``.
        title: for people, e.g. ``NVIDIA's management library``.
        open: finds the devices of a machine that this process may use, one probe each; raises `Unavailable`
            with the reason if it can read none. It is called in a process of its own, and may take a while.
        fallback: whether it measures by another way what others do: of each kind of device that an earlier
            sensor has, its own do not count.
    """

    name: str
    title: str
    open: Callable[[Machine], Sequence[Probe]]
    fallback: bool = False


def celsius(value: Optional[float]) -> Optional[float]:
    """A temperature, or None: 0 and what no chip survives is what broken drivers print."""
    return value if value is not None and 0.0 < value < _TOO_HOT else None


def watts(value: Optional[float], plausible: float) -> Optional[float]:
    """A power, or None: nothing that is on draws 0 W, and nothing draws more than is ``plausible``."""
    return value if value is not None and 0.0 < value <= plausible else None


def places(**temperatures: Optional[float]) -> Mapping[str, float]:
    """Temperatures by place, without those that are none."""
    found: List[Tuple[str, float]] = []
    for place, value in temperatures.items():
        known = celsius(value)
        if known is not None:
            found.append((place, known))
    return dict(found)


def write_watts(path: Path, value: float) -> None:
    """Write a power into a file of hwmon's, in µW.

    Raises:
        Unavailable: it may not be written, or the driver does not take it.
    """
    try:
        path.write_text(f"{value * 1e6:.0f}\n")
    except PermissionError as error:
        raise Unavailable("only the machine's administrators may set it") from error
    except OSError as error:
        raise Unavailable(f"its driver refuses {value:g} W ({error.strerror})") from error
