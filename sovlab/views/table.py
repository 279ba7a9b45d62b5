"""A table as text in cells, for whoever draws it."""

from __future__ import annotations

import msgspec

_SHORT = 28
"""Characters of a cell that are never broken into lines."""
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

    def html(self) -> str:
        """As HTML; all text is escaped."""
        from html import escape

        if not self.rows:
            return f"<p>{escape(self.empty)}</p>"
        head = "".join(_cell("th", column) for column in self.columns)
        rows = "".join("<tr>" + "".join(_cell("td", text) for text in row) + "</tr>" for row in self.rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _repr_html_(self) -> str:
        return self.html()

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__  # where a table is the last word of a cell without HTML

    def text(self) -> str:
        """As aligned plain text."""
        if not self.rows:
            return self.empty
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        return "\n".join(
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines
        )


def _cell(tag: str, text: str) -> str:
    from html import escape

    # Short texts stay on one line, where a long one beside them can give way.
    style = "text-align:left" + (";white-space:nowrap" if len(text) <= _SHORT else "")
    return f'<{tag} style="{style}">{escape(text)}</{tag}>'


def counted(number: int, one: str, many: str = "") -> str:
    """``1 GPU``, ``2 GPUs``; ``many`` where the plural is not made with an s."""
    return f"{number} {one if number == 1 else many or one + 's'}"
