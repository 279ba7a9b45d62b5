"""What a target has of each backend."""

from __future__ import annotations

from collections.abc import Sequence

from sovlab.core.capacity import Capacity
from sovlab.core.units import format_bytes
from sovlab.views.table import UNKNOWN, Table


def capacity_table(items: Sequence[Capacity]) -> Table:
    """Hardware, one backend a row."""
    rows = []
    for item in items:
        detection = item.detection
        models = sorted({d.model for d in detection.devices if d.model})
        memory = sorted({d.memory for d in detection.devices if d.memory})
        what = ", ".join(models) + (f", {format_bytes(memory[-1])}" if memory else "")
        rows.append(
            (
                detection.backend,
                f"{_number(item.free)} of {_number(item.total)}" if item.total else "none here",
                str(item.queued) if item.queued else UNKNOWN,
                what if detection.devices else detection.why,
                item.source,
            )
        )
    return Table(("Backend", "Free", "Waiting", "What", "Source"), tuple(rows))


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:g}"
