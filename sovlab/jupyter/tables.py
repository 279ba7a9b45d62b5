"""Tables and plans in a cell's output."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape

from sovlab import views
from sovlab.core.job import JobRecord
from sovlab.core.spec import Plan
from sovlab.executors.executor import Capacity
from sovlab.settings import Settings


class Shown:
    """A table or text for a cell: HTML for the notebook, text for everything else."""

    def __init__(self, *parts: views.Table | str) -> None:
        self._parts = [part for part in parts if part]

    def _repr_html_(self) -> str:
        return "".join(
            _table(p) if isinstance(p, views.Table) and p.rows else f"<p>{escape(_text(p))}</p>"
            for p in self._parts
        )

    def __repr__(self) -> str:
        return "\n\n".join(_text(part) for part in self._parts)


def _text(part: views.Table | str) -> str:
    return part.text() if isinstance(part, views.Table) else part


def _table(table: views.Table) -> str:
    left = ' style="text-align:left"'
    head = "".join(f"<th{left}>{escape(c)}</th>" for c in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td{left}>{escape(c)}</td>" for c in row) + "</tr>" for row in table.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _show(*parts: views.Table | str) -> None:
    from IPython.display import display

    display(Shown(*parts))


def show_jobs(records: Sequence[JobRecord], total: int) -> None:
    """List jobs; says how many more there are."""
    more = (
        f"{total - len(records)} older jobs are not shown; %sovjobs --all shows them."
        if total > len(records)
        else ""
    )
    _show(views.jobs(records, time.time()), more)


def show_capacity(items: Sequence[Capacity], target: str) -> None:
    """List hardware."""
    _show(f"Target {target}", views.capacity(items))


def show_targets(settings: Settings, chosen: str | None) -> None:
    """List targets and mark the one in use."""
    current = settings.target_named(chosen).name
    rows = tuple(
        ("→" if name == current else "", name, target.executor)
        for name, target in sorted(settings.targets.items())
    )
    _show(views.Table(("", "Target", "Executor"), rows))


def show_plan(plan: Plan) -> None:
    """Show what a submit would do."""
    _show(*views.describe(plan))
