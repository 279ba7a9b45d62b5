"""The options of a submit as flags of a command line, the same for the magics and the shell."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any

from sovlab.errors import SpecError
from sovlab.options.job import FLAGS, JOB, Options, whole_number


def add_arguments(parser: argparse.ArgumentParser, *, cell: bool, waits: bool = False) -> None:
    """Add the flags of a submit to ``parser``; ``--in`` and ``--out`` only for cells.

    With ``waits`` the command waits for the end anyway, and there is no flag for it.
    """
    groups: dict[str, Any] = {}
    for name, flag in FLAGS.items():
        if flag.cell and not cell:
            continue
        if flag.group not in groups:
            groups[flag.group] = parser.add_argument_group(flag.group)
        how: dict[str, Any] = {"action": "append"} if flag.repeated else {"type": argument_type(flag.parse)}
        groups[flag.group].add_argument(
            *flag.names, dest=name, default=None, metavar=flag.metavar, help=flag.help, **how
        )
    what = groups[JOB]
    if not waits:
        what.add_argument("--wait", action="store_true", help="block until it has ended")
    what.add_argument(
        "--dry-run",
        action="store_const",
        const="here",
        help="show what would be sent and made, and stop there",
    )
    # A flag of its own for argparse: with an optional value it would take the script for it.
    what.add_argument(
        "--dry-run=server",
        dest="dry_run",
        action="store_const",
        const="server",
        help="also ask the cluster whether it would accept it",
    )


def add_sweep_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is said of a sweep beside its parameters."""
    group = parser.add_argument_group("the sweep")
    group.add_argument(
        "--over",
        action="append",
        default=[],
        metavar="OPTION=V,V",
        help="also over values of an option, e.g. backend=cpu,cuda; may be repeated; an empty value leaves "
        "the option unsaid",
    )
    group.add_argument(
        "--repeats",
        type=argument_type(whole_number),
        default=1,
        metavar="N",
        help="run each point so often (default: 1)",
    )
    group.add_argument(
        "--at-once",
        type=argument_type(_at_once),
        default="auto",
        metavar="N",
        help="jobs under way at a time, or all (default: 1 on this machine, where jobs that run together "
        "share what they are measured by; else all)",
    )


def _at_once(text: str) -> int | str | None:
    return text if text == "auto" else None if text == "all" else whole_number(text)


def from_arguments(parsed: argparse.Namespace) -> Options:
    """`Options` from what a parser with `add_arguments` has read."""
    said = {name: getattr(parsed, name, None) for name in FLAGS}
    return Options(
        **{
            name: FLAGS[name].parse(value) if FLAGS[name].repeated else value
            for name, value in said.items()
            if value is not None
        }
    )


def argument_type(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """``parse`` as argparse takes it, which puts the message of an error after the flag's name."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except (SpecError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def split_words(words: Sequence[str]) -> tuple[list[str], list[str] | None]:
    """A command line as argparse takes it, and what stands after ``--`` (None if there is no ``--``).

    ``--memory -4G`` becomes ``--memory=-4G``, so that the number is refused, not taken for a flag.
    """
    own = list(words[: words.index("--")]) if "--" in words else list(words)
    script = list(words[words.index("--") + 1 :]) if "--" in words else None
    joined: list[str] = []
    for word in own:
        if re.match(r"-\d", word) and joined and re.fullmatch(r"--[a-z-]+", joined[-1]):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined, script
