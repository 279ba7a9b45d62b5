"""Tables of targets and their settings, for the notebook and the shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sovlab.core.target import TargetSummary
from sovlab.core.units import format_bytes, format_duration
from sovlab.settings.toml import literal
from sovlab.views.table import UNKNOWN, Table


def targets_table(targets: Sequence[TargetSummary], current: str) -> Table:
    """All targets, and which is in use.

    Args:
        targets: one a row.
        current: the name of the one in use.
    """
    rows = tuple(("→" if t.name == current else "", t.name, t.executor, t.where) for t in targets)
    return Table(("", "Target", "Executor", "Where"), rows)


def target_table(target: TargetSummary) -> Table:
    """All settings of a target, and where each comes from."""
    rows = [("executor", target.executor, target.source)]
    rows += [(key, _value(key, value), target.sources[key]) for key, value in target.settings.items()]
    return Table(("Setting", "Value", "Source"), tuple(rows))


def _value(key: str, value: Any) -> str:
    if value is None or value in ("", {}, []):
        return UNKNOWN
    if key == "memory":
        return format_bytes(value)
    if key in ("keep", "hold"):
        return format_duration(value)
    return value if isinstance(value, str) else literal(value)
