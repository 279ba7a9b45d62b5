"""A job's joules as a site's exporters have them: by its pods, else by the devices that it used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sovlab.core.units import format_duration
from sovlab.sensors.reading import ATTRIBUTED, Reading
from sovlab.telemetry.asking import SiteReading, ask, device_of, text_of
from sovlab.telemetry.catalogue import usable
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.detection import Detected, Found
from sovlab.telemetry.devices import summed
from sovlab.telemetry.exporters.query import CPU, DEVICES, ENERGY, GPU, JOB, JobPods, Query

_BACKENDS = ("cuda", "rocm", "hpu")
"""Whose exporters tell whose pod uses a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpan:
    """When a job ran.

    Attributes:
        begin, end: seconds since the epoch.
        by_our_clock: whether they are of this machine's clock; else they are of the cluster's, whose clock
            the Prometheus is taken to share.
    """

    begin: float
    end: float
    by_our_clock: bool = False

    def by(self, prometheus: Prometheus) -> tuple[float, float]:
        """Begin and end by the server's clock."""
        begin, end = self.begin, self.end
        if self.by_our_clock:
            begin, end = prometheus.by_its_clock(begin), prometheus.by_its_clock(end)
        # Nothing has been scraped yet after its now.
        return begin, max(min(end, prometheus.now()), begin)


class SiteEnergy(NamedTuple):
    """The joules of a job's devices of one kind.

    Attributes:
        total: their sum by the best exporter, with the share of the time that its samples span as coverage;
            without a value, and with the reason, if no exporter has any.
        devices: what that exporter has of each.
        others: what other exporters have of the same joules.
    """

    total: Reading
    devices: tuple[SiteReading, ...] = ()
    others: tuple[SiteReading, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of each exporter: a job's pods, or some devices, over a time that ended."""

    prometheus: Prometheus
    end: float
    seconds: float
    pods: JobPods | None
    ids: tuple[str, ...]
    nodes: tuple[str, ...]


def site_energy(
    prometheus: Prometheus,
    detected: Detected,
    pods: JobPods | None,
    span: JobSpan,
    kind: str,
    *,
    ids: Sequence[str] = (),
    nodes: Sequence[str] = (),
    backend: str = "",
) -> SiteEnergy:
    """The joules of a job's devices of one kind.

    Args:
        prometheus: to ask.
        detected: what it has.
        pods: of the job; None if it ran in none.
        span: when it ran.
        kind: ``gpu`` or ``cpu``.
        ids: UUIDs or PCI addresses of its devices, by which exporters are asked that do not know pods.
        nodes: on which it ran: a PCI address alone is no device.
        backend: of the job; empty if it is not known.

    Raises:
        PrometheusError: the server gave no answer.
    """
    begin, end = span.by(prometheus)
    asked = _Asked(prometheus, end, max(end - begin, 0.001), pods, tuple(ids), tuple(nodes))
    best: tuple[SiteReading, ...] = ()
    others: list[SiteReading] = []
    reasons: list[str] = []
    for found, query in _queries(detected, kind, in_pods=pods is not None):
        readings, why = _covered(asked, found, query)
        if not readings:
            reasons.append(why)
        elif best:
            others += readings
        else:
            best = tuple(readings)
    if not best and not reasons:
        reasons = [_nothing(detected, kind, backend)]
    total = summed(ENERGY, [each.reading for each in best], " ".join(dict.fromkeys(reasons)))
    return SiteEnergy(total if best else total._replace(scope="job"), best, tuple(others))


def _queries(detected: Detected, kind: str, *, in_pods: bool) -> list[tuple[Found, Query]]:
    """What may be asked, the better first: what a device counted, of a job's pods before of its devices."""
    queries = []
    for found in detected.there():
        of = JOB if found.names_pods and in_pods else DEVICES
        # A processor is not the job's because it ran on it.
        if of == JOB or kind == GPU:
            queries += [(found, q) for q in usable(found.exporter, found.names, ENERGY, of, kind)]
    return sorted(queries, key=lambda each: (each[1].source == ATTRIBUTED, not each[0].names_pods))


def _covered(asked: _Asked, found: Found, query: Query) -> tuple[list[SiteReading], str]:
    """What a query says, with how much of the time it knows; or why it knows nothing."""
    title = found.exporter.title
    pods = asked.pods if query.of == JOB else None
    where = ""
    if pods is None:
        if not asked.ids:
            return [], f"{title} does not say whose pod uses a device, and the job tells no devices."
        matchers = found.where(asked.nodes) if asked.nodes else None
        if matchers is None and len(found.labels.board) > 1:
            return [], f"{title} does not say whose pod uses a device, nor is it known on which of its nodes."
        where = matchers or ""

    def moments(function: str, aggregation: str) -> Mapping[str, float]:
        # timestamp() tells when a sample was scraped only of a selector as it stands.
        seen = f"{function}(timestamp({query.base})[$span:$step])"
        text = text_of(
            found, query, f"{aggregation} by ({key}) ({seen})", span=asked.seconds, job=pods, where=where
        )
        samples = asked.prometheus.query(text, asked.end).samples
        return {device_of(found, query, sample.labels): sample.value for sample in samples}

    key = ", ".join(label for label in query.key if label != "$pod")
    begin = asked.end - asked.seconds
    first, last = moments("min_over_time", "min"), moments("max_over_time", "max")
    spans = {
        device: max(last.get(device, 0.0) - max(since, begin), 0.0)
        for device, since in first.items()
        if pods is not None or is_one(device, asked.ids)
    }
    if not spans:
        return [], f"{title} has no series of this job's {'pods' if pods else 'devices'} in that time."
    if not any(spans.values()):
        return [], (
            f"The job ran {format_duration(asked.seconds)} and was over before {title} was scraped twice, "
            "so the site has no energy of it."
        )
    readings = []
    answers = ask(asked.prometheus, found, query, at=asked.end, span=asked.seconds, job=pods, where=where)
    for each in answers:
        coverage = min(spans.get(each.reading.device, 0.0) / asked.seconds, 1.0)
        if coverage > 0:
            readings.append(each._replace(reading=each.reading._replace(coverage=coverage)))
    return readings, "" if readings else f"{title} has no energy of this job that can be one."


def is_one(device: str, ids: Sequence[str]) -> bool:
    """Whether an exporter's device is one of the job's: nvidia_gpu_exporter leaves ``GPU-`` out."""
    own = device.rpartition("/")[2].lower()
    return any(own in (each.lower(), each.lower().removeprefix("gpu-")) for each in ids)


def _nothing(detected: Detected, kind: str, backend: str) -> str:
    there = ", ".join(f.exporter.title for f in detected.there())
    said = f"It has {there}, which do not tell a job's energy. " if there else ""
    if detected.tenant:
        return said + (
            "It shows the series of one namespace only, and exporters are in others: recording rules copy "
            "them, where administrators add what sovlab manifests telemetry prints."
        )
    backends = (CPU,) if kind == CPU else (backend,) if backend else _BACKENDS
    absent = [f.why for f in detected.exporters.values() if not f.there and f.exporter.backend in backends]
    return said + (" ".join(absent) or "It has no exporter of such devices.")
