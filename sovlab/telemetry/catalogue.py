"""The catalogue: which exporters there may be, and what each can be asked."""

from __future__ import annotations

from collections.abc import Iterable

from sovlab.telemetry.exporters.amd import AMD
from sovlab.telemetry.exporters.chassis import IDRAC, IPMI, REDFISH
from sovlab.telemetry.exporters.gaudi import GAUDI
from sovlab.telemetry.exporters.intel import XPUM, XPUMD
from sovlab.telemetry.exporters.kepler import KEPLER
from sovlab.telemetry.exporters.node import NODE_EXPORTER
from sovlab.telemetry.exporters.nvidia import DCGM, NVIDIA_GPU
from sovlab.telemetry.exporters.query import Exporter, Query

EXPORTERS: tuple[Exporter, ...] = (
    DCGM,
    NVIDIA_GPU,
    AMD,
    XPUMD,
    XPUM,
    GAUDI,
    KEPLER,
    NODE_EXPORTER,
    IPMI,
    IDRAC,
    REDFISH,
)
"""Of those that measure the same devices, the better first: their joules are the same, and never added."""


def exporter(name: str) -> Exporter:
    """The one of that name.

    Raises:
        KeyError: there is none.
    """
    return {each.name: each for each in EXPORTERS}[name]


def usable(
    exporter: Exporter,
    names: Iterable[str],
    quantity: str,
    of: str,
    kind: str | None = None,
    backend: str | None = None,
) -> tuple[Query, ...]:
    """The queries for a quantity that can be asked: one for each kind of device and place in it.

    Args:
        exporter: whose.
        names: of its metrics that are there, without a prefix.
        quantity: ``power``, ``limit``, ``energy``, ``temperature`` or ``throttled``.
        of: ``job`` or ``devices``.
        kind: of device; None is all.
        backend: whose devices; None is all.
    """
    there = frozenset(names)
    chosen: dict[tuple[str, str, str], Query] = {}
    for query in exporter.queries:
        fits = query.quantity == quantity and query.of == of and kind in (None, query.kind)
        whose = exporter.backend if query.backend is None else query.backend
        fits = fits and backend in (None, whose)
        if fits and there.issuperset(query.needs):
            chosen.setdefault((query.kind, query.place, query.variant), query)
    return tuple(chosen.values())
