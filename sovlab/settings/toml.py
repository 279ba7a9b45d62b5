"""TOML text, changed in one place: comments, order and everything else stay as they are.

No parser that writes is needed: lines are a statement when Python's own parser accepts them as one. The
caller parses the result and compares it with the intended document, so that text which is written in an
unusual way is refused rather than damaged.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_TOP_KEY = r"(?m)^([ \t]*)(?:{key}|\"{key}\"|'{key}')[ \t]*=[ \t]*(?:\"[^\"\n]*\"|'[^'\n]*')"


@dataclass(frozen=True, slots=True)
class _Item:
    """A header, a statement, or what lies between them.

    Attributes:
        kind: ``header``, ``statement`` or ``other``.
        table: parts of the name of the table that it is in, or opens.
        text: its lines, with their newlines.
        content: what a statement sets; empty for others.
    """

    kind: str
    table: tuple[str, ...]
    text: str
    content: Mapping[str, Any]


def literal(value: Any) -> str:
    """A value as TOML writes it on one line."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(k)} = {literal(v)}" for k, v in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(literal(each) for each in value)}]"
    return json.dumps(value, ensure_ascii=False)


def with_top_key(content: str, key: str, value: str) -> str:
    """The text with ``key = "value"`` before its first table."""
    line = f"{key} = {literal(value)}"
    table = re.search(r"(?m)^[ \t]*\[", content)
    top, rest = (content[: table.start()], content[table.start() :]) if table else (content, "")
    after, replaced = re.subn(_TOP_KEY.format(key=key), lambda match: match[1] + line, top, count=1)
    if not replaced:
        after = f"{top.rstrip()}\n{line}\n".lstrip("\n") + ("\n" if rest else "")
    return after + rest


def with_table(
    content: str, table: Sequence[str], values: Mapping[str, Any], *, keep: Sequence[str] = ()
) -> str:
    """The text with a table that holds just ``values``.

    An existing table stays where it is, with its comments and the lines that need no change; a new one comes
    last.

    Args:
        content: TOML.
        table: parts of the table's name.
        values: its new content; tables within it are written as inline values.
        keep: parts of the name of a table within it that is left as it is, with those within that.
    """
    path, kept_path = tuple(table), tuple(keep)
    items = [
        item
        for item in _items(content)
        if not _is_inside(item.table, path)
        or (kept_path and (item.table == kept_path or _is_inside(item.table, kept_path)))
    ]
    if not any(item.kind == "header" and item.table == path for item in items):
        before = "".join(item.text for item in items)
        gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
        return f"{before}{gap}[{'.'.join(map(_key, path))}]\n" + "".join(_lines(values))
    done: set[str] = set()
    result: list[_Item] = []
    last = 0
    for item in items:
        if item.table == path and item.kind == "statement":
            changed = _changed(item, values, done)
            if changed is None:
                continue
            item = changed
        result.append(item)
        if item.table == path and item.kind != "other":
            last = len(result)
            if not item.text.endswith("\n"):
                result[-1] = replace(item, text=item.text + "\n")
    rest = {key: value for key, value in values.items() if key not in done}
    return "".join([*(i.text for i in result[:last]), *_lines(rest), *(i.text for i in result[last:])])


def without_table(content: str, table: Sequence[str]) -> str:
    """The text without a table and those within it. Comments above its header stay."""
    path = tuple(table)
    items = list(_items(content))
    inside = [item.table == path or _is_inside(item.table, path) for item in items]
    # What follows the last statement of a table belongs to what comes next.
    for number in range(len(items) - 1, -1, -1):
        following = number + 1 < len(items) and inside[number + 1] and items[number + 1].kind != "header"
        if items[number].kind == "other" and inside[number] and not following:
            inside[number] = False
    result = ""
    for item, removed in zip(items, inside, strict=True):
        if removed:
            continue
        if item.text.strip() == "" and (result == "" or result.endswith("\n\n")):
            continue
        result += item.text
    return result.rstrip("\n") + "\n" if result.strip() else ""


def _changed(item: _Item, values: Mapping[str, Any], done: set[str]) -> _Item | None:
    """A statement with its new value; None if its key is to go."""
    (key,) = item.content
    if key not in values or key in done:
        return None
    done.add(key)
    if item.content[key] == values[key]:
        return item
    return replace(item, text=f"{_key(key)} = {literal(values[key])}{_remark(item)}\n")


def _remark(item: _Item) -> str:
    """The comment at the end of a statement, with the space before it."""
    text = item.text.rstrip("\n")
    for match in re.finditer(r"[ \t]*#", text):
        try:
            if tomllib.loads(text[: match.start()]) == item.content:
                return text[match.start() :]
        except tomllib.TOMLDecodeError:
            continue
    return ""


def _items(content: str) -> Iterator[_Item]:
    lines = re.findall(r"[^\n]*\n|[^\n]+", content)
    table: tuple[str, ...] = ()
    number = 0
    while number < len(lines):
        line = lines[number]
        if not line.strip() or line.lstrip().startswith("#"):
            yield _Item("other", table, line, {})
        elif line.lstrip().startswith("["):
            table = _header(line)
            yield _Item("header", table, line, {})
        else:
            size, values = _statement(lines[number:])
            kind, text = "statement" if len(values) == 1 else "other", "".join(lines[number : number + size])
            yield _Item(kind, table, text, values)
            number += size - 1
        number += 1


def _statement(lines: Sequence[str]) -> tuple[int, Mapping[str, Any]]:
    """How many lines the first statement has, and what it sets; empty if it is not valid TOML."""
    for size in range(1, len(lines) + 1):
        try:
            return size, tomllib.loads("".join(lines[:size]))
        except tomllib.TOMLDecodeError:
            continue
    return 1, {}


def _header(line: str) -> tuple[str, ...]:
    try:
        document: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ("",)
    path = []
    while isinstance(document, dict) and document:
        (name,) = document
        path.append(name)
        document = document[name]
    return tuple(path)


def _is_inside(table: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return len(table) > len(path) and table[: len(path)] == path


def _lines(values: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {literal(value)}\n" for key, value in values.items()]


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
