"""`Options`: what may be said of a job when it is submitted, each option once, with its flag and its help.

A new option is one field here, one of `sovlab.core.spec.JobSpec` of the same name, and what acts on it; the
flags, the keywords, Tab completion and the request are made from these fields.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sovlab.core.spec import Resources
from sovlab.core.units import format_bytes, format_limit, parse_bytes, parse_duration
from sovlab.errors import SpecError

LEAST_MEMORY = 16 << 20
"""Bytes below which no job is accepted: Python alone takes about as much."""
WHERE, SIZE, JOB = "where it runs", "what each node is given", "the job"
"""Headings under which ``--help`` lists the flags."""


class Flag(msgspec.Struct, frozen=True, kw_only=True):
    """How an option is said on a command line, and what its value may be.

    Attributes:
        names: e.g. ``("-b", "--backend")``.
        group: heading in ``--help``.
        metavar: what stands for the value in ``--help``.
        help: one phrase, with the default.
        parse: makes the value from text; raises `ValueError` or `SpecError`, whose message continues
            ``--flag:``. Text that is given as a keyword goes through it as well, where `text` is set.
        text: whether a keyword may be text that `parse` understands, like ``4G``.
        whole: whether a keyword must be a whole number.
        repeated: whether the flag may be given several times; `parse` then takes the list.
        cell: whether only cells have it.
    """

    names: tuple[str, ...]
    group: str
    metavar: str
    help: str
    parse: Callable[[Any], Any] = str
    text: bool = False
    whole: bool = False
    repeated: bool = False
    cell: bool = False


def name_list(text: str) -> tuple[str, ...]:
    """The names in ``a,b`` or ``a, b``, in order, without repeats."""
    return tuple(dict.fromkeys(n for n in (part.strip() for part in text.split(",")) if n))


def whole_number(text: str) -> int:
    """``text`` as an int; the message of its `ValueError` is a clause for people."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number") from None


def number(text: str) -> float:
    """``text`` as a float; the message of its `ValueError` is a clause for people."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None


def joules(text: str) -> float:
    """J in ``text``: ``2kWh``, ``500Wh``, ``3.6MJ``."""
    from sovlab.core.energy.budget import parse_energy

    return parse_energy(text)


def celsius(text: str) -> float:
    """°C in ``text``: ``85``, ``85C``."""
    from sovlab.core.energy.budget import parse_celsius

    return parse_celsius(text)


def watts(text: str) -> float:
    """W in ``text``: ``300W``, ``0.3kW``."""
    from sovlab.core.energy.budget import parse_power

    return parse_power(text)


def deadline(text: str) -> float:
    """Seconds since the epoch of the moment in ``text``: ``08:00``, ``tomorrow 08:00``, ``+6h``."""
    from sovlab.core.deferral.clock import parse_deadline

    return parse_deadline(text)


def environment(pairs: list[str]) -> dict[str, str]:
    """``["A=1", "B=2"]`` as a dict. Raises `SpecError` where there is no ``=``."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise SpecError(f"--env {pair} has no value.", f"Write --env {pair}=VALUE.")
        found[name] = value
    return found


def _option(default: Any, *names: str, **more: Any) -> Any:
    return field(default=default, metadata={"flag": Flag(names=names, **more)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a submit, as people give them.

    Attributes:
        backend: a backend's name, or ``auto``; None takes the settings' default.
        target: where it runs; None is the settings' current target.
        queue: of the target's cluster; None is the target's own.
        priority: in the target's cluster; None is the target's own.
        nodes: machines.
        procs: processes (ranks) on each node; None is one per GPU, and one where there are none.
        gpus: accelerators on each node.
        cpu: cores on each node.
        memory: bytes on each node.
        name: what to call it; None takes it from the function or script.
        env: environment variables for the job.
        timeout: seconds the job may run; None takes the settings' default.
        send: names to send (``--in``); None sends what the code reads.
        outputs: names whose values come back (``--out``).
        power_rate: looks at the power of its devices, a second.
        energy_budget: J that it may take before it is ended by its checkpoint hook; each node has its part.
        max_temperature: °C above which it is ended so.
        power_cap: W that each of its accelerators keeps to while it runs, where that may be set.
        finish_by: when it is to have ended, seconds since the epoch: the site's forecast says when it starts.
        files: files and directories that travel beside the code (``--file``); where jobs see this machine's
            files they are used where they are.
    """

    backend: str | None = _option(
        None,
        *("-b", "--backend"),
        group=WHERE,
        metavar="NAME",
        help="hardware: auto, cpu, cuda, rocm, xpu or hpu (default: auto)",
    )
    target: str | None = _option(
        None,
        "--target",
        group=WHERE,
        metavar="NAME",
        help="a target from the settings (default: the current one)",
    )
    queue: str | None = _option(
        None, "--queue", group=WHERE, metavar="NAME", help="of the cluster (default: the target's)"
    )
    priority: str | None = _option(
        None,
        "--priority",
        group=WHERE,
        metavar="NAME",
        help="priority class of the cluster (default: the target's)",
    )
    nodes: int = _option(
        1,
        "--nodes",
        group=SIZE,
        metavar="N",
        help="machines (default: 1)",
        parse=whole_number,
        whole=True,
    )
    procs: int | None = _option(
        None,
        "--procs",
        group=SIZE,
        metavar="N",
        help="processes per node, as ranks of torchrun (default: one per GPU)",
        parse=whole_number,
        whole=True,
    )
    gpus: int = _option(
        0,
        "--gpus",
        group=SIZE,
        metavar="N",
        help="accelerators per node (default: 0)",
        parse=whole_number,
        whole=True,
    )
    cpu: float | None = _option(
        None, "--cpu", group=SIZE, metavar="CORES", help="cores per node", parse=number
    )
    memory: int | None = _option(
        None,
        "--memory",
        group=SIZE,
        metavar="SIZE",
        help="memory per node, e.g. 4G; the job is ended when it uses more",
        parse=parse_bytes,
        text=True,
    )
    name: str | None = _option(None, "--name", group=JOB, metavar="NAME", help="what to call it")
    env: Mapping[str, str] = field(
        default_factory=dict,
        metadata={
            "flag": Flag(
                names=("--env",),
                group=JOB,
                metavar="NAME=VALUE",
                help="set an environment variable; may be repeated",
                parse=environment,
                repeated=True,
            )
        },
    )
    timeout: float | None = _option(
        None,
        "--timeout",
        group=JOB,
        metavar="TIME",
        help="end it after this time, e.g. 90s, 15m, 2h",
        parse=parse_duration,
        text=True,
    )
    power_rate: float = _option(
        1.0,
        "--power-rate",
        group=JOB,
        metavar="HZ",
        help="how often a second to sample power (default: 1; 0 reads energy counters only)",
        parse=number,
    )
    energy_budget: float | None = _option(
        None,
        "--energy-budget",
        group=JOB,
        metavar="ENERGY",
        help="end it, after its checkpoint hook, when it has taken this, e.g. 2kWh, 500Wh; measured only",
        parse=joules,
        text=True,
    )
    max_temperature: float | None = _option(
        None,
        "--max-temperature",
        group=JOB,
        metavar="CELSIUS",
        help="end it, after its checkpoint hook, when a device of its gets hotter than this, e.g. 85",
        parse=celsius,
        text=True,
    )
    power_cap: float | None = _option(
        None,
        "--power-cap",
        group=JOB,
        metavar="POWER",
        help="have each of its accelerators keep to this while it runs, e.g. 300W; where that may be set",
        parse=watts,
        text=True,
    )
    finish_by: float | None = _option(
        None,
        "--finish-by",
        group=JOB,
        metavar="TIME",
        help="start it when the site's forecast is best for ending by then, e.g. 08:00, +6h; see [forecast]",
        parse=deadline,
        text=True,
    )
    send: tuple[str, ...] | None = _option(
        None,
        "--in",
        group=JOB,
        metavar="A,B",
        help="send just these variables (default: those the cell reads)",
        parse=name_list,
        text=True,
        cell=True,
    )
    outputs: tuple[str, ...] = _option(
        (),
        "--out",
        group=JOB,
        metavar="X,Y",
        help="bring these variables back",
        parse=name_list,
        text=True,
        cell=True,
    )

    files: tuple[str, ...] = _option(
        (),
        "--file",
        group=JOB,
        metavar="PATH",
        help="send this file or directory with the code, to where it reads it; may be repeated",
        parse=tuple,
        repeated=True,
    )

    @property
    def resources(self) -> Resources:
        """What each node is given; raises `SpecError` where a number is out of range."""
        if self.memory is not None and 0 < self.memory < LEAST_MEMORY:
            raise SpecError(
                f"--memory is {format_bytes(self.memory)}, with which no Python starts: it needs "
                f"{format_limit(LEAST_MEMORY)} at least.",
                f"Did you mean {_meant(self.memory)}?",
            )
        return Resources(cpu=self.cpu, memory=self.memory, gpus=self.gpus)


FLAGS: Mapping[str, Flag] = {f.name: f.metadata["flag"] for f in dataclasses.fields(Options)}
"""How each option is said, by its name."""
NAMES = frozenset(FLAGS)


def from_keywords(keywords: Mapping[str, Any], base: Options | None = None) -> Options:
    """`Options` from Python keywords; sizes and durations may be numbers or text like ``4G``, ``2h``.

    Args:
        keywords: by name; one that is None is not said.
        base: what holds where they say nothing; None is nothing said.

    Raises:
        SpecError: an unknown keyword, or a value of the wrong kind.
    """
    unknown = set(keywords) - NAMES
    if unknown:
        name = sorted(unknown)[0]
        import difflib

        near = difflib.get_close_matches(name, NAMES, 1)
        raise SpecError(
            f"There is no option {name!r}.",
            f"Did you mean {near[0]}?" if near else f"There are {', '.join(sorted(NAMES))}.",
        )
    said = {k: _checked(k, v, FLAGS[k]) for k, v in keywords.items() if v is not None}
    return dataclasses.replace(base or Options(), **said)


def _meant(size: int) -> str:
    """The size that somebody may have had in mind who gave one that is much too small."""
    if size < 1 << 10:
        return f"{size}GiB"
    if size < 1 << 20:
        return f"{size if size < 1 << 16 else size >> 10}MiB"
    return f"{size >> 20}GiB"


def _checked(name: str, value: Any, flag: Flag) -> Any:
    if flag.whole and (isinstance(value, bool) or not isinstance(value, int)):
        raise SpecError(f"{name} is {value!r}.", "Give a whole number.")
    if flag.text:
        if isinstance(value, str):
            return flag.parse(value)
        return tuple(value) if flag.cell else value
    if name in ("queue", "priority") and not isinstance(value, str):
        raise SpecError(f"{name} is {value!r}.", "Give its name, as text.")
    if name == "files":
        one = isinstance(value, str | os.PathLike)
        return tuple(os.fspath(path) for path in ([value] if one else value))
    return {str(k): str(v) for k, v in value.items()} if flag.repeated else value
