"""The start of a job that is to end by some time: when the site's forecast is best for its run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sovlab.client.deferral.forecasts import NoForecast, forecast_of, title
from sovlab.client.measuring import LOOKED_AT
from sovlab.core.deferral import words
from sovlab.core.deferral.choosing import choose
from sovlab.core.deferral.clock import shown
from sovlab.core.energy.earlier import EarlierRuns, earlier_runs
from sovlab.core.job import JobRecord, JobState, JobStatus
from sovlab.core.spec import Deferral, JobSpec
from sovlab.core.units import format_duration
from sovlab.core.untrusted import clean
from sovlab.errors import SovlabError, SpecError

if TYPE_CHECKING:
    from sovlab.client.site.site import Site
    from sovlab.executors.executor import Executor
    from sovlab.settings import Settings


def check(finish_by: float, now: float) -> None:
    """Refuse a deadline that is no number or past; asked before anything is packed."""
    if isinstance(finish_by, bool) or not isinstance(finish_by, int | float):
        raise SpecError(
            f"finish_by is {finish_by!r:.60}.", 'Give a time like "08:00", or seconds since the epoch.'
        )
    if not finish_by > now:
        raise SpecError("finish_by is past.", "Give a time that is still to come.")


def deferred(
    spec: JobSpec, executor: Executor, settings: Settings, site: Callable[[], Site | None]
) -> tuple[JobSpec, str]:
    """A request with its start, and one sentence for the user.

    Args:
        spec: with a deadline, complete otherwise.
        executor: of the target.
        settings: that apply.
        site: gives the Prometheus of the target; None if it names none.
    """
    now, deadline = time.time(), spec.finish_by
    assert deadline is not None
    runs = None
    try:
        if not getattr(executor, "defers", False):
            raise NoForecast(f"target {executor.target} cannot hold jobs back")
        if settings.forecast is None:
            raise NoForecast("the settings name no [forecast]")
        runs = _earlier(spec, executor, now)
        found = _chosen(spec, runs, settings, site, now, deadline)
    except NoForecast as error:
        duration = runs.longest if runs is not None else 0.0
        found = Deferral(asked=now, start=now, duration=duration, why=_one_line(str(error)))
    spec = replace(spec, deferral=found)
    return spec, words.chosen(spec, _how_long(runs) if runs is not None else "")


def _chosen(
    spec: JobSpec,
    runs: EarlierRuns,
    settings: Settings,
    site: Callable[[], Site | None],
    now: float,
    deadline: float,
) -> Deferral:
    section, duration = settings.forecast, runs.longest
    assert section is not None
    if now + duration >= deadline:
        raise NoForecast(f"it is expected to run {_how_long(runs)}, which ends after {shown(deadline, now)}")
    forecast = forecast_of(section, site, now, deadline)
    latest = min(deadline, forecast.end) - duration
    if latest <= now:
        raise NoForecast(
            f"the forecast ends at {shown(forecast.end, now)}, "
            f"before a run of {format_duration(duration)} would"
        )
    name, unit, most = title(section, settings.site.currency)
    choice = choose(forecast, now, duration, latest, most=most)
    if choice.start <= now:
        raise NoForecast(f"no later start before {shown(deadline, now)} has a better {name}")
    # It may start late, or run longer than it is expected to.
    kept = forecast.clipped(now, min(deadline + duration, forecast.end), Deferral.MOST_STEPS)
    return Deferral(
        asked=now,
        start=choice.start,
        duration=duration,
        signal=name,
        unit=unit,
        most=most,
        times=kept.times,
        values=tuple(float(f"{value:.7g}") for value in kept.values),
    )


def _earlier(spec: JobSpec, executor: Executor, now: float) -> EarlierRuns:
    """The user's earlier runs of the same code on the same hardware."""
    own_records = getattr(executor, "own_records", None)
    record = JobRecord(id="", target=executor.target, spec=spec, status=JobStatus(state=JobState.PENDING))
    try:
        # Records of clusters do not tell arguments, which may be secret.
        arguments = getattr(executor, "shares_files", False)
        found = earlier_runs(record, own_records(LOOKED_AT), arguments=arguments) if own_records else None
    except (SovlabError, OSError) as error:
        raise NoForecast(f"what earlier runs took cannot be read ({error})") from error
    if found is None:
        raise NoForecast("no earlier run of the same code tells how long it takes")
    return found


def _one_line(text: str) -> str:
    """Text of which a part may be a server's, or the name of a file, as a record holds it."""
    words = " ".join(clean(text, 900).split())
    return "".join(each if each.isprintable() else "\ufffd" for each in words)


def _how_long(runs: EarlierRuns) -> str:
    """``4 min, as the longest of its last 3 runs``."""
    of = "its last run" if runs.count == 1 else f"the longest of its last {runs.count} runs"
    return f"{format_duration(runs.longest)}, as {of}"
