"""What the notebook has set in the user's own modules since these were imported: ``config.rate = 0.1``.

A job imports the files, so it has what their code gives; what was set from outside has to travel. What a
module works out by itself, such as the device that it found, is left to the job, unless it has been seen to
change. A literal tells its own value, and a name that the code never binds came from outside; for the rest
`look` remembers what a module held soon after its import.
"""

from __future__ import annotations

import ast
import collections
import contextlib
import functools
import sys
import types
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from sovlab.payload.files.modules import is_local
from sovlab.runner.source import decorated, defaults, locating, unsaid
from sovlab.runner.source.binding import FUNCTIONS
from sovlab.runner.source.parsing import parse
from sovlab.runner.source.scopes import names_in

_remembered: dict[str, tuple[types.ModuleType, dict[str, Any]]] = {}
"""By name: the module, and what `_fingerprint` gave for its data when it was new."""
_SCALARS = (type(None), bool, int, float, complex, str, bytes, types.FunctionType, type)
_MOST = 1000
"""Items of a container that are looked at."""


def look(names: Collection[str]) -> None:
    """Remember what those of the modules ``names`` hold that are the user's own and were not seen before."""
    for name in names:
        module = sys.modules.get(name)
        known = _remembered.get(name)
        if isinstance(module, types.ModuleType) and (known is None or known[0] is not module):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and is_local(Path(file)):
                with contextlib.suppress(Exception):  # whatever an odd module says
                    _remembered[name] = (module, {path: _fingerprint(v) for path, v, _ in _data(module)})


def changed(files: Collection[str]) -> dict[str, Any]:
    """What was set from outside: ``module:attribute`` or ``module:Class.attribute`` → its present value.

    Args:
        files: absolute paths of the modules that travel.
    """
    found: dict[str, Any] = {}
    for name, module in of_files(files):
        before = _remembered.get(name)
        known = before[1] if before is not None and before[0] is module else {}
        for path, value, came in _data(module):
            seen = known.get(path, _NEVER)
            is_as_seen = seen is not _NEVER and seen == _fingerprint(value)
            if is_as_seen and came and not isinstance(value, _SCALARS):
                # Filled by the import itself, or by the rest of the cell that has imported it.
                came = decorated.is_value(value, name)
            if seen is _NEVER and known and not came:
                came = decorated.is_value(value, name)  # it was not there when the module was new
            if came or (seen is not _NEVER and not is_as_seen):
                found[f"{name}:{path}"] = value
    look([name for name, _ in of_files(files)])
    return found


def of_files(files: Collection[str]) -> list[tuple[str, types.ModuleType]]:
    """The imported modules, by name, that are among ``files``."""
    found = {name: module for name, module in list(sys.modules.items()) if name[:2] != "__"}
    return [(name, module) for name, module in found.items() if getattr(module, "__file__", None) in files]


def _data(module: types.ModuleType) -> Iterator[tuple[str, Any, bool]]:
    """Of each attribute that is data: its path, its value, and whether it surely came from outside."""
    tree = _tree(Path(str(module.__file__)))
    if tree is None:
        return
    bound, literals, classes, stored = tree
    for name, value in list(vars(module).items()):
        if (name.startswith("__") and name.endswith("__")) or isinstance(value, types.ModuleType):
            continue
        if _is_own_class(value, module):
            yield from _of_class(name, value, classes.get(name), module, stored)
        elif _is_of_notebook(value):
            yield name, value, True
        elif isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
            yield from _of_function(name, value, stored)
        elif isinstance(value, (types.FunctionType, types.BuiltinFunctionType, type)) or (
            callable(value) and type(value).__module__ != module.__name__
        ):
            continue
        elif name in literals:
            yield name, value, not defaults.says(literals[name], value)
        else:
            yield name, value, name not in bound


def _of_class(
    name: str, cls: type, node: ast.ClassDef | None, module: types.ModuleType, stored: set[str]
) -> Iterator[tuple[str, Any, bool]]:
    for member, value in vars(cls).items():
        if _is_of_notebook(getattr(value, "__func__", value)):
            yield f"{name}.{member}", value, True
        elif (function := decorated.function_of(value)) is not None:
            yield from _of_function(f"{name}.{member}", function, stored)
    if node is not None:
        state = unsaid.changed_attributes(node, cls, computed=False)
        for member, value in state.get("attributes", {}).items():
            yield f"{name}.{member}", value, True


def _of_function(
    path: str, function: types.FunctionType, stored: set[str]
) -> Iterator[tuple[str, Any, bool]]:
    for name, value in vars(function).items():
        if not (name.startswith("__") and name.endswith("__")):
            came = name not in stored and decorated.is_value(value, function.__module__)
            yield f"{path}.{name}", value, came


def _is_own_class(value: Any, module: types.ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__


def _is_of_notebook(value: Any) -> bool:
    if isinstance(value, types.FunctionType):
        return value.__globals__.get("__name__") == "__main__"
    return isinstance(value, type) and value.__module__ == "__main__"


def _fingerprint(value: Any, depth: int = 4) -> Any:
    """Something that is another when a value has changed, as far as that can be seen cheaply."""
    kind = type(value)
    if kind in (type(None), bool, int, float, complex):
        return repr(value)
    if kind in (str, bytes):
        return kind, hash(value)
    if (depth and kind in (list, tuple, set, frozenset, dict)) or isinstance(value, dict):
        items = [*value.items()] if isinstance(value, dict) else list(value)
        inner = [_fingerprint(item, depth - 1) for item in items[:_MOST]] if depth > 0 else None
        return id(value) if kind is not tuple else kind, len(items), inner
    library = kind.__module__.partition(".")[0]
    if library == "torch" and hasattr(value, "_version"):
        return id(value), value._version
    if library == "numpy" and getattr(value, "nbytes", _MOST * 1000) < _MOST * 1000:
        return id(value), hash(value.tobytes())
    fields = getattr(value, "__dict__", None)
    if depth > 0 and isinstance(fields, dict) and not callable(value):
        return id(value), _fingerprint(dict(fields), depth - 1)[1:]
    return id(value)


_NEVER = object()


_Read = tuple[set[str], dict[str, ast.expr], dict[str, ast.ClassDef], set[str]]


def _tree(path: Path) -> _Read | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return _read(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=512)
def _read(path: Path, _changed: int, _size: int) -> _Read | None:
    """Names that a file binds, those bound once and by a literal, its classes, attributes that it sets."""
    try:
        tree = parse(path.read_bytes(), str(path))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    written = collections.Counter(
        node.id
        for node in _outside_functions(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )
    literals = {}
    for part in tree.body:
        if isinstance(part, (ast.Assign, ast.AnnAssign)) and part.value is not None:
            for target in part.targets if isinstance(part, ast.Assign) else [part.target]:
                is_only = isinstance(target, ast.Name) and written[target.id] == 1
                if isinstance(target, ast.Name) and is_only and defaults.is_literal(part.value):
                    literals[target.id] = part.value
    classes = {
        name: nodes[0]
        for name, nodes in locating.defining(tree.body).items()
        if len(nodes) == 1 and isinstance(nodes[0], ast.ClassDef)
    }
    nodes = ast.walk(tree)
    stored = {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    return {*names_in(tree).binds, *written}, literals, classes, stored


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    for part in ast.iter_child_nodes(tree):
        yield part
        if not isinstance(part, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
            yield from _outside_functions(part)
