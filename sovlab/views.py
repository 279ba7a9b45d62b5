"""Tables of jobs, hardware and targets, as text in cells: one for the notebook and the shell."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sovlab.core.job import JobRecord, JobState, JobStatus
from sovlab.core.spec import JobSpec, Plan
from sovlab.core.units import format_bytes, format_clock, format_duration, format_limit
from sovlab.executors.executor import Capacity

if TYPE_CHECKING:
    from sovlab.kube.findings import Finding

UNKNOWN = "—"
"""What is shown for a number that is not known; never 0."""


class Code(str):
    """Text that is shown as it is, line by line."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under columns.

    Attributes:
        columns: their headings.
        rows: one cell per column.
        empty: what to show where there are no rows: what to do next.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = ""

    def text(self) -> str:
        """As aligned plain text."""
        if not self.rows:
            return self.empty
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines
        )


def state_words(status: JobStatus, now: float) -> str:
    """A status in a few words: ``running 38 s``, ``waiting, 2 ahead``, ``failed: user error``."""
    if status.state is JobState.QUEUED:
        return f"waiting, {status.ahead} ahead" if status.ahead else "waiting"
    elapsed = status.elapsed(now)
    if status.state is JobState.RUNNING and elapsed is not None:
        done = status.progress.fraction if status.progress else None
        return f"running {format_clock(elapsed)}" + (f", {done:.0%}" if done is not None else "")
    if status.state is JobState.FAILED and status.reason:
        return f"failed: {status.reason.replace('_', ' ')}"
    return str(status.state)


def hardware(spec: JobSpec) -> str:
    """What a job was given, in a few words: ``cuda, 2 nodes × 4 GPUs``."""
    parts = [spec.backend]
    each = []
    if spec.resources.gpus:
        each.append(_count(spec.resources.gpus, "GPU"))
    elif spec.procs > 1:
        each.append(_count(spec.procs, "process", "processes"))
    if spec.nodes > 1:
        parts.append(" × ".join([_count(spec.nodes, "node"), *each]))
    else:
        parts += each
    return ", ".join(parts)


def jobs(records: Sequence[JobRecord], now: float) -> Table:
    """Jobs, one a row."""
    rows = []
    for record in records:
        status, spec = record.status, record.spec
        elapsed = status.elapsed(now)
        rows.append(
            (
                record.name,
                state_words(status, now),
                hardware(spec) if spec else UNKNOWN,
                moment(status.submitted, now),
                format_duration(elapsed) if elapsed is not None else UNKNOWN,
                record.id,
            )
        )
    return Table(
        ("Name", "State", "Hardware", "Submitted", "Ran", "Id"),
        tuple(rows),
        "No jobs yet. Submit one with %%sovsubmit above a cell, or: sovlab submit script.py",
    )


def capacity(items: Sequence[Capacity]) -> Table:
    """Hardware, one backend a row."""
    rows = []
    for item in items:
        found = item.detection
        models = sorted({d.model for d in found.devices if d.model})
        memory = sorted({d.memory for d in found.devices if d.memory})
        what = ", ".join(models) + (f", {format_bytes(memory[-1])}" if memory else "")
        rows.append(
            (
                found.backend,
                f"{_number(item.free)} of {_number(item.total)}" if item.total else "none here",
                str(item.queued) if item.queued else UNKNOWN,
                what if found.devices else found.why,
                item.source,
            )
        )
    return Table(("Backend", "Free", "Waiting", "What", "Known from"), tuple(rows))


def moment(time: float | None, now: float) -> str:
    """A time of day, with the date if it was not today."""
    if time is None:
        return UNKNOWN
    then, today = (datetime.datetime.fromtimestamp(t).astimezone() for t in (time, now))
    return then.strftime("%H:%M:%S" if then.date() == today.date() else "%Y-%m-%d %H:%M")


def sizes(variables: Sequence[tuple[str, str, int]]) -> Table:
    """Variables that would be sent, one a row."""
    return Table(("Name", "Type", "Size"), tuple((n, t, format_bytes(s)) for n, t, s in variables))


def describe(plan: Plan) -> list[Table | str]:
    """What a submit would do, for people."""
    spec = plan.spec
    limits = [
        f"{spec.resources.cpu:g} core{'' if spec.resources.cpu == 1 else 's'}" if spec.resources.cpu else "",
        f"{format_limit(spec.resources.memory)} of memory" if spec.resources.memory else "",
        f"at most {format_duration(spec.timeout)}" if spec.timeout else "",
        f"queue {spec.queue}" if spec.queue else "",
        f"priority {spec.priority}" if spec.priority else "",
    ]
    parts: list[Table | str] = [
        f"Would submit {spec.name!r} to target {plan.target}: {hardware(spec)}"
        + "".join(f", {limit}" for limit in limits if limit)
        + f". Backend: {spec.backend_why}",
        f"Payload: {format_bytes(plan.payload)}, sha256 {spec.payload[:12]}. "
        + (f"Returns {', '.join(spec.outputs)}." if spec.outputs else "Returns no variables."),
    ]
    if plan.variables:
        parts.append(sizes([(name, kind, size) for name, (kind, size) in plan.variables.items()]))
    if plan.files:
        parts.append(f"Local modules: {', '.join(plan.files)}")
    parts += plan.messages
    if plan.checked:
        parts.append(f"The API server would accept all {len(plan.manifests)} objects (dryRun=All).")
    return [*parts, "Nothing was submitted (--dry-run)."]


def manifests(plan: Plan) -> Code:
    """The objects that a submit would make, as YAML; empty where there are none."""
    from sovlab.kube.printing import yaml_text

    return Code(yaml_text(plan.manifests) if plan.manifests else "")


def findings(found: Sequence[Finding]) -> Table:
    """What a look at a cluster found, one fact a row."""
    rows = tuple((each.what, str(each.level), each.found, each.advice) for each in found)
    return Table(("What", "State", "Found", "More"), rows)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:g}"
