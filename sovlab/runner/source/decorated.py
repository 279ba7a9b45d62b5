"""What was put on a definition after its decorators had made it: the part of its value that its source lacks.

Implementations registered with `functools.singledispatch`, attributes, what the wrappers of decorators have
counted or collected, and the attributes of an object that a decorator made. Where the source has been run
anew, `restore` gives it the same.
"""

from __future__ import annotations

import collections
import functools
import types
from typing import Any, Dict, Optional, Tuple

from sovlab.runner.source.wrapping import enclosed, layers
from sovlab.runner.values.refilling import refill

_DISPATCHING: Any = functools.singledispatch(lambda value: None)
_SINGLE = _DISPATCHING.__code__
_SCALARS = (type(None), bool, int, float, complex, str, bytes)
_CONTAINERS: Tuple[type, ...] = (
    *(dict, list, set, tuple, frozenset, bytearray),
    *(collections.OrderedDict, collections.defaultdict, collections.Counter, collections.deque),
)


def registered(value: Any) -> Dict[Any, Any]:
    """Implementations of a `functools.singledispatch` function or method, by class; empty if it is none."""
    if isinstance(value, functools.singledispatchmethod):
        value = value.dispatcher
    if not is_dispatching(value):
        return {}
    return {kind: function for kind, function in value.registry.items() if kind is not object}


def is_dispatching(value: Any) -> bool:
    """Whether `functools.singledispatch` has made a function."""
    return isinstance(value, types.FunctionType) and value.__code__ is _SINGLE


def function_of(member: Any) -> Optional[types.FunctionType]:
    """The function that a class has under a name; None if there is something else."""
    function = member.__func__ if isinstance(member, (staticmethod, classmethod)) else member
    return function if isinstance(function, types.FunctionType) else None


def state(value: Any, origin: Any) -> Dict[str, Any]:
    """What `restore` needs; empty if there is nothing but what the source makes.

    Args:
        value: what the notebook has under the name.
        origin: the function or class that the decorators were given.
    """
    found: Dict[str, Any] = {}
    if registered(value):
        found["registered"] = registered(value)
    states = [_layer(part, origin) for part in layers(value, origin)]
    if any(states):
        found["layers"] = states
    return found


def restore(value: Any, found: Dict[str, Any]) -> None:
    """Put on ``value`` what `state` has found on its like."""
    for kind, function in found.get("registered", {}).items():
        if value.registry.get(kind) is not function:
            value.register(kind, function)
    for part, layer in zip(layers(value, None), found.get("layers", ())):
        vars(part).update(layer.get("dict", {}))
        cells = dict(zip(part.__code__.co_freevars, part.__closure__ or ())) if layer.get("cells") else {}
        for name, content in layer.get("cells", {}).items():
            if name in cells:
                _set(cells[name], content)


def restore_member(owner: type, name: str, found: Dict[str, Any]) -> None:
    """`restore` for the method called ``name``."""
    function = function_of(vars(owner).get(name))
    if function is not None:
        restore(function, found)


def restore_method(owner: type, name: str, found: Dict[Any, Any]) -> None:
    """Register implementations of a method of `functools.singledispatchmethod`."""
    method = vars(owner)[name]
    dispatcher = getattr(method, "dispatcher", method)
    for kind, function in found.items():
        if dispatcher.registry.get(kind) is not function:
            dispatcher.register(kind, function)


def _set(cell: Any, content: Any) -> None:
    try:
        there = cell.cell_contents
    except ValueError:
        there = None
    if there is content:
        return
    # In place, for others may share it; but what was sent with it shares the one that was sent.
    if type(there) is type(content) and isinstance(content, dict):
        refill([("dict", there, list(content.items()))])
    elif type(there) is type(content) and isinstance(content, list):
        refill([("list", there, list(content))])
    elif type(there) is type(content) and isinstance(content, set):
        refill([("set", there, list(content))])
    cell.cell_contents = content


def _layer(part: Any, origin: Any) -> Dict[str, Any]:
    if isinstance(part, types.FunctionType):
        single = part.__code__ is _SINGLE
        fields = (
            {} if single else {n: v for n, v in vars(part).items() if not _is_pythons(n) and _is_value(v)}
        )
        inside = {} if single or part is origin else enclosed(part)
        cells = {n: v for n, v in inside.items() if _is_value(v) and not callable(v)}
        return {key: what for key, what in (("dict", fields), ("cells", cells)) if what}
    if type(part).__module__ != getattr(origin, "__module__", None):
        return {}  # of a library: what its decorator makes is for the library to say
    fields = {name: value for name, value in vars(part).items() if value is not origin and _is_value(value)}
    return {"dict": fields} if fields else {}


def _is_pythons(name: str) -> bool:
    """``__wrapped__``, ``__isabstractmethod__`` and their like, which the source makes again."""
    return name.startswith("__") and name.endswith("__")


def _is_value(value: Any) -> bool:
    """Whether something is a value of the user's rather than machinery of a decorator's."""
    kind = type(value)
    if kind in _SCALARS or kind in _CONTAINERS or isinstance(value, (types.FunctionType, type)):
        return True
    return kind.__module__ == "__main__" or kind.__module__.partition(".")[0] in ("torch", "numpy", "pandas")


def is_plain(value: Any, depth: int = 3) -> bool:
    """Whether something is made of numbers, strings and tensors alone, which always travel."""
    if type(value) in _SCALARS or type(value).__module__ in ("torch", "numpy"):
        return True
    if not depth or type(value) not in (dict, list, tuple, set, frozenset) or len(value) > 1000:
        return False
    parts = [*value, *value.values()] if isinstance(value, dict) else value
    return all(is_plain(part, depth - 1) for part in parts)


def is_value(value: Any, module: str, depth: int = 5) -> bool:
    """Whether something is data that travels: plain values, and objects of the module's classes that hold it.

    In doubt it is not: an object that holds a lock or a file is made anew where its source is run.
    """
    if is_plain(value) or isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)):
        return True
    if not depth:
        return False
    if isinstance(value, functools.partial):
        parts: Any = [value.func, *value.args, *value.keywords.values()]
    elif type(value) in _CONTAINERS:
        parts = [*value, *value.values()] if isinstance(value, dict) else value
    elif type(value).__module__ == module and not hasattr(value, "__slots__"):
        parts = vars(value).values()
    else:
        return False
    return len(parts) <= 1000 and all(is_value(part, module, depth - 1) for part in parts)
