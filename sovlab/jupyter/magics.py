"""The magics of a shell, and nothing that only their use needs: ``%load_ext sovlab`` costs milliseconds."""

from __future__ import annotations

import functools
import re
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, cell_magic, line_cell_magic, line_magic, magics_class

if TYPE_CHECKING:
    from sovlab.client import Client
    from sovlab.client.job import Job
    from sovlab.client.sweeping import Sweep
    from sovlab.jupyter.commands import Commands

_COMPLETION = "sovlab.completion"


def _documented(magic: Callable[..., Any]) -> Any:
    """Have ``%%sovsubmit?`` show the help of the parser, made when it is asked for: so there is one text.

    After ``--help`` there is nothing more to do; and a `SyntaxError` is shown as of the user's own code:
    IPython would put all frames that led to it above it, ours too.
    """

    @functools.wraps(magic)
    def run(self: SovlabMagics, *args: Any, **kwargs: Any) -> Any:
        from sovlab.errors import CellSyntaxError
        from sovlab.jupyter.arguments import HelpShown

        try:
            return magic(self, *args, **kwargs)
        except HelpShown:
            return None
        except SyntaxError as error:
            text = "".join(traceback.format_exception_only(error)).rstrip("\n")
            raise CellSyntaxError(re.sub(r'^  File "(Cell In\[\d+\])"', r"  \1", text)) from error

    def getdoc() -> str:
        from sovlab.jupyter import arguments

        name = magic.__name__.removeprefix("sov")
        return str(getattr(arguments, f"{name}_parser")().format_help())

    run.getdoc = getdoc  # type: ignore[attr-defined]  # where IPython looks first
    return run


@magics_class
class SovlabMagics(Magics):  # type: ignore[misc]
    """The ``%sov…`` magics of one shell.

    Args:
        shell: of IPython.
        client: None makes the default one at first use.
    """

    def __init__(self, shell: Any, client: Client | None = None) -> None:
        super().__init__(shell)
        self._client = client
        self._commands: Commands | None = None

    @property
    def commands(self) -> Commands:
        """What the magics do, loaded at first use."""
        if self._commands is None:
            from sovlab.jupyter.commands import Commands

            self._commands = Commands(self.shell, self._client)
        return self._commands

    def bind_ended(self, *_: object) -> None:
        """Before each cell: bind what has come back since."""
        if self._commands is not None:
            self._commands.binder.bind_ended()

    @line_cell_magic
    @_documented
    def sovsubmit(self, line: str, cell: str | None = None) -> None:
        """Submit the cell, or a script, as a job."""
        self.commands.submit(line, cell)

    @cell_magic
    @_documented
    def sovsweep(self, line: str, cell: str) -> Sweep | None:
        """Run the cell at each combination of values; the sweep, to be shown as a live table."""
        from sovlab.jupyter.sweeping import sweep

        return sweep(self.commands, line, cell)

    @line_magic
    @_documented
    def sovjobs(self, line: str) -> None:
        """List jobs."""
        self.commands.jobs(line)

    @line_magic
    @_documented
    def sovlogs(self, line: str) -> None:
        """Print the log of a job."""
        self.commands.logs(line)

    @line_magic
    @_documented
    def sovcancel(self, line: str) -> None:
        """Cancel jobs."""
        self.commands.cancel(line)

    @line_magic
    @_documented
    def sovwait(self, line: str) -> None:
        """Wait for jobs."""
        self.commands.wait(line)

    @line_magic
    @_documented
    def sovbackends(self, line: str) -> None:
        """Show what hardware there is."""
        self.commands.backends(line)

    @line_magic
    @_documented
    def sovpower(self, line: str) -> None:
        """Show what this machine draws."""
        self.commands.power(line)

    @line_magic
    @_documented
    def sovtarget(self, line: str) -> None:
        """Show targets, choose one, add one."""
        self.commands.target(line)


def register(shell: Any, client: Client | None = None) -> SovlabMagics:
    """Register magics, completion, cards and the binding of results with a shell."""
    magics = SovlabMagics(shell, client)
    shell.register_magics(magics)
    shell.events.register("pre_run_cell", magics.bind_ended)
    shell.events.register("post_run_cell", _Imports().look)
    register_cards(shell)
    _register_completion(shell, magics)
    return magics


class _Imports:
    """Has it remembered what the user's own modules hold when they are new: what differs later was set."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def look(self, _result: object = None) -> None:
        """After each cell: look for new modules."""
        new = sys.modules.keys() - self._seen
        self._seen |= new
        own = [name for name in new if self._may_be_own(name)]
        if own:
            from sovlab.client import imported

            imported.remember(own)

    def _may_be_own(self, name: str) -> bool:
        file = getattr(sys.modules.get(name), "__file__", None)
        if not isinstance(file, str) or name.partition(".")[0] == "sovlab":
            return False
        return "-packages" not in file and not file.startswith(sys.base_prefix)


def register_cards(shell: Any) -> None:
    """Let a `Job` that a cell displays be shown as its live card, and a `Sweep` as a live table."""

    def show(job: Job) -> bool:
        if type(shell).__name__ == "TerminalInteractiveShell":
            # What a terminal has printed cannot be kept up to date.
            from sovlab.jupyter.showing import show_once

            show_once(job)
            return True
        from sovlab.jupyter.live_cards import live_cards_of

        live_cards_of(shell).show(job)
        return True

    formatter = shell.display_formatter.ipython_display_formatter
    formatter.for_type_by_name("sovlab.client.job", "Job", show)

    def show_sweep(sweep: Sweep) -> bool:
        from sovlab.jupyter.sweeping import show

        show(sweep)
        return True

    formatter.for_type_by_name("sovlab.client.sweeping.sweep", "Sweep", show_sweep)


def _register_completion(shell: Any, magics: SovlabMagics) -> None:
    """Complete the magics' lines."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    def match(context: Any) -> dict[str, Any]:
        before = context.text_until_cursor
        if not before.lstrip().startswith(("%sov", "%%sov")):
            return {"completions": [], "suppress": False}
        from sovlab.jupyter.completion import complete

        typed, kind, words = complete(magics.commands, before)
        return {
            "completions": [SimpleCompletion(word, type=kind) for word in words],
            "matched_fragment": typed,
            # Where one of these is meant, Python's keywords are not.
            "suppress": bool(words),
        }

    matcher = context_matcher(identifier=_COMPLETION)(match)
    kept = [m for m in shell.Completer.custom_matchers if getattr(m, "matcher_identifier", "") != _COMPLETION]
    shell.Completer.custom_matchers[:] = [*kept, matcher]
