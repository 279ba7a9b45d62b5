"""How the devices of this machine do, by its sensors: in a process of their own, which may hang or crash.

What it says is kept in a file, so that of several processes on a machine only one looks, and a submit has it
from there. The folder may be shared with other machines, so the file's name tells which one it is of.
"""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from sovlab.backends import circumstances
from sovlab.client.conditions.look import OLD, Answer, Look
from sovlab.core.capacity import Capacity
from sovlab.core.energy.condition import Condition, Figure
from sovlab.core.untrusted import DamagedRecord, Part, parse

WHERE = "the sensors of this machine"
_LOOK = 0.25
"""Seconds of a look: in less, energy counters of devices that tell no power do not move."""
_START = 30.0
"""Seconds that vendors' libraries may take to start."""
_DEVICES, _PLACES = 64, 20
_WATTS, _CELSIUS = 1e6, 1e3
_HEAT, _FACILITY = "heat", "facility"


class _Device(NamedTuple):
    """One device now; None for what it does not tell.

    Attributes:
        backend: whose devices it is of.
        celsius: of its hottest place.
        hot: whether heat slows it.
        headroom: W until its limit; 0 while the site's power brake is on.
        missing: why it does not tell something, by what that is.
    """

    backend: str
    celsius: float | None
    hot: bool | None
    headroom: float | None
    missing: dict[str, str]


def machine_look(folder: Path) -> Look:
    """Looks at this machine.

    Args:
        folder: keeps what was seen; it need not exist yet.
    """
    file = folder / f"{hashlib.sha256(repr(circumstances.place()).encode()).hexdigest()[:16]}.json"
    return Look(partial(_ask, file), WHERE, partial(_kept, file))


def _ask(file: Path, offers: Sequence[Capacity]) -> Answer:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(OSError):
        for other in file.parent.iterdir():  # of other machines and starts, and of looks that were killed
            if other.stat().st_mtime < time.time() - OLD:
                other.unlink(missing_ok=True)
    command = [sys.executable, "-m", "sovlab.sensors", str(_LOOK), str(file)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_START,
            check=False,
            start_new_session=True,  # Ctrl-C is not meant for it
        )
    except subprocess.TimeoutExpired:
        return Answer(time.time(), {}, f"{WHERE} did not answer within {_START:g} s")
    answer = _kept(file)
    if done.returncode or answer is None:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return Answer(time.time(), {}, f"{WHERE} failed: {said or f'status {done.returncode}'}")
    return answer


def _kept(file: Path) -> Answer | None:
    try:
        seen = file.stat().st_mtime
        return answer_of(file.read_bytes(), seen)
    except (OSError, DamagedRecord):
        return None


def answer_of(text: bytes, seen: float) -> Answer:
    """What the sensors' process said.

    Args:
        text: its JSON.
        seen: when, in seconds since the epoch.

    Raises:
        DamagedRecord: it is not what such a process says.
    """
    whole = Part("", parse(text))
    devices = whole.items("devices", _DEVICES, _device)
    by_backend: dict[str, list[_Device]] = {}
    for device in devices:
        if device.backend:
            by_backend.setdefault(device.backend, []).append(device)
    why = "no sensor of this machine tells of it"
    return Answer(seen, {name: _condition(each, seen) for name, each in by_backend.items()}, why)


def _device(name: str, value: object) -> _Device:
    part = Part(name, value)
    missing = part.part("missing")
    temperatures = part.part("temperatures")
    slowing = part.items("slowing", _PLACES, _word) if part.get("slowing") is not None else None
    places = [] if temperatures is None else [key for key, _ in temperatures.members(_PLACES)]
    celsius = [temperatures.number(place, -_CELSIUS, _CELSIUS) for place in places] if temperatures else []
    margin = part.number("margin", -_CELSIUS, _CELSIUS)
    limit, power = part.number("limit", 0.0, _WATTS), part.number("now", 0.0, _WATTS)
    kind = part.text("kind")
    headroom = None if limit is None or power is None else max(limit - power, 0.0)
    return _Device(
        part.text("backend") or ("cpu" if kind == "cpu" else ""),
        max((each for each in celsius if each is not None), default=None),
        _is_hot(slowing, margin),
        0.0 if slowing is not None and _FACILITY in slowing else headroom,
        {key: missing.text(key) for key, _ in missing.members(_PLACES)} if missing is not None else {},
    )


def _is_hot(slowing: Sequence[str] | None, margin: float | None) -> bool | None:
    if slowing is not None and _HEAT in slowing:
        return True
    if margin is not None:
        return margin <= 0
    return None if slowing is None else False


def _word(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise DamagedRecord(f"{name} is not a word")
    return value


def _condition(devices: Sequence[_Device], seen: float) -> Condition:
    hot = [each.hot for each in devices if each.hot is not None]
    celsius = [each.celsius for each in devices if each.celsius is not None]
    headroom = [each.headroom for each in devices if each.headroom is not None]
    return Condition(
        celsius=_figure(max(celsius, default=None), len(celsius), devices, seen, "temperature"),
        slowed=_slowed(hot, devices, seen),
        headroom=_figure(sum(headroom) if headroom else None, len(headroom), devices, seen, "power"),
    )


def _slowed(hot: Sequence[bool], devices: Sequence[_Device], seen: float) -> Figure:
    # One that is slowed is enough to know; that none is, only all of them can tell.
    value = float(sum(hot)) if any(hot) or len(hot) == len(devices) else None
    return _figure(value, len(hot), devices, seen, "slowing")


def _figure(value: float | None, told: int, devices: Sequence[_Device], seen: float, what: str) -> Figure:
    if value is None:
        why = next((each.missing[what] for each in devices if what in each.missing), "not told")
        return Figure(why=why if not told else f"only {told} of {len(devices)} devices tell it")
    part = f"of {told} of {len(devices)} devices" if told < len(devices) else ""
    return Figure(value=value, source="sensors", seen=seen, why=part)
