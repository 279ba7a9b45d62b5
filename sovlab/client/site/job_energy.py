"""What a site's Prometheus has of a job's energy, beside what was measured in the job."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sovlab.core.energy.report import J_PER_KWH
from sovlab.errors import SovlabError
from sovlab.sensors.reading import Reading
from sovlab.views.site import site_words

if TYPE_CHECKING:
    from sovlab.client.site.site import Site
    from sovlab.core.job import JobRecord, JobStatus
    from sovlab.telemetry.job_totals import JobTotal

SETTLED = 60.0
"""Seconds after a job's end from which on its last scrapes are there: sites scrape at least as often."""


@dataclass(frozen=True, slots=True)
class EnergyAtSite:
    """A job's energy as its site's Prometheus has it. It is never added to what the job measured.

    Attributes:
        totals: by sort of device: what the site has, what the job measured, and the difference.
        why: why there are none, a sentence; else empty.
        advice: what to do about that; may be empty.
        settled: whether it was asked so late that it stays so.
    """

    totals: tuple[JobTotal, ...] = ()
    why: str = ""
    settled: bool = True
    advice: str = ""

    @property
    def best(self) -> JobTotal | None:
        """The total that the job is told by: of its accelerators, else of its processors."""
        known = (total for total in self.totals if total.site.value is not None)
        return next(known, self.totals[0] if self.totals else None)

    @property
    def reading(self) -> Reading:
        """Joules by the site; without a value, and with the reason, if it has none."""
        best = self.best
        return best.site if best is not None else Reading("energy", "J", scope="job", why=self.why)

    @property
    def difference(self) -> Reading:
        """The site's − the job's own, in J; without a value, and with the reason, if not compared."""
        best = self.best
        return best.difference if best is not None else Reading("energy", "J", scope="job", why=self.why)

    @property
    def joules(self) -> float | None:
        """J by the site; None if it has none."""
        return self.reading.value

    @property
    def kwh(self) -> float | None:
        """KWh by the site; None if it has none."""
        return None if self.reading.value is None else self.reading.value / J_PER_KWH

    @property
    def words(self) -> str:
        """All of it in one line, as the job's card has it."""
        known = [total for total in self.totals if total.site.value is not None] or self.totals[:1]
        said = "; ".join(site_words(total) for total in known) or f"— ({self.why.rstrip('.')})"
        return f"{said}; the last scrapes may not be in it yet" if self.totals and not self.settled else said

    def __repr__(self) -> str:
        return f"<EnergyAtSite {self.words}>"


def until_settled(status: JobStatus) -> float:
    """Seconds until `SETTLED` after a job's end, by this machine's clock; never more than that."""
    return min(max((status.ended or 0.0) + SETTLED - time.time(), 0.0), SETTLED)


def energy_at_site(record: JobRecord, site: Callable[[], Site | None]) -> EnergyAtSite:
    """Ask the Prometheus of a job's target; whatever goes wrong is said, and nothing is raised.

    Args:
        record: of the job.
        site: of its target; None if that names no Prometheus.
    """
    status = record.status
    if not status.state.ended:
        return EnergyAtSite(why="The job has not ended yet.", settled=False)
    if status.started is None or status.ended is None:
        return EnergyAtSite(why="It is not known when the job ran.")
    settled = not until_settled(status)
    try:
        found = site()
        if found is None:
            return EnergyAtSite(why=f"No [targets.{record.target}.prometheus] in the settings names one.")
        totals = found.answered(lambda: _totals(record, found))
    except SovlabError as error:
        return EnergyAtSite(why=error.message, settled=False, advice=error.hint)
    return EnergyAtSite(totals, settled=settled)


def _totals(record: JobRecord, site: Site) -> tuple[JobTotal, ...]:
    from sovlab.telemetry.energy_of_job import JobSpan
    from sovlab.telemetry.exporters.query import JobPods
    from sovlab.telemetry.job_totals import totals_of_job

    status = record.status
    pods = JobPods(site.namespace, record.id) if site.namespace is not None else None
    span = JobSpan(begin=status.started or 0.0, end=status.ended or 0.0, by_our_clock=pods is None)
    return totals_of_job(
        site.prometheus,
        site.detection,
        pods,
        span,
        status.energy,
        nodes=nodes_of(status.host),
        backend=record.spec.backend if record.spec is not None else "",
    )


def nodes_of(host: str) -> list[str]:
    """The names in what is shown to people of the machines that a job ran on."""
    return [name for name in host.partition(" and ")[0].split(", ") if name]
