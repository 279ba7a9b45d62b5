"""Tables and plans in a cell's output."""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from sovlab.core.job import JobRecord
from sovlab.core.plan import Plan
from sovlab.core.target import TargetSummary
from sovlab.views.findings import findings_table
from sovlab.views.hardware import capacity_table
from sovlab.views.jobs import jobs_table
from sovlab.views.plans import describe_plan
from sovlab.views.table import Code, Table, counted
from sovlab.views.targets import target_table, targets_table
from sovlab.views.yaml import plan_yaml

if TYPE_CHECKING:
    from sovlab.client.conditions.hardware import Hardware
    from sovlab.client.site.power import SitePower
    from sovlab.core.energy.report import EnergyReport
    from sovlab.core.finding import Finding


class Shown:
    """A table or text for a cell: HTML for the notebook, text for everything else."""

    def __init__(self, *parts: Table | str) -> None:
        self._parts = [part for part in parts if part]

    def _repr_html_(self) -> str:
        return "".join(map(_html, self._parts))

    def __repr__(self) -> str:
        return "\n\n".join(_text(part) for part in self._parts)


def _html(part: Table | str) -> str:
    if isinstance(part, Table):
        return part.html()
    tag = "pre" if isinstance(part, Code) else "p"
    return f"<{tag}>{escape(part)}</{tag}>"


def _text(part: Table | str) -> str:
    return part.text() if isinstance(part, Table) else part


def show_parts(*parts: Table | str) -> None:
    """Show sentences and tables, in order."""
    from IPython.display import display

    display(Shown(*parts))


def show_jobs(records: Sequence[JobRecord], total: int, *, owners: bool = False, others: int = 0) -> None:
    """List jobs; says how many more there are.

    Args:
        records: those to list.
        total: how many there are.
        owners: whether a column says who submitted each.
        others: how many of other users are left out.
    """
    more = (
        f"{total - len(records)} older jobs are not shown; %sovjobs --all shows them."
        if total > len(records)
        else ""
    )
    not_shown = f"{counted(others, 'job')} of others: %sovjobs --all-users shows all." if others else ""
    show_parts(jobs_table(records, time.time(), owners=owners), more, not_shown)


def show_power(report: EnergyReport) -> None:
    """Display what this machine draws, and what is not measured."""
    from sovlab.views.power import power_table, unavailable_table

    unavailable = unavailable_table(report) if report.devices and report.unavailable else ""
    show_parts(power_table(report), unavailable)


def show_site_power(found: SitePower) -> None:
    """Display what a target's devices draw, as its site's Prometheus has it."""
    from sovlab.views.site import devices_table, own_table

    own = own_table(found.own) if found.own else ""
    show_parts(f"As Prometheus at {found.where} has it:", devices_table(found.numbers), own)


def show_hardware(*found: Hardware) -> None:
    """List the hardware of targets, how it does, and what ``auto`` takes of it."""
    parts: list[Table | str] = []
    for each in found:
        parts.append(f"Target {each.target}")
        if each.auto:
            table = capacity_table(each.capacities, each.conditions, time.time())
            parts += [table, f"auto takes {each.why}"]
        else:
            parts.append(each.why)
    show_parts(*parts)


def show_targets(targets: Sequence[TargetSummary], current: str, *sentences: str) -> None:
    """List targets and mark the one in use."""
    show_parts(targets_table(targets, current), *sentences)


def show_target(target: TargetSummary) -> None:
    """Show all settings of a target."""
    show_parts(target_table(target))


def show_findings(found: Sequence[Finding], *sentences: str) -> None:
    """Show what a look at a cluster found."""
    show_parts(findings_table(found), *sentences)


def show_plan(plan: Plan) -> None:
    """Show what a submit would do."""
    show_parts(*describe_plan(plan), plan_yaml(plan))
