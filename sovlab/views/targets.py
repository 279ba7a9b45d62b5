"""Tables of targets and their settings, for the notebook and the shell."""

from __future__ import annotations

from typing import Any

from sovlab.core.units import format_bytes, format_duration
from sovlab.settings import Settings, Target
from sovlab.views.table import UNKNOWN, Table


def targets_table(settings: Settings, chosen: str | None = None) -> Table:
    """All targets, and which is in use.

    Args:
        settings: that apply.
        chosen: the one that this session has chosen; None is the current one of the settings.
    """
    current = settings.target_named(chosen).name
    rows = tuple(
        ("→" if name == current else "", name, target.executor, _where(target))
        for name, target in sorted(settings.targets.items())
    )
    return Table(("", "Target", "Executor", "Where"), rows)


def _where(target: Target) -> str:
    if target.cluster is None:
        return "this machine"
    cluster = target.cluster
    place = f"context {cluster.context}" if cluster.context is not None else "this cluster"
    return f"{place}, namespace {cluster.namespace}" if cluster.namespace else place


def target_table(settings: Settings, name: str | None) -> Table:
    """All settings of a target, and where each comes from."""
    found = settings.target_named(name)
    table: Any = settings.local if found.cluster is None else found.cluster
    prefix = "local" if found.cluster is None else f"targets.{found.name}"
    rows = [("executor", found.executor, found.source)]
    for key in table.__struct_fields__:
        value = getattr(table, key)
        rows.append((key, _value(key, value), settings.source(f"{prefix}.{key}")))
    return Table(("Setting", "Value", "Known from"), tuple(rows))


def _value(key: str, value: Any) -> str:
    if value is None or value in ("", {}, []):
        return UNKNOWN
    from sovlab.settings.toml import literal

    if key == "memory":
        return format_bytes(value)
    if key in ("keep", "hold"):
        return format_duration(value)
    return value if isinstance(value, str) else literal(value)
