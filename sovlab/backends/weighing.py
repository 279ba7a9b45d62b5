"""The rule by which ``auto`` takes one of several accelerators, and how it says why.

Steps, of which each decides only between those that all steps before it leave even:

1. it can run the job at all: there are as many devices as it asks for, on as many nodes
2. they are free now
3. nobody waits for it, else fewer do
4. heat does not slow it
5. it has more power headroom, in steps of `WATTS`
6. it comes first in the order of the backends

What is not known comes after what is known to be well, and before what is known not to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sovlab.backends.choice import Choice
from sovlab.core.backend import Backend
from sovlab.core.capacity import Capacity
from sovlab.core.energy.condition import Condition

WATTS = 50.0
"""W of headroom that count as the same: power moves more than this from one second to the next."""
_WELL, _UNKNOWN, _BAD = 0, 1, 2
_NOT_ASKED = Condition()


class Need(NamedTuple):
    """What a job needs: ``gpus`` on each of ``nodes``; where it leaves that open, one on each."""

    gpus: int
    nodes: int = 1

    @property
    def each(self) -> int:
        """Devices on each node."""
        return max(self.gpus, 1)


class Rival(NamedTuple):
    """An accelerator that a target has, and how its devices do."""

    backend: Backend
    offer: Capacity
    condition: Condition = _NOT_ASKED


class _Step(NamedTuple):
    """One step of the rule.

    Attributes:
        key: smaller is better.
        why: what to say of one that is worse in it: a clause.
    """

    key: Callable[[Rival, Need], tuple[float, ...]]
    why: Callable[[Rival, Need], str]


def fits(offer: Capacity, need: Need) -> bool | None:
    """Whether what a job needs is free now; None if that is not known."""
    if offer.free is None:
        return None
    if offer.free < need.each * need.nodes:
        return False
    by_node = offer.free_by_node
    return not by_node or sum(amount // need.each for amount in by_node) >= need.nodes


def most(offer: Capacity) -> float | None:
    """The most devices that one node of a job can have; None if that is not known."""
    known = [number for number in (offer.total, offer.largest) if number is not None]
    return min(known, default=None)


def undecided(rivals: Sequence[Rival], need: Need) -> list[Rival]:
    """Those between which heat or power decides: the best ones by the steps before these."""
    keys = [tuple(step.key(rival, need) for step in _BEFORE) for rival in rivals]
    return [rival for rival, key in zip(rivals, keys, strict=True) if key == min(keys)]


def best(rivals: Sequence[Rival], need: Need, because: str = "") -> Choice:
    """The one that the rule takes.

    Args:
        rivals: at least one, in the order of the backends.
        need: of the job.
        because: what the sentence begins with, before what is free.
    """
    taken = min(rivals, key=lambda rival: tuple(step.key(rival, need) for step in _STEPS))
    others = [rival for rival in rivals if rival is not taken]
    passed = {rival.backend.name: _worse(rival, taken, need) for rival in others}
    facts = [free_words(taken.offer), *facts_of(taken, heat=True, queue=bool(others))]
    headroom = taken.condition.headroom.value
    if headroom is not None and any(why.startswith(_LESS) for why in passed.values()):
        facts.append(f"{headroom:.0f} W of power headroom")
    sentence = f"{taken.backend.name}, because {because}{', '.join(facts)}"
    sentence += "".join(f"; {name} was passed over: {why}" for name, why in passed.items())
    silent = undecided(rivals, need)
    if len(silent) > 1:
        sentence += _unknown_heat(silent)
    return Choice(taken.backend, f"{sentence}.", passed)


def facts_of(rival: Rival, *, heat: bool = False, queue: bool = False) -> list[str]:
    """What a sentence says of a backend beside what is free: what is wrong, and on demand what is well.

    Args:
        rival: the backend.
        heat: whether to say how hot it is though heat does not slow it.
        queue: whether to say that nobody waits.
    """
    facts = []
    if rival.offer.queued or (queue and rival.offer.queued == 0):
        facts.append(_waiting(rival.offer))
    condition = rival.condition
    if condition.slowed.value:
        facts.append(_slowed(condition))
    elif heat and condition.celsius.value is not None:
        facts.append(f"{condition.celsius.value:.0f} °C")
    if condition.headroom.value is not None and condition.headroom.value <= 0:
        facts.append(_AT_LIMIT)
    return facts


def free_words(offer: Capacity) -> str:
    """``3 of 8 GPUs are free``."""
    if offer.total is None or offer.free is None:
        return "how many GPUs are free is not known"
    devices = "GPU" if offer.total == 1 else "GPUs"
    return f"{offer.free:g} of {offer.total:g} {devices} {'is' if offer.free == 1 else 'are'} free"


def _worse(rival: Rival, taken: Rival, need: Need) -> str:
    step = next((step for step in _STEPS if step.key(rival, need) > step.key(taken, need)), None)
    return (
        step.why(rival, need) if step is not None else f"all else is even, and {taken.backend.name} is first"
    )


def _unknown_heat(rivals: Sequence[Rival]) -> str:
    """Why heat decided nothing, where there was somebody to ask."""
    whys = {
        rival.condition.slowed.why: None
        for rival in rivals
        if rival.condition.slowed.value is None and rival.condition.slowed.why
    }
    return f"; heat unknown: {'; '.join(whys)}" if whys else ""


def _able_key(rival: Rival, need: Need) -> tuple[float, ...]:
    total = rival.offer.total
    if total is None:
        return (_UNKNOWN,)
    return (_WELL if total >= need.each * need.nodes else _BAD,)


def _able_why(rival: Rival, need: Need) -> str:
    if rival.offer.total is None:
        return "how many GPUs it has is not known"
    return f"it has only {rival.offer.total:g} of {need.each * need.nodes} GPUs"


def _free_key(rival: Rival, need: Need) -> tuple[float, ...]:
    return ({True: _WELL, None: _UNKNOWN, False: _BAD}[fits(rival.offer, need)],)


def _free_why(rival: Rival, need: Need) -> str:
    free = rival.offer.free
    if free is not None and free >= need.each * need.nodes:
        where = "one node" if need.nodes == 1 else f"each of {need.nodes} nodes"
        return f"{free_words(rival.offer)}, but not {need.each} on {where}"
    return free_words(rival.offer)


def _queue_key(rival: Rival, need: Need) -> tuple[float, ...]:
    queued = rival.offer.queued
    if queued is None:
        return (_UNKNOWN, 0.0)
    return (_BAD, queued) if queued else (_WELL, 0.0)


def _queue_why(rival: Rival, need: Need) -> str:
    return _waiting(rival.offer)


def _waiting(offer: Capacity) -> str:
    if offer.queued is None:
        return "how many wait for it is not known"
    return "nobody waits" if not offer.queued else f"{offer.queued} wait{'s' * (offer.queued == 1)} for it"


def _heat_key(rival: Rival, need: Need) -> tuple[float, ...]:
    slowed = rival.condition.slowed.value
    return (_UNKNOWN if slowed is None else _BAD if slowed > 0 else _WELL,)


def _heat_why(rival: Rival, need: Need) -> str:
    return _slowed(rival.condition) if rival.condition.slowed.value else "whether heat slows it is not known"


def _slowed(condition: Condition) -> str:
    celsius = condition.celsius.value
    return "slowed by heat" + (f" ({celsius:.0f} °C)" if celsius is not None else "")


_LESS = "less power headroom"
_AT_LIMIT = "at its power limit"


def _power_key(rival: Rival, need: Need) -> tuple[float, ...]:
    watts = rival.condition.headroom.value
    if watts is None:
        return (_UNKNOWN, 0.0)
    return (_WELL, -(watts // WATTS)) if watts > 0 else (_BAD, 0.0)


def _power_why(rival: Rival, need: Need) -> str:
    watts = rival.condition.headroom.value
    if watts is None:
        return "its power headroom is not known"
    return f"{_LESS} ({watts:.0f} W)" if watts > 0 else _AT_LIMIT


_BEFORE = (_Step(_able_key, _able_why), _Step(_free_key, _free_why), _Step(_queue_key, _queue_why))
_STEPS = (*_BEFORE, _Step(_heat_key, _heat_why), _Step(_power_key, _power_why))
"""The last, the order, is that of the rivals: the first of those that are even is taken."""
