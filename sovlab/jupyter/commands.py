"""What the magics do: each parses its line, asks the `Client`, and shows the answer."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sovlab.client import Cell, Client, default
from sovlab.client.job import Job
from sovlab.core.job import JobState
from sovlab.core.names import is_job_id
from sovlab.errors import JobNotFound, UsageError
from sovlab.jupyter import arguments
from sovlab.jupyter.live_cards import LiveCard, live_cards_of
from sovlab.jupyter.placeholder import Binder
from sovlab.options import flags
from sovlab.options.job import Options

if TYPE_CHECKING:
    from sovlab.client import Module, Script

_FINAL = 10.0
"""Seconds that a cell waits for its card's last painting, so that the notebook is saved with it."""


class Commands:
    """What the ``%sov…`` magics of one shell do; a method for each, called with its line.

    Args:
        shell: of IPython.
        client: None makes the default one at first use.
    """

    def __init__(self, shell: Any, client: Client | None = None) -> None:
        self.shell = shell
        self._client = client
        self._target: str | None = None
        self._board = live_cards_of(shell)
        self._mine: dict[str, Job] = {}
        self.binder = Binder(shell.user_ns)

    @property
    def client(self) -> Client:
        """Made at first use: it reads the settings."""
        if self._client is None:
            self._client = default()
        return self._client

    def submit(self, line: str, cell: str | None = None) -> None:
        """Submit the cell, or a script, as a job, and show its card."""
        parsed = arguments.submit_parser().parse_line(line)
        chosen = flags.from_arguments(parsed)
        if chosen.target is None and self._target is not None:
            chosen = replace(chosen, target=self._target)
        code, chosen = self._code(parsed, cell, chosen)
        if parsed.dry_run:
            from sovlab.jupyter import tables

            tables.show_plan(self.client.plan(code, chosen, check=parsed.dry_run == "server"))
            return
        submitted = self.client.submit(code, chosen)
        job = submitted.job
        self._mine[job.id] = job
        self.binder.expect(job, chosen.outputs)
        show = partial(self._board.show, notes=submitted.messages)
        if parsed.wait:
            self._wait([job], show=show)
        else:
            show(job)

    def _code(self, parsed: Any, cell: str | None, chosen: Options) -> tuple[Cell | Module | Script, Options]:
        """What the line and the cell say to run, and the options with a name for it."""
        if cell is not None:
            word = parsed.script or parsed.module
            if word is not None:
                raise UsageError(
                    f"%%sovsubmit takes only flags, not {word!r}.",
                    "Run a script with %sovsubmit and one percent sign, or put the word after its flag.",
                )
            return self.cell(cell, chosen)
        from sovlab.client import Module, Script  # who submits cells needs neither

        if parsed.module is not None:
            return Module(parsed.module, [*filter(None, [parsed.script]), *parsed.args]), chosen
        if parsed.script is None:
            raise UsageError(
                "%sovsubmit was given nothing to run.",
                "Write %%sovsubmit above a cell's code, or %sovsubmit script.py.",
            )
        return Script(Path(parsed.script).expanduser(), parsed.args), chosen

    def cell(self, source: str, chosen: Options) -> tuple[Cell, Options]:
        """The cell that runs now, and the options with a name and this notebook's target for it."""
        count = len(self.shell.user_ns["In"]) - 1  # execution_count may already be that of the next cell
        chosen = replace(chosen, name=chosen.name or f"cell-{count}", target=chosen.target or self._target)
        return Cell(source, self.shell.user_ns, label=f"In[{count}]"), chosen

    def jobs(self, line: str) -> None:
        """List jobs, the newest first."""
        from sovlab.client.others import shown
        from sovlab.jupyter import tables

        parsed = arguments.jobs_parser().parse_line(line)
        everybodys = self.client.jobs(parsed.target or self._target)
        records = shown(everybodys, all_users=parsed.all_users)
        tables.show_jobs(
            records if parsed.all else records[:20],
            len(records),
            owners=parsed.all_users,
            others=len(everybodys) - len(records),
        )

    def logs(self, line: str) -> None:
        """Print the log of a job."""
        parsed = arguments.logs_parser().parse_line(line)
        job = self._job(parsed.job, parsed.target)
        try:
            for text in job.stream(follow=parsed.follow, rank=parsed.rank, tail=parsed.tail):
                sys.stdout.write(text)
                sys.stdout.flush()
        except KeyboardInterrupt:
            print(f"\nStopped following; {job.name} goes on.")  # noqa: T201

    def cancel(self, line: str) -> None:
        """Cancel jobs."""
        parsed = arguments.cancel_parser().parse_line(line)
        for job in [self._job(name, parsed.target) for name in parsed.job]:
            state = job.last.status.state  # as it has just been looked up
            if state.ended:
                print(f"{job.name} has already ended: {state}.")  # noqa: T201
            else:
                job.cancel(all_users=parsed.all_users)
                print(f"Cancelling {job.name}.")  # noqa: T201

    def wait(self, line: str) -> None:
        """Wait for jobs, and raise what ended the first that failed."""
        parsed = arguments.wait_parser().parse_line(line)
        from sovlab.client.answering import find_within

        begun, names = time.monotonic(), parsed.job
        found = (
            find_within(parsed.timeout, self.client, names, parsed.target or self._target) if names else ()
        )
        jobs = list(found or self._mine.values())
        if not jobs:
            raise UsageError("This notebook has submitted no job yet.", "Name one: %sovjobs lists them.")
        left = None if parsed.timeout is None else max(parsed.timeout - (time.monotonic() - begun), 0.0)
        self._wait(jobs, left)

    def backends(self, line: str) -> None:
        """Show what hardware a target has."""
        from sovlab.jupyter import tables

        parsed = arguments.backends_parser().parse_line(line)
        if parsed.all and parsed.target is not None:
            raise UsageError("--all and --target do not go together.", "Leave one of them out.")
        if parsed.all:
            tables.show_hardware(*self.client.hardware_everywhere())
        else:
            tables.show_hardware(self.client.hardware(parsed.target or self._target))

    def power(self, line: str) -> None:
        """Show what this machine or a target's devices draw, and how hot they are."""
        from sovlab.jupyter import tables

        parsed = arguments.power_parser().parse_line(line)
        if parsed.target is not None:
            tables.show_site_power(self.client.site_power(parsed.target))
        else:
            tables.show_power(self.client.power())

    def target(self, line: str) -> None:
        """Show targets, choose one, add one."""
        from sovlab.jupyter import tables

        parsed = arguments.target_parser().parse_line(arguments.target_line(line))
        if parsed.action == "add":
            self._add_target(parsed)
            return
        if parsed.action == "show":
            tables.show_target(self.client.target(parsed.name or self._target))
            return
        if parsed.action == "choose":
            self._target = self.client.settings.target_named(parsed.name).name
        elif parsed.action == "use":
            self.client.use_target(parsed.name)
            self._target = None
        elif parsed.action == "remove":
            self.client.remove_target(parsed.name)
            self._target = self._target if self._target != parsed.name else None
        current = self.client.settings.target_named(self._target).name
        sentences = (*self.client.settings.ignored, *self.client.settings.outdated)
        tables.show_targets(self.client.targets(), current, *sentences)

    def _add_target(self, parsed: Any) -> None:
        from sovlab.jupyter import tables
        from sovlab.options import target as target_options

        path, found = self.client.add_target(
            parsed.name, target_options.from_arguments(parsed), use=parsed.use, force=parsed.force
        )
        if parsed.use:
            self._target = None
        said = [f"Target {parsed.name} was written to {path}. Use it here: %sovtarget {parsed.name}"]
        if not found.usable:
            said.append("Jobs cannot run there until what is missing is there.")
        tables.show_findings(found.findings, *said, *found.notes)

    def _job(self, name: str, target: str | None) -> Job:
        try:
            return self.client.job(name, target or self._target)
        except JobNotFound:
            if target or not is_job_id(name):
                raise
            return self.client.job(name)  # a card may be of another target than the one in use

    def _wait(
        self, jobs: list[Job], timeout: float | None = None, show: Callable[..., LiveCard] | None = None
    ) -> None:
        """Wait for ``jobs`` in this order, and raise what ended the first that failed.

        Its card, if this cell shows it, leaves the traceback to the error, which stands below it.
        """
        from sovlab.jupyter.waiting import wait

        shown: dict[str, LiveCard] = {}
        failed: Job | None = None

        def begin(job: Job) -> None:
            if show is not None or (self._board.live(job) is None and not job.done_within(timeout)):
                shown[job.id] = (show or self._board.show)(job, raised=failed is None)

        raised = None
        try:
            for job in jobs:
                status = wait(job, timeout, partial(begin, job))
                if status is None:
                    return  # detached, from the others too
                card = self._board.live(job)
                if card is not None:
                    card.final.wait(_FINAL)  # the cell ends with the card's final state in the notebook
                if failed is None and status.state in (JobState.FAILED, JobState.CANCELLED):
                    failed = job
            self.binder.bind_ended()
            raised = failed.exception() if failed is not None else None
        finally:
            for job_id, card in shown.items():
                if raised is None or failed is None or job_id != failed.id:
                    card.keep_traceback()
        if raised is not None:
            raise raised
