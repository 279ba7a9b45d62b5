"""Queries of a temperature, for exporters that tell it of each device in °C."""

from __future__ import annotations

from sovlab.sensors.reading import SAMPLED
from sovlab.telemetry.exporters import shapes
from sovlab.telemetry.exporters.query import DEVICES, JOB, TEMPERATURE, Query

_HOTTEST = 200


def temperature(metric: str, place: str, method: str) -> tuple[Query, ...]:
    """The highest of a job, and that of devices now.

    Args:
        metric: the exporter's name of it.
        place: where in the device, e.g. ``memory``.
        method: how it is known, for people.
    """
    texts = ((JOB, shapes.hottest(metric, "$job")), (DEVICES, shapes.now(metric, "$where", _HOTTEST)))
    return tuple(
        Query(
            quantity=TEMPERATURE,
            of=of,
            text=text,
            needs=(metric,),
            source=SAMPLED,
            method=method,
            place=place,
        )
        for of, text in texts
    )
