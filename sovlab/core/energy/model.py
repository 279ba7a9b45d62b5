"""What a job may have taken, by its CPU time alone: the last resort, where no sensor tells.

A server's core draws 2.0 W (AMD EPYC of the third generation) to 4.5 W (Intel Emerald Rapids) at full load,
by SPECpower's measurements as Cloud Carbon Footprint gives them per vCPU (its repository ccf-coefficients).
Such models gave 0.24 to 1.95 times what the processors' own counters said, in measurements of four processors
that CodeCarbon has published. So all that can be said is a range, and it is a wide one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sovlab.core.energy.report import EnergyReport

_LEAST_LOADED, _MOST_LOADED = 2.0, 4.5
"""W of a busy core, of the thriftiest and of the hungriest generation."""
_LEAST_RATIO, _MOST_RATIO = 0.24, 1.95
"""What models have given, as a multiple of what was counted."""
LEAST = _LEAST_LOADED / _MOST_RATIO
MOST = _MOST_LOADED / _LEAST_RATIO
"""W for each second of CPU time."""
METHOD = f"{LEAST:.0f} to {MOST:.0f} W for each busy core"


class Modelled(NamedTuple):
    """A range in which a job's joules lie, by a model; never a part of a sum.

    Attributes:
        low, high: J.
        method: how, for people.
    """

    low: float
    high: float
    method: str = METHOD


def modelled(report: EnergyReport) -> Modelled | None:
    """The range by a job's CPU time; None if anything was measured, or its CPU time is not known."""
    is_measured = any(group.energy.value is not None for group in report.groups())
    if is_measured or not report.cpu_job:
        return None
    return Modelled(report.cpu_job * LEAST, report.cpu_job * MOST)
