"""Finds numbers of energy, power and heat that say not where they are from, and zeros that stand for unknown.

The words are the product's own (`SOURCE_WORDS`). A number that a person gave (a budget, a limit of heat, a
cap) or that a device has as its own bound is none that was measured; it is told by what stands before it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

NUMBER = r"(?P<number>-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)\s?(?P<unit>kWh|MWh|Wh|kJ|MJ|J|kW|MW|W|°C)(?![\w/])"
SOURCE = re.compile(r"\b(counted|sampled|attributed|modelled)\b")
GIVEN = re.compile(
    r"(?:--energy-budget|--max-temperature|--power-cap|\ballows(?: each)?|\ballow|\bof)\s(?:the\s)?$"
    r"|^(?:Power cap|Budget)[:\s]\s*$|^Limit[:\s]\s*$|slows itself at $|keeps to (?:\d+ to )?$"
)
"""What stands before a number that was given."""
NUMERIC = {"mean", "peak", "idle", "joules", "used", "low", "high", "margin"}
BOUNDS = {"limit", "slowdown"}
UNITS = {"J", "W", "°C"}


def in_text(text: str) -> list[str]:
    """What is wrong with text: each line is a row."""
    return [fault for line in text.splitlines() for fault in in_row(line)]


def in_row(row: str, given: tuple[tuple[int, int], ...] = ()) -> list[str]:
    """What is wrong with one row, one sentence or one element."""
    faults = []
    for match in re.finditer(NUMBER, row):
        if GIVEN.search(row[: match.start()]) or match.start() in [begin for begin, _ in given]:
            continue
        if not SOURCE.search(row):
            faults.append(f"{match[0]!r} says not where it is from: {row.strip()!r}")
        elif float(match["number"].replace(",", "")) == 0:
            faults.append(f"{match[0]!r} may stand for what is not known: {row.strip()!r}")
    units = {
        match["unit"] for match in re.finditer(NUMBER, row) if match["unit"] in ("J", "Wh", "kWh", "MWh")
    }
    if len(units) > 1:
        faults.append(f"units are mixed: {row.strip()!r}")
    return faults


class _Rows(HTMLParser):
    """The text of each element that holds no other block, cells of a table's row together."""

    BLOCKS = ("div", "tr", "p", "pre", "li")

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[str] = []
        self._open: list[list[str]] = [[]]
        self._columns: list[str] = []
        self._cell = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in self.BLOCKS:
            self._open.append([])
        for name, value in attributes:
            if name in ("aria-label", "title") and value:
                self.rows.append(value)
        if tag in ("td", "th"):
            self._cell = tag

    def handle_endtag(self, tag: str) -> None:
        if tag in self.BLOCKS and len(self._open) > 1:
            self.rows.append(" ".join(" ".join(self._open.pop()).split()))
        if tag in ("td", "th"):
            self._cell = ""

    def handle_data(self, data: str) -> None:
        # A limit of a device is in a column of its own; it is the device's, and nothing measured it.
        self._open[-1].append(f"| {data}" if self._cell else data)


def in_html(page: str) -> list[str]:
    """What is wrong with HTML: numbers and their sources stand in one row."""
    parser = _Rows()
    parser.feed(page)
    parser.close()
    rows = [*parser.rows, *(" ".join(part) for part in parser._open)]
    return [fault for row in rows for fault in in_row(html.unescape(row))]


def in_table(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> list[str]:
    """What is wrong with a table: a row's cells together; the column Limit is of a device's own bound."""
    return [
        fault
        for row in rows
        for fault in in_row(
            " | ".join(cell for name, cell in zip(columns, row, strict=True) if name != "Limit")
        )
    ]


def in_json(value: Any, path: str = "") -> list[str]:
    """What is wrong with JSON: each number has its source in the same object; what is not known is null."""
    return list(_in_json(value, path))


def _in_json(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _in_json(each, f"{path}[{number}]")
    elif isinstance(value, str):
        if not path.endswith((".why", ".method", ".message", ".traceback")):
            yield from (f"{path}: {fault}" for fault in in_text(value))
    elif isinstance(value, dict):
        if value.get("unit") in UNITS and "value" in value:
            yield from _reading(value, path)
        for key, each in value.items():
            where = f"{path}.{key}"
            if key in NUMERIC and _is_number(each):
                yield from _bare(value, key, each, where)
            elif key == "hottest" and each and "sources" in value:
                if value["sources"].get("hottest") != "sampled":
                    yield f"{where} says not where it is from"
            elif key == "hottest" and isinstance(each, dict) and each:
                yield f"{where} says not where it is from"
            else:
                yield from _in_json(each, where)


def _reading(reading: dict[str, Any], path: str) -> Iterator[str]:
    known = reading["value"] is not None
    if known == (reading.get("source", "unavailable") == "unavailable"):
        yield f"{path} is {reading['value']} by {reading.get('source')}"
    if known and not reading.get("method"):
        yield f"{path} says not how it is known"
    if known and reading["value"] == 0:
        yield f"{path} is 0"
    if not known and not reading.get("why"):
        yield f"{path} says not why it is not known"


def _bare(value: dict[str, Any], key: str, number: float, where: str) -> Iterator[str]:
    source = value["sources"].get(key) if "sources" in value else value.get("source")
    if not source or source == "unavailable":
        yield f"{where} = {number} says not where it is from"
    if number == 0 and key not in ("idle", "used", "margin"):
        yield f"{where} is 0"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
