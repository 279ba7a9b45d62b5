"""What a job took and how hot its devices were, in words: for the card, the handle and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sovlab.core.energy.model import Modelled, modelled
from sovlab.core.energy.report import (
    ACCELERATORS,
    NODE,
    PROCESSORS,
    SOURCE_WORDS,
    DeviceReport,
    EnergyReport,
    Group,
    LimitReport,
    slowed_most,
)
from sovlab.core.units import energy_unit, format_carbon, format_cost, format_energy, format_power
from sovlab.sensors.reading import SAMPLED

if TYPE_CHECKING:
    from sovlab.core.energy.footprint import Footprint

if TYPE_CHECKING:
    from sovlab.core.energy.decoding import LimitSeen

ADVICE: Mapping[str, str] = {
    "heat": "It is too hot: cool or spread the load, or lower its power limit, which may cost little time.",
    "facility": "The site's power brake is on: ask those who run the cluster.",
}
"""What to do about a slowing, by its cause."""

FLAGS: Mapping[str, str] = {
    "energy_budget": "--energy-budget",
    "max_temperature": "--max-temperature",
    "power_cap": "--power-cap",
}
LABELS: Mapping[str, str] = {
    "energy_budget": "Budget",
    "max_temperature": "Heat limit",
    "power_cap": "Power cap",
}
_WORTH_A_GUESS = 100.0
"""J below which nobody asks what a model makes of it."""
_SLOWED = 0.01
"""Share of the time below which a slowing is not worth a word."""


def energy_rows(report: EnergyReport) -> list[tuple[str, str, bool]]:
    """Rows of the table of an ended job: label, text, and whether it is a warning."""
    rows: list[tuple[str, str, bool]] = []
    groups = {group.name: group for group in report.groups()}
    known = [group for group in groups.values() if group.energy.value is not None]
    for name, label in ((ACCELERATORS, "Energy"), (PROCESSORS, "Energy"), (NODE, "Node")):
        group = groups.get(name)
        if group is not None and (group in known or not known):
            rows.append((label if not rows or label == "Node" else "", energy_words(group), False))
    if not groups:
        rows.append(("Energy", f"— not measured: {reasons(report)}", False))
    guess = modelled(report)
    if guess is not None and guess.high >= _WORTH_A_GUESS:
        rows.append(("", modelled_words(guess), False))
    hot = [(max(d.hottest.values()), d) for d in report.devices if d.hottest and d.kind in ("gpu", "cpu")]
    for kind in ("gpu", "cpu"):
        mine = [(celsius, device) for celsius, device in hot if device.kind == kind]
        if mine:
            celsius, device = max(mine, key=lambda each: each[0])
            text = f"{celsius:.0f} °C ({SOURCE_WORDS[SAMPLED]}){_place(device)}{_margin(device)}"
            rows.append(("Hottest", text, False))
            break
    slowed = slowed_most(report)
    if slowed is not None and slowed[2] >= _SLOWED:
        device, cause, share = slowed
        text = f"by {'heat' if cause == 'heat' else 'the power brake'} for {share:.0%} of the time"
        rows.append(("Slowed", f"{text}{_on(device)}. {ADVICE[cause]}", True))
    for name, limit in report.limits.items():
        row = _limit_row(name, limit, report.nodes)
        if row is not None:
            rows.append(row)
    if "sampling" in report.unavailable and groups:
        rows.append(("Not whole", report.unavailable["sampling"], True))
    return rows


def modelled_words(guess: Modelled) -> str:
    """``by its CPU time between 0.06 Wh and 1.1 Wh (modelled: 1 to 19 W for each busy core)``."""
    between = f"between {format_energy(guess.low, guess.high)} and {format_energy(guess.high)}"
    return f"by its CPU time {between} (modelled: {guess.method})"


def limit_words(seen: LimitSeen, nodes: int = 1) -> str:
    """What became of a limit of a running job, as a sentence; of an energy each node has its part."""
    limit = seen.limit
    flag = f"{FLAGS[seen.name]} {_given(seen.name, limit.limit * _parts(seen.name, nodes))}"
    if seen.name == "power_cap":
        return f"{flag}: {limit.why.rstrip('.')}."
    if seen.state == "unwatched":
        return f"{flag} is not watched: {limit.why.rstrip('.') or 'nobody says why'}."
    if seen.state == "reached":
        return f"{flag} is reached: the job is being stopped."
    how = SOURCE_WORDS[limit.source]
    if _parts(seen.name, nodes) > 1:
        part = f"{_given(seen.name, limit.limit)} that the first of {nodes} nodes has of {flag}"
        return f"{_share(limit)} of the {part} is used ({how}): when a node's is used up, the job is stopped."
    return f"{_share(limit)} of {flag} is used ({how}): when it is used up, the job is stopped."


def _parts(name: str, nodes: int) -> int:
    """Into how many parts a limit of a whole job is cut."""
    return nodes if name == "energy_budget" else 1


def _limit_row(name: str, limit: LimitReport, nodes: int) -> tuple[str, str, bool] | None:
    parts = _parts(name, nodes)
    given = _given(name, limit.limit * parts)
    if name == "power_cap":
        return LABELS[name], f"{given}, {limit.why or 'put back'}", bool(limit.why)
    if limit.why:
        return LABELS[name], f"{FLAGS[name]} {given} was not watched: {limit.why}", True
    if limit.used is None:
        return None  # of heat the highest temperature stands above
    if name == "max_temperature":
        return LABELS[name], f"{limit.used:.0f} °C of {given} ({SOURCE_WORDS[limit.source]})", False
    used, how = format_energy(limit.used, limit.limit), SOURCE_WORDS[limit.source]
    if parts > 1:
        mine = f"{used} of the {_given(name, limit.limit)} that each of {nodes} nodes has of it"
        return LABELS[name], f"{given}; most on one node: {mine}, {_share(limit)} ({how})", False
    return LABELS[name], f"{used} of {given}, {_share(limit)} ({how})", False


def _share(limit: LimitReport) -> str:
    return f"{limit.used / limit.limit:.0%}" if limit.used is not None and limit.limit else "—"


def _given(name: str, limit: float) -> str:
    if name == "max_temperature":
        return f"{limit:g} °C"
    if name == "power_cap":
        return f"{limit:g} W"
    size, unit = energy_unit(limit)
    return f"{limit / size:.4g} {unit}"


def energy_words(group: Group) -> str:
    """``44 Wh (counted, NVML energy counter), mean 726 W, peak 811 W``; "—" and why if not known."""
    reading = group.energy
    if reading.value is None:
        return f"— ({reading.why or 'not measured'})"
    where = ", ".join(part for part in (SOURCE_WORDS[reading.source], reading.method) if part)
    text = f"{format_energy(reading.value)} ({where})"
    if group.name == PROCESSORS:
        text = f"processors {text}"
    if group.idle is not None and group.idle >= 0.005 * reading.value:
        text += f", {format_energy(group.idle, reading.value)} of it while they were idle"
    if group.mean is not None:
        text += f", mean {format_power(group.mean)}"
    if group.peak is not None:
        text += f", peak {format_power(group.peak)}"
    if reading.coverage < 0.95:
        text += f", of {reading.coverage:.0%} of the time"
    return text + (f"; {reading.why}" if reading.why else "")


def footprint_words(footprint: Footprint | None) -> str:
    """What an energy means at its site, with what it is modelled from; empty if nothing of it is known.

    ``with the site's PUE 1.3: 9.1 Wh · 2.4 g CO2e · 0.0023 EUR (modelled from 7.0 Wh counted)``.
    """
    if footprint is None or footprint.it.value is None:
        return ""
    parts, it = [], footprint.it
    largest = footprint.it.value
    if footprint.energy is not None and footprint.energy.value is not None:
        parts.append(format_energy(footprint.energy.value))
        largest = max(largest, footprint.energy.value)
    if footprint.carbon is not None and footprint.carbon.value is not None:
        made = footprint.embodied.value if footprint.embodied is not None else None
        share = f", {format_carbon(made)} of it embodied" if made else ""
        parts.append(format_carbon(footprint.carbon.value) + share)
    if footprint.per_step is not None and footprint.per_step.value is not None:
        parts.append(f"{format_carbon(footprint.per_step.value)} per step")
    if footprint.cost is not None and footprint.cost.value is not None:
        parts.append(format_cost(footprint.cost.value, footprint.cost.unit))
    if not parts:
        return ""
    pue = f"PUE {footprint.pue:g}" if footprint.pue is not None else ""
    begin = f"with the site's {pue}" if pue else "of the IT energy alone"
    source = f"modelled from {format_energy(footprint.it.value, largest)} {SOURCE_WORDS[it.source]}"
    if it.coverage < 0.95:
        source += f", of {it.coverage:.0%} of the time"
    return f"{begin}: {' · '.join(parts)} ({'; '.join(filter(None, (source, it.why)))})"


def reasons(report: EnergyReport, sensors: Sequence[str] = ("rapl", "nvml")) -> str:
    """Why nothing was measured, and where more is said.

    Args:
        report: of the job or machine.
        sensors: whose reason is to be told, the first that has one; else that of any.
    """
    said = (report.unavailable[name] for name in ("sampling", *sensors) if name in report.unavailable)
    first = next(said, "") or next(iter(report.unavailable.values()), "no sensor is known here.")
    return f"{first} More: sovlab power"


HEAT_SENSORS = ("hwmon", "nvml")
"""Whose reason is told where no temperature is known."""


def _place(device: DeviceReport) -> str:
    place = max(device.hottest, key=lambda each: device.hottest[each])
    if place == "gpu" and device.index is not None:
        return _on(device)
    return f" ({place}{_on(device)})"


def _on(device: DeviceReport) -> str:
    return f" on GPU {device.index}" if device.kind == "gpu" and device.index is not None else ""


def _margin(device: DeviceReport) -> str:
    if device.margin is not None:
        return f", {device.margin:.0f} °C below slowing" if device.margin > 0 else ""
    if device.slowdown is not None and device.hottest:
        return f", slows itself at {device.slowdown:.0f} °C"
    return ""
