"""Nodes and backends as a site's Prometheus sees them: power, energy, heat, throttling of each device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import NamedTuple

from sovlab.sensors.reading import Reading, worst
from sovlab.telemetry.asking import SiteReading, ask
from sovlab.telemetry.catalogue import usable
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.detection import Detected, Found
from sovlab.telemetry.exporters.query import CPU, DEVICES, GPU, UNITS, Query
from sovlab.telemetry.transport.failures import QUERY, PrometheusError

RECENT = 120.0
"""Seconds in which the last two samples of a counter are looked for, where power is known by it only."""


_AT_ONCE = 40
"""Nodes in one query."""
_WORDS = {
    "power": "power",
    "energy": "energy",
    "temperature": "temperature",
    "throttled": "throttling",
    "limit": "power limit",
}


class SiteNumbers(NamedTuple):
    """What was found of some devices.

    Attributes:
        quantity: that was asked for.
        readings: of each exporter that has some; those of two exporters may be of the same devices, so of
            each backend only those of one are to be added: `first`.
        why: why an exporter has none, by its title.
    """

    quantity: str
    readings: tuple[SiteReading, ...]
    why: Mapping[str, str]

    def first(self, kind: str) -> tuple[SiteReading, ...]:
        """Those of a kind of device: of each backend's by the best exporter that has any."""
        mine = [each for each in self.readings if each.kind == kind]
        best: dict[tuple[str, str], str] = {}
        for each in mine:
            best.setdefault((each.backend, each.apart), each.exporter)
        return tuple(each for each in mine if each.exporter == best[each.backend, each.apart])

    def total(self, kind: str) -> Reading:
        """The sum of `first`; without a value and with the reason if there is nothing to add."""
        reasons = " ".join(self.why.values())
        return summed(self.quantity, [each.reading for each in self.first(kind)], reasons)


def of_nodes(
    prometheus: Prometheus,
    detected: Detected,
    nodes: Iterable[str] | None,
    quantity: str,
    *,
    at: float | None = None,
    span: float = RECENT,
) -> SiteNumbers:
    """A quantity of all devices of some nodes.

    Args:
        prometheus: to ask.
        detected: what it has.
        nodes: names and addresses of the nodes; None is all that the server knows.
        quantity: ``power``, ``limit``, ``energy``, ``temperature`` or ``throttled``.
        at: by the server's clock; None is now.
        span: seconds before that of which energy and throttling are.

    Raises:
        PrometheusError: it gave no answer.
    """
    return _asked(prometheus, detected, quantity, at, span, None if nodes is None else list(nodes))


def of_backend(
    prometheus: Prometheus,
    detected: Detected,
    backend: str,
    quantity: str,
    *,
    nodes: Iterable[str] | None = None,
    at: float | None = None,
    span: float = RECENT,
) -> SiteNumbers:
    """A quantity of all devices of a backend, as in `of_nodes`.

    Args:
        prometheus: to ask.
        detected: what it has.
        backend: ``cuda``, ``rocm``, ``xpu``, ``hpu`` or ``cpu``.
        quantity: as in `of_nodes`.
        nodes: on which; None is all that the server knows.
        at: as in `of_nodes`.
        span: as in `of_nodes`.
    """
    kind = CPU if backend == CPU else GPU
    wanted = None if nodes is None else list(nodes)
    return _asked(prometheus, detected, quantity, at, span, wanted, backend, kind)


def _asked(
    prometheus: Prometheus,
    detected: Detected,
    quantity: str,
    at: float | None,
    span: float,
    nodes: list[str] | None,
    backend: str | None = None,
    kind: str | None = None,
) -> SiteNumbers:
    moment = prometheus.now() if at is None else at
    readings: list[SiteReading] = []
    why: dict[str, str] = {}
    for found in detected.exporters.values():
        title = found.exporter.title
        queries = usable(found.exporter, found.names, quantity, DEVICES, kind, backend)
        wheres = _wheres(found, nodes)
        if not found.there:
            if backend in (None, found.exporter.backend):
                why[title] = found.why
        elif not queries:
            if backend in (None, found.exporter.backend):
                why[title] = f"{title} has no {_WORDS[quantity]} here."
        elif not wheres:
            why[title] = f"{title} is on none of these nodes, or calls them otherwise."
        else:
            got, refused = _each(prometheus, found, queries, moment, span, wheres)
            readings += got
            if not got:
                why[title] = refused or f"{title} has no {_WORDS[quantity]} of them now."
    return SiteNumbers(quantity, tuple(readings), why)


def _wheres(found: Found, nodes: list[str] | None) -> list[str]:
    """Matchers of some nodes, or of all; several, as a query of hundreds would be too long."""
    if nodes is None:
        return [""]
    parts = (found.where(nodes[i : i + _AT_ONCE]) for i in range(0, len(nodes), _AT_ONCE))
    return list(dict.fromkeys(part for part in parts if part is not None))


def _each(
    prometheus: Prometheus,
    found: Found,
    queries: Iterable[Query],
    at: float,
    span: float,
    wheres: Sequence[str],
) -> tuple[list[SiteReading], str]:
    """What its queries tell, and what the server said of those that it refused: one hides no other."""
    got: list[SiteReading] = []
    refused = ""
    for query, where in product(queries, wheres):
        try:
            got += ask(prometheus, found, query, at=at, span=span, where=where)
        except PrometheusError as error:
            if error.reason != QUERY:
                raise
            refused = str(error)
    return got, refused


def summed(quantity: str, readings: Iterable[Reading], why: str) -> Reading:
    """The sum of readings of one quantity; without a value, and with ``why``, if there are none."""
    parts = [reading for reading in readings if reading.value is not None]
    if not parts:
        return Reading(quantity, UNITS[quantity], why=why)
    scopes = {part.scope for part in parts}
    return Reading(
        quantity,
        UNITS[quantity],
        sum(part.value or 0.0 for part in parts),
        worst(*(part.source for part in parts)),
        "; ".join(dict.fromkeys(part.method for part in parts)),
        scopes.pop() if len(scopes) == 1 else "device",
        min(part.coverage for part in parts),
        why="; ".join(dict.fromkeys(part.why for part in parts if part.why)),
    )
