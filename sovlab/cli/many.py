"""``sovlab run`` of several runs: follows them, and compares what they took and recorded."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from sovlab.batch.many import Many, Row
from sovlab.batch.one import check
from sovlab.batch.running import asked
from sovlab.cli import show
from sovlab.cli.run import ELSEWHERE
from sovlab.cli.sweep import exit_status
from sovlab.client import default
from sovlab.core.interrupts import Interrupts, Terminated, terminations
from sovlab.core.job import JobState
from sovlab.errors import SpecError
from sovlab.views.runs import changed_words, runs_document, runs_notes, runs_table
from sovlab.views.sweep import run_name
from sovlab.views.table import counted

if TYPE_CHECKING:
    from sovlab.batch.forms.request import Request
    from sovlab.batch.grid import Planned

_LOCAL = "local"
_TERMINATED = 143


def run(parsed: argparse.Namespace, planned: Sequence[Planned], requests: Sequence[Request]) -> int:
    """Run them; 0 if every run succeeded, else as a sweep.

    Args:
        parsed: the command line.
        planned: the runs.
        requests: what each runs.
    """
    if parsed.finish_by is not None and len(planned) > 1:
        raise SpecError(
            "Several runs have no --finish-by: each would start at a time of its own.",
            "Leave it out, or run one.",
        )
    check(requests[0])  # options are the same for all
    title = parsed.name or Path(parsed.input).stem
    if len(requests) > 1:
        for number, request in enumerate(requests, start=1):
            request.keywords["name"] = run_name(title, number, None)  # type: ignore[index]
    at_most = parsed.at_most or (1 if _is_here(parsed.target) else ELSEWHERE)
    screen = _Screen(len(planned), quiet=parsed.json, log=parsed.log_output)
    many = Many([each.point for each in planned], requests, at_most, screen.changed, screen.logged)
    try:
        with terminations(), Interrupts(), screen:
            rows = many.run()
    except (KeyboardInterrupt, Terminated) as end:
        left = many.waiting
        screen.is_over = True
        with Interrupts():
            cancelled = asked(requests[0].keywords, "cancel_on_interrupt")
            _interrupted(many.end(), left, len(planned), cancelled=cancelled)
        if isinstance(end, Terminated):
            return _TERMINATED
        raise
    if parsed.json:
        show.json_document(runs_document(title, rows))
    else:
        show.table(runs_table(rows))
        for sentence in runs_notes(rows):
            show.note(sentence)
    return max(exit_status(row) or (1 if row["status"] else 0) for row in rows)


def _is_here(target: str | None) -> bool:
    """Whether jobs of a target run on this machine, and share it."""
    return default().settings.target_named(target).executor == _LOCAL


def _interrupted(rows: Sequence[Row], left: int, count: int, *, cancelled: bool) -> None:
    jobs = [row for row in rows if row["id"] is not None and not JobState(row["state"]).ended]
    sentences = ["Interrupted."]
    if jobs and cancelled:
        sentences.append(f" {counted(len(jobs), 'job')} that ran were told to end.")
    elif jobs:
        sentences.append(f" {counted(len(jobs), 'job')} that ran go on.")
    begun = count - left - sum(row["id"] is None for row in rows)
    sentences.append(f" {count - begun} of {count} runs did not begin.")
    sentences.append("\n  go on:   the same command again; what has ended is not run again")
    if jobs and not cancelled:
        ids = " ".join(row["id"] for row in jobs)
        here = default().settings.target_named(None).name
        elsewhere = "" if jobs[0]["target"] == here else f" --target {jobs[0]['target']}"
        sentences.append(f"\n  cancel:  sovlab cancel {ids}{elsewhere}")
    failed = [f"\n  {row['id']}: {row['message']}" for row in jobs if row["message"]]
    show.note("".join([*sentences, *failed]))


class _Screen:
    """Says on standard error what becomes of runs: a line for each change, and in a terminal a bar below.

    Args:
        count: of the runs.
        quiet: no lines.
        log: whether lines that runs write are repeated, each with the number of its run.
    """

    def __init__(self, count: int, *, quiet: bool, log: bool) -> None:
        self._count, self._quiet, self._log = count, quiet, log
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self.is_over = False

    def __enter__(self) -> _Screen:
        console = show.error_console()
        if console.is_terminal and not self._quiet:
            self._bar = Progress(
                TextColumn("runs"), BarColumn(), MofNCompleteColumn(), console=console, transient=True
            )
            self._task = self._bar.add_task("", total=self._count)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def changed(self, row: Row) -> None:
        """A run has changed its state."""
        if self._bar is not None and row["status"] is not None:
            self._bar.advance(self._task)
        is_news = row["status"] is not None or row["state"] != JobState.PENDING
        if is_news and not self._quiet and not self.is_over:
            self._say(changed_words(row, self._count))

    def logged(self, row: Row, line: str) -> None:
        """A run has written a line."""
        if self._log and not self._quiet:
            self._say(f"[{row['number']}/{self._count}] {line}")

    def _say(self, text: str) -> None:
        show.note(text, self._bar.console if self._bar is not None else None)
