"""What a site's Prometheus says a job took, beside what the job measured itself; the two are never added.

The site's number has gaps: it sees a counter at each scrape only, and a job that is over before the second
scrape not at all. So it is the cross-check, and the job's own number the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sovlab.core.energy.report import ACCELERATORS, PROCESSORS, EnergyReport
from sovlab.core.units import format_energy
from sovlab.sensors.reading import Reading, worst
from sovlab.telemetry.asking import SiteReading
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.detection import Detected, Detection
from sovlab.telemetry.devices import summed
from sovlab.telemetry.energy_of_job import JobSpan, site_energy
from sovlab.telemetry.exporters.query import CPU, ENERGY, GPU, JobPods

_SORTS = ((ACCELERATORS, GPU), (PROCESSORS, CPU))


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTotal:
    """The joules of a job in devices of one sort, by both.

    Attributes:
        group: ``accelerators`` or ``processors``.
        own: what the job measured.
        site: what the site's Prometheus has; without a value and with the reason if that is nothing.
        difference: site − own, in J; without a value where they cannot be compared, with the reason.
        sentence: all of that, for people.
        devices: what the site has of each device.
        others: what other exporters have: the same joules once more.
    """

    group: str
    own: Reading
    site: Reading
    difference: Reading
    sentence: str
    devices: tuple[SiteReading, ...] = ()
    others: tuple[SiteReading, ...] = ()


def totals_of_job(
    prometheus: Prometheus,
    detection: Detection,
    pods: JobPods | None,
    span: JobSpan,
    own: EnergyReport | None,
    *,
    nodes: Sequence[str] = (),
    backend: str = "",
) -> tuple[JobTotal, ...]:
    """The joules of a job by sort of device, as measured inside it and by the site.

    Asked at once when a job ends, the last scrapes may not have arrived: their time is missing, and coverage
    says so. A minute later they have.

    Args:
        prometheus: to ask.
        detection: what it has.
        pods: of the job; None if it ran in none.
        span: when it ran.
        own: what it measured; None if that is nothing.
        nodes: on which it ran, if that is known.
        backend: of the job: of a job for ``cpu`` only processors are asked for; empty if it is not known.

    Returns:
        One for each sort of device that either has a number of; at least one.

    Raises:
        PrometheusError: the server gave no answer.
    """
    totals: list[JobTotal] = []
    # Labels change: those that name a pod are there only once a pod has had a device.
    for look in (detection.get, lambda: detection.at(span.by(prometheus)[1])):
        detected = look()
        totals = [
            _total(prometheus, detected, pods, span, own, nodes, backend, *sort)
            for sort in _SORTS
            if backend != CPU or sort[1] == CPU
        ]
        if any(total.site.value is not None for total in totals):
            break
    known = [each for each in totals if each.own.value is not None or each.site.value is not None]
    return tuple(known or totals[:1])


def _total(
    prometheus: Prometheus,
    detected: Detected,
    pods: JobPods | None,
    span: JobSpan,
    own: EnergyReport | None,
    nodes: Sequence[str],
    backend: str,
    group: str,
    kind: str,
) -> JobTotal:
    mine = own.group(group) if own is not None else None
    measured = (
        mine.energy if mine is not None else Reading(ENERGY, "J", scope="job", why="it measured nothing")
    )
    ids = mine.devices if mine is not None else ()
    site = site_energy(prometheus, detected, pods, span, kind, ids=ids, nodes=nodes, backend=backend)
    compared, why = _comparable(site.total, site.devices, ids, own.nodes if own is not None else 1)
    difference = Reading(ENERGY, "J", scope="job", why=why) if why else compare(measured, compared)
    return JobTotal(
        group=group,
        own=measured,
        site=site.total,
        difference=difference,
        sentence=_sentence(measured, site.total, compared, difference),
        devices=site.devices,
        others=site.others,
    )


def _comparable(
    total: Reading, devices: Sequence[SiteReading], ids: Sequence[str], nodes: int
) -> tuple[Reading, str]:
    """What of the site's is of the devices that the job measured, or why that is not known."""
    same = [each.reading for each in devices if each.reading.device in ids]
    found = {reading.device for reading in same}
    if found and found == set(ids):
        return summed(ENERGY, same, ""), ""
    if found:
        return total, f"the site has {len(found)} of the {len(set(ids))} devices that the job measured"
    if nodes > 1 and total.value is not None:
        return total, f"the job's own is of one of its {nodes} nodes, the site's of all"
    return total, ""


def compare(own: Reading, site: Reading) -> Reading:
    """Site − own, in J; without a value, and with the reason, where the two are not of the same."""
    none = Reading(ENERGY, "J", scope="job")
    if own.value is None:
        return none._replace(why=f"the job itself has none: {own.why}")
    if site.value is None:
        return none._replace(why=site.why)
    if own.scope == "board" and site.scope == "job":
        return none._replace(why="the job's own is of whole boards, the site's of its share of them")
    return Reading(
        ENERGY,
        "J",
        site.value - own.value,
        worst(own.source, site.source),
        f"{site.method} − {own.method}",
        site.scope,
        min(own.coverage, site.coverage),
    )


def _sentence(own: Reading, site: Reading, compared: Reading, difference: Reading) -> str:
    if site.value is None:
        return f"The site's Prometheus has no energy of this job: {_ended(site.why)}"
    how = "; ".join(part for part in (site.method, site.why) if part)
    said = f"The site's Prometheus has {format_energy(site.value, own.value or 0.0)} ({how})"
    if own.value is None:
        return f"{said}; the job itself measured nothing."
    said = f"{said}, the job itself {format_energy(own.value, site.value)} ({own.method})"
    if difference.value is None or compared.value is None:
        return f"{said}; they are not compared: {_ended(difference.why)}"
    share = abs(difference.value) / own.value if own.value else 0.0
    which = "more" if difference.value > 0 else "less"
    told = f"{share:.1%} {which}" if share >= 0.0005 else "the same"
    if compared.value != site.value:
        told = f"{told} on the devices that both measured"
    gaps = f" It was scraped over {site.coverage:.0%} of the job's time." if site.coverage < 0.95 else ""
    return f"{said}: {told}.{gaps}"


def _ended(why: str) -> str:
    return why if why.endswith((".", "!")) else f"{why}."
