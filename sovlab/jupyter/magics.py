"""The magics: each parses its line, asks the `Client`, and shows the answer."""

from __future__ import annotations

import functools
import re
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class

from sovlab import options
from sovlab.client import Client, default
from sovlab.core.job import JobState
from sovlab.errors import CellSyntaxError, UsageError
from sovlab.handle import Job
from sovlab.jupyter import arguments, tables
from sovlab.jupyter.board import board_of
from sovlab.jupyter.board import register as register_cards
from sovlab.jupyter.completion import register as register_completion
from sovlab.jupyter.placeholder import Binder
from sovlab.jupyter.waiting import wait
from sovlab.settings import wanted

_FINAL = 10.0
"""Seconds that a cell waits for its card's last painting, so that the notebook is saved with it."""


def _helpful(magic: Any) -> Any:
    """After ``--help`` there is nothing more to do; and a `SyntaxError` is shown as of the user's own code.

    IPython would put all frames that led to it above it, ours too.
    """

    @functools.wraps(magic)
    def run(self: SovlabMagics, *args: Any, **kwargs: Any) -> None:
        try:
            magic(self, *args, **kwargs)
        except arguments.HelpShown:
            pass
        except SyntaxError as error:
            text = "".join(traceback.format_exception_only(error)).rstrip("\n")
            raise CellSyntaxError(re.sub(r'^  File "(Cell In\[\d+\])"', r"  \1", text)) from error

    return run


@magics_class
class SovlabMagics(Magics):  # type: ignore[misc]
    """The ``%sov…`` magics of one shell."""

    def __init__(self, shell: Any, client: Client | None = None) -> None:
        super().__init__(shell)
        self._client = client
        self._target: str | None = None
        self._board = board_of(shell)
        self._mine: dict[str, Job] = {}
        self.binder = Binder(shell.user_ns)

    @property
    def client(self) -> Client:
        """Made at first use, so that loading the extension reads no settings."""
        if self._client is None:
            self._client = default()
        return self._client

    @line_cell_magic
    @_helpful
    def sovsubmit(self, line: str, cell: str | None = None) -> None:
        parsed = arguments.submit_parser().parse_line(line)
        chosen = options.from_arguments(parsed)
        if chosen.target is None and self._target is not None:
            chosen = replace(chosen, target=self._target)
        count = len(self.shell.user_ns["In"]) - 1  # execution_count may already be that of the next cell
        if cell is not None:
            if parsed.script is not None:
                raise UsageError(
                    f"%%sovsubmit takes no word {parsed.script!r} beside its flags.",
                    "Run a script with %sovsubmit and one percent sign, or put the word after its flag.",
                )
            named = replace(chosen, name=chosen.name or f"cell-{count}")
            if parsed.dry_run:
                label, check = f"In[{count}]", parsed.dry_run == "server"
                plan = self.client.plan_cell(cell, self.shell.user_ns, named, label=label, check=check)
                tables.show_plan(plan)
                return
            submitted = self.client.submit_cell(cell, self.shell.user_ns, named, label=f"In[{count}]")
        elif parsed.script is None:
            raise UsageError(
                "%sovsubmit was given nothing to run.",
                "Write %%sovsubmit above a cell's code, or %sovsubmit script.py.",
            )
        else:
            path = Path(parsed.script).expanduser()
            if parsed.dry_run:
                check = parsed.dry_run == "server"
                tables.show_plan(self.client.plan_script(path, parsed.args, chosen, check=check))
                return
            submitted = self.client.submit_script(path, parsed.args, chosen)
        job = submitted.job
        self._mine[job.id] = job
        self.binder.expect(job, chosen.outputs)
        card = self._board.show(job, submitted.messages)
        if parsed.wait:
            self._wait([job])
            card.final.wait(_FINAL)

    @line_magic
    @_helpful
    def sovjobs(self, line: str) -> None:
        parsed = arguments.jobs_parser().parse_line(line)
        records = self.client.jobs(parsed.target or self._target)
        tables.show_jobs(records if parsed.all else records[:20], len(records))

    @line_magic
    @_helpful
    def sovlogs(self, line: str) -> None:
        parsed = arguments.logs_parser().parse_line(line)
        job = self._job(parsed.job, parsed.target)
        try:
            for text in job.stream(follow=parsed.follow, rank=parsed.rank, tail=parsed.tail):
                sys.stdout.write(text)
                sys.stdout.flush()
        except KeyboardInterrupt:
            print(f"\nStopped following; {job.name} goes on.")  # noqa: T201

    @line_magic
    @_helpful
    def sovcancel(self, line: str) -> None:
        parsed = arguments.cancel_parser().parse_line(line)
        for job in [self._job(name, parsed.target) for name in parsed.job]:
            if job.done():
                print(f"{job.name} has already ended: {job.state}.")  # noqa: T201
            else:
                job.cancel()
                print(f"Cancelling {job.name}.")  # noqa: T201

    @line_magic
    @_helpful
    def sovwait(self, line: str) -> None:
        parsed = arguments.wait_parser().parse_line(line)
        jobs = [self._job(name, parsed.target) for name in parsed.job] or list(self._mine.values())
        if not jobs:
            raise UsageError("This notebook has submitted no job yet.", "Name one: %sovjobs lists them.")
        self._wait(jobs, parsed.timeout)

    @line_magic
    @_helpful
    def sovbackends(self, line: str) -> None:
        parsed = arguments.backends_parser().parse_line(line)
        tables.show_capacity(
            self.client.capacity(parsed.target or self._target), parsed.target or self._target or "local"
        )

    @line_magic
    @_helpful
    def sovtarget(self, line: str) -> None:
        parsed = arguments.target_parser().parse_line(arguments.target_line(line))
        if parsed.action == "add":
            self._add_target(parsed)
            return
        if parsed.action == "show":
            tables.show_target(self.client.settings, parsed.name or self._target)
            return
        if parsed.action == "choose":
            self._target = self.client.settings.target_named(parsed.name).name
        elif parsed.action == "use":
            self.client.use_target(parsed.name)
            self._target = None
        elif parsed.action == "remove":
            self.client.remove_target(parsed.name)
            self._target = self._target if self._target != parsed.name else None
        tables.show_targets(self.client.settings, self._target)

    def _add_target(self, parsed: Any) -> None:
        path, found = self.client.add_target(
            parsed.name, wanted.from_arguments(parsed), use=parsed.use, force=parsed.force
        )
        if parsed.use:
            self._target = None
        said = [f"Target {parsed.name} is written to {path}. Use it here: %sovtarget {parsed.name}"]
        if not found.usable:
            said.append("Jobs cannot run there before what is missing is there.")
        tables.show_findings(found.findings, *said, *found.notes)

    def _job(self, name: str, target: str | None) -> Job:
        return self.client.job(name, target or self._target)

    def _wait(self, jobs: list[Job], timeout: float | None = None) -> None:
        for job in jobs:
            card = self._board.live(job)
            if card is None and not job.done():
                card = self._board.show(job)
            status = wait(job, timeout)
            if card is not None and status is not None:
                card.final.wait(_FINAL)  # the cell ends with the card's final state saved in the notebook
        self.binder.bind_ended()
        for job in jobs:
            if job.state in (JobState.FAILED, JobState.CANCELLED):
                failure = job.exception()
                if failure is not None:
                    raise failure


def register(shell: Any, client: Client | None = None) -> SovlabMagics:
    """Register magics, completion, cards and the binding of results with a shell."""
    magics = SovlabMagics(shell, client)
    shell.register_magics(magics)
    shell.events.register("pre_run_cell", magics.binder.bind_ended)
    register_cards(shell)
    register_completion(shell, magics)
    return magics


def _document() -> None:
    # `%%sovsubmit?` shows the docstring: the help of the parser, so that there is one text.
    for name in ("submit", "jobs", "logs", "cancel", "wait", "backends", "target"):
        method = getattr(SovlabMagics, f"sov{name}")
        method.__doc__ = getattr(arguments, f"{name}_parser")().format_help()


_document()
