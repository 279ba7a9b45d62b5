"""Output of the command: tables, colours and progress bars by rich; JSON for machines."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.table import Table as RichTable
from rich.text import Text

from sovlab.cli import streams
from sovlab.client.job import Job
from sovlab.core.deadlines import until
from sovlab.core.event import ProgressChanged, StatusChanged, after
from sovlab.core.job import JobState, JobStatus
from sovlab.core.units import format_bytes, format_duration
from sovlab.errors import ExecutorError, SovlabError, WaitTimeout
from sovlab.views.jobs import hardware_words, state_words
from sovlab.views.plans import describe_plan
from sovlab.views.table import UNKNOWN, Table
from sovlab.views.yaml import plan_yaml

if TYPE_CHECKING:
    from sovlab.cli.checks import Check
    from sovlab.core.cleaned import Cleaned
    from sovlab.core.plan import Plan

_COLOURS = {
    **{"running": "blue", "waiting": "dim", "failed": "red", "succeeded": "green", "cancelled": "yellow"},
    **{"ok": "green", "degraded": "yellow", "missing": "red"},
}

_FILES = 5
"""Files that are shown of a job."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # The command decides what a closed pipe means: rich would exit with status 1.
        raise BrokenPipeError


def _out() -> Console:
    return _Console(soft_wrap=True, highlight=False)


def _err() -> Console:
    return _Console(stderr=True, soft_wrap=True, highlight=False)


def line(text: str) -> None:
    """A plain line of the result."""
    _out().print(escape(text))


def error_console() -> Console:
    """Standard error."""
    return _err()


def note(text: str, console: Console | None = None) -> None:
    """Something the user should know, beside the result.

    Args:
        text: sentences.
        console: which draws a bar there meanwhile; None is standard error as it is.
    """
    (console or _err()).print(f"[dim]{escape(text)}[/]")


def complain(error: SovlabError) -> None:
    """One error: what happened, and what to do next."""
    _err().print(
        f"[bold red]sovlab:[/] {escape(error.message)}"
        + (f" [dim]{escape(error.hint)}[/]" if error.hint else "")
    )


def json_document(value: Any) -> None:
    """One JSON document, indented."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    sys.stdout.write(streams.escaped_json(text) + "\n")


def table(content: Table) -> None:
    """A table; in a terminal with colours, in a pipe as aligned text."""
    if not content.rows or not sys.stdout.isatty():
        sys.stdout.write(content.text() + "\n")
        return
    grid = RichTable(box=None, pad_edge=False, header_style="dim")
    for column in content.columns:
        grid.add_column(column, no_wrap=column in ("Id", "Backend", "Free"))
    for row in content.rows:
        colour = next(
            (c for word, c in _COLOURS.items() if any(cell.startswith(word) for cell in row[1:2])), None
        )
        grid.add_row(
            *(Text(cell, style=colour or "") if i == 1 else Text(cell) for i, cell in enumerate(row))
        )
    _Console(highlight=False).print(grid)


def plan(content: Plan) -> None:
    """What a submit would do; where that is to make objects, they alone are the output, as YAML."""
    if content.manifests:
        for part in describe_plan(content):
            note(part.text() if isinstance(part, Table) else part)
        streams.write_utf8(plan_yaml(content))
        return
    for part in describe_plan(content):
        if isinstance(part, Table):
            table(part)
        else:
            line(part)


def submitted(job: Job) -> None:
    """A job was accepted: its id on standard output, so that scripts can keep it."""
    record = job.last
    what = hardware_words(record.spec) if record.spec else UNKNOWN
    note(f"Submitted {record.name} to {record.target}: {what}.")
    if record.spec and record.spec.backend_why:
        note(f"Backend: {record.spec.backend_why}")
    line(job.id)


def cleaned(result: Cleaned, *, dry_run: bool) -> None:
    """What was deleted."""
    did = "Would delete" if dry_run else "Deleted"
    line(f"{did} {len(result.jobs)} job{'s' if len(result.jobs) != 1 else ''}, {format_bytes(result.bytes)}.")
    if result.kept:
        does, them = ("holds", "it") if len(result.kept) == 1 else ("hold", "them")
        line(
            f"Kept {len(result.kept)} that {does} files which the job wrote; "
            f"sovlab clean --files deletes {them} too:"
        )
        for job_id, files in sorted(result.kept.items()):
            for path in files[:_FILES]:
                line(f"  {job_id}  {path}")
            if len(files) > _FILES:
                line(f"  {job_id}  and {len(files) - _FILES} more")


def checks(found: Sequence[Check]) -> None:
    """The doctor's findings, one a line."""
    console = _out()
    for check in found:
        mark = "[red]✗[/]" if not check.ok else "[green]✓[/]" if check.here else "[dim]–[/]"
        console.print(f"{mark} {escape(check.what)}: {escape(check.found)}")
        if check.advice:
            console.print(f"  [yellow]{escape(check.advice)}[/]")


def print_log(job: Job, *, follow: bool, rank: int | None = None, tail: int | None = None) -> None:
    """The log as its job wrote it, on standard output; see `Job.stream`."""
    for text in job.stream(follow=follow, rank=rank, tail=tail, errors="surrogateescape"):
        streams.write_log(text)


class _State(ProgressColumn):
    """A job's state, time and rest of time, in words."""

    def render(self, task: Task) -> Text:
        return Text(str(task.fields.get("words", "")))


def follow(
    jobs: Sequence[Job], *, log: bool, quiet: bool, deadline: float | None = None
) -> tuple[list[JobStatus], int]:
    """Wait for ``jobs`` with a progress bar each, on standard error.

    Args:
        jobs: waited for in this order.
        log: also print the log of the first, as it comes, on standard output.
        quiet: no progress bars.
        deadline: when to stop waiting, by `time.monotonic`; raises `WaitTimeout`.

    Returns:
        Their statuses at the end, and the exit status of what kept the log from being read, or 0.
    """
    console, unread = _err(), 0
    if log:
        try:
            print_log(jobs[0], follow=True)
        except ExecutorError as error:
            complain(error)  # the job goes on, and is waited for
            unread = error.exit_code
    if quiet or not console.is_terminal or log:
        return [_plain(job, log=log, quiet=quiet, deadline=deadline) for job in jobs], unread
    # The bars are gone at the end; how each job ended is printed above those that are left.
    with Progress(
        SpinnerColumn("dots" if console.encoding.startswith("utf") else "line", style="blue"),
        TextColumn("{task.description}"),
        BarColumn(complete_style="blue", finished_style="blue", pulse_style="blue"),
        _State(),
        console=console,
        transient=True,
    ) as bars:
        return [_bar(job, bars, deadline) for job in jobs], unread


def _plain(job: Job, *, log: bool, quiet: bool, deadline: float | None) -> JobStatus:
    status = job.wait(None if deadline is None else max(deadline - time.monotonic(), 0))
    if not quiet:
        _end(job, status, _err(), log=log)  # the log ends with the traceback
    return status


def _bar(job: Job, bars: Progress, deadline: float | None) -> JobStatus:
    import threading

    record, stop = job.last, threading.Event()
    task = bars.add_task(escape(record.name), total=None, words="")
    events = job.events() if deadline is None else until(deadline, lambda: job.events(stop=stop), stop)
    for event in events:
        record = after(record, event)
        if isinstance(event, ProgressChanged):
            bars.update(task, completed=event.progress.step, total=event.progress.total)
        if isinstance(event, (ProgressChanged, StatusChanged)):
            bars.update(task, words=state_words(record.status, time.time()))
    status = record.status
    if not status.state.ended and status.state is not JobState.UNKNOWN:
        raise WaitTimeout(f"Job {job.name} has not ended in time.", "It goes on.")
    bars.remove_task(task)
    _end(job, status, bars.console)
    return status


def _end(job: Job, status: JobStatus, console: Console, *, log: bool = False) -> None:
    error = status.error or {}
    if status.state is not JobState.SUCCEEDED and error.get("traceback") and not log:
        console.print(Text(str(error["traceback"]).rstrip("\n")))
    elapsed = status.elapsed(time.time())
    how = "in" if status.state is JobState.SUCCEEDED else "after"
    took = f" {how} {format_duration(elapsed)}" if elapsed is not None else ""
    colour = _COLOURS.get(status.state, "default")
    spec, waited = job.last.spec, ""
    if spec is not None and spec.deferral is not None:
        from sovlab.core.deferral.words import brought

        waited = brought(spec, status)
    console.print(
        f"{escape(job.name)} [{colour}]{status.state}[/]{took}"
        + (f": {escape(status.message)}" if status.message else ".")
    )
    if waited:
        console.print(f"[dim]It {escape(waited)}.[/]")
