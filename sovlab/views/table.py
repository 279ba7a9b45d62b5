"""A table as text in cells, for whoever draws it."""

from __future__ import annotations

import msgspec

UNKNOWN = "—"
"""What is shown for a number that is not known; never 0."""


class Code(str):
    """Text that is shown as it is, line by line."""

    __slots__ = ()


class Table(msgspec.Struct, frozen=True):
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


def counted(number: int, one: str, many: str = "") -> str:
    """``1 GPU``, ``2 GPUs``; ``many`` where the plural is not made with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"
