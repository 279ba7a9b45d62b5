"""Whether two functions or classes are the same but for the object: the same code, and the same state.

A class whose cell has run again is as good as the one before it, so an instance of the one may become one of
the other; but not where the cell was edited meanwhile, or something was put on one of the two.
"""

from __future__ import annotations

import functools
import types
from typing import Any, Dict, Set, Tuple

from sovlab.runner.source.matching import same
from sovlab.runner.source.wrapping import enclosed

_OF_THE_OBJECT = frozenset(
    (
        *(
            "__dict__",
            "__weakref__",
            "__module__",
            "__firstlineno__",
            "__static_attributes__",
            "__classcell__",
        ),
        *("__abstractmethods__", "_abc_impl", "__annotate_func__", "__annotations_cache__", "__slotnames__"),
    )
)
"""Attributes of classes that say where or when one was made."""
_MOST = 10_000
"""Characters of a value that are compared."""


def alike(one: Any, other: Any) -> bool:
    """Whether two functions, or two classes, do the same; in doubt they do not.

    Of the user's code it runs ``repr`` only, of what stands in defaults and attributes.
    """
    return _alike(one, other, set())


def _alike(one: Any, other: Any, seen: Set[Tuple[int, int]]) -> bool:
    if one is other or (id(one), id(other)) in seen:
        return True
    if type(one) is not type(other):
        return False
    seen.add((id(one), id(other)))
    if isinstance(one, types.FunctionType):
        return _functions(one, other, seen)
    if isinstance(one, type):
        return _classes(one, other, seen)
    if isinstance(one, (staticmethod, classmethod)):
        return _alike(one.__func__, other.__func__, seen)
    if isinstance(one, property):
        pairs = ((one.fget, other.fget), (one.fset, other.fset), (one.fdel, other.fdel))
        return all(_alike(a, b, seen) for a, b in pairs)
    if isinstance(one, functools.cached_property):
        return _alike(one.func, other.func, seen)
    if isinstance(one, (tuple, list)) and type(one).__repr__ in (tuple.__repr__, list.__repr__):
        return len(one) == len(other) and all(_alike(a, b, seen) for a, b in zip(one, other))
    if type(one) in (dict, types.MappingProxyType):
        return list(one) == list(other) and all(_alike(one[key], other[key], seen) for key in one)
    return _says_the_same(one, other)


def _functions(one: types.FunctionType, other: types.FunctionType, seen: Set[Tuple[int, int]]) -> bool:
    return (
        same(one, other)
        and _alike(one.__defaults__, other.__defaults__, seen)
        and _alike(one.__kwdefaults__, other.__kwdefaults__, seen)
        and _alike(vars(one), vars(other), seen)
        and _alike(enclosed(one), enclosed(other), seen)
    )


def _classes(one: type, other: type, seen: Set[Tuple[int, int]]) -> bool:
    if one.__qualname__ != other.__qualname__ or one.__module__ != other.__module__:
        return False
    if not _alike(one.__bases__, other.__bases__, seen):
        return False
    mine, theirs = _attributes(one), _attributes(other)
    return mine.keys() == theirs.keys() and all(_alike(mine[name], theirs[name], seen) for name in mine)


def _attributes(cls: type) -> Dict[str, Any]:
    found = {name: value for name, value in vars(cls).items() if name not in _OF_THE_OBJECT}
    if not found.get("__annotations__", True):
        del found["__annotations__"]  # made by whoever asked for it
    return found


def _says_the_same(one: Any, other: Any) -> bool:
    try:
        mine, theirs = repr(one), repr(other)
    except Exception:
        return False
    return mine == theirs and len(mine) < _MOST and " at 0x" not in mine
