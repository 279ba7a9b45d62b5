"""What decorators have put around a function or class."""

from __future__ import annotations

import types
from typing import Any, Dict, Iterator, List

_DEEP = 5
"""Wrappers around one another."""


def enclosed(function: types.FunctionType) -> Dict[str, Any]:
    """What a function has closed over, by name; what is not bound yet is left out."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found


def layers(value: Any, origin: Any) -> List[Any]:
    """``value`` and the functions within it, from the outermost to the one before ``origin``."""
    layers: List[Any] = []
    part = value
    while part is not None and part is not origin and len(layers) < _DEEP:
        if isinstance(part, type) or not hasattr(part, "__dict__"):
            break
        layers.append(part)
        part = next(_within(part), None) if isinstance(part, types.FunctionType) else None
    if part is origin is not None and part is value:
        layers.append(part)  # the decorators gave back what they were given
    return layers


def _within(function: types.FunctionType) -> Iterator[Any]:
    wrapped = vars(function).get("__wrapped__")
    if wrapped is not None:
        yield wrapped
    yield from (part for part in enclosed(function).values() if isinstance(part, types.FunctionType))
