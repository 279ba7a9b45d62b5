"""Cells of notebooks that nobody has checked: what is in them, and which of two notebooks belong together."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

_NOTHING: dict[str, Any] = {}


def members(value: object) -> Mapping[str, Any]:
    """An object's members; none where it is no object."""
    return value if isinstance(value, Mapping) else _NOTHING


def joined(value: object) -> str:
    """Text, which nbformat may hold as a list of lines; empty where it is neither."""
    if isinstance(value, str):
        return value
    return "".join(part for part in value if isinstance(part, str)) if isinstance(value, list) else ""


def source_of(cell: Mapping[str, Any]) -> str:
    """The source of a cell."""
    return joined(cell.get("source"))


def outputs_of(cell: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The outputs of a cell that are objects."""
    outputs = cell.get("outputs")
    return [output for output in outputs if isinstance(output, Mapping)] if isinstance(outputs, list) else []


def was_run(cell: Mapping[str, Any]) -> bool:
    """Whether a cell left a trace of having run; what sovlab or papermill says of it counts before that."""
    status = _status(cell)
    if status in ("not run", "not-run"):
        return False
    return cell.get("execution_count") is not None or bool(outputs_of(cell)) or status.startswith(_BROKEN_OFF)


_BROKEN_OFF = ("killed", "timeout", "cancelled", "left running")


def ended(cell: Mapping[str, Any]) -> str:
    """How a cell ended: empty where it came to its end, else the exception's type or what broke it off."""
    status = _status(cell)
    if status.startswith(_BROKEN_OFF):
        return status
    for output in reversed(outputs_of(cell)):
        if output.get("output_type") == "error":
            return joined(output.get("ename")) or "an exception"
    # Magics that fail and sys.exit() leave no output of an error.
    return (
        "an exception"
        if members(members(cell.get("metadata")).get("papermill")).get("exception") is True
        else ""
    )


def _status(cell: Mapping[str, Any]) -> str:
    return joined(members(members(cell.get("metadata")).get("sovlab")).get("status"))


@dataclass(frozen=True, slots=True)
class CodeCell:
    """A code cell and its place.

    Attributes:
        number: among all cells, from 1.
        id: empty where it has none.
        cell: as it stands in the notebook.
    """

    number: int
    id: str
    cell: Mapping[str, Any]


class Pair(NamedTuple):
    """Two cells that belong together, or one that stands alone."""

    recorded: CodeCell | None
    again: CodeCell | None


def code_cells(notebook: Mapping[str, Any]) -> list[CodeCell]:
    """The code cells of a notebook."""
    cells = notebook.get("cells")
    return [
        CodeCell(number, joined(cell.get("id")), cell)
        for number, cell in enumerate(cells if isinstance(cells, list) else [], start=1)
        if isinstance(cell, Mapping) and cell.get("cell_type") == "code"
    ]


def paired(recorded: list[CodeCell], again: list[CodeCell]) -> list[Pair]:
    """Which cells belong together: in the order of the record, then those that only the second run has.

    By id, where both have it once; of the rest by source, in order; of these by place among the code cells.
    Whoever writes a notebook without ids gives it new ones each time.
    """
    partner: dict[int, int] = {}
    places = {cell.id: place for place, cell in enumerate(again)}
    once = _once(recorded) & _once(again)
    for place, cell in enumerate(recorded):
        if cell.id in once:
            partner[place] = places[cell.id]
    taken = set(partner.values())
    by_source: dict[str, deque[int]] = defaultdict(deque)
    for place, cell in enumerate(again):
        if place not in taken:
            by_source[source_of(cell.cell)].append(place)
    for place, cell in enumerate(recorded):
        if place not in partner and by_source.get(source_of(cell.cell)):
            partner[place] = by_source[source_of(cell.cell)].popleft()
    taken = set(partner.values())
    for place in range(min(len(recorded), len(again))):
        if place not in partner and place not in taken:
            partner[place] = place
    taken = set(partner.values())
    pairs = [Pair(cell, again[partner[i]] if i in partner else None) for i, cell in enumerate(recorded)]
    return pairs + [Pair(None, cell) for place, cell in enumerate(again) if place not in taken]


def _once(cells: list[CodeCell]) -> set[str]:
    return {each for each, count in Counter(cell.id for cell in cells).items() if count == 1 and each}
