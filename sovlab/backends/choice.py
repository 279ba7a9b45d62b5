"""Which backend a job gets, and why, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from sovlab.backends import registry
from sovlab.core.backend import Backend
from sovlab.core.capacity import Capacity
from sovlab.errors import BackendError

_LOOK = "See %sovbackends, or in a shell: sovlab backends."


def choose(requested: str, gpus: int, capacities: Sequence[Capacity]) -> tuple[Backend, str]:
    """The backend for a job, and why, e.g. ``cuda, because 1 of 2 GPUs is free``.

    ``auto`` takes the first accelerator with enough free devices (one, if ``gpus`` is zero), else the
    processor; where devices were asked for, it rather takes one that has enough of them and waits.

    Args:
        requested: a backend's name, or ``auto``.
        gpus: accelerators that the job needs on each node; zero leaves it open.
        capacities: what the target has.

    Raises:
        BackendError: no such backend, or the target cannot give what is asked for.
    """
    offers = {offer.detection.backend: offer for offer in capacities}
    if requested == registry.AUTO:
        return _auto(gpus, offers)
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
    return backend, f"{backend.name}, as requested; {_free(offer)}."


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


def _auto(gpus: int, offers: dict[str, Capacity]) -> tuple[Backend, str]:
    found = []
    for name, offer in offers.items():
        if offer.total != 0 and (name in registry.BUILT_IN or name not in registry.broken()):
            backend = registry.get(name)
            if backend.is_accelerator:
                found.append((backend, offer))
    for backend, offer in found:
        if offer.free is not None and offer.free >= max(gpus, 1):
            return backend, f"{backend.name}, because {_free(offer)}."
    for backend, offer in found:
        if gpus and (offer.total is None or offer.total >= gpus):
            return backend, f"{backend.name}, because it has what --gpus {gpus} asks for; {_free(offer)}."
    if gpus:
        raise BackendError(
            f"--gpus asks for {gpus}, but "
            + (
                "the most of one kind on this target is "
                + f"{max(offer.total or 0 for _, offer in found):g}."
                if found
                else "no accelerator was found here."
            ),
            "Leave --gpus out to run on the processor. " + _LOOK if not found else _LOOK,
        )
    cpu = registry.get("cpu")
    if not found:
        return cpu, "cpu, because no accelerator was found here."
    if all(offer.total is None for _, offer in found):
        return cpu, "cpu, because it is not known which accelerators there are; name one with --backend."
    return cpu, f"cpu, because no accelerator is free ({', '.join(_held(b, o) for b, o in found)})."


def _free(offer: Capacity) -> str:
    if offer.total is None or offer.free is None:
        return "how many GPUs are free is not known"
    devices = "GPU" if offer.total == 1 else "GPUs"
    return f"{offer.free:g} of {offer.total:g} {devices} {'is' if offer.free == 1 else 'are'} free"


def _held(backend: Backend, offer: Capacity) -> str:
    return f"{backend.name}: {_free(offer)}"
