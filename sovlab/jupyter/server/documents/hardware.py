"""What a target has of each backend, how its devices do, and what ``auto`` takes of it, as one document."""

from __future__ import annotations

import time
from collections.abc import Mapping

from sovlab.client import Client
from sovlab.core.capacity import Capacity
from sovlab.core.energy.condition import Condition, Figure
from sovlab.jupyter.server.models import Backend, Backends
from sovlab.jupyter.server.models import Figure as Told
from sovlab.views.document import printable

_PATIENCE = 2.0
"""Seconds that a page waits for heat and power; what comes later is there when it asks again."""
_NONE = Condition()


def backends(client: Client, target: str) -> Backends:
    """Ask what a target has and how its devices do.

    Raises:
        ExecutorError: it gives no answer.
    """
    found = client.hardware(target, patience=_PATIENCE)
    return Backends(
        target=target,
        time=time.time(),
        auto=found.auto,
        auto_why=_line(found.why),
        backends=[
            _backend(item, found.conditions.get(item.detection.backend, _NONE), found.passed)
            for item in found.capacities
        ],
    )


def _backend(item: Capacity, condition: Condition, passed: Mapping[str, str]) -> Backend:
    devices = item.detection.devices
    return Backend(
        name=item.detection.backend,
        free=item.free,
        total=item.total,
        queued=item.queued,
        models=sorted({printable(device.model) for device in devices if device.model}),
        memory=max((device.memory for device in devices if device.memory), default=None),
        why=printable(item.detection.why),
        source=printable(item.source),
        seen=item.seen,
        celsius=_figure(condition.celsius, "°C"),
        slowed=_figure(condition.slowed, "devices"),
        headroom=_figure(condition.headroom, "W"),
        passed=_line(passed.get(item.detection.backend, "")),
    )


def _figure(figure: Figure, unit: str) -> Told:
    return Told(
        value=figure.value, unit=unit, source=_line(figure.source), seen=figure.seen, why=_line(figure.why)
    )


def _line(text: str) -> str:
    return " ".join(printable(text).split())
