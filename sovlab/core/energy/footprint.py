"""What a job's energy means at its site: energy with the building's share, carbon and cost. Pure.

All of it is computed from the job's IT energy and what the site says of itself (`Site`). It is modelled,
stands apart from what was measured, and is never added to it.

Carbon is that of the Software Carbon Intensity specification of the Green Software Foundation (ISO/IEC
21031:2024): SCI = (E × I + M) per R, with E the energy in kWh, I the carbon intensity of the electricity in
gCO2e/kWh, M the embodied emissions of the hardware in gCO2e for the time of its use, and R the unit of work:
here a step that the job reported.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from sovlab.core.energy.report import ACCELERATORS, J_PER_KWH, SOURCE_WORDS, EnergyReport
from sovlab.core.job import JobStatus
from sovlab.sensors.reading import MODELLED, Reading

_HOUR = 3600.0
_MOST_STEPS = 1e300
"""Whole numbers beyond may be such as no float holds."""


class Site(Protocol):
    """What a site says of itself; None is what it does not say."""

    @property
    def carbon_intensity(self) -> float | None:
        """GCO2e for each kWh of its electricity."""
        ...

    @property
    def pue(self) -> float | None:
        """Power usage effectiveness: energy of the whole facility for that of its IT (ISO/IEC 30134-2)."""
        ...

    @property
    def tariff(self) -> float | None:
        """What a kWh costs, in `currency`."""
        ...

    @property
    def currency(self) -> str:
        """Of the tariff, e.g. ``EUR``."""
        ...

    @property
    def embodied(self) -> float | None:
        """GCO2e of making an accelerator, for each hour of its use."""
        ...

    @property
    def says_something(self) -> bool:
        """Whether a footprint can be made of what it says."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """What a job's energy means at its site; each is None where the site does not say what it takes.

    Attributes:
        it: the IT energy that all is computed from, in J, as it was measured.
        pue: the site's; None if it names none, and then all is of the IT energy alone.
        energy: J of the facility: the IT energy × PUE.
        carbon: gCO2e: E × I + M.
        embodied: gCO2e of `carbon` that are M; None without accelerators, or if the site does not say it.
        per_step: gCO2e for each step that the job reported: its SCI.
        cost: in the currency of the site.
    """

    it: Reading
    pue: float | None = None
    energy: Reading | None = None
    carbon: Reading | None = None
    embodied: Reading | None = None
    per_step: Reading | None = None
    cost: Reading | None = None


def footprint(
    it: Reading,
    site: Site | None,
    *,
    accelerators: int = 0,
    seconds: float = 0.0,
    steps: float | None = None,
) -> Footprint | None:
    """What an energy means at a site; None where the site says nothing.

    Args:
        it: J of the job's devices. Where its value is not known, nothing of the footprint is, for its reason.
        site: what it says of itself.
        accelerators: how many the energy is of.
        seconds: how long the job has had them.
        steps: units of work that it has done; None if it reported none.
    """
    if site is None or not site.says_something:
        return None
    measured = f"IT energy ({SOURCE_WORDS[it.source]})"
    facility = it.value
    if site.pue is not None:
        facility = None if it.value is None else it.value * site.pue
        measured += f" × PUE {site.pue:g}"
    else:
        measured += ", without a PUE"
    carbon = embodied = per_step = cost = None
    if site.carbon_intensity is not None:
        method = f"{measured} × {site.carbon_intensity:g} gCO2e/kWh"
        made = None
        if site.embodied is not None and accelerators:
            made = site.embodied * accelerators * max(seconds, 0.0) / _HOUR
            how = f"{accelerators} × {site.embodied:g} gCO2e an hour"
            method += f" + embodied {how}"
            embodied = _modelled(it, "carbon", "gCO2e", made, how)
        emitted = None if facility is None else facility / J_PER_KWH * site.carbon_intensity + (made or 0.0)
        carbon = _modelled(it, "carbon", "gCO2e", emitted, method)
        if steps and 0 < steps < _MOST_STEPS and emitted is not None:
            per_step = _modelled(it, "carbon", "gCO2e", emitted / steps, f"SCI, for each step: {method}")
    if site.tariff is not None:
        paid = None if facility is None else facility / J_PER_KWH * site.tariff
        cost = _modelled(it, "cost", site.currency, paid, f"{measured} × {site.tariff:g} {site.currency}/kWh")
    return Footprint(
        it=it,
        pue=site.pue,
        energy=_modelled(it, "energy", "J", facility, measured) if site.pue is not None else None,
        carbon=carbon,
        embodied=embodied,
        per_step=per_step,
        cost=cost,
    )


def footprint_of_report(
    report: EnergyReport | None,
    site: Site | None,
    *,
    steps: float | None = None,
    why: str = "nothing was measured",
) -> Footprint | None:
    """What the energy that a job is told by means at a site; None where the site says nothing.

    Args:
        report: what was measured; None if nothing was.
        site: what it says of itself.
        steps: units of work that the job has done; None if it reported none.
        why: why nothing was measured, if that is so.
    """
    best = report.best if report is not None else None
    if report is None or best is None:
        return footprint(Reading("energy", "J", scope="job", why=why), site)
    count = len(best.devices) if best.name == ACCELERATORS else 0
    return footprint(best.energy, site, accelerators=count, seconds=report.seconds, steps=steps)


def steps_of(status: JobStatus) -> float | None:
    """Units of work that a job has reported; None if it has not."""
    return status.progress.step if status.progress is not None and status.progress.step > 0 else None


def _modelled(it: Reading, quantity: str, unit: str, value: float | None, method: str) -> Reading:
    """A number that was computed from the IT energy, and covers as much of the time as that."""
    if value is None or it.value is None:
        return Reading(quantity, unit, scope=it.scope, why=it.why or "the energy is not known")
    if not math.isfinite(value):
        return Reading(quantity, unit, scope=it.scope, why="the energy is too large to be true")
    return Reading(quantity, unit, value, MODELLED, method, it.scope, it.coverage, why=it.why)
