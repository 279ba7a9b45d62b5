"""What a submit would do, the objects of it, what was sent, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sovlab.core.spec import JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """The objects of a job, on targets where a job is made of objects.

    Attributes:
        objects: as the cluster takes them, the workload first.
        notes: sentences about what is not among them, or could not be checked.
    """

    objects: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a submit would do: the answer to ``--dry-run``.

    Attributes:
        spec: the request, complete.
        target: where it would run.
        payload: the pack's size in bytes.
        variables: what would be sent, by name: (type, bytes).
        files: local modules that would be sent.
        messages: what the user should know, e.g. a name withheld.
        manifests: the objects that a cluster would be asked for; values of Secrets are their sizes.
        checked: the cluster has been asked, and would accept them.
    """

    spec: JobSpec
    target: str
    payload: int
    variables: Mapping[str, tuple[str, int]]
    files: Sequence[str]
    messages: Sequence[str]
    manifests: Sequence[Mapping[str, Any]] = ()
    checked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that happened to a job.

    Attributes:
        time: seconds since the epoch; None for what is so now, since a time that is not known.
        of: what it happened to: ``job``, or an object of a cluster, e.g. ``Pod digits-7k2m9x-0``.
        text: what happened, one sentence or the cluster's own words.
        warning: it is told as something that went wrong.
        count: how often it has happened up to then.
    """

    time: float | None
    text: str
    of: str = "job"
    warning: bool = False
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What happened to a job.

    Attributes:
        happenings: the oldest first; what is so now comes last.
        notes: sentences about what could not be seen.
    """

    happenings: tuple[Happening, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SentVariable:
    """A variable of the notebook that was sent: its type, and the bytes that it takes."""

    name: str
    type: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What was sent for a job. Values of variables and of the environment are in none of it.

    Attributes:
        source: of the cell or script; empty where the code is a function or a module.
        cut: characters of the source that are left out at its end.
        size: bytes of the payload; None if it is not here.
        digest: SHA-256 of the payload, in hex.
        python: version that sent it, e.g. ``3.11``; empty if that is not known.
        variables: of the notebook.
        withheld: names that looked like secrets and stayed.
        files: local modules and files beside the code: bytes by path.
        options: of the request, as far as they were said, in words by their names.
        env: names of the environment variables that were added.
        args: arguments of a script; ``…`` takes the place of what looks like a secret.
        notes: sentences about what is not shown.
    """

    digest: str
    source: str = ""
    cut: int = 0
    size: int | None = None
    python: str = ""
    variables: tuple[SentVariable, ...] = ()
    withheld: tuple[str, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    env: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
