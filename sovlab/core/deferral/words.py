"""A deferral in words: at the submit, while the job is held back, and what waiting has brought in the end."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from sovlab.core.deferral.clock import shown
from sovlab.core.deferral.forecast import Forecast
from sovlab.core.energy.report import J_PER_KWH
from sovlab.core.job import JobState, JobStatus, Reason
from sovlab.core.spec import Deferral, JobSpec
from sovlab.core.units import format_duration, format_energy

_PER_KWH = "/kWh"


class Comparison(NamedTuple):
    """What a job ran at, beside what it would have at once: means of the forecast over as long a time.

    Attributes:
        waited: seconds from its submit to its start.
        ran: the mean while it ran.
        at_once: the mean over the same number of seconds from its submit.
    """

    waited: float
    ran: float
    at_once: float


def compared(deferral: Deferral, status: JobStatus) -> Comparison | None:
    """What a job that has ended ran at; None if it did not run, or not within the forecast."""
    begin, end = status.started, status.ended
    if begin is None or end is None or not deferral.values:
        return None
    begin = max(begin, deferral.asked)
    forecast, seconds = Forecast(deferral.times, deferral.values), max(end - begin, 0.0)
    if not forecast.covers(begin, begin + seconds):
        return None
    ran, at_once = (forecast.mean(start, start + seconds) for start in (begin, deferral.asked))
    return Comparison(begin - deferral.asked, ran, at_once)


def held(status: JobStatus, spec: JobSpec, due: float, now: float) -> JobStatus:
    """The status of a job that is held back until ``due``, or a little longer until somebody starts it."""
    message = "waiting to be started: its time has come"
    if due > now:
        message = f"waiting until {shown(due, now)}"
        if spec.deferral is not None and spec.finish_by is not None:
            message += f" for {_best(spec.deferral)} before {shown(spec.finish_by, now)}"
    return replace(status, state=JobState.PENDING, reason=Reason.DEFERRED, message=message, due=due)


def chosen(spec: JobSpec, how_long: str) -> str:
    """What was chosen at the submit, one sentence: when it starts, or why at once.

    Args:
        spec: with a deferral.
        how_long: where its expected duration is from.
    """
    deferral = spec.deferral
    if deferral is None or spec.finish_by is None:
        return ""
    if not deferral.held:
        return f"It starts at once: {deferral.why}."
    now, forecast = deferral.asked, Forecast(deferral.times, deferral.values)
    later = forecast.mean(deferral.start, deferral.start + deferral.duration)
    at_once = forecast.mean(now, now + deferral.duration)
    end = shown(spec.finish_by, now)
    return (
        f"It starts at {shown(deferral.start, now)}, for {_best(deferral)} before {end}: "
        f"{_instead(deferral, later, at_once)} (forecast). It is expected to run {how_long}."
    )


def brought(spec: JobSpec, status: JobStatus) -> str:
    """What waiting has brought a job that has ended, or why it did not wait; empty of other jobs."""
    deferral = spec.deferral
    if deferral is None or spec.finish_by is None or status.started is None or status.ended is None:
        return ""
    late = status.ended - spec.finish_by
    end = f"; it ended {format_duration(late)} after its deadline" if late >= 1 else ""
    if not deferral.held:
        return f"did not wait: {deferral.why}{end}"
    found = compared(deferral, status)
    waited = f"waited {format_duration(status.started - deferral.asked)} for {deferral.signal}"
    if found is None:
        return f"{waited}: — (it ran beyond the forecast){end}"
    amount = _amount(deferral, found, status)
    return f"{waited}: {_instead(deferral, found.ran, found.at_once)} (forecast){amount}{end}"


def _best(deferral: Deferral) -> str:
    return f"the {'highest' if deferral.most else 'lowest'} {deferral.signal}"


def _instead(deferral: Deferral, value: float, at_once: float) -> str:
    """``210 instead of 340 gCO2e/kWh, 38 % less than at once``."""
    text = f"{number(value)} instead of {number(at_once)} {deferral.unit}".rstrip()
    if at_once <= 0:  # prices may be below zero, of which nothing is a share
        return text
    change = value / at_once - 1
    how = (
        "as much as" if abs(change) < 0.005 else f"{abs(change):,.0%} {'less' if change < 0 else 'more'} than"
    )
    return f"{text}, {how.replace('%', ' %')} at once"


def _amount(deferral: Deferral, found: Comparison, status: JobStatus) -> str:
    """What the difference comes to for the energy that the job took, where that is known; else empty."""
    best = status.energy.best if status.energy is not None else None
    joules = best.energy.value if best is not None else None
    if not deferral.unit.endswith(_PER_KWH) or not joules or found.ran == found.at_once:
        return ""
    amount = (found.ran - found.at_once) * joules / J_PER_KWH
    what = f"{number(abs(amount))} {deferral.unit.removesuffix(_PER_KWH)} {'less' if amount < 0 else 'more'}"
    return f"; for its {format_energy(joules)} that is {what}"


def number(value: float) -> str:
    """A value of a signal, with three digits that mean something."""
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:.3g}"
