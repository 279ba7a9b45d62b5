"""What may be said about a job when it is submitted: one list for Python, the magics and the shell."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sovlab.core.spec import Resources
from sovlab.core.units import parse_bytes, parse_duration
from sovlab.errors import SpecError


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a submit, as people give them.

    Attributes:
        backend: a backend's name, or ``auto``; None takes the settings' default.
        nodes: machines.
        procs: processes (ranks) on each node; None is one per GPU, and one where there are none.
        gpus: accelerators on each node.
        cpu: cores on each node.
        memory: bytes on each node.
        env: environment variables for the job.
        timeout: seconds the job may run; None takes the settings' default.
        name: what to call it; None takes it from the function or script.
        target: where it runs; None is the settings' current target.
        queue: of the target's cluster; None is the target's own.
        priority: in the target's cluster; None is the target's own.
        send: names to send (``--in``); None sends what the code reads.
        outputs: names whose values come back (``--out``).
    """

    backend: str | None = None
    nodes: int = 1
    procs: int | None = None
    gpus: int = 0
    cpu: float | None = None
    memory: int | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: float | None = None
    name: str | None = None
    target: str | None = None
    queue: str | None = None
    priority: str | None = None
    send: tuple[str, ...] | None = None
    outputs: tuple[str, ...] = ()

    @property
    def resources(self) -> Resources:
        """What each node is given; raises `SpecError` where a number is out of range."""
        return Resources(cpu=self.cpu, memory=self.memory, gpus=self.gpus)


NAMES = frozenset(f.name for f in dataclasses.fields(Options))


def from_keywords(keywords: Mapping[str, Any]) -> Options:
    """`Options` from Python keywords; sizes and durations may be numbers or text like ``4G``, ``2h``.

    Raises:
        SpecError: an unknown keyword, or a value of the wrong kind.
    """
    unknown = set(keywords) - NAMES
    if unknown:
        name = sorted(unknown)[0]
        near = difflib.get_close_matches(name, NAMES, 1)
        raise SpecError(
            f"There is no option {name!r}.",
            f"Did you mean {near[0]}?" if near else f"There are {', '.join(sorted(NAMES))}.",
        )
    values = dict(keywords)
    for name, kind in (("nodes", int), ("procs", int), ("gpus", int)):
        value = values.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, kind)):
            raise SpecError(f"{name} is {value!r}.", "Give a whole number.")
    for name in ("queue", "priority"):
        if values.get(name) is not None and not isinstance(values[name], str):
            raise SpecError(f"{name} is {values[name]!r}.", "Give its name, as text.")
    for name, parse in (("memory", parse_bytes), ("timeout", parse_duration)):
        if isinstance(values.get(name), str):
            values[name] = parse(values[name])
    for name in ("send", "outputs"):
        if isinstance(values.get(name), str):
            values[name] = names(values[name])
        elif values.get(name) is not None:
            values[name] = tuple(values[name])
    if values.get("env") is not None:
        values["env"] = {str(k): str(v) for k, v in values["env"].items()}
    return Options(**{k: v for k, v in values.items() if v is not None})


def names(text: str) -> tuple[str, ...]:
    """The names in ``a,b`` or ``a, b``, in order, without repeats."""
    return tuple(dict.fromkeys(n for n in (part.strip() for part in text.split(",")) if n))


def add_arguments(parser: argparse.ArgumentParser, *, cell: bool) -> None:
    """Add the flags of a submit to ``parser``; ``--in`` and ``--out`` only for cells."""
    where = parser.add_argument_group("where it runs")
    where.add_argument(
        "-b", "--backend", metavar="NAME", help="hardware: auto, cpu, cuda, rocm, xpu or hpu (default: auto)"
    )
    where.add_argument(
        "--target", metavar="NAME", help="a place from the settings (default: the current one)"
    )
    where.add_argument("--queue", metavar="NAME", help="of the cluster (default: the target's)")
    where.add_argument(
        "--priority", metavar="NAME", help="priority class of the cluster (default: the target's)"
    )
    size = parser.add_argument_group("what each node is given")
    size.add_argument("--nodes", type=_whole, default=1, metavar="N", help="machines (default: 1)")
    size.add_argument(
        "--procs",
        type=_whole,
        metavar="N",
        help="processes per node, as ranks of torchrun (default: one per GPU)",
    )
    size.add_argument(
        "--gpus", type=_whole, default=0, metavar="N", help="accelerators per node (default: 0)"
    )
    size.add_argument("--cpu", type=_number, metavar="CORES", help="cores per node")
    size.add_argument(
        "--memory",
        type=_size,
        metavar="SIZE",
        help="memory per node, e.g. 4G; the job is ended when it uses more",
    )
    what = parser.add_argument_group("the job")
    what.add_argument("--name", metavar="NAME", help="what to call it")
    what.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set an environment variable; may be repeated",
    )
    what.add_argument(
        "--timeout", type=_seconds, metavar="TIME", help="end it after this time, e.g. 90s, 15m, 2h"
    )
    if cell:
        what.add_argument(
            "--in",
            dest="send",
            metavar="A,B",
            help="send just these variables (default: those the cell reads)",
        )
        what.add_argument(
            "--out", dest="outputs", default="", metavar="X,Y", help="bring these variables back"
        )
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


def advise(parser: argparse.ArgumentParser, complaint: str) -> tuple[str, str]:
    """What ``parser`` complains of, as a sentence, and what to do; empty where only its help is left."""
    text = complaint.removeprefix("argument ").rstrip(".")
    if missing := re.fullmatch(r"the following arguments are required: (.+)", text):
        names = [name for name in missing[1].split(", ") if name != "arguments"]  # which may be none
        return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} missing.", ""
    if choice := re.fullmatch(r"(\S+): invalid choice: '(.*)' \(choose from (.+)\)", text):
        there = [name.strip("'") for name in choice[3].split(", ")]
        return f"There is no {choice[1]} {choice[2]!r}.", _near(
            choice[2], there
        ) or f"There are {', '.join(there)}."
    if unknown := re.match(r"unrecognized arguments: (-[^\s=]*)", text):
        script = any(action.dest == "args" for action in parser._actions)
        hint = _near(unknown[1], parser._option_string_actions)
        return f"{text}.", hint or ("Arguments of a script go after --." if script else "")
    text = re.sub(r"invalid int value: (.*)", r"\1 is no whole number", text)
    text, _, hint = text.partition(". ")
    return f"{text}.", f"{hint}." if hint else ""


def _near(word: str, words: Iterable[str]) -> str:
    bare = {each.lstrip("-"): each for each in words}
    near = difflib.get_close_matches(word.lstrip("-"), bare, 1, 0.7)
    return f"Did you mean {bare[near[0]]}?" if near else ""


def from_arguments(parsed: argparse.Namespace) -> Options:
    """`Options` from what a parser with `add_arguments` has read."""
    return Options(
        backend=parsed.backend,
        nodes=parsed.nodes,
        procs=parsed.procs,
        gpus=parsed.gpus,
        cpu=parsed.cpu,
        memory=parsed.memory,
        env=_environment(parsed.env),
        timeout=parsed.timeout,
        name=parsed.name,
        target=parsed.target,
        queue=parsed.queue,
        priority=parsed.priority,
        send=None if getattr(parsed, "send", None) is None else names(parsed.send),
        outputs=names(getattr(parsed, "outputs", "")),
    )


def _environment(pairs: Iterable[str]) -> dict[str, str]:
    env = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise SpecError(f"--env {pair} has no value.", f"Write --env {pair}=VALUE.")
        env[name] = value
    return env


# argparse puts the message of an ArgumentTypeError after the flag's name, so these do not repeat it.


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None


def _size(text: str) -> int:
    try:
        return parse_bytes(text)
    except SpecError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except SpecError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
