"""`Hardware`: what a target has, how it does, and what ``auto`` takes of it now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sovlab.backends.choice import automatic
from sovlab.core.capacity import Capacity, Condition

if TYPE_CHECKING:
    from sovlab.client.conditions.look import Look

_PATIENCE = 5.0
"""Seconds that somebody who looks at a table waits for heat and power."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What a target has, how it does, and what ``auto`` takes.

    Attributes:
        target: its name.
        capacities: of each backend.
        conditions: of the devices of each backend that the target has; empty where nobody can tell.
        auto: the backend that a job gets that does not say how many devices it needs.
        why: a sentence.
        passed: why each other accelerator was not taken, a clause.
    """

    target: str
    capacities: Sequence[Capacity]
    conditions: Mapping[str, Condition]
    auto: str
    why: str
    passed: Mapping[str, str]


def hardware(target: str, capacities: Sequence[Capacity], look: Look | None) -> Hardware:
    """What there is, with heat and power if they come within seconds."""
    there = [each for each in capacities if each.total]
    conditions = look.conditions(there, _PATIENCE) if look is not None and there else {}
    choice = automatic(0, capacities, conditions)
    return Hardware(
        target=target,
        capacities=capacities,
        conditions=conditions,
        auto=choice.backend.name,
        why=choice.why,
        passed=choice.passed,
    )
