"""What cells have done to libraries by calls: ``gymnasium.register(…)``, ``torch.set_num_threads(1)``.

What such a call has left in a library cannot be seen, and to make it again might not be right: so those
that look as if they changed a library are named before the run. A definition that a decorator registers
with a library (``@pd.api.extensions.register_dataframe_accessor``) travels, and registers itself in the job.
`sovlab.runner.settings` carries what settings are made of.
"""

from __future__ import annotations

import ast
import functools
import linecache
import re
import types
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sovlab.payload.library_patches import is_users
from sovlab.runner.source import locating
from sovlab.runner.source.definitions import import_of
from sovlab.runner.source.parsing import parse

_REGISTERS = re.compile(r"(un|de)?register(_|$)|registers?$")
_CHANGES = re.compile(r"(set|enable|disable|install|patch|configure|add|use)(_|$)|set[a-z]+$")
_CARRIED = frozenset(
    (
        *("decimal", "locale", "logging", "matplotlib", "numpy", "pandas", "random", "seaborn", "sklearn"),
        *("warnings", "IPython", "ipykernel", "sovlab", "sys", "os", "builtins"),
    )
)
"""Libraries whose settings travel or are named elsewhere; what is registered with them is neither."""
_ALSO = frozenset(
    (
        *("gc.enable", "torch.set_autocast_enabled", "torch.set_autocast_dtype", "torch.set_anomaly_enabled"),
        *("torch.set_deterministic_debug_mode",),
    )
)
"""Other functions that make them."""
_LONGEST = 60
_LOOKS = re.compile(r"register|\.(set|enable|disable|install|patch|configure|add|use)[\w]*\(")


def calls(namespace: Mapping[str, Any], imported: Collection[str]) -> list[str]:
    """Calls in the cells that ran that look as if they changed a library, as the user wrote them, in order.

    Args:
        namespace: the notebook's variables.
        imported: top-level names of the modules that the code imports.
    """
    found: list[str] = []
    for file in reversed(locating.cells(namespace)):
        if file == namespace.get("__file__"):
            continue
        made = _read("".join(linecache.getlines(file)))[0]
        found += [_shown(call) for call in made if _of_library(call.func, namespace, imported)]
    return list(dict.fromkeys(found))


def _shown(call: ast.Call) -> str:
    text = " ".join(ast.unparse(call).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]}…)"


def registered(namespace: Mapping[str, Any], imported: Collection[str]) -> list[str]:
    """Names of definitions that a decorator has registered with a library which the code imports, sorted."""
    found = set()
    for file in locating.cells(namespace):
        for name, decorator in _read("".join(linecache.getlines(file)))[1]:
            if name in namespace and _of_library(decorator, namespace, imported):
                found.add(name)
    return sorted(found)


def _of_library(function: ast.expr, namespace: Mapping[str, Any], imported: Collection[str]) -> bool:
    """Whether a function is one of a library's, or of a class of one, and by its name changes something."""
    chain = []
    node = function
    while isinstance(node, ast.Attribute):
        chain.append(node.attr)
        node = node.value
    owner: Any = namespace.get(node.id) if isinstance(node, ast.Name) else None
    name = chain[0] if chain else ""
    for part in reversed(chain[1:]):
        owner = vars(owner).get(part) if isinstance(owner, (types.ModuleType, type)) else None
    if not chain and isinstance(owner, (types.FunctionType, types.BuiltinFunctionType)):  # from lib import it
        module, name = owner.__module__ or "", owner.__name__
    elif isinstance(owner, types.ModuleType):
        module = owner.__name__
    elif isinstance(owner, type) and import_of(owner) is not None:
        module = owner.__module__
    else:
        return False
    top = module.partition(".")[0].lstrip("_")  # codecs has what _codecs brings
    if top not in imported or is_users(module):
        return False
    if _REGISTERS.search(name):
        return True
    full = f"{module}.{name}"
    return (
        top not in _CARRIED and full not in _settings() and full not in _ALSO and bool(_CHANGES.match(name))
    )


@functools.lru_cache(maxsize=1)
def _settings() -> frozenset[str]:
    """Functions that make settings which travel."""
    from sovlab.runner.settings import libraries, python, torch

    tables = (libraries.LIBRARIES, python.LIBRARIES, torch.LIBRARIES)
    return frozenset(setting.name for table in tables for settings in table.values() for setting in settings)


@functools.lru_cache(maxsize=4096)
def _read(text: str) -> tuple[tuple[ast.Call, ...], tuple[tuple[str, ast.expr], ...]]:
    """Of a cell: calls whose value nobody takes, and decorators of its definitions, outside of functions."""
    if not _LOOKS.search(text):
        return (), ()
    try:
        tree = parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return (), ()
    found, decorators = [], []
    for statement in _statements(tree):
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
            found.append(statement.value)
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            for decorator in statement.decorator_list:
                function = decorator.func if isinstance(decorator, ast.Call) else decorator
                if isinstance(function, (ast.Attribute, ast.Name)) and "register" in ast.unparse(function):
                    decorators.append((statement.name, function))
    return tuple(found), tuple(decorators)


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.stmt):
            yield part
            if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                continue
        yield from _statements(part)
