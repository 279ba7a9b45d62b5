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
import re
import types
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple, Union

from sovlab.runner.source.binding import FUNCTIONS
from sovlab.runner.source.parsing import parse

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
    from sovlab.runner.source import matching

    for origin in matching.origins(value, name, module):
        if isinstance(origin, types.FunctionType):
            statement = _function(origin, name, bare=origin is value)
        else:
            statement = _class(origin, name, namespace)
        if statement is not None:
            return statement
    return None


def cells(namespace: Mapping[str, Any]) -> List[str]:
    """File names of what may define names of ``namespace``, newest first."""
    files = [name for name, entry in list(linecache.cache.items()) if len(entry) == 4 and entry[1] is None]
    script = namespace.get("__file__")
    return [*reversed(files), *([script] if isinstance(script, str) else [])]


_SETTING = re.compile(r"^[ \t]*(?!self\.)[\w.]+\.\w+[ \t]*=[^=]|setattr\(", re.MULTILINE)


def may_set(namespace: Mapping[str, Any]) -> bool:
    """Whether some line of the cells looks like setting an attribute of something else than ``self``."""
    return any(_SETTING.search("".join(linecache.getlines(file))) for file in cells(namespace))


_CALLING = re.compile(
    r"^[ \t]*(?:@[\w.]*register"
    r"|[\w.]*\b(?:(?:un|de)?register|set|enable|disable|install|patch|configure|add|use)\w*\()",
    re.MULTILINE,
)


def may_call(namespace: Mapping[str, Any]) -> bool:
    """Whether some line of the cells looks like a call that changes something, or registers what follows."""
    return any(_CALLING.search("".join(linecache.getlines(file))) for file in cells(namespace))


def _function(origin: types.FunctionType, name: str, *, bare: bool) -> Optional[DefiningStatement]:
    from sovlab.runner.source.matching import same_code

    code = origin.__code__
    if origin.__closure__ and "__class__" not in code.co_freevars:
        return None
    for statement in _statements(code.co_filename, name):
        node = statement.node
        if isinstance(node, ast.ClassDef) or first_line(node) != code.co_firstlineno:
            continue
        if not bare and not getattr(node, "decorator_list", None):
            continue  # wrapped by a later statement, not by its own
        future = _future(code.co_flags)
        compiled = _compiled(statement.file, statement.cell, node, _flags(future))
        if any(same_code(code, way) for way in compiled):
            return statement._replace(future=future, origin=origin)
    return None


def _class(origin: type, name: str, namespace: Mapping[str, Any]) -> Optional[DefiningStatement]:
    from sovlab.runner.source import matching

    future = tuple(f for f in _FUTURE.values() if namespace.get(f) is getattr(__future__, f))
    nearly: Optional[DefiningStatement] = None
    for file in dict.fromkeys([*_files_of(origin), *cells(namespace)]):
        for statement in _statements(file, name):
            if not isinstance(statement.node, ast.ClassDef):
                continue
            compiled = _compiled(statement.file, statement.cell, statement.node, _flags(future))
            is_it = matching.has_all(origin, statement.node) and any(
                matching.class_is(origin, way) for way in compiled
            )
            if is_it and matching.has_all(origin, statement.node):
                found = statement._replace(future=future, origin=origin)
                if matching.says_all(statement.node, origin):
                    return found
                # Attributes may have been set since; but another cell may have made it with these.
                nearly = nearly or found
    return nearly


def _files_of(origin: type) -> Iterator[str]:
    from sovlab.runner.source import matching

    return (function.__code__.co_filename for function in matching.own_functions(origin))


def _statements(file: str, name: str) -> Iterator[DefiningStatement]:
    cell = "".join(linecache.getlines(file))
    if name not in cell:
        return
    for node in reversed(_defining(file, cell).get(name, [])):
        yield DefiningStatement(file, cell, _segment(cell, node), first_line(node), node, (), None)


@functools.lru_cache(maxsize=512)
def _tree(file: str, cell: str) -> ast.Module:
    try:
        tree: ast.Module = parse(cell, file)
        return tree
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module(body=[], type_ignores=[])


@functools.lru_cache(maxsize=512)
def _defining(file: str, cell: str) -> Dict[str, List[Statement]]:
    return defining(_tree(file, cell).body)


def defining(body: List[ast.stmt]) -> Dict[str, List[Statement]]:
    """The definitions of a module or of the body of a class, by name, in the order in which they stand."""
    definitions: Dict[str, List[Statement]] = {}
    todo: List[ast.stmt] = list(reversed(body))
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


def first_line(node: Statement) -> int:
    """Where a definition begins, its decorators included: what Python puts into its code."""
    decorators: List[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _segment(cell: str, node: Statement) -> str:
    # Not splitlines: that also ends a line at a form feed, which Python does not.
    lines = [line.encode("utf-8", "surrogatepass") for line in io.StringIO(cell, newline="")]
    lines = lines[first_line(node) - 1 : node.end_lineno]
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
        code = _defined_in(module, getattr(node, "name", "<lambda>"), first_line(node))
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
