"""What else was different between two runs: packages, image, devices, code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sovlab.batch.verifying.cells import joined, members

_SHOWN = 8
_LONGEST = 120
_LARGEST = 10**30


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that is not known to have been the same in both runs.

    Attributes:
        what: ``packages``, ``image``, ``devices``, …
        sentence: what it was, and what it is now.
        known: whether both runs say what it was; if not, it may have been the same.
        name: what people call it, e.g. "The image", where neither run says anything of it; else empty.
    """

    what: str
    sentence: str
    known: bool
    name: str = ""


def drift(recorded: Mapping[str, Any], again: Mapping[str, Any]) -> tuple[Drift, ...]:
    """What differs between the records of two runs (``metadata.sovlab``), what matters most first.

    What one of them does not say is told as not recorded, never taken for the same; what both say is the
    same is left out.
    """
    runs = recorded, again
    if not any(runs):
        words = "Neither run says which packages, image and devices it had."
        return (Drift("record", words, known=False),)
    locks, accels, codes = (
        [members(members(run).get(key)) for run in runs] for key in ("lock", "accel", "code")
    )
    images = [members(members(run).get("image")) for run in runs]
    found = [
        _packages(locks),
        _differ("python", "Python", [_text(lock.get("python")) for lock in locks]),
        _differ("image", "The image", [_text(image.get("digest")) for image in images]),
        _differ("devices", "The devices", [_devices(accel) for accel in accels], many=True),
        *(
            _differ(key, name, [_text(accel.get(key)) for accel in accels])
            for key, name in (
                ("backend", "The backend"),
                ("driver", "The driver"),
                ("runtime", "The runtime of the devices"),
            )
        ),
        _differ("code", "The commit of the code", [_text(code.get("commit")) for code in codes]),
        _dirty(codes),
    ]
    return tuple(each for each in found if each is not None)


def devices_differ(found: tuple[Drift, ...]) -> bool:
    """Whether the runs were on devices, drivers or runtimes that are known to differ."""
    return any(each.known and each.what in ("devices", "backend", "driver", "runtime") for each in found)


def _differ(what: str, name: str, values: list[str], *, many: bool = False) -> Drift | None:
    before, now = values
    if not before and not now:
        return Drift(what, f"{name} {'are' if many else 'is'} not recorded.", known=False, name=name)
    if not before or not now:
        words = f"{name}: {before or 'not recorded'} in the record, {now or 'not recorded'} now."
        return Drift(what, words, known=False)
    if before == now:
        return None
    differ = "differ" if many else "differs"
    return Drift(what, f"{name} {differ}: {before} in the record, {now} now.", known=True)


def _packages(locks: list[Mapping[str, Any]]) -> Drift | None:
    digests = [_text(lock.get("sha256")) for lock in locks]
    if not all(digests) or digests[0] == digests[1]:
        said = [_lock(lock) for lock in locks]
        return _differ("packages", "The packages", said if not all(digests) else digests, many=True)
    # All that was installed, where both runs say so; else what their notebooks import.
    key = "all" if all(lock.get("all") for lock in locks) else "packages"
    changed = _changes(*(_versions(lock.get(key)) for lock in locks))
    if changed:
        more = f", and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
        return Drift("packages", f"The packages differ: {', '.join(changed[:_SHOWN])}{more}.", known=True)
    return _differ("packages", "The packages", [_lock(lock) for lock in locks], many=True)


def _lock(lock: Mapping[str, Any]) -> str:
    digest, count = _text(lock.get("sha256")), lock.get("count")
    if not digest:
        return ""
    number = f"{count} packages, " if type(count) is int and 0 <= count < 1_000_000 else ""
    return f"{number}lock {digest.removeprefix('sha256:')[:12]}"


def _versions(packages: object) -> dict[str, str]:
    """Versions by name, where a record lists them as ``name==version``."""
    lines = [_text(each) for each in packages] if isinstance(packages, list) else []
    return {
        name: version for name, _, version in (line.partition("==") for line in lines) if name and version
    }


def _changes(before: dict[str, str], now: dict[str, str]) -> list[str]:
    if not before or not now:
        return []
    return [
        f"{name} {before.get(name, 'none')} → {now.get(name, 'none')}"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]


def _devices(accel: Mapping[str, Any]) -> str:
    """Devices in words; each is its name, or an object with ``name`` and perhaps ``count`` and ``memory``."""
    devices = accel.get("devices")
    if isinstance(devices, str):
        return _text(devices)
    counted: dict[str, int] = {}
    for device in devices[:1000] if isinstance(devices, list) else []:
        told = members(device)
        name = _text(device) or _text(told.get("name"))
        count = told.get("count")
        if name:
            memory = _text(told.get("memory"))
            name += f" ({memory})" if memory else ""
            counted[name] = counted.get(name, 0) + (count if type(count) is int and 0 < count < 1e6 else 1)
    return ", ".join(f"{name} × {count}" for name, count in list(counted.items())[:_SHOWN])


def _dirty(codes: list[Mapping[str, Any]]) -> Drift | None:
    when = [
        words
        for code, words in zip(codes, ("the record", "this run"), strict=True)
        if code.get("dirty") is True
    ]
    if not when:
        return None
    words = f"The code had changes that are in no commit, in {' and in '.join(when)}."
    return Drift("changes", words, known=True)


def _text(value: object) -> str:
    """Text on one line; a number as text, and nothing else."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value) if abs(value) < _LARGEST else ""
    text = " ".join(joined(value)[:1000].split()) if isinstance(value, str) else ""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
