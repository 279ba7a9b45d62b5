"""The magics' command lines: what they take, as parsers that never leave the notebook."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from IPython.utils.process import arg_split

from sovlab.core.units import parse_duration
from sovlab.errors import SpecError, UsageError
from sovlab.options import flags

TARGET_ACTIONS = ("choose", "use", "show", "add", "remove")
"""What may stand after ``%sovtarget``."""


class HelpShown(Exception):
    """``--help`` was given; there is nothing more to do."""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are `UsageError` with the way out, not an exit of the kernel."""

    def __init__(self, prog: str, description: str, **kwargs: Any) -> None:
        super().__init__(
            prog,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            **kwargs,
        )

    def error(self, message: str) -> NoReturn:
        from sovlab.options import complaints

        text, hint = complaints.advise(self, message)
        raise UsageError(f"{self.prog}: {text}", hint or f"{_help(self.prog)} shows what it takes.")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise HelpShown

    def parse_line(self, line: str) -> argparse.Namespace:
        """Parse a magic's line, quoted as in a shell."""
        own, script = flags.split_words(self._words(line))
        parsed = self.parse_args(own)
        if script is not None:
            if not hasattr(parsed, "args"):
                self.error("nothing may follow --")
            parsed.args = [*parsed.args, *script]
        return parsed

    def parse_mixed(self, line: str) -> argparse.Namespace:
        """As `parse_line`, where words and flags stand in any order, and what follows -- is more of them."""
        own, more = flags.split_words(self._words(line))
        return self.parse_intermixed_args([*own, *flags.split_words(more or [])[0]])

    def _words(self, line: str) -> list[str]:
        try:
            return list(arg_split(line, posix=True))
        except ValueError as error:
            raise UsageError(f"{self.prog}: {error} in {line!r}.", "Close the quotation.") from None


def _help(prog: str) -> str:
    """How to ask for help on a magic, or on an action of one."""
    return f"{prog} --help" if " " in prog else f"{prog}?"


def submit_parser() -> Parser:
    """``%%sovsubmit`` and ``%sovsubmit script.py``."""
    parser = Parser(
        "%%sovsubmit",
        "Run this cell as a job and bring its results back.\n\n"
        "    %%sovsubmit --backend auto --out model,history --name digits\n"
        "    model, history = train(dataset)\n\n"
        "The variables that the cell reads, functions and classes of the notebook and\n"
        "local modules travel with it. The cell returns at once with a live card; once\n"
        "the job has ended, names of --out are bound to their values before the next\n"
        "cell runs.\n\n"
        "    %sovsubmit train.py --nodes 2 -- --lr 0.1\n\n"
        "runs a script with its arguments after --.",
        usage="%%%%sovsubmit [flags]\n       %%sovsubmit [flags] script.py [-- arguments]",
    )
    parser.add_argument("script", nargs="?", help="a Python file, with %%sovsubmit and one percent sign")
    parser.add_argument("args", nargs="*", metavar="arguments", help="for the script, after --")
    parser.add_argument("-m", dest="module", metavar="MODULE", help="run a module, as python -m does")
    flags.add_arguments(parser, cell=True)
    return parser


def sweep_parser() -> Parser:
    """``%%sovsweep``."""
    parser = Parser(
        "%%sovsweep",
        "Run this cell as a job at each combination of values, and compare what they took.\n\n"
        "    %%sovsweep lr=0.1,0.01 width=64,128 --over backend=cpu,cuda --out accuracy\n"
        "    accuracy = train(lr, width)\n\n"
        "Each job runs the cell as if it began with lr = 0.1 and so on. Values are Python\n"
        "literals, else text. The cell returns at once with a live table; the sweep is then\n"
        "in _, or under the name after --as: its rows(), results(), plot(), best(), cancel().",
        usage="%%%%sovsweep name=value,value ... [flags] [-- flags]",
    )
    parser.add_argument("parameters", nargs="*", metavar="name=value,value", help="what takes several values")
    parser.add_argument("--as", dest="bind", metavar="NAME", help="call the sweep this in the notebook")
    flags.add_sweep_arguments(parser)
    flags.add_arguments(parser, cell=True)
    return parser


def jobs_parser() -> Parser:
    """``%sovjobs``."""
    parser = Parser("%sovjobs", "List jobs, newest first.")
    parser.add_argument("--all", action="store_true", help="all of them, not just the newest 20")
    parser.add_argument("--all-users", action="store_true", help="others' jobs, too, with their owners")
    parser.add_argument(
        "--target", metavar="NAME", help="a target from the settings (default: the current one)"
    )
    return parser


def logs_parser() -> Parser:
    """``%sovlogs``."""
    parser = Parser("%sovlogs", "Print the log of a job.")
    parser.add_argument("job", help="its name or id")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on until it has ended; Interrupt stops following"
    )
    parser.add_argument("--rank", type=int, metavar="N", help="only what this rank printed")
    parser.add_argument("--tail", type=int, metavar="N", help="only the last N lines")
    parser.add_argument(
        "--target", metavar="NAME", help="a target from the settings (default: the current one)"
    )
    return parser


def cancel_parser() -> Parser:
    """``%sovcancel``."""
    parser = Parser("%sovcancel", "End jobs: SIGTERM, their grace time to save a checkpoint, SIGKILL.")
    parser.add_argument("job", nargs="+", help="names or ids")
    parser.add_argument(
        "--target", metavar="NAME", help="a target from the settings (default: the current one)"
    )
    parser.add_argument(
        "--all-users", action="store_true", help="also one that another user submitted, by its id"
    )
    return parser


def wait_parser() -> Parser:
    """``%sovwait``."""
    parser = Parser(
        "%sovwait",
        "Block until jobs have ended, and bind what they return. Interrupt offers to cancel or to detach.",
    )
    parser.add_argument("job", nargs="*", help="names or ids (default: all that this notebook submitted)")
    parser.add_argument(
        "--timeout", type=_seconds, metavar="TIME", help="wait no longer than this, e.g. 90s or 2h"
    )
    parser.add_argument(
        "--target", metavar="NAME", help="a target from the settings (default: the current one)"
    )
    return parser


def backends_parser() -> Parser:
    """``%sovbackends``."""
    parser = Parser("%sovbackends", "Show the hardware of a target, and what of it is free.")
    parser.add_argument(
        "--target", metavar="NAME", help="a target from the settings (default: the current one)"
    )
    parser.add_argument("--all", action="store_true", help="every target of the settings")
    return parser


def power_parser() -> Parser:
    """``%sovpower``."""
    parser = Parser("%sovpower", "Show what this machine draws now, how hot it is, and what is not measured.")
    parser.add_argument(
        "--target", metavar="NAME", help="a target's devices instead, as its site's Prometheus has them"
    )
    return parser


def target_parser() -> Parser:
    """``%sovtarget``."""
    from sovlab.options import target

    parser = Parser(
        "%sovtarget",
        "Show the targets, choose one for this notebook, or add one on a cluster.\n\n"
        "    %sovtarget lab                          use target lab from now on in this notebook\n"
        "    %sovtarget add lab --context site --image registry.example/torch\n\n"
        "%sovtarget add --help shows what add takes.",
    )
    actions = parser.add_subparsers(dest="action", metavar="action")

    def action(name: str, help_: str, *, optional: bool = False) -> Parser:
        sub: Parser = actions.add_parser(name, help=help_, description=help_)
        if name != "add":
            sub.add_argument("name", nargs="?" if optional else None, help="of the target")
        return sub

    action("choose", "use it in this notebook; the word may be left out")
    action("use", "use it from now on, here and elsewhere")
    action("show", "show all its settings, and where each is set", optional=True)
    target.add_arguments(action("add", "examine a cluster and add a target on it to the settings"))
    action("remove", "take it out of the settings; its jobs are left as they are")
    return parser


def target_line(line: str) -> str:
    """A line of ``%sovtarget`` with its action: the name of a target alone chooses it."""
    first = (line.split() or [""])[0]
    is_name = first and not first.startswith("-") and first not in TARGET_ACTIONS
    return f"choose {line}" if is_name else line


def flags_of(parser: Parser, words: Sequence[str]) -> Iterable[str]:
    """The flags that a line may have, by its action if it has one.

    Args:
        parser: of the magic.
        words: of the line, the magic first.
    """
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word in words[1:2]:
                parser = action.choices.get(word, parser)
    return parser._option_string_actions


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except SpecError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
