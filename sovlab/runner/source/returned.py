"""Where the definitions that a job returned live in the notebook: each job's in a namespace of their own.

A class and the helpers that it calls keep together, so objects that two runs of one cell returned each run
the code that they were made with, whatever the notebook or the other run calls by the same names.
"""

from __future__ import annotations

import types
import weakref
from typing import Any, Dict, Mapping, Optional, Tuple

from sovlab.runner.source.matching import own_functions


class ReturnedNamespace(Dict[str, Any]):
    """The globals of what one job returned: what the job made; for all else the notebook's, as it is now.

    Args:
        notebook: the notebook's variables.
    """

    def __init__(self, notebook: Mapping[str, Any]) -> None:
        super().__init__({name: notebook[name] for name in ("__name__", "__builtins__") if name in notebook})
        self.notebook = notebook

    def __missing__(self, name: str) -> Any:
        # Python asks here for the global names of a function too, whose globals are of a dict's subclass.
        return self.notebook[name]

    def __contains__(self, name: object) -> bool:
        return dict.__contains__(self, name) or name in self.notebook

    def get(self, name: str, default: Any = None) -> Any:
        """As of a dictionary that has what the notebook has, too."""
        try:
            return self[name]
        except KeyError:
            return default

    def keep(self, name: str) -> None:
        """Note that the definition ``name`` is this job's."""
        value = self[name]
        number = id(value)
        try:
            _MADE[number] = (weakref.ref(value, lambda _: _forget(number)), self)
        except TypeError:
            pass  # of what a decorator made, that nothing can refer to weakly; it is left where it is bound


_MADE: Dict[int, Tuple[Any, ReturnedNamespace]] = {}
"""Definitions that jobs returned, by `id`: a weak reference, and where they live."""


def _forget(number: int) -> None:
    _MADE.pop(number, None)


def returned_with(value: Any) -> Optional[ReturnedNamespace]:
    """The namespace of the job that returned a definition; None if none did."""
    entry = _MADE.get(id(value))
    return entry[1] if entry is not None and entry[0]() is value else None


def globals_of(origin: Any) -> Optional[Mapping[str, Any]]:
    """Where a function, or the methods of a class, look for global names; None if nothing tells."""
    if isinstance(origin, types.FunctionType):
        return origin.__globals__
    made = returned_with(origin)
    if made is not None:
        return made
    return next((function.__globals__ for function in own_functions(origin)), None)
