"""Whether a live function or class is what a statement of a cell makes."""

from __future__ import annotations

import ast
import functools
import linecache
import sys
import types
from typing import Any, Dict, Iterator, List, Optional, Tuple

from sovlab.runner.source.binding import FUNCTIONS


def same(one: types.FunctionType, other: Any) -> bool:
    """Whether two functions were made of the same source."""
    return isinstance(other, types.FunctionType) and same_code(one.__code__, other.__code__)


def origins(value: Any, name: str, module: str) -> Iterator[Any]:
    """Functions and classes called ``name`` within ``value``, around which decorators may have put others."""
    for part in layered(value):
        if not isinstance(part, (types.FunctionType, type)) or part.__module__ != module:
            continue
        if part.__qualname__ == name or (part is value and part.__name__ == "<lambda>"):
            yield part


def layered(value: Any) -> Iterator[Any]:
    """``value`` and what decorators have put into it, from the outside to the inside."""
    todo: List[Tuple[Any, int]] = [(value, 0)]
    seen = set()
    while todo:
        part, depth = todo.pop(0)
        if id(part) in seen or depth > 4:
            continue
        seen.add(id(part))
        yield part
        todo.extend((inner, depth + 1) for inner in _wrapped(part))


def _wrapped(value: Any) -> Iterator[Any]:
    """What a decorator put into ``value``, found without running code of the user's."""
    if isinstance(value, type):
        return
    fields = getattr(value, "__dict__", None)
    if isinstance(fields, dict):
        yield from (fields[name] for name in ("__wrapped__", "py_func", "func") if name in fields)
        if type(value).__module__ == "__main__":
            yield from [field for field in fields.values() if isinstance(field, (types.FunctionType, type))]
    if isinstance(value, functools.partial):
        yield value.func
    elif isinstance(value, (staticmethod, classmethod)):
        yield value.__func__
    elif isinstance(value, property):
        yield value.fget
    elif isinstance(value, types.FunctionType):
        from sovlab.runner.source.wrapping import enclosed  # a first submit without functions does without

        yield from enclosed(value).values()


def has_all(origin: type, node: ast.ClassDef) -> bool:
    """Whether a class has the attributes that its body assigns, and the annotations."""
    return _is_annotated(origin, node) and _is_assigned(origin, node)


def _is_assigned(origin: type, node: ast.ClassDef) -> bool:
    if type(origin) is not type:
        return True  # a metaclass may keep it elsewhere
    assigned = (
        target.id
        for part in node.body
        if isinstance(part, (ast.Assign, ast.AnnAssign)) and part.value is not None
        for target in (part.targets if isinstance(part, ast.Assign) else [part.target])
        if isinstance(target, ast.Name)
    )
    deleted = {
        t.id for p in node.body if isinstance(p, ast.Delete) for t in p.targets if isinstance(t, ast.Name)
    }
    moved = {"__slots__", "__dataclass_fields__"} & vars(origin).keys()
    return bool(moved) or all(mangled(origin, name) in vars(origin) or name in deleted for name in assigned)


def _is_annotated(origin: type, node: ast.ClassDef) -> bool:
    """Whether a class has the annotations that its body says."""
    said = {
        mangled(origin, part.target.id)
        for part in node.body
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)
    }
    if sys.version_info >= (3, 14):
        has = set(getattr(origin, "__annotations__", ())) if said else said
    else:
        has = set(vars(origin).get("__annotations__", ()))
    return said <= has if any(not isinstance(p, _PLAIN) for p in node.body) else said == has


_PLAIN = (ast.Assign, ast.AnnAssign, *FUNCTIONS, ast.ClassDef, ast.Expr, ast.Pass)
"""Statements in the body of a class that do not bind names on some ways only."""


def says_all(node: ast.ClassDef, origin: type) -> bool:
    """Whether what the body of a class assigns literally is what the class has."""
    for part in node.body:
        value = getattr(part, "value", None)
        targets = getattr(part, "targets", None) or [getattr(part, "target", None)]
        if not isinstance(part, (ast.Assign, ast.AnnAssign)) or value is None:
            continue
        try:
            written = repr(ast.literal_eval(value))
        except (ValueError, TypeError, SyntaxError):
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                has = vars(origin).get(mangled(origin, target.id), _NOTHING)
                if type(has) in _LITERAL and repr(has) != written:
                    return False
    return True


_NOTHING = object()


_LITERAL = (bool, int, float, complex, str, bytes, type(None), tuple, list, dict, set)


def own_functions(origin: type) -> Iterator[types.FunctionType]:
    """The functions that the body of a class defines."""
    for value in vars(origin).values():
        function = _plain(value)
        if function is not None and function.__qualname__.startswith(f"{origin.__qualname__}."):
            yield function


def same_code(live: types.CodeType, compiled: types.CodeType) -> bool:
    """Whether two pieces of code do the same, wherever they stand."""
    if live is compiled:
        return True
    if (
        live.co_code != compiled.co_code
        or live.co_names != compiled.co_names
        or live.co_varnames != compiled.co_varnames
        or live.co_freevars != compiled.co_freevars
        or live.co_argcount != compiled.co_argcount
        or live.co_kwonlyargcount != compiled.co_kwonlyargcount
        or len(live.co_consts) != len(compiled.co_consts)
    ):
        return False
    for one, other in zip(live.co_consts, compiled.co_consts):
        if isinstance(one, types.CodeType) and isinstance(other, types.CodeType):
            if not same_code(one, other):
                return False
        elif type(one) is not type(other) or repr(one) != repr(other):  # 0.0 is not -0.0, nan is nan
            return False
    return True


def _plain(value: Any) -> Optional[types.FunctionType]:
    """The function in a method, whatever kind of method it is."""
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    elif isinstance(value, functools.cached_property):
        value = value.func
    return value if isinstance(value, types.FunctionType) else None


def class_is(origin: type, body: types.CodeType) -> bool:
    """Whether the functions in a class are those of its body, none replaced and none added."""
    compiled: Dict[str, List[types.CodeType]] = {}
    todo = [body]
    while todo:
        for const in todo.pop().co_consts:
            if isinstance(const, types.CodeType):
                if const.co_name.startswith("<generic"):
                    todo.append(const)
                compiled.setdefault(mangled(origin, const.co_name), []).append(const)
    for name, value in list(vars(origin).items()):
        function = _plain(value)
        if function is None:
            continue
        if name in compiled:
            plain = f"{origin.__qualname__}.{function.__code__.co_name}"
            inner = {
                id(f): f
                for q in (plain, f"{origin.__qualname__}.{name}")
                for f in origins(function, q, origin.__module__)
            }
            codes = [f.__code__ for f in inner.values() if isinstance(f, types.FunctionType)]
            if not any(same_code(live, code) for live in codes for code in compiled[name]):
                return False
        elif name not in body.co_names and _from_cell(function, origin):
            return False
    methods = {name for name in compiled if not name.startswith("<") and name in body.co_names}
    return all(name in vars(origin) for name in methods)


def mangled(origin: type, name: str) -> str:
    """What a name in the body of a class is called outside of it."""
    if name.startswith("__") and not name.endswith("__"):
        return f"_{origin.__name__.lstrip('_')}{name}"
    return name


def _from_cell(function: types.FunctionType, origin: type) -> bool:
    """Whether a function of a class stands in a cell; those that dataclasses and their like make do not."""
    file = function.__code__.co_filename
    entry = linecache.cache.get(file, ())
    if len(entry) != 4 or entry[1] is not None:
        return False
    of_body = function.__qualname__.startswith(f"{origin.__qualname__}.")
    # Some make the source of what they generate, too.
    return not of_body or f"class {origin.__name__}" in "".join(linecache.getlines(file))
