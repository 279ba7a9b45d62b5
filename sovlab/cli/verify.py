"""``sovlab verify``: run a notebook again from its record, and compare cell by cell."""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sovlab.cli import show
from sovlab.cli.recorded import read_notebook, read_text
from sovlab.cli.run import import_papermill, said_options
from sovlab.errors import SpecError
from sovlab.options import flags
from sovlab.options.job import Options

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
    from sovlab.batch.recorded import without_markers
    from sovlab.batch.verifying.comparing import compare
    from sovlab.batch.verifying.report import cells_table, exit_code, summary

    tolerance = _tolerance(parsed)
    recorded = _whole(parsed.notebook)
    again = _whole(parsed.against) if parsed.against else _run_again(parsed, recorded)
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
    from sovlab.batch.verifying.sanitizing import DEFAULTS, read_sanitizers
    from sovlab.batch.verifying.tolerance import Tolerance

    names = ("rtol", "atol", "likeness")
    said = {name: value for name in names if (value := getattr(parsed, name)) is not None}
    sanitizers = DEFAULTS
    if parsed.sanitize:
        sanitizers += read_sanitizers(read_text(parsed.sanitize), parsed.sanitize)
    return Tolerance(lax=parsed.lax, sanitizers=sanitizers, **said)


def _run_again(parsed: argparse.Namespace, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Run what the record holds, without its outputs, and read what came of it."""
    from sovlab.batch.recorded import record_of, was_changed, without_markers

    papermill = import_papermill()
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    record = record_of(recorded)
    if not record:
        show.note("It has no record of a run by sovlab: it runs as this command says.")
    elif was_changed(recorded):
        show.note("Its cells are not those of its record: it was changed after that run.")
    usual = Options()
    said = {name: value for name, value in said_options(parsed).items() if value != getattr(usual, name)}
    options = {**_recorded_options(record), **said}
    if options.get("backend") == "cpu":
        options.pop("gpus", None)
    bare = copy.deepcopy(without_markers(recorded))
    for cell in bare["cells"]:
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            cell.update(outputs=[], execution_count=None)
    if isinstance(bare.get("metadata"), dict):
        bare["metadata"].pop("sovlab", None)
    with tempfile.TemporaryDirectory() as scratch:
        begin = Path(scratch, Path(parsed.notebook).name)
        begin.write_text(json.dumps(bare), encoding="utf-8")
        end = parsed.output or str(Path(scratch, "again.ipynb"))
        try:
            papermill.execute_notebook(
                str(begin),
                end,
                engine_name="sovlab",
                kernel_name=parsed.kernel,
                cwd=parsed.cwd,
                progress_bar=sys.stderr.isatty(),
                execution_timeout=parsed.execution_timeout,
                fresh=True,
                cancel_on_interrupt=parsed.cancel_on_interrupt or None,
                **options,
            )
        except (PapermillExecutionError, DeadKernelError, CellTimeoutError):
            pass  # the comparison names the cell
        except FileNotFoundError as error:
            raise SpecError(f"{error}.", "The folder of --output must be there.") from None
        return _whole(end)


def _whole(path: str) -> dict[str, Any]:
    """A notebook whose record has all packages, where the file beside it is there and of the same run."""
    from sovlab.batch.provenance import sidecar
    from sovlab.batch.recorded import record_of, with_packages

    notebook = read_notebook(path)
    beside = sidecar.read(Path(path), record_of(notebook))
    if beside.problem:
        show.note(f"{beside.name} {beside.problem}: of packages only those that are imported are compared.")
    return with_packages(notebook, beside.content)


def _recorded_options(record: Mapping[str, Any]) -> dict[str, Any]:
    """Where and with what it ran, as far as that is to be had here."""
    from sovlab.client import default

    said: dict[str, Any] = {}
    run, accel = record.get("run"), record.get("accel")
    target = run.get("target") if isinstance(run, dict) else None
    if isinstance(target, str) and target:
        if target in [known.name for known in default().targets()]:
            said["target"] = target
        else:
            show.note(f"Its target {target!r} is none of those here: it runs on the current one.")
    if isinstance(accel, dict):
        if isinstance(accel.get("backend"), str):
            said["backend"] = accel["backend"]
        if type(accel.get("gpus")) is int and accel["gpus"] > 0:
            said["gpus"] = accel["gpus"]
    nodes = record.get("nodes")
    if type(nodes) is int and nodes > 1:
        said["nodes"] = nodes
    return said


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
