"""`JobSpec`: one frozen request to run something once."""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from sovlab.core.names import check_name
from sovlab.core.untrusted import LATEST, shared
from sovlab.errors import SpecError


class PayloadKind(enum.StrEnum):
    """What a payload's entry point is."""

    CELL = "cell"
    CALL = "call"
    SCRIPT = "script"
    NOTEBOOK = "notebook"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What each node of a job is given.

    Attributes:
        cpu: cores; None leaves it to the executor.
        memory: bytes; None leaves it to the executor.
        gpus: accelerators of the job's backend.
    """

    cpu: float | None = None
    memory: int | None = None
    gpus: int = 0

    def __post_init__(self) -> None:
        if self.cpu is not None and not 0 < self.cpu < 1e6:
            raise SpecError(f"--cpu is {self.cpu:g}.", "Give the number of cores, greater than zero.")
        if self.memory is not None and self.memory <= 0:
            raise SpecError(f"--memory is {self.memory}.", "Give a size greater than zero, like 4G.")
        if not 0 <= self.gpus < 1e6:
            raise SpecError(f"--gpus is {self.gpus}.", "Give a number of devices, zero or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """When a job with a deadline is to start, and by which forecast that was chosen.

    Attributes:
        asked: when it was chosen, seconds since the epoch.
        start: the start that was chosen; `asked` where it is not held back.
        duration: seconds that it is expected to run; 0 if that is not known.
        signal: what the forecast is of, for people: ``carbon intensity``.
        unit: of its values.
        most: whether more of it is better, as of power headroom.
        times: the bounds of the forecast's steps from `asked` on, seconds since the epoch; empty without one.
        values: the average in each step.
        why: why it is not held back, a clause; empty if it is.
    """

    asked: float
    start: float
    duration: float = 0.0
    signal: str = ""
    unit: str = ""
    most: bool = False
    times: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    why: str = ""

    MOST_STEPS: ClassVar[int] = 300
    """Of the forecast that are kept: a record is to stay small."""

    def __post_init__(self) -> None:
        moments = (self.asked, self.start, *self.times)
        texts = ((self.signal, 100), (self.unit, 40), (self.why, 2000))
        if not (
            all(0 <= each < LATEST for each in moments)
            and self.asked <= self.start
            and 0 <= self.duration < LATEST
            and all(len(text) <= most and text.isprintable() for text, most in texts)
            and all(abs(value) < _LARGEST for value in self.values)
            and len(self.values) <= self.MOST_STEPS
            and len(self.times) == (len(self.values) + 1 if self.values else 0)
            and all(begin < end for begin, end in itertools.pairwise(self.times))
        ):
            raise SpecError("The job's deferral is not one that can be.", "Submit it again.")

    @property
    def held(self) -> bool:
        """Whether the job is held back until its start."""
        return not self.why


_COMMON = ("name", "payload", "backend", "backend_why", "queue", "priority", "origin", "script", "code")
"""Texts that many jobs have alike: a list of ten thousand keeps each of them once."""
_FASTEST = 20
"""Samples of the power a second: no device has a new value more often."""
_LARGEST = 1e15
_MOST_JOULES, _MOST_WATTS, _HOTTEST = 1e15, 1e5, 150.5
_OBJECT_NAME = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
_ENV_NAME = r"[A-Za-z_][A-Za-z0-9_]*"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """A request that an executor can carry out, and again.

    Attributes:
        name: what people call the job; not unique.
        kind: what the payload's entry point is.
        payload: SHA-256 of the payload, in hex.
        backend: name of a `Backend`; never ``auto``, which the client resolves.
        backend_why: how the backend was chosen, in one sentence.
        nodes: machines (locally: separate launchers on this one).
        procs: processes on each node; each is one rank.
        resources: what each node is given.
        outputs: names whose values come back.
        args: arguments of a script.
        env: environment variables added in the job.
        queue: of the cluster, instead of the target's; empty for that one.
        priority: in the cluster, instead of the target's; empty for that one.
        timeout: seconds it may run, None for no limit.
        grace: seconds between SIGTERM and SIGKILL, for the checkpoint hook.
        power_rate: samples of its devices' power, a second; 0 reads energy counters only.
        energy_budget: J that it may take, None for no limit; a part of it on each node.
        max_temperature: °C that no device of its may exceed, None for no limit.
        power_cap: W that each of its accelerators is to keep to, None leaves them as they are.
        resume: id of the job whose checkpoint this one goes on from; empty for none.
        origin: where it was submitted from, for people: ``In[7]``, ``train.py``.
        labels: what cells are called, by the SHA-256 of their source: kept out of the payload so that
            the same cell run again is the same payload.
        sources: where the payload's files are on this machine, by their paths in it or those of folders above
            them; empty where jobs do not see the submitter's files.
        script: a script's path as it was said, on the same condition.
        code: marks what is run, without its data: the SHA-256 of the source of a cell or a script, the module
            and name of a function or a module; empty if nothing does.
        finish_by: when it is to have ended, seconds since the epoch; None if that was not said.
        deferral: when it is to start so as to end by then; None if that was not said.
    """

    name: str
    kind: PayloadKind
    payload: str
    backend: str = "cpu"
    backend_why: str = ""
    nodes: int = 1
    procs: int = 1
    resources: Resources = field(default_factory=Resources)
    outputs: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    queue: str = ""
    priority: str = ""
    timeout: float | None = None
    grace: float = 30.0
    power_rate: float = 1.0
    energy_budget: float | None = None
    max_temperature: float | None = None
    power_cap: float | None = None
    resume: str = ""
    origin: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    script: str = ""
    code: str = ""
    finish_by: float | None = None
    deferral: Deferral | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        for flag, count in (("--nodes", self.nodes), ("--procs", self.procs)):
            if not 1 <= count < 1e5:
                raise SpecError(f"{flag} is {count}.", "Give a whole number, one or more.")
        if self.timeout is not None and self.timeout <= 0:
            raise SpecError(f"--timeout is {self.timeout:g}.", "Give a duration like 90s or 2h.")
        if self.grace < 0:
            raise SpecError(f"The grace time is {self.grace:g} s.", "Give zero or more seconds.")
        if not 0 <= self.power_rate <= _FASTEST:
            raise SpecError(
                f"--power-rate is {self.power_rate:g}.", f"Give samples a second, from 0 to {_FASTEST}."
            )
        for flag, limit, below, example in (
            ("--energy-budget", self.energy_budget, _MOST_JOULES, "an energy like 2kWh; a bare number is J"),
            ("--max-temperature", self.max_temperature, _HOTTEST, "degrees Celsius like 85"),
            ("--power-cap", self.power_cap, _MOST_WATTS, "a power like 300W; a bare number is W"),
        ):
            if limit is not None and (isinstance(limit, str | bool) or not 0 < limit < below):
                raise SpecError(f"{flag} is {limit!r}.", f"Give {example}.")
        late = self.finish_by
        if late is not None and (isinstance(late, str | bool) or not 0 <= late < LATEST):
            raise SpecError(f"--finish-by is {late!r}.", "Give a time like 08:00 or 2027-03-01T08:00.")
        for name, value in self.env.items():
            if not re.fullmatch(_ENV_NAME, name):
                raise SpecError(
                    f"{name!r} is not a valid name for an environment variable.", "Write --env NAME=value."
                )
            if "\0" in value:
                raise SpecError(
                    f"The value of environment variable {name} contains a NUL byte.", "Remove it."
                )
        for flag, word in (("--queue", self.queue), ("--priority", self.priority)):
            if word and not re.fullmatch(_OBJECT_NAME, word):
                raise SpecError(
                    f"{flag} is {word!r}, which is not a valid name.",
                    "Give a name as the cluster has it, like research.",
                )
        for name in self.outputs:
            if not name.isidentifier():
                raise SpecError(
                    f"--out names {name!r}, which is not a valid Python name.", "Write --out model,history."
                )
        if any("\0" in arg for arg in self.args):
            raise SpecError("An argument of the script contains a NUL byte.", "Remove it.")
        for field_name in _COMMON:
            object.__setattr__(self, field_name, shared(getattr(self, field_name)))

    def due(self, now: float) -> float | None:
        """When it is to start, in seconds since the epoch, if it is held back and that is still to come."""
        held = self.deferral is not None and self.deferral.held and self.deferral.start > now
        return self.deferral.start if held and self.deferral is not None else None

    @property
    def ranks(self) -> int:
        """How many processes take part in all; more than one starts torchrun."""
        return self.nodes * self.procs
