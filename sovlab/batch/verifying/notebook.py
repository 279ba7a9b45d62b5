"""A comparison as a notebook: a summary, and both outputs of each cell that differs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from sovlab.batch.verifying.cells import joined, members, outputs_of, source_of
from sovlab.batch.verifying.report import cell_name, details, shown, summary
from sovlab.batch.verifying.result import CellResult, Comparison, Verdict
from sovlab.core.untrusted import clean

_LONGEST = 200_000
"""Characters of one output that are copied."""
_MOST = 20_000_000
"""Characters of all outputs that are copied."""
_DEEPEST = 30
_WIDGETS = "application/vnd.jupyter.widget"


def report_notebook(comparison: Comparison, notebook: str) -> dict[str, Any]:
    """A notebook of nbformat 4.5 that tells of a comparison, what drifted first.

    What it is made of nobody has checked: texts are set as code, and outputs are copied as they are, for
    JupyterLab to show as those of a notebook that is not trusted. It has no views of widgets, because their
    models are not in it, and outputs that are very long or deep are left out, with a word in their place.

    Args:
        comparison: of the two runs.
        notebook: its path, as it is to be shown.
    """
    head = [f"# {_code(notebook)} compared", "", *(f"- {_literal(each)}" for each in summary(comparison))]
    cells = [_markdown("summary", head)]
    room = _Room()
    for place, cell in enumerate(comparison.cells):
        if cell.verdict in (Verdict.SAME, Verdict.IGNORED):
            continue
        cells.append(_markdown(f"cell-{place}", _told(cell)))
        for name, words, run in (
            ("record", "the record", cell.recorded),
            ("again", "this run", cell.again),
        ):
            if run is not None:
                cells.append(_code_cell(f"cell-{place}-{name}", words, run, room))
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def _told(cell: CellResult) -> list[str]:
    lines = [f"## Cell {cell.number}: {cell.verdict}", "", _code(cell_name(cell))]
    if cell.words:
        lines += ["", _literal(shown(cell.words))]
    told = details(cell)[:40]
    return [*lines, "", *_fenced(told)] if told else lines


def _markdown(cell_id: str, lines: Iterable[str]) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": cell_id, "metadata": {}, "source": "\n".join(lines)}


def _code_cell(cell_id: str, words: str, run: Mapping[str, Any], room: _Room) -> dict[str, Any]:
    source = source_of(run)
    short = clean(source, _LONGEST)
    return {
        "cell_type": "code",
        "id": cell_id,
        "metadata": {},
        "execution_count": None,
        "source": f"# {words}\n{short}",
        "outputs": [_copied(output, room) for output in outputs_of(run)],
    }


class _Room:
    """How much may still be copied."""

    def __init__(self) -> None:
        self._left = _MOST

    def has(self, size: int) -> bool:
        """Whether there is room for so many characters more; if so it is taken."""
        if size > min(_LONGEST * 5, self._left):
            return False
        self._left -= size
        return True


def _copied(output: Mapping[str, Any], room: _Room) -> dict[str, Any]:
    """An output as nbformat wants it, whatever it was."""
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return _stream(name, clean(joined(output.get("text")), _LONGEST), room)
    if kind == "error":
        traceback = output.get("traceback")
        lines = (
            [clean(line) for line in traceback[:200] if isinstance(line, str)]
            if isinstance(traceback, list)
            else []
        )
        named = {key: clean(joined(output.get(key))) for key in ("ename", "evalue")}
        return {"output_type": "error", **named, "traceback": lines}
    data: dict[str, Any] = {}
    for mime, value in members(output.get("data")).items():
        if mime.startswith(_WIDGETS):
            continue
        copy = _value(mime, value)
        if copy is None or not room.has(len(copy) if isinstance(copy, str) else len(json.dumps(copy))):
            data.setdefault("text/plain", f"({shown(mime)}: left out, too long or not as it should be)")
        else:
            data[clean(mime, 100)] = copy
    return {"output_type": "display_data", "data": data, "metadata": {}}


def _stream(name: str, text: str, room: _Room) -> dict[str, Any]:
    kept = text if room.has(len(text)) else "(left out, too long)\n"
    return {"output_type": "stream", "name": name, "text": kept}


def _value(mime: str, value: Any) -> Any:
    """A value that can be saved; None if it cannot."""
    if mime.endswith("json"):
        return _finite(value, _DEEPEST)
    text = joined(value)
    known = type(value) in (str, list) and len(text) <= _LONGEST * 5
    return _HALF.sub("\ufffd", text) if known else None


def _finite(value: Any, deepest: int) -> Any:
    """JSON without numbers that it does not know and keys that are no text; None where it is too deep."""
    if isinstance(value, Mapping) and deepest:
        return {_HALF.sub("\ufffd", str(key)): _finite(item, deepest - 1) for key, item in value.items()}
    if isinstance(value, list) and deepest:
        return [_finite(item, deepest - 1) for item in value]
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    return value if isinstance(value, (int, bool)) and abs(value) < 10**300 else None


_HALF = re.compile("[\ud800-\udfff]")
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+!|~$&-])")


def _literal(text: str) -> str:
    """Text of which Markdown shows every character."""
    return _MARKUP.sub(r"\\\1", text)


def _code(text: str) -> str:
    """Text as a span of code."""
    return f"`{shown(text).replace('`', 'ˋ')}`"


def _fenced(lines: list[str]) -> list[str]:
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *lines, fence]
