"""What stands in a loaded value for a class or function that is not here, so that the rest can load."""

from __future__ import annotations

import gc
import types
from typing import Any, List, Optional, Set

_MOST = 2_000_000
"""Objects that are searched in a value: enough for any model or data frame, in seconds at the most."""


class _AbsentType(type):
    why = ""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


class Absent(metaclass=_AbsentType):
    """Takes whatever an unpickler does to a new object, and is nothing."""

    why = ""

    def __new__(cls, *_: Any, **__: Any) -> Any:  # noqa: D102 - as any class's
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Any:  # noqa: D102 - as any object's
        return self

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """As a list's."""

    def extend(self, values: Any) -> None:
        """As a list's."""


def absent(module: str, name: str, why: str) -> Any:
    """A class in place of ``module.name``.

    Args:
        module: dotted name of the module that should have it.
        name: what a pack calls the class or function; may be dotted.
        why: continues a sentence that begins with the name of a variable: ``needs the library x, …``.
    """
    return _AbsentType(name.rpartition(".")[2] or "absent", (Absent,), {"why": why, "__module__": module})


def shared_with(name: str) -> str:
    """Why a name cannot be loaded whose value shares something with ``name``, which could not."""
    return f"shares something with {name}, which could not be loaded"


def reason_within(value: Any) -> Optional[str]:
    """The reason of the first `Absent` within ``value``; None if there is none."""
    seen: Set[int] = set()
    todo: List[Any] = [value]
    while todo and len(seen) < _MOST:
        part = todo.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        kind = type(part)
        if kind is _AbsentType or isinstance(part, Absent):
            return str(part.why)
        if isinstance(part, (types.ModuleType, type)):
            continue
        if isinstance(part, types.FunctionType):
            todo.extend(part.__closure__ or ())
            todo.extend((part.__defaults__, part.__kwdefaults__, part.__dict__, part.__code__))
            continue
        todo.extend(gc.get_referents(part))
        if kind.__module__ == "numpy" and getattr(getattr(part, "dtype", None), "hasobject", False):
            todo.extend(part.ravel().tolist())  # arrays do not show the collector what they hold
    return None
