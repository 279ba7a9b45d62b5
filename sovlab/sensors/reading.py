"""`Reading`: a number with where it is from. No number of power or heat is shown without that."""

from __future__ import annotations

from typing import NamedTuple, Optional

COUNTER = "counter"
"""The device counted it."""
SAMPLED = "sampled"
"""Put together from samples."""
ATTRIBUTED = "attributed"
"""A part of what was measured of something that others use too."""
MODELLED = "modelled"
"""Computed from something else; never added to what was measured."""
UNAVAILABLE = "unavailable"
"""Not known."""
SOURCES = (COUNTER, SAMPLED, ATTRIBUTED, MODELLED, UNAVAILABLE)
"""From the best to none."""


class Reading(NamedTuple):
    """One number that was measured, or why there is none.

    Attributes:
        quantity: ``energy``, ``power``, ``temperature``, ….
        unit: ``J``, ``W``, ``°C`` or ``1`` for a share.
        value: None if it is not known.
        source: one of `SOURCES`.
        method: how, for people: ``NVML energy counter``.
        scope: of what: ``device``, ``board``, ``module``, ``package``, ``node``, or ``job``.
        coverage: share of the time of which the value is, 0 to 1.
        device: id of the device; empty for a sum.
        why: what is to be known of it: why there is no value, or what is not in it.
    """

    quantity: str
    unit: str
    value: Optional[float] = None
    source: str = UNAVAILABLE
    method: str = ""
    scope: str = "device"
    coverage: float = 0.0
    device: str = ""
    why: str = ""


def worst(*sources: str) -> str:
    """The source of a sum: the last in `SOURCES` of those of its parts."""
    return max(sources, key=SOURCES.index) if sources else UNAVAILABLE
