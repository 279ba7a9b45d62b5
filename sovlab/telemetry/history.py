"""A job's power over time, as a site's Prometheus kept it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sovlab.core.energy.history import Point
from sovlab.sensors.reading import ATTRIBUTED
from sovlab.telemetry.asking import WHOLE, device_of, part_of, parts_of, text_of
from sovlab.telemetry.catalogue import usable
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.detection import Detected, Detection, Found
from sovlab.telemetry.energy_of_job import JobSpan, is_one
from sovlab.telemetry.exporters import promql
from sovlab.telemetry.exporters.query import DEVICES, GPU, JOB, POWER, JobPods, Query

MOST = 400
"""Points of one device, at most."""
_LONG = 30.0
"""Seconds of a point from which on it is a mean, of so many looks:"""
_LOOKS = 10


class SiteHistory(NamedTuple):
    """The power of a job's devices.

    Attributes:
        points: of each device, oldest first, at most `MOST`; times when nothing was scraped are left out.
            They are means of samples with the highest of them, or where they are close, single ones.
        sources: of each device, where its watts are from: ``sampled``, or ``attributed`` of a part of it.
        method: how they are known, and by which exporter; empty if there are none.
        why: why there are none, a sentence; else what the server remarked.
    """

    points: dict[str, list[Point]]
    sources: Mapping[str, str] = {}
    method: str = ""
    why: str = ""


class _Asked(NamedTuple):
    """What is asked of each exporter."""

    prometheus: Prometheus
    begin: float
    end: float
    pods: JobPods | None
    ids: tuple[str, ...]
    nodes: tuple[str, ...]


def power_of_job(
    prometheus: Prometheus,
    detection: Detection,
    pods: JobPods | None,
    span: JobSpan,
    kind: str = GPU,
    *,
    ids: Sequence[str] = (),
    nodes: Sequence[str] = (),
) -> SiteHistory:
    """The power of a job's devices of one kind, by the best exporter that has it.

    Of devices that others use too it is the job's share, as for its energy.

    Args:
        prometheus: to ask.
        detection: what it has.
        pods: of the job; None if it ran in none.
        span: when it ran; of a job that runs, up to now.
        kind: ``gpu`` or ``cpu``.
        ids: UUIDs or PCI addresses of its devices, by which exporters are asked that do not know pods.
        nodes: on which it ran.

    Raises:
        PrometheusError: it gave no answer.
    """
    begin, end = span.by(prometheus)
    asked = _Asked(prometheus, begin, end, pods, tuple(ids), tuple(nodes))
    reasons: dict[str, None] = {}
    # Labels change: those that name a pod are there only once a pod has had a device.
    for look in (detection.get, lambda: detection.at(end)):
        for found, query, where in _queries(asked, look(), kind):
            history = _history(asked, found, query, where)
            if history.points:
                return history
            reasons[f"{found.exporter.title} has no power of it in that time."] = None
    said = " ".join(reasons) or "No exporter there tells the power of a job's devices."
    return SiteHistory({}, why=f"The site's Prometheus has none: {said}")


def _queries(asked: _Asked, detected: Detected, kind: str) -> Iterator[tuple[Found, Query, str]]:
    """What may be asked, and of which series: of a job's pods before of its devices."""
    there = detected.there()
    if asked.pods is not None:
        for found in there:
            if found.names_pods:
                yield from ((found, q, "") for q in usable(found.exporter, found.names, POWER, JOB, kind)[:1])
    if kind != GPU or not asked.ids:
        return  # a processor is not the job's because it ran on it
    for found in there:
        where = found.where(asked.nodes) if asked.nodes else None
        if where is None and len(found.labels.board) > 1:
            continue  # a PCI address alone is no device
        queries = usable(found.exporter, found.names, POWER, DEVICES, kind)
        yield from ((found, query, where or "") for query in queries[:1])


def _history(asked: _Asked, found: Found, query: Query, where: str) -> SiteHistory:
    seconds = max(asked.end - asked.begin, 1.0)
    step = float(max(math.ceil(seconds / MOST), 1))
    pods = asked.pods if query.of == JOB else None
    text = text_of(found, query, query.text, span=seconds, job=pods, where=where)
    # Of long steps the means, as a moment says little of them.
    window = f"({text})[{promql.duration(step)}:{promql.duration(step / _LOOKS)}]"
    whole = step >= _LONG
    first = asked.end - (max(math.ceil(seconds / step), 1) - 1) * step
    answers = [
        asked.prometheus.query_range(each, first, asked.end, step)
        for each in ((f"avg_over_time({window})", f"max_over_time({window})") if whole else (text,))
    ]
    parts = parts_of(asked.prometheus, found, query, at=asked.end, span=seconds, job=pods, over=True)
    sources: dict[str, str] = {}
    sums: list[dict[str, dict[float, float]]] = []
    for answer in answers:
        devices: dict[str, dict[float, float]] = {}
        for line in answer.lines:
            device = device_of(found, query, line.labels)
            if pods is None and not is_one(device, asked.ids):
                continue
            if part_of(parts, found, query, line.labels) < WHOLE:
                sources[device] = ATTRIBUTED
            # Several pods of a job on one device, one after the other or with a share each.
            values = devices.setdefault(device, {})
            for time, value in line.points:
                watts = value * query.scale
                if 0.0 <= watts < query.most(step):
                    values[time] = values.get(time, 0.0) + watts
        sums.append(devices)
    means, peaks = sums[0], sums[-1]
    points = {
        device: [
            Point(time - step, step, watts, max(peaks.get(device, {}).get(time, watts), watts))
            for time, watts in sorted(values.items())
        ]
        for device, values in means.items()
        if values
    }
    notes = [query.note, *dict.fromkeys(note for answer in answers for note in answer.notes)]
    if query.shared and found.labels.hidden:
        notes.append("of whole boards: whether others use them too is hidden from this tenant")
    return SiteHistory(
        points,
        {device: sources.get(device, query.source) for device in points},
        f"{query.method} ({found.exporter.title})",
        "; ".join(note for note in notes if note),
    )
