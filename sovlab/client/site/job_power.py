"""What a site's Prometheus has of a job's power over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sovlab.client.site.job_energy import nodes_of
from sovlab.core.energy.history import PowerCurves
from sovlab.errors import SovlabError

if TYPE_CHECKING:
    from sovlab.client.site.site import Site
    from sovlab.core.job import JobRecord
    from sovlab.telemetry.history import SiteHistory


def power_at_site(record: JobRecord, site: Callable[[], Site | None], ids: Sequence[str] = ()) -> PowerCurves:
    """Ask the Prometheus of a job's target; whatever goes wrong is said, and nothing is raised.

    Args:
        record: of the job; of one that runs, up to now.
        site: of its target; None if that names no Prometheus.
        ids: of its accelerators, as it knows them itself.
    """
    if record.status.started is None:
        return _none("It is not known when the job ran.")
    try:
        found = site()
        if found is None:
            return _none(f"No [targets.{record.target}.prometheus] in the settings names one.")
        told = found.answered(lambda: _asked(record, found, ids))
    except SovlabError as error:
        return _none(f"{error.message} {error.hint}".rstrip())
    method = f"the site's Prometheus: {told.method}" if told.method else ""
    return PowerCurves(told.points, told.sources, method, told.why)


def _none(why: str) -> PowerCurves:
    return PowerCurves({}, {}, why=why)


def _asked(record: JobRecord, site: Site, ids: Sequence[str]) -> SiteHistory:
    from sovlab.telemetry.energy_of_job import JobSpan
    from sovlab.telemetry.exporters.query import CPU, GPU, JobPods
    from sovlab.telemetry.history import power_of_job

    status = record.status
    pods = JobPods(site.namespace, record.id) if site.namespace is not None else None
    ended = status.ended if status.ended is not None else math.inf  # nothing is scraped after its now
    span = JobSpan(begin=status.started or 0.0, end=ended, by_our_clock=pods is None)

    def told(kind: str) -> SiteHistory:
        nodes = nodes_of(status.host)
        return power_of_job(site.prometheus, site.detection, pods, span, kind, ids=ids, nodes=nodes)

    if record.spec is not None and record.spec.backend == CPU:
        return told(CPU)
    of_gpus = told(GPU)
    if of_gpus.points or pods is None:
        return of_gpus
    of_processors = told(CPU)
    return of_processors if of_processors.points else of_gpus
