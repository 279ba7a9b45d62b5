"""The choice of a job's backend, with what is known of heat and power in time for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sovlab.backends import AUTO, choose
from sovlab.backends.choice import undecided
from sovlab.client.conditions.look import BUDGET

if TYPE_CHECKING:
    from sovlab.client.conditions.look import Look
    from sovlab.core.backend import Backend
    from sovlab.core.capacity import Capacity


def choose_by(
    look: Look, requested: str, gpus: int, offers: Sequence[Capacity], *, nodes: int
) -> tuple[Backend, str]:
    """The backend for a job and why, as `sovlab.backends.choose`; heat is waited for only where it decides.

    Args:
        look: of the target.
        requested: a backend's name, or ``auto``.
        gpus: accelerators that the job needs on each node; zero leaves it open.
        offers: what the target has.
        nodes: of the job.

    Raises:
        BackendError: as `sovlab.backends.choose`.
    """
    even = undecided(gpus, offers, nodes=nodes) if requested == AUTO else []
    asked = accelerators(offers)
    conditions = look.conditions(asked, BUDGET if even else 0.0)
    return choose(requested, gpus, offers, conditions, nodes=nodes)


def accelerators(offers: Sequence[Capacity]) -> list[Capacity]:
    """What a target has of accelerators."""
    return [offer for offer in offers if offer.total and offer.detection.backend != "cpu"]
