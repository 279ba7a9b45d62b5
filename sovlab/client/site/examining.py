"""What a target's Prometheus has and lacks, as findings: with what would bring back what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sovlab.core.finding import Finding, degraded, ok, phrase
from sovlab.core.units import format_duration
from sovlab.telemetry.catalogue import usable
from sovlab.telemetry.exporters.query import (
    CPU,
    DEVICES,
    ENERGY,
    GPU,
    JOB,
    POWER,
    TEMPERATURE,
    THROTTLED,
)
from sovlab.telemetry.site import scale_note
from sovlab.telemetry.transport.failures import PrometheusError

if TYPE_CHECKING:
    from sovlab.client.site.site import Site
    from sovlab.telemetry.detection import Detected, Found

_RULES = "Its administrators add what sovlab manifests telemetry prints."
_QUANTITIES = (
    ("power", POWER, DEVICES, None),
    ("temperature", TEMPERATURE, DEVICES, None),
    ("throttling", THROTTLED, DEVICES, GPU),
    ("energy of a job's GPUs", ENERGY, JOB, GPU),
    ("energy of a job's processors", ENERGY, JOB, CPU),
)
_WANTED = {GPU: ("cuda", "rocm", "hpu"), CPU: ("cpu",)}


def site_findings(site: Site) -> list[Finding]:
    """What it has; jobs run without it, so nothing of it is more than degraded, and nothing is raised."""
    try:
        detected = site.answered(site.detection.get)
    except PrometheusError as error:
        return [degraded("prometheus", phrase(error), error.hint)]
    return [
        _reached(site),
        *_found(detected),
        *_quantities(detected, in_pods=site.namespace is not None),
        *_scales(site),
    ]


def _reached(site: Site) -> Finding:
    skew, where = site.prometheus.skew, site.prometheus.where
    if abs(skew) < 60:
        return ok("prometheus", f"{where} answers")
    way = "ahead of" if skew > 0 else "behind"
    return ok(
        "prometheus",
        f"{where} answers; its clock is {format_duration(abs(skew))} {way} this machine's",
        "Numbers are asked for by its clock; the site should set both.",
    )


def _found(detected: Detected) -> Iterator[Finding]:
    there = detected.there()
    if not there:
        advice = _RULES if detected.tenant else "Ask for dcgm-exporter, Kepler or their like to be scraped."
        shown = "none in the namespace that it shows" if detected.tenant else "none is known here"
        yield degraded("exporters", shown, advice)
    for found in there:
        yield ok(f"exporter {found.exporter.title}", ", ".join(_tells(found)) or "nothing of power or heat")


def _tells(found: Found) -> list[str]:
    said = [
        word
        for word, quantity in (
            ("power", POWER),
            ("energy", ENERGY),
            ("temperature", TEMPERATURE),
            ("throttling", THROTTLED),
        )
        if usable(found.exporter, found.names, quantity, DEVICES)
        or usable(found.exporter, found.names, quantity, JOB)
    ]
    if found.exporter.pods:
        said.append("names whose pod uses a device" if found.names_pods else "names no pods now")
    return said


def _quantities(detected: Detected, *, in_pods: bool) -> Iterator[Finding]:
    for word, quantity, usual, kind in _QUANTITIES:
        if not in_pods and usual == JOB and kind == CPU:
            continue  # a processor is not a job's because it ran on it
        of = usual if in_pods else DEVICES
        titles = [
            found.exporter.title
            for found in detected.there()
            if usable(found.exporter, found.names, quantity, of, kind) and (of != JOB or found.names_pods)
        ]
        if titles:
            yield ok(word, f"from {', '.join(titles)}")
        elif of == JOB and kind is not None:
            yield degraded(word, "no exporter tells it", _back(detected, kind))
        else:
            yield degraded(word, "no exporter tells it", _RULES if detected.tenant else "")


def _back(detected: Detected, kind: str) -> str:
    """What would bring the energy of jobs."""
    if detected.tenant:
        return _RULES
    nameless = [
        f.exporter.title
        for f in detected.there()
        if f.exporter.pods and not f.names_pods and usable(f.exporter, f.names, ENERGY, JOB, kind)
    ]
    if nameless:
        return f"{', '.join(nameless)} names pods once one has a device, if it is set to map them."
    missing = [
        f.why for f in detected.exporters.values() if not f.there and f.exporter.backend in _WANTED[kind]
    ]
    return " ".join(dict.fromkeys(missing))


def _scales(site: Site) -> Iterator[Finding]:
    for query in site.profile.pdu:
        note = scale_note(query)
        if note:
            yield degraded("pdu", note, "Correct scale in the target's [prometheus] section.")
