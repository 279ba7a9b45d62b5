"""One query of the catalogue, asked: from the server's samples to readings that say where they are from."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import NamedTuple

from sovlab.sensors.reading import ATTRIBUTED, Reading
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.detection import Found
from sovlab.telemetry.exporters.query import ENERGY, JOB, TEMPERATURE, THROTTLED, JobPods, Query, filled
from sovlab.telemetry.exporters.sharing import share

WHOLE = 0.999
"""A share from which on a device is all the job's: it may have begun between two scrapes."""


class SiteReading(NamedTuple):
    """A number that a site's Prometheus has.

    Attributes:
        reading: with where it is from.
        kind: of device: ``gpu``, ``cpu``, ``memory`` or ``node``.
        place: where in the device a temperature is, or what throttles it; else empty.
        exporter: name of the exporter that measured it.
        backend: whose devices it is of; empty if that is no backend's.
        apart: names devices that no other exporter measures.
    """

    reading: Reading
    kind: str
    place: str
    exporter: str
    backend: str = ""
    apart: str = ""


def text_of(found: Found, query: Query, text: str, *, span: float, job: JobPods | None, where: str) -> str:
    """PromQL of a piece of a query.

    Args:
        found: its exporter, as it is here.
        query: whose piece.
        text: the piece, with placeholders.
        span: seconds that are looked at.
        job: its pods; None for devices.
        where: matchers of nodes or devices; empty for all.
    """
    labels, mark = found.labels, _holding(found)
    return filled(
        text,
        labels,
        mark=mark,
        job=job.matchers(labels) if job is not None else "",
        where=where,
        share=share(found.exporter, labels, mark) if job is not None else "",
        span=span,
    )


def ask(
    prometheus: Prometheus,
    found: Found,
    query: Query,
    *,
    at: float,
    span: float,
    job: JobPods | None = None,
    where: str = "",
) -> list[SiteReading]:
    """What a query of the catalogue tells: one reading for each device, and for each pod on it.

    Values that no device can have are left out.

    Raises:
        PrometheusError: there was no answer.
    """
    assert (query.of == JOB) == (job is not None)
    answer = prometheus.query(text_of(found, query, query.text, span=span, job=job, where=where), at)
    over = query.quantity == ENERGY
    parts = parts_of(prometheus, found, query, at=at, span=span, job=job, over=over)
    readings = []
    for sample in answer.samples:
        value = sample.value * query.scale
        if value >= query.most(span) or (value < 0 and query.quantity != TEMPERATURE):
            continue
        if query.quantity == THROTTLED:
            value = min(value, 1.0)
        device = device_of(found, query, sample.labels)
        part = part_of(parts, found, query, sample.labels)
        shared = part < WHOLE
        notes = [query.note, *answer.notes]
        if shared:
            notes.append(f"{part:.0%} of a board that others use too")
        elif query.shared and found.labels.hidden:
            notes.append("of whole boards: whether others use them too is hidden from this tenant")
        readings.append(
            SiteReading(
                Reading(
                    query.quantity,
                    query.unit,
                    value,
                    ATTRIBUTED if shared else query.source,
                    f"{query.method} ({found.exporter.title})"
                    + (", shared out by the slices that pods hold" if shared else ""),
                    "job" if shared else query.scope,
                    1.0,
                    device,
                    "; ".join(note for note in notes if note),
                ),
                query.kind,
                query.place,
                found.exporter.name,
                found.exporter.backend if query.backend is None else query.backend,
                query.apart,
            )
        )
    return readings


def device_of(found: Found, query: Query, labels: Mapping[str, str]) -> str:
    """What a device is called: its UUID, or node and number; not the pod that has it."""
    names = [label for label in _key(found, query) if label != found.labels.pod]
    return "/".join(labels.get(label, "") for label in names if labels.get(label))


def _key(found: Found, query: Query) -> tuple[str, ...]:
    labels = found.labels
    keys = [
        labels.board if key == "$board" else (Template(key).substitute(host=labels.host, pod=labels.pod),)
        for key in query.key
    ]
    return tuple(label for key in keys for label in key)


Parts = Mapping[tuple[str, ...], float]
"""Of boards, by what names a device and a pod."""


def part_of(parts: Parts, found: Found, query: Query, labels: Mapping[str, str]) -> float:
    """The part of a series' board that its pod has; all of it where that is not known."""
    return parts.get(tuple(labels.get(label, "") for label in _key(found, query)), 1.0)


def parts_of(
    prometheus: Prometheus,
    found: Found,
    query: Query,
    *,
    at: float,
    span: float,
    job: JobPods | None,
    over: bool,
) -> Parts:
    """The part of each board that each pod held, where boards are shared out; ``over`` the time, or now."""
    if not query.shared:
        return {}
    text = "max by ($board, $pod) ($share)"
    if over:
        text = "max by ($board, $pod) (avg_over_time($share[$span:$step]))"
    answer = prometheus.query(text_of(found, query, text, span=span, job=job, where=""), at)
    key = _key(found, query)
    return {tuple(s.labels.get(label, "") for label in key): s.value for s in answer.samples}


def _holding(found: Found) -> str:
    """The metric whose series tell who holds what of a board: all parts of it have one of a mark's."""
    return next(mark for mark in found.exporter.marks if mark in found.names)
