"""A comparison for people in a terminal: a table, and what stands above it."""

from __future__ import annotations

from sovlab.batch.verifying.drift import devices_differ
from sovlab.batch.verifying.result import CellResult, Comparison, Verdict
from sovlab.core.untrusted import clean
from sovlab.views.document import printable
from sovlab.views.table import Table, counted

_LONGEST = 400


def exit_code(comparison: Comparison) -> int:
    """0 where every cell is the same, within tolerance or ignored; 1 where one is not."""
    return 0 if comparison.passed else 1


def summary(comparison: Comparison) -> tuple[str, ...]:
    """What there is to say of the whole, as sentences: what drifted first, then how many cells are what.

    Across different hardware equality is not promised: where the devices differ a sentence says so, and
    how far numbers are apart.
    """
    said = [shown(each.sentence) for each in comparison.drift if not each.name]
    silent = [each.name[:1].lower() + each.name[1:] for each in comparison.drift if each.name]
    if silent:
        names = ", ".join(name if name != "python" else "Python" for name in silent)
        said.append(f"Neither run says what these were: {names}.")
    if devices_differ(comparison.drift):
        said.append(f"Equal numbers are not promised across different devices. {_apart(comparison)}")
    if not comparison.cells:
        return (*said, "There are no code cells: nothing was compared.")
    counts = ", ".join(f"{count} {verdict}" for verdict, count in comparison.counts.items())
    said.append(f"{counted(len(comparison.cells), 'code cell')}: {counts}.")
    if all(cell.verdict is Verdict.IGNORED for cell in comparison.cells):
        said.append("Nothing was compared.")
    return tuple(said)


def _apart(comparison: Comparison) -> str:
    furthest = comparison.furthest
    if furthest is None:
        return "No number that was compared changed."
    changed = sum(cell.numbers.changed for cell in comparison.cells)
    return f"{counted(changed, 'number')} changed; cell {furthest.number} {furthest.numbers.apart()}."


def cells_table(comparison: Comparison, *, every: bool = False) -> Table:
    """A row per cell that needs a look: which, its verdict, and why.

    Args:
        comparison: of the two runs.
        every: with those that are the same.
    """
    rows = tuple(
        (cell_name(cell), str(cell.verdict), _why(cell))
        for cell in comparison.cells
        if every or cell.verdict is not Verdict.SAME or cell.words or cell.notes
    )
    return Table(("Cell", "Verdict", "Why"), rows, empty="Every cell is the same.")


def cell_name(cell: CellResult) -> str:
    """``Cell 3 [id] first line``: unique in its notebook by its number."""
    extra = "" if cell.recorded is not None else " of the second run"
    return (
        f"Cell {cell.number}{extra}{f' [{shown(cell.id)}]' if cell.id else ''} {shown(cell.title)}".rstrip()
    )


def details(cell: CellResult) -> list[str]:
    """What differs, line by line, with the first difference of each output."""
    lines = [shown(each) for each in cell.notes]
    for each in cell.differences:
        lines.append(f"{shown(each.where)}: {shown(each.words)}")
        if each.recorded or each.again:
            lines += [f"  record: {shown(each.recorded)}", f"  now:    {shown(each.again)}"]
    return lines


def _why(cell: CellResult) -> str:
    first = next(
        (each for each in cell.differences if each.verdict is not Verdict.SAME and each.recorded), None
    )
    pair = f" ({shown(first.recorded)[:60]} → {shown(first.again)[:60]})" if first else ""
    return " ".join([shown(cell.words) + pair, *map(shown, cell.notes)]).strip()


def shown(text: str) -> str:
    """Text of a notebook on one line, without what a terminal, XML or UTF-8 could not take."""
    one_line = " ".join(clean(text, _LONGEST).split("\n"))
    return printable(one_line)
