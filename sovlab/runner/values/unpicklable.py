"""Finds which part of a value it is that cannot be pickled, to name it."""

from __future__ import annotations

import itertools
from typing import Any, Callable, Iterator, Optional, Tuple

_DEPTH = 50
_BREADTH = 10_000
"""Parts tried on each level; one behind more than that is named by what contains it."""


def find(
    name: str, value: Any, error: BaseException, attempt: Callable[[object], Optional[BaseException]]
) -> Tuple[str, Any, BaseException]:
    """The innermost part that cannot be pickled: its path as an expression, itself, and the pickler's error.

    Args:
        name: the variable, with which the path begins.
        value: its value, which could not be pickled.
        error: what the pickler raised for it.
        attempt: tries to pickle a part, and answers with the error if it cannot be.
    """
    path, part, why = name, value, error
    for _ in range(_DEPTH):
        for step, child in itertools.islice(_children(part), _BREADTH):
            failure = attempt(child)
            if failure is not None:
                path, part, why = path + step, child, failure
                break
        else:
            break
    return path, part, why


def _children(value: Any) -> Iterator[Tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"[{key!r:.60}]", item
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield f"[{number}]", item
    elif isinstance(value, (set, frozenset)):
        for item in value:
            yield "{…}", item
    if hasattr(value, "__self__") and hasattr(value, "__func__"):
        yield ".__self__", value.__self__
    code = getattr(value, "__code__", None)
    for variable, cell in zip(getattr(code, "co_freevars", ()), getattr(value, "__closure__", None) or ()):
        try:
            yield f".<closure {variable}>", cell.cell_contents
        except ValueError:
            continue  # the cell is empty
    fields = getattr(value, "__dict__", None)
    own = type(value).__module__ == "__main__"
    if isinstance(fields, dict) and not isinstance(value, type):
        for field, item in fields.items():
            # What a library keeps within its objects says less to the user than the object does.
            if own or not field.startswith("_"):
                yield f".{field}", item
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for field in (slots,) if isinstance(slots, str) else slots:
            if field not in ("__dict__", "__weakref__") and hasattr(value, field):
                yield f".{field}", getattr(value, field)
