"""`TargetSummary`: a target as people see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSummary:
    """A named place where jobs run, and what its settings say.

    Attributes:
        name: of the target.
        executor: what runs jobs there.
        where: the place in a few words.
        source: where it is defined: a file and line, or ``built in``.
        settings: its keys with the values that apply.
        sources: where each of them is set, by key: a file and line, a variable's name, or ``default``.
    """

    name: str
    executor: str
    where: str
    source: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
