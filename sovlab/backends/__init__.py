"""Backends: what hardware jobs run on, one module per vendor, as data; detection without torch.

A package adds its own by an entry point of the group ``sovlab.backends`` that holds a `Provider`; its
name is the backend's.
"""

from typing import TYPE_CHECKING, Any

from sovlab.backends.cache import detections
from sovlab.backends.choice import choose
from sovlab.backends.provider import Provider
from sovlab.backends.registry import AUTO, broken, detect, get, known

if TYPE_CHECKING:
    from sovlab.backends.machine import Machine as Machine

__all__ = ["AUTO", "Machine", "Provider", "broken", "choose", "detect", "detections", "get", "known"]


def __getattr__(name: str) -> Any:
    # Only looking at hardware needs it.
    if name != "Machine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sovlab.backends.machine import Machine

    return Machine
