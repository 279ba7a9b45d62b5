"""What the devices of a running job draw, as a message."""

from __future__ import annotations

import time

from sovlab.core.energy.history import PowerHistory
from sovlab.jupyter.server.models import Reading
from sovlab.jupyter.server.stream.messages import Readings, Watts
from sovlab.views.document import printable
from sovlab.views.energy import limit_words

_MOST = 200


def readings(target: str, job: str, history: PowerHistory) -> Readings:
    """The last look at each device, the first 200.

    Args:
        target: of the job.
        job: its id.
        history: what was seen.
    """
    found = []
    for number in [n for n in history.numbers if n in history.devices][:_MOST]:
        device = history.devices[number]
        watts, joules = history.watts([number]), history.joules([number])
        source = history.source([number])
        found.append(
            Watts(
                id=printable(device.id),
                kind=printable(device.kind),
                name=printable(device.name),
                index=device.index,
                power=_reading(watts, "W", "sampled" if source == "unavailable" else source, device.scope),
                celsius=history.celsius([number]),
                joules=_reading(joules, "J", source, device.scope),
                slowed=[printable(cause) for cause in history.slowing([number])],
            )
        )
    limits = [printable(limit_words(seen)) for seen in history.limits.values()]
    return Readings(target=target, job=job, time=time.time(), devices=found, limits=limits)


def _reading(value: float | None, unit: str, source: str, scope: str) -> Reading:
    known = value is not None
    return Reading(
        value=value,
        unit=unit,
        source=source if known else "unavailable",  # type: ignore[arg-type]
        method="",
        scope=printable(scope),
        coverage=None,
        why="" if known else "it is not known now",
    )
