"""Which backend a job gets, and why, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sovlab.backends import registry
from sovlab.core.backend import Backend
from sovlab.core.capacity import Capacity
from sovlab.errors import BackendError

if TYPE_CHECKING:
    from sovlab.backends.weighing import Need, Rival
    from sovlab.core.energy.condition import Condition

_LOOK = "See %sovbackends, or in a shell: sovlab backends."


class Choice(NamedTuple):
    """A backend that was taken.

    Attributes:
        backend: the one.
        why: a sentence.
        passed: of each other accelerator that there is, why it was not taken: a clause by its name.
    """

    backend: Backend
    why: str
    passed: Mapping[str, str] = {}


def choose(
    requested: str,
    gpus: int,
    capacities: Sequence[Capacity],
    conditions: Mapping[str, Condition] | None = None,
    *,
    nodes: int = 1,
) -> tuple[Backend, str]:
    """The backend for a job, and why, e.g. ``cuda, because 1 of 2 GPUs is free``.

    ``auto`` takes an accelerator whose devices are free, by the rule of `sovlab.backends.weighing`, else the
    processor; where devices were asked for, it rather takes one that has enough of them and waits.

    Args:
        requested: a backend's name, or ``auto``.
        gpus: accelerators that the job needs on each node; zero leaves it open.
        capacities: what the target has.
        conditions: how the devices of each accelerator do, as far as that is known, by its name.
        nodes: of the job.

    Raises:
        BackendError: no such backend, or the target cannot give what is asked for.
    """
    if requested == registry.AUTO:
        choice = automatic(gpus, capacities, conditions, nodes=nodes)
        return choice.backend, choice.why
    offers = {offer.detection.backend: offer for offer in capacities}
    backend = _get(requested, offers)
    if not backend.is_accelerator:
        if gpus:
            raise BackendError(
                f"Backend {backend.name} has no GPUs, but --gpus asks for {gpus}.",
                "Leave --gpus out, or choose an accelerator with --backend.",
            )
        return backend, f"{backend.name}, as requested."
    offer = offers.get(backend.name)
    if offer is None:
        raise BackendError(f"This target has no backend {backend.name}.", _LOOK)
    if offer.total == 0:
        raise BackendError(f"This target has no {backend.title} device. {offer.detection.why}", _LOOK)
    if offer.total is not None and gpus > offer.total:
        raise BackendError(
            f"--gpus asks for {gpus}, but backend {backend.name} has only {offer.total:g} on this target.",
            f"Ask for at most {offer.total:g}, or use more nodes.",
        )
    from sovlab.backends.weighing import Rival, facts_of

    mine = Rival(backend, offer, *_known(conditions or {}, backend))
    return backend, f"{backend.name}, as requested; {', '.join([_free(offer), *facts_of(mine)])}."


def automatic(
    gpus: int,
    capacities: Sequence[Capacity],
    conditions: Mapping[str, Condition] | None = None,
    *,
    nodes: int = 1,
) -> Choice:
    """What ``auto`` takes, and why it passed over the others; see `choose`.

    Raises:
        BackendError: the target cannot give what is asked for.
    """
    rivals = _rivals(capacities, conditions or {})
    if not rivals and not gpus:
        return Choice(registry.get("cpu"), "cpu, because no accelerator was found here.")
    from sovlab.backends.weighing import Need, best, fits

    need = Need(gpus, nodes)
    able = _able(rivals, need)
    if any(fits(each.offer, need) for each in able):
        return best(able, need)
    if gpus and able:
        return best(able, need, f"it has what --gpus {gpus} asks for; ")
    if gpus:
        raise BackendError(f"--gpus asks for {gpus}, but {_too_few(rivals)}.", _ways_out(rivals))
    cpu = registry.get("cpu")
    passed = {each.backend.name: _free(each.offer) for each in rivals}
    if all(each.offer.total is None for each in rivals):
        why = "cpu, because it is not known which accelerators there are; name one with --backend."
        return Choice(cpu, why, passed)
    held = ", ".join(f"{name}: {free}" for name, free in passed.items())
    lacking = "no accelerator is free" if nodes == 1 else f"no accelerator is free for {nodes} nodes"
    return Choice(cpu, f"cpu, because {lacking} ({held}).", passed)


def undecided(gpus: int, capacities: Sequence[Capacity], *, nodes: int = 1) -> list[str]:
    """Accelerators between which ``auto`` decides by heat and power; empty if there are no two such."""
    from sovlab.backends.weighing import Need, fits
    from sovlab.backends.weighing import undecided as even

    need = Need(gpus, nodes)
    able = _able(_rivals(capacities, {}), need)
    if len(able) < 2 or not (gpus or any(fits(each.offer, need) for each in able)):
        return []
    names = [each.backend.name for each in even(able, need)]
    return names if len(names) > 1 else []


def _rivals(capacities: Sequence[Capacity], conditions: Mapping[str, Condition]) -> list[Rival]:
    """The accelerators that a target has, or may have, in their order."""
    found = []
    for offer in capacities:
        name = offer.detection.backend
        if offer.total != 0 and (name in registry.BUILT_IN or name not in registry.broken()):
            backend = registry.get(name)
            if backend.is_accelerator:
                found.append((backend, offer))
    if not found:
        return []  # so that a machine with only a processor needs no rule
    from sovlab.backends.weighing import Rival

    return [Rival(backend, offer, *_known(conditions, backend)) for backend, offer in found]


def _known(conditions: Mapping[str, Condition], backend: Backend) -> list[Condition]:
    return [conditions[backend.name]] if backend.name in conditions else []


def _able(rivals: Sequence[Rival], need: Need) -> list[Rival]:
    """Those that have, or may have, what each node of a job needs."""
    from sovlab.backends.weighing import most

    return [each for each in rivals if (number := most(each.offer)) is None or number >= need.gpus]


def _too_few(rivals: Sequence[Rival]) -> str:
    if not rivals:
        return "no accelerator was found here"
    from sovlab.backends.weighing import most

    whole = all(each.offer.largest is None for each in rivals)
    where = "on this target" if whole else "on one node of this target"
    return f"the most of one kind {where} is {max(most(each.offer) or 0 for each in rivals):g}"


def _ways_out(rivals: Sequence[Rival]) -> str:
    return _LOOK if rivals else f"Leave --gpus out to run on the processor. {_LOOK}"


def _get(requested: str, offers: dict[str, Capacity]) -> Backend:
    try:
        return registry.get(requested)
    except BackendError as error:
        if requested in registry.broken():
            raise
        raise BackendError(error.message, f"{error.hint} {_has(offers)}") from None


def _has(offers: dict[str, Capacity]) -> str:
    """Which accelerators the target has, as a sentence."""
    found = [f"{name} ({_free(offer)})" for name, offer in offers.items() if name != "cpu" and offer.total]
    if found:
        return f"This target has {' and '.join(found)}."
    if any(offer.total is None for name, offer in offers.items() if name != "cpu"):
        return "Which accelerators this target has is not known."
    return "This target has no accelerator, only cpu."


def _free(offer: Capacity) -> str:
    from sovlab.backends.weighing import free_words

    return free_words(offer)
