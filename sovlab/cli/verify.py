"""``sovlab verify``: run a notebook again from its record, and compare cell by cell."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sovlab.cli import show
from sovlab.cli.run import import_papermill, said_options
from sovlab.errors import SpecError
from sovlab.options import flags

if TYPE_CHECKING:
    from sovlab.batch.verifying.result import Comparison
    from sovlab.batch.verifying.tolerance import Tolerance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``sovlab verify`` takes."""
    parser.add_argument("notebook", help="an executed notebook, e.g. of sovlab run")
    how = parser.add_argument_group("the comparison")
    how.add_argument("--against", metavar="FILE", help="this executed notebook; nothing is run")
    how.add_argument("--rtol", type=float, metavar="X", help="relative tolerance of numbers (default: 1e-6)")
    how.add_argument("--atol", type=float, metavar="X", help="absolute tolerance of numbers (default: 1e-12)")
    how.add_argument(
        "--likeness", type=float, metavar="X", help="least likeness of two pictures, 0 to 1 (default: 0.99)"
    )
    how.add_argument(
        "--lax", action="store_true", help="compare only cells tagged nbval-check-output, as nbval does"
    )
    how.add_argument(
        "--sanitize",
        metavar="FILE",
        help="nbval's file of what is taken out of texts before they are compared",
    )
    told = parser.add_argument_group("what is told")
    told.add_argument("--all", action="store_true", dest="every", help="list cells that are the same, too")
    told.add_argument("--output", metavar="FILE", help="keep the notebook of the second run")
    told.add_argument("--report", metavar="FILE", help="write a notebook with both outputs of what differs")
    told.add_argument("--junit", metavar="FILE", help="write JUnit XML, for CI")
    run = parser.add_argument_group("the second run")
    run.add_argument("-k", "--kernel", metavar="NAME", help="instead of the record's")
    run.add_argument("--cwd", metavar="DIR", help="working directory of the kernel (default: this one)")
    run.add_argument(
        "--cancel-on-interrupt", action="store_true", help="end the job with this command; for CI"
    )
    run.add_argument("--execution-timeout", type=float, metavar="SECONDS", help="of each cell")
    flags.add_arguments(parser, cell=False, waits=True)


def verify(parsed: argparse.Namespace) -> int:
    """Compare; the exit status is 0 where all is the same or within tolerance, 1 where something is not."""
    from sovlab.batch.provenance.reading import read_whole
    from sovlab.batch.recorded import without_markers
    from sovlab.batch.verifying.comparing import compare
    from sovlab.batch.verifying.report import cells_table, exit_code, summary

    tolerance = _tolerance(parsed)
    recorded = read_whole(parsed.notebook, show.note)
    against = parsed.against
    again = read_whole(against, show.note) if against else _run_again(parsed, recorded)
    comparison = compare(without_markers(recorded), without_markers(again), tolerance)
    if parsed.json:
        show.json_document(_document(comparison))
    else:
        for sentence in summary(comparison):
            show.line(sentence)
        show.table(cells_table(comparison, every=parsed.every))
    _write_reports(parsed, comparison)
    return exit_code(comparison)


def _tolerance(parsed: argparse.Namespace) -> Tolerance:
    from sovlab.batch.provenance.reading import read_text
    from sovlab.batch.verifying.sanitizing import DEFAULTS, read_sanitizers
    from sovlab.batch.verifying.tolerance import Tolerance

    names = ("rtol", "atol", "likeness")
    said = {name: value for name in names if (value := getattr(parsed, name)) is not None}
    sanitizers = DEFAULTS
    if parsed.sanitize:
        sanitizers += read_sanitizers(read_text(parsed.sanitize), parsed.sanitize)
    return Tolerance(lax=parsed.lax, sanitizers=sanitizers, **said)


def _run_again(parsed: argparse.Namespace, recorded: Mapping[str, Any]) -> dict[str, Any]:
    import_papermill()
    from sovlab.batch.again import run_again

    keywords = {
        "kernel_name": parsed.kernel,
        "cwd": parsed.cwd,
        "progress_bar": sys.stderr.isatty(),
        "execution_timeout": parsed.execution_timeout,
        "cancel_on_interrupt": parsed.cancel_on_interrupt or None,
    }
    options = said_options(parsed)
    return run_again(recorded, parsed.notebook, options, keywords, parsed.output or "", show.note)


def _document(comparison: Comparison) -> dict[str, Any]:
    from sovlab.batch.verifying.report import shown

    return {
        "version": 1,
        "passed": comparison.passed,
        "counts": {str(verdict): count for verdict, count in comparison.counts.items()},
        "drift": [
            {"what": each.what, "sentence": shown(each.sentence), "known": each.known}
            for each in comparison.drift
        ],
        "cells": [
            {
                "number": cell.number,
                "id": shown(cell.id),
                "title": shown(cell.title),
                "verdict": str(cell.verdict),
                "why": shown(cell.words),
                "notes": [shown(note) for note in cell.notes],
                "differences": [
                    {
                        "where": shown(each.where),
                        "verdict": str(each.verdict),
                        "why": shown(each.words),
                        "recorded": shown(each.recorded),
                        "again": shown(each.again),
                    }
                    for each in cell.differences
                ],
            }
            for cell in comparison.cells
        ],
    }


def _write_reports(parsed: argparse.Namespace, comparison: Comparison) -> None:
    from sovlab.batch.verifying.junit import junit
    from sovlab.batch.verifying.notebook import report_notebook

    made = {}
    if parsed.junit:
        made[parsed.junit] = junit(comparison, parsed.notebook)
    if parsed.report:
        made[parsed.report] = json.dumps(report_notebook(comparison, parsed.notebook), indent=1) + "\n"
    for path, text in made.items():
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise SpecError(f"{path} cannot be written: {error.strerror}.", "Give another path.") from None
        show.note(f"Written: {path}")
