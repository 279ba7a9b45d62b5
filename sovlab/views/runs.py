"""Runs of a notebook in words, in a table, and as one JSON document.

Its schema is ``runs.schema.json`` beside this module.

Rows are as `sovlab.batch.many.Many` gives them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sovlab.core.units import format_duration, format_energy
from sovlab.views.sweep import (
    NOT_SUBMITTED,
    Row,
    kind_words,
    point_words,
    source_words,
    sweep_document,
    sweep_notes,
    value_words,
)
from sovlab.views.table import UNKNOWN, Table

_COLUMNS = 12
"""Recorded names that have a column in the table; the document has all."""
_PLACE = 200


def runs_table(rows: Sequence[Row]) -> Table:
    """Runs, one a row: what differs between them, how each ended, what it recorded, time, energy, output."""
    names = _telling(rows)
    recorded = list(dict.fromkeys(name for row in rows for name in row["recorded"]))[:_COLUMNS]
    # A name may be both a parameter's and recorded.
    columns = (*names, "State", *recorded, "Ran", "Energy", "Source", "Output")
    return Table(columns, tuple(_cells(row, names, recorded) for row in rows), "No runs.")


def _telling(rows: Sequence[Row]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for name in row["point"]))
    several = [n for n in names if len({value_words(n, row["point"].get(n)) for row in rows}) > 1]
    return several or names


def _cells(row: Row, names: Sequence[str], recorded: Sequence[str]) -> tuple[str, ...]:
    reason = f": {row['reason'].replace('_', ' ')}" if row["reason"] else ""
    return (
        *(value_words(name, row["point"][name]) for name in names),
        row["state"] + reason,
        *(value_words(n, row["recorded"][n]) if n in row["recorded"] else UNKNOWN for n in recorded),
        UNKNOWN if row["seconds"] is None else format_duration(row["seconds"]),
        UNKNOWN if row["joules"] is None else format_energy(row["joules"]),
        source_words(row),
        _place(row),
    )


def runs_notes(rows: Sequence[Row]) -> list[str]:
    """What is to be known when the runs are compared, and how many were there already."""
    there = sum(row["found"] in ("ended", "complete") for row in rows)
    had = [f"{there} of {len(rows)} had ended before, and were not run again."] if there else []
    return [*had, *sweep_notes(rows)]


def runs_document(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Runs as JSON can say them; nothing that looks like a secret is in it."""
    bare = [{key: value for key, value in row.items() if key not in ("recorded", "output")} for row in rows]
    document = sweep_document(name, bare)
    for run, row in zip(document["runs"], rows, strict=True):
        run["output"] = value_words("", row["output"], 4000)
        run["recorded"] = {key: _plain(value) for key, value in row["recorded"].items()}
    return {**document, "notes": runs_notes(rows)}


def changed_words(row: Row, count: int) -> str:
    """What has become of a run: ``[3/10] lr=0.1, seed=2 succeeded in 41 s, 1.2 kJ → out-0.1-2.ipynb``."""
    point = point_words(row["point"])
    begin = f"[{row['number']}/{count}] {point}{' ' if point else ''}"
    if row["state"] == NOT_SUBMITTED:
        return f"{begin}was not submitted: {value_words('', row['why'], 400)}"
    if row["status"] is None:
        return f"{begin}{row['state']}: job {row['id']} on target {row['target']}"
    how = "in" if row["status"] == 0 else "after"
    took = f" {how} {format_duration(row['seconds'])}" if row["seconds"] is not None else ""
    energy = f", {format_energy(row['joules'])} ({kind_words(row)})" if row["joules"] is not None else ""
    before = ", before" if row["found"] in ("ended", "complete") else ""
    why = f": {value_words('', row['message'], 400)}" if row["message"] else ""
    return f"{begin}{row['state']}{took}{energy}{before}{why} → {_place(row)}"


def _place(row: Mapping[str, Any]) -> str:
    return value_words("", row["output"], _PLACE) or UNKNOWN


def _plain(value: Any) -> Any:
    """A value that `sovlab.batch.results` has read, as JSON has it."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
