"""`Hardware`: what a target has, how it does, and what ``auto`` takes of it now."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sovlab.backends.choice import automatic
from sovlab.core.capacity import Capacity
from sovlab.core.energy.condition import Condition
from sovlab.errors import SovlabError

if TYPE_CHECKING:
    from sovlab.client.conditions.look import Look

PATIENCE = 5.0
"""Seconds that somebody who looks at a table waits for heat and power."""
_ALL = 15.0
"""Seconds that somebody who looks at several targets waits for all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What a target has, how it does, and what ``auto`` takes.

    Attributes:
        target: its name.
        capacities: of each backend.
        conditions: of the devices of each backend that the target has; empty where nobody can tell.
        auto: the backend that a job gets that does not say how many devices it needs; empty if the target
            does not answer.
        why: a sentence: why that one, or why it is not known.
        passed: why each other accelerator was not taken, a clause.
    """

    target: str
    capacities: Sequence[Capacity] = ()
    conditions: Mapping[str, Condition] = field(default_factory=dict)
    auto: str = ""
    why: str
    passed: Mapping[str, str] = field(default_factory=dict)


def hardware(
    target: str, capacities: Sequence[Capacity], look: Look | None, patience: float = PATIENCE
) -> Hardware:
    """What there is, with heat and power if they come within ``patience`` seconds."""
    there = [each for each in capacities if each.total]
    conditions = look.conditions(there, patience) if look is not None and there else {}
    choice = automatic(0, capacities, conditions)
    return Hardware(
        target=target,
        capacities=capacities,
        conditions=conditions,
        auto=choice.backend.name,
        why=choice.why,
        passed=choice.passed,
    )


def everywhere(targets: Sequence[str], look: Callable[[str], Hardware]) -> list[Hardware]:
    """What there is on each of several targets, asked at once; one that does not answer hides no other.

    Args:
        targets: their names.
        look: what there is on one of them.
    """
    answers: queue.SimpleQueue[Hardware] = queue.SimpleQueue()

    def ask(target: str) -> None:
        try:
            answers.put(look(target))
        except SovlabError as error:
            answers.put(Hardware(target=target, why=str(error)))
        except Exception as error:
            answers.put(Hardware(target=target, why=f"{type(error).__name__}: {error}"))

    for target in targets:
        threading.Thread(target=ask, args=(target,), name="sovlab-hardware", daemon=True).start()
    found: dict[str, Hardware] = {}
    end = time.monotonic() + _ALL
    while len(found) < len(targets):
        try:
            answer = answers.get(timeout=max(end - time.monotonic(), 0.0))
        except queue.Empty:
            break
        found[answer.target] = answer
    late = f"It did not answer within {_ALL:g} s."
    return [found.get(target, Hardware(target=target, why=late)) for target in targets]
