"""``%%sovsweep``: a cell run at several points, and their live table."""

from __future__ import annotations

import threading
from html import escape
from typing import TYPE_CHECKING, Any

import msgspec

from sovlab.client.sweeping import Planned, Sweep, coded
from sovlab.errors import SovlabError, UsageError
from sovlab.jupyter import arguments
from sovlab.jupyter.waiting import interruptible
from sovlab.options import flags
from sovlab.options.sweep import grid, literal, over_in, parameters_in
from sovlab.views.sweep import planned_table

if TYPE_CHECKING:
    from sovlab.jupyter.commands import Commands
    from sovlab.options.job import Options

_LOOK = 2.0
"""Seconds after which a table is made anew although no job has ended: its clocks go on."""
_FINAL = 10.0
"""Seconds that a cell waits for its table's last painting, so that the notebook is saved with it."""


def sweep(commands: Commands, line: str, cell: str) -> Sweep | None:
    """Submit the cell at each combination of values.

    Args:
        commands: of the shell.
        line: of the magic.
        cell: below it.

    Returns:
        The sweep, which IPython then shows; None if it is shown already, or nothing was submitted.
    """
    parsed = arguments.sweep_parser().parse_mixed(line)
    if parsed.bind is not None and not parsed.bind.isidentifier():
        raise UsageError(f"--as is {parsed.bind!r}, which is not a valid Python name.", "Write --as sweep.")
    code, chosen = commands.cell(cell, flags.from_arguments(parsed))
    values = {
        name: [literal(text) for text in texts] for name, texts in parameters_in(parsed.parameters).items()
    }
    points = grid(values, over_in(parsed.over, cell=True), parsed.repeats)
    planned = coded(points, lambda given: msgspec.structs.replace(code, given=given))
    if parsed.dry_run:
        _show_plan(commands, planned, chosen, check=parsed.dry_run == "server")
        return None
    made = commands.client.sweep(planned, chosen, at_once=parsed.at_once)
    if parsed.bind is not None:
        commands.shell.user_ns[parsed.bind] = made
    if not parsed.wait:
        return made
    table = show(made)
    interruptible(
        made.wait,
        lambda: f"Sweep {made.name} goes on. Cancel it (c and Enter), or detach (Enter)? ",
        cancel=made.cancel,
        cancelled=lambda: (
            f"Cancelling sweep {made.name}: its jobs have their grace time to save a checkpoint."
        ),
        again=made.wait,
        detached=lambda: (
            f"Detached: sweep {made.name} goes on"
            + (", as long as this kernel lives to submit its other runs." if made.waiting else ".")
        ),
    )
    table.final.wait(_FINAL)
    return None


def _show_plan(commands: Commands, planned: list[Planned], chosen: Options, *, check: bool) -> None:
    from sovlab.jupyter import tables

    specs = commands.client.plan_sweep(planned, chosen, check=check)
    tables.show_parts(
        f"Would submit {len(specs)} jobs.",
        planned_table([each.point.values for each in planned], specs),
        "Nothing was submitted (--dry-run).",
    )


def show(sweep: Sweep) -> LiveTable:
    """Show a sweep here, kept up to date until all of it has ended."""
    table = LiveTable(sweep)
    table.show()
    return table


class LiveTable:
    """The table of one sweep in one cell's output.

    Args:
        sweep: whose table it is.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._trouble = ""
        self._handle: Any = None
        self._shown: dict[str, Any] = {}
        self.final = threading.Event()
        """Set once the table shows the end, and nothing more will change on it."""

    def show(self) -> None:
        """Display the table here, and keep it up to date from now on."""
        from IPython.display import display

        over = self._sweep.done()
        self._handle = display(self._bundle(), raw=True, display_id=True)
        if over:
            self.final.set()
        else:
            name = f"sovlab-table {self._sweep.name}"
            threading.Thread(target=self._keep, name=name, daemon=True).start()

    def _keep(self) -> None:
        try:
            while not self._sweep.done():
                self._update()
                self._sweep.wait_for_next(_LOOK)
        except Exception as error:
            # The sweep goes on; only this table stops, and says how to look again.
            said = error if isinstance(error, SovlabError) else f"{type(error).__name__}: {error}"
            self._trouble = f"This table no longer follows the sweep: {said}"
        finally:
            try:
                self._update()
            finally:
                self.final.set()

    def _update(self) -> None:
        bundle = self._bundle()
        if bundle != self._shown:
            self._handle.update(bundle, raw=True)
            self._shown = bundle

    def _bundle(self) -> dict[str, Any]:
        parts = [*self._sweep.describe(), *filter(None, [self._trouble])]
        html = "".join(f"<p>{escape(part)}</p>" if isinstance(part, str) else part.html() for part in parts)
        return {"text/plain": "\n".join(map(str, parts)), "text/html": html}
