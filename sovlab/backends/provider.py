"""`Provider`: one vendor's backend as data, and the function that finds its devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sovlab.core.backend import Backend, Detection

if TYPE_CHECKING:
    from sovlab.backends.machine import Machine


@dataclass(frozen=True, slots=True)
class Provider:
    """What an entry point of the group ``sovlab.backends`` holds.

    Attributes:
        backend: the hardware, as data.
        look: finds its devices on a machine; imports no torch, needs no vendor library, and says in one
            sentence what it saw or why it found nothing.
    """

    backend: Backend
    look: Callable[[Machine], Detection]

    def detect(self, machine: Machine | None = None) -> Detection:
        """What ``machine`` (default: this one) has of it. A failing look is a finding, never an error."""
        from sovlab.backends.machine import Machine

        try:
            return self.look(machine if machine is not None else Machine())
        except Exception as error:
            why = f"Detection of {self.backend.title} failed: {type(error).__name__}: {error}."
            return Detection(backend=self.backend.name, devices=(), why=why)
