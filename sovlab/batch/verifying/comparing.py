"""`compare`: what became of each code cell of a record in a second run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sovlab.batch.verifying.cells import (
    CodeCell,
    Pair,
    code_cells,
    ended,
    members,
    paired,
    source_of,
    was_run,
)
from sovlab.batch.verifying.drift import drift
from sovlab.batch.verifying.outputs import compare_outputs
from sovlab.batch.verifying.result import CellResult, Comparison, Difference, Verdict
from sovlab.batch.verifying.tags import Marks, marks_of
from sovlab.batch.verifying.tolerance import Tolerance

_TITLE = 80
_Judged = tuple[Verdict, str, tuple[Difference, ...]]


def compare(
    recorded: Mapping[str, Any], again: Mapping[str, Any], options: Tolerance | None = None
) -> Comparison:
    """What became of each code cell of a record in a second run.

    Metadata, tracebacks, execution counts and views of widgets are not compared.

    Args:
        recorded: the notebook of the record, as JSON of nbformat 4; nothing in it need be right.
        again: that of the second run.
        options: how much they may differ.
    """
    options = options or Tolerance()
    pairs = paired(code_cells(recorded), code_cells(again))
    return Comparison(
        cells=tuple(_compare_pair(pair, options) for pair in pairs), drift=drift(_run(recorded), _run(again))
    )


def _run(notebook: Mapping[str, Any]) -> Mapping[str, Any]:
    return members(members(notebook.get("metadata")).get("sovlab"))


def _compare_pair(pair: Pair, options: Tolerance) -> CellResult:
    recorded, again = pair
    if recorded is None or again is None:
        alone = recorded or again
        assert alone is not None
        words = "the second run does not have it" if recorded else "the record does not have it"
        return _result(alone, pair, (Verdict.MISSING, words, ()), [])
    marks = marks_of(recorded.cell)
    if source_of(recorded.cell) != source_of(again.cell):
        marks.notes.append("Its source is not that of the record.")
    return _result(recorded, pair, _judge(recorded.cell, again.cell, marks, options), marks.notes)


def _judge(
    recorded: Mapping[str, Any], again: Mapping[str, Any], marks: Marks, options: Tolerance
) -> _Judged:
    """The verdict in the order that counts: was it run, how did it end, what did it leave."""
    if marks.skip:
        return Verdict.IGNORED, "its tag says to skip it", ()
    if not was_run(again) and source_of(again).strip():
        if marks.unrun:
            return Verdict.IGNORED, "its tag says not to run it", ()
        return Verdict.NOT_RUN, "it was not run the second time", ()
    before, now = ended(recorded), ended(again)
    unchecked = marks.check is False or (options.lax and marks.check is None)
    if now and not (marks.raises and (before or unchecked or not was_run(recorded))):
        return Verdict.ERROR, _error_words(before, now, marks), _exception(recorded, again, options)
    if unchecked:
        return Verdict.IGNORED, "its output is not compared", ()
    if not was_run(recorded) and source_of(recorded).strip():
        return Verdict.IGNORED, "the record has no run of it", ()
    differences = compare_outputs(recorded, again, options.for_cell(marks.rtol, marks.atol))
    if before != now:
        words = f"it ended with {before} in the record, and with {now or 'no exception'} now"
        return Verdict.DIFFERS, words, differences
    return *_worst(differences), differences


def _error_words(before: str, now: str, marks: Marks) -> str:
    if before == now:
        advice = "" if marks.raises else "; tag it raises-exception if that is meant"
        return f"it ended with {now}, as in the record{advice}"
    return f"it ended with {now}" + (f", in the record with {before}" if before else "")


def _exception(
    recorded: Mapping[str, Any], again: Mapping[str, Any], options: Tolerance
) -> tuple[Difference, ...]:
    return tuple(each for each in compare_outputs(recorded, again, options) if each.where == "exception")


def _worst(differences: tuple[Difference, ...]) -> tuple[Verdict, str]:
    for verdict in (Verdict.DIFFERS, Verdict.WITHIN):
        found = [each for each in differences if each.verdict is verdict]
        if found:
            more = f", and {len(found) - 1} more" if len(found) > 1 else ""
            return verdict, f"{found[0].where}: {found[0].words}{more}"
    return Verdict.SAME, "; ".join(f"{each.where}: {each.words}" for each in differences[:3])


def _result(cell: CodeCell, pair: Pair, judged: _Judged, notes: list[str]) -> CellResult:
    verdict, words, differences = judged
    lines = source_of(cell.cell).strip()[: 4 * _TITLE].splitlines()
    title = lines[0] if lines else ""
    return CellResult(
        number=cell.number,
        id=cell.id[:64],
        title=title if len(title) <= _TITLE else title[: _TITLE - 1] + "…",
        verdict=verdict,
        words=words,
        differences=differences,
        notes=tuple(notes),
        recorded=pair.recorded.cell if pair.recorded else None,
        again=pair.again.cell if pair.again else None,
    )
