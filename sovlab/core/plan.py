"""What a submit would do, and the objects that it would make, or has made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
