"""A job's power over time, as a site's Prometheus kept it."""

from __future__ import annotations

from typing import NamedTuple

from sovlab.core.energy.history import Point
from sovlab.telemetry.asking import device_of, text_of
from sovlab.telemetry.catalogue import usable
from sovlab.telemetry.client import Prometheus, step_of
from sovlab.telemetry.detection import Detection, Found
from sovlab.telemetry.energy_of_job import JobSpan
from sovlab.telemetry.exporters.query import GPU, JOB, POWER, JobPods, Query


class SiteHistory(NamedTuple):
    """The power of a job's devices.

    Attributes:
        points: of each device, oldest first, at most 2000; times when nothing was scraped are left out. A
            point's peak is its watts: between two of them nothing is known.
        method: how they are known; empty if there are none.
        why: why there are none, a sentence; else what the server remarked.
    """

    points: dict[str, list[Point]]
    method: str = ""
    why: str = ""


def power_of_job(
    prometheus: Prometheus, detection: Detection, pods: JobPods, span: JobSpan, kind: str = GPU
) -> SiteHistory:
    """The power of a job's devices of one kind, by the best exporter that knows its pods.

    Of devices that others use too it is the job's share, as for its energy.

    Args:
        prometheus: to ask.
        detection: what it has.
        pods: of the job.
        span: when it ran.
        kind: ``gpu`` or ``cpu``.

    Raises:
        PrometheusError: it gave no answer.
    """
    begin, end = span.by(prometheus)
    # Labels change: those that name a pod are there only once a pod has had a device.
    for look in (detection.get, lambda: detection.at(end)):
        for found in look().there():
            queries = usable(found.exporter, found.names, POWER, JOB, kind)
            if queries and found.names_pods:
                history = _history(prometheus, found, queries[0], pods, begin, end)
                if history.points:
                    return history
    return SiteHistory({}, why="The site's Prometheus has no power of this job's pods in that time.")


def _history(
    prometheus: Prometheus, found: Found, query: Query, pods: JobPods, begin: float, end: float
) -> SiteHistory:
    step = step_of(begin, end)
    text = text_of(found, query, query.text, span=max(end - begin, 1.0), job=pods, where="")
    answer = prometheus.query_range(text, begin, end, step)
    sums: dict[str, dict[float, float]] = {}
    for line in answer.lines:
        # Several pods of a job on one device, one after the other or with a share each.
        device = sums.setdefault(device_of(found, query, line.labels), {})
        for time, value in line.points:
            watts = value * query.scale
            if 0.0 <= watts < query.most(step):
                device[time] = device.get(time, 0.0) + watts
    points = {
        device: [Point(time, step, watts, watts) for time, watts in sorted(values.items())]
        for device, values in sums.items()
        if values
    }
    return SiteHistory(points, f"{query.method} ({found.exporter.title})", "; ".join(answer.notes))
