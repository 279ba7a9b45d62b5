"""Queries that only a site can know: its power distribution units, its cooling, whatever else it measures.

Their PromQL is the user's own settings', and asked as it is written.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sovlab.sensors.reading import SAMPLED, Reading
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.profile import PrometheusProfile, SiteQuery
from sovlab.telemetry.transport.failures import QUERY, TOO_MUCH, PrometheusError

PDU, COOLANT = "pdu", "coolant"

_PDU_SCALES = {
    "rPDU2DeviceStatusPower": 10.0,
    "rPDU2PhaseStatusPower": 10.0,
    "ePDU2DeviceStatusPowerLoad": 1.0,
    "ePDU2OutletMeteredStatusActivePower": 1.0,
    "st4OutletActivePower": 1.0,
    "st4InputCordActivePower": 1.0,
}
"""What makes watts of what PDUs' MIBs count in; APC's in hundredths of a kilowatt."""


class SiteAnswer(NamedTuple):
    """What a query of a site's own says.

    Attributes:
        name: ``pdu``, ``coolant`` or the site's own name.
        of: what it is of, as the site's settings say; may be empty.
        readings: one for each series, its device named by its labels; one without a value if there is none.
    """

    name: str
    of: str
    readings: tuple[Reading, ...]


def site_answers(
    prometheus: Prometheus, profile: PrometheusProfile, *, at: float | None = None
) -> tuple[SiteAnswer, ...]:
    """The answers to all queries of a target's section; one that is refused hides no other.

    Raises:
        PrometheusError: the server gave no answer at all.
    """
    queries = [
        *((PDU, "power", each) for each in profile.pdu),
        *((COOLANT, COOLANT, each) for each in profile.coolant),
        *((name, name, each) for name, each in profile.own.items()),
    ]
    moment = prometheus.now() if at is None else at
    return tuple(
        SiteAnswer(name, query.of, _readings(prometheus, quantity, query, moment))
        for name, quantity, query in queries
    )


def own_answers(
    prometheus: Prometheus, profile: PrometheusProfile, names: Iterable[str], *, at: float | None = None
) -> tuple[SiteAnswer, ...]:
    """The answers to those of the site's own queries that have one of some names.

    Raises:
        PrometheusError: the server gave no answer at all.
    """
    queries = [(name, profile.own[name]) for name in names if name in profile.own]
    moment = prometheus.now() if at is None and queries else at or 0.0
    return tuple(
        SiteAnswer(name, query.of, _readings(prometheus, name, query, moment)) for name, query in queries
    )


def scale_note(query: SiteQuery) -> str:
    """What is odd about the scale of a query of a PDU whose unit is known; empty if nothing is."""
    for metric, scale in _PDU_SCALES.items():
        if metric in query.query and query.unit in ("W", "kW"):
            right = scale / (1000 if query.unit == "kW" else 1)
            if abs(query.scale - right) > 1e-9:
                return f"{metric} becomes {query.unit} with scale = {right:g}, and not with {query.scale:g}"
    return ""


def _readings(prometheus: Prometheus, quantity: str, query: SiteQuery, at: float) -> tuple[Reading, ...]:
    none = Reading(quantity, query.unit, scope="site")
    try:
        answer = prometheus.query(query.query, at)
    except PrometheusError as error:
        if error.reason not in (QUERY, TOO_MUCH):
            raise
        return (none._replace(why=str(error)),)
    if not answer.samples:
        return (none._replace(why="The query gives no value now."),)
    note = "; ".join(filter(None, (scale_note(query), *answer.notes)))
    return tuple(
        Reading(
            quantity,
            query.unit,
            sample.value * query.scale,
            SAMPLED,
            "the site's own query",
            "site",
            1.0,
            ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()) if key != "__name__"),
            note,
        )
        for sample in answer.samples
    )
