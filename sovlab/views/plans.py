"""What a submit would do: the answer to ``--dry-run``, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from sovlab.core.plan import Plan
from sovlab.core.units import format_bytes, format_duration, format_limit
from sovlab.payload.secrets import without_secrets
from sovlab.views.jobs import hardware_words
from sovlab.views.table import Table


def sizes_table(variables: Sequence[tuple[str, str, int]]) -> Table:
    """Variables that would be sent, one a row: (name, type, bytes)."""
    return Table(("Name", "Type", "Size"), tuple((n, t, format_bytes(s)) for n, t, s in variables))


def plan_document(plan: Plan) -> dict[str, Any]:
    """What a submit would do, as JSON can say it: of the environment the names, of arguments no secret."""
    document: dict[str, Any] = msgspec.to_builtins(plan)
    document["spec"]["env"] = sorted(plan.spec.env)
    document["spec"]["args"] = without_secrets(plan.spec.args)
    return document


def describe_plan(plan: Plan) -> list[Table | str]:
    """What a submit would do, as sentences and tables in order."""
    spec = plan.spec
    limits = [
        f"{spec.resources.cpu:g} core{'' if spec.resources.cpu == 1 else 's'}" if spec.resources.cpu else "",
        f"{format_limit(spec.resources.memory)} of memory" if spec.resources.memory else "",
        f"at most {format_duration(spec.timeout)}" if spec.timeout else "",
        f"queue {spec.queue}" if spec.queue else "",
        f"priority {spec.priority}" if spec.priority else "",
    ]
    parts: list[Table | str] = [
        f"Would submit {spec.name!r} to target {plan.target}: {hardware_words(spec)}"
        + "".join(f", {limit}" for limit in limits if limit)
        + f". Backend: {spec.backend_why}",
        f"Payload: {format_bytes(plan.payload)}, sha256 {spec.payload[:12]}. "
        + (f"Returns {', '.join(spec.outputs)}." if spec.outputs else "Returns no variables."),
    ]
    if plan.variables:
        parts.append(sizes_table([(name, kind, size) for name, (kind, size) in plan.variables.items()]))
    if plan.files:
        parts.append(f"Local modules: {', '.join(plan.files)}")
    parts += plan.messages
    if plan.checked:
        parts.append(f"The API server would accept all {len(plan.manifests)} objects (dryRun=All).")
    return [*parts, "Nothing was submitted (--dry-run)."]
