"""Where in the cells a function or class was defined, if its source still is what the object does.

Cells are found in `linecache`, where IPython and the runner put them. An object whose compiled code
differs from its source (a method was replaced, a cell was edited) has no source here.
"""

from __future__ import annotations
import __future__

import ast
import functools
import hashlib
import io
import linecache
import sys
import types
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple, Union

from sovlab.runner.source.binding import FUNCTIONS

Statement = Union[ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign]

_FUTURE = {getattr(__future__, name).compiler_flag: name for name in __future__.all_feature_names}
_FUTURE = {
    flag: name for flag, name in _FUTURE.items() if flag > 0xFF
}  # lower bits mean other things in code


class DefiningStatement(NamedTuple):
    """A statement of a cell that defines a function or class.

    Attributes:
        file: the cell's or script's file name in `linecache`.
        cell: the source of the whole cell or script.
        source: the statement's own source, decorators included.
        line: number of its first line in the cell, from 1.
        node: its syntax tree.
        future: features of ``__future__`` that it was compiled with.
        origin: the function or class that it made.
    """

    file: str
    cell: str
    source: str
    line: int
    node: Statement
    future: Tuple[str, ...]
    origin: Any

    @property
    def key(self) -> str:
        """SHA-256 of the whole cell, in hex."""
        return hashlib.sha256(self.cell.encode("utf-8", "surrogatepass")).hexdigest()


def find(name: str, namespace: Mapping[str, Any]) -> Optional[DefiningStatement]:
    """The statement that gave ``name`` the value it has in ``namespace``; None if it is not known."""
    value = namespace[name]
    module = namespace.get("__name__", "__main__")
    for origin in origins(value, name, module):
        if isinstance(origin, types.FunctionType):
            statement = _function(origin, name, bare=origin is value)
        else:
            statement = _class(origin, name, namespace)
        if statement is not None:
            return statement
    return None


def same(one: types.FunctionType, other: Any) -> bool:
    """Whether two functions were made of the same source."""
    return isinstance(other, types.FunctionType) and same_code(one.__code__, other.__code__)


def cells(namespace: Mapping[str, Any]) -> List[str]:
    """File names of what may define names of ``namespace``, newest first."""
    files = [name for name, entry in list(linecache.cache.items()) if len(entry) == 4 and entry[1] is None]
    script = namespace.get("__file__")
    return [*reversed(files), *([script] if isinstance(script, str) else [])]


def origins(value: Any, name: str, module: str) -> Iterator[Any]:
    """Functions and classes called ``name`` within ``value``, around which decorators may have put others."""
    todo: List[Tuple[Any, int]] = [(value, 0)]
    seen = set()
    while todo:
        part, depth = todo.pop(0)
        if id(part) in seen or depth > 4:
            continue
        seen.add(id(part))
        if isinstance(part, (types.FunctionType, type)):
            lambda_ = isinstance(part, types.FunctionType) and part.__name__ == "<lambda>" and depth == 0
            if part.__module__ == module and (part.__qualname__ == name or lambda_):
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
    elif isinstance(value, property):
        yield value.fget
    elif isinstance(value, types.FunctionType):
        from sovlab.runner.source.wrapping import enclosed  # a first submit without functions does without

        yield from enclosed(value).values()


def _function(origin: types.FunctionType, name: str, *, bare: bool) -> Optional[DefiningStatement]:
    code = origin.__code__
    if origin.__closure__ and "__class__" not in code.co_freevars:
        return None
    for statement in _statements(code.co_filename, name):
        node = statement.node
        if isinstance(node, ast.ClassDef) or _first_line(node) != code.co_firstlineno:
            continue
        if not bare and not getattr(node, "decorator_list", None):
            continue  # wrapped by a later statement, not by its own
        future = _future(code.co_flags)
        compiled = _compiled(statement.file, statement.cell, node, _flags(future))
        if any(same_code(code, way) for way in compiled):
            return statement._replace(future=future, origin=origin)
    return None


def _class(origin: type, name: str, namespace: Mapping[str, Any]) -> Optional[DefiningStatement]:
    future = tuple(f for f in _FUTURE.values() if namespace.get(f) is getattr(__future__, f))
    nearly: Optional[DefiningStatement] = None
    for file in dict.fromkeys([*_files_of(origin), *cells(namespace)]):
        for statement in _statements(file, name):
            if not isinstance(statement.node, ast.ClassDef):
                continue
            compiled = _compiled(statement.file, statement.cell, statement.node, _flags(future))
            if any(_class_is(origin, way) for way in compiled) and _is_annotated(origin, statement.node):
                found = statement._replace(future=future, origin=origin)
                if _says_all(statement.node, origin):
                    return found
                # Attributes may have been set since; but another cell may have made it with these.
                nearly = nearly or found
    return nearly


def _is_annotated(origin: type, node: ast.ClassDef) -> bool:
    """Whether a class has the annotations that its body says."""
    said = {
        _mangled(origin, part.target.id)
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


def _says_all(node: ast.ClassDef, origin: type) -> bool:
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
                has = vars(origin).get(_mangled(origin, target.id), _NOTHING)
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


def _files_of(origin: type) -> Iterator[str]:
    return (function.__code__.co_filename for function in own_functions(origin))


def _statements(file: str, name: str) -> Iterator[DefiningStatement]:
    cell = "".join(linecache.getlines(file))
    if name not in cell:
        return
    for node in reversed(_defining(file, cell).get(name, [])):
        yield DefiningStatement(file, cell, _segment(cell, node), _first_line(node), node, (), None)


@functools.lru_cache(maxsize=512)
def _tree(file: str, cell: str) -> ast.Module:
    try:
        return ast.parse(cell, file)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module(body=[], type_ignores=[])


@functools.lru_cache(maxsize=512)
def _defining(file: str, cell: str) -> Dict[str, List[Statement]]:
    tree = _tree(file, cell)
    definitions: Dict[str, List[Statement]] = {}
    todo: List[ast.stmt] = list(reversed(tree.body))
    while todo:
        node = todo.pop()
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            definitions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign):
            target = node.targets[0]
            if len(node.targets) == 1 and isinstance(target, ast.Name) and isinstance(node.value, ast.Lambda):
                definitions.setdefault(target.id, []).append(node)
        for field in ("body", "orelse", "finalbody", "handlers"):
            if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                inner = getattr(node, field, None)
                if isinstance(inner, list):
                    todo.extend(reversed(inner))
    return definitions


def _first_line(node: Statement) -> int:
    decorators: List[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _segment(cell: str, node: Statement) -> str:
    # Not splitlines: that also ends a line at a form feed, which Python does not.
    lines = [line.encode("utf-8", "surrogatepass") for line in io.StringIO(cell, newline="")]
    lines = lines[_first_line(node) - 1 : node.end_lineno]
    # Other statements may stand on the same lines, before or behind a semicolon.
    lines[-1] = lines[-1][: node.end_col_offset] + b"\n"
    if lines[0][: node.col_offset].strip():
        lines[0] = lines[0][node.col_offset :]
    return b"".join(lines).decode("utf-8", "surrogatepass")


@functools.lru_cache(maxsize=1024)
def _compiled(file: str, cell: str, node: Statement, flags: int) -> Tuple[types.CodeType, ...]:
    """The code of the function or class body that ``node`` defines.

    Compiled by itself, as IPython does with each statement, and together with its cell, as a job does: from
    Python 3.11 on the code of a function depends on what its module imports.
    """
    found: List[types.CodeType] = []
    for tree in (ast.Module(body=[node], type_ignores=[]), _tree(file, cell)):
        try:
            module = compile(tree, file, "exec", flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
        code = _defined_in(module, getattr(node, "name", "<lambda>"), _first_line(node))
        if code is not None and not any(code == other for other in found):
            found.append(code)
    return tuple(found)


def _defined_in(module: types.CodeType, name: str, line: int) -> Optional[types.CodeType]:
    todo = [module]
    while todo:
        code = todo.pop(0)
        inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
        for const in inner:
            if const.co_name == name and const.co_firstlineno == line:
                return const
        # Type parameters put the body one level deeper.
        todo.extend(const for const in inner if const.co_name.startswith("<generic"))
    return None


def _future(flags: int) -> Tuple[str, ...]:
    return tuple(sorted(name for flag, name in _FUTURE.items() if flags & flag))


def _flags(future: Tuple[str, ...]) -> int:
    return sum(flag for flag, name in _FUTURE.items() if name in future)


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


def _class_is(origin: type, body: types.CodeType) -> bool:
    """Whether the functions in a class are those of its body, none replaced and none added."""
    compiled: Dict[str, List[types.CodeType]] = {}
    todo = [body]
    while todo:
        for const in todo.pop().co_consts:
            if isinstance(const, types.CodeType):
                if const.co_name.startswith("<generic"):
                    todo.append(const)
                compiled.setdefault(_mangled(origin, const.co_name), []).append(const)
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


def _mangled(origin: type, name: str) -> str:
    if name.startswith("__") and not name.endswith("__"):
        return f"_{origin.__name__.lstrip('_')}{name}"
    return name


def _from_cell(function: types.FunctionType, origin: type) -> bool:
    """Whether the user put a function on a class; those that dataclasses and their like make are not."""
    file = function.__code__.co_filename
    entry = linecache.cache.get(file, ())
    in_cell = len(entry) == 4 and entry[1] is None
    return in_cell and not function.__qualname__.startswith(f"{origin.__qualname__}.")
