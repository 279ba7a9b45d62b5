"""What cells have set in libraries: ``pd.DataFrame.head2 = f``, ``Image.MAX_IMAGE_PIXELS = None``.

Such lines are found in the text of the cells that ran, and what stands there now travels, if the code that
travels imports the library. `sovlab.runner.settings` has what is set by calls.
"""

from __future__ import annotations

import ast
import functools
import linecache
import sys
import types
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from sovlab.payload.files.modules import is_local
from sovlab.runner.source import locating
from sovlab.runner.source.definitions import import_of
from sovlab.runner.source.parsing import parse

_LEFT_ALONE = frozenset(("signal", "threading", "IPython", "ipykernel", "sovlab"))
"""What belongs to the process, or to the notebook's own machinery."""
_OF_PROCESS = {
    "sys": frozenset(
        (
            *("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__", "displayhook", "modules"),
            *("argv", "orig_argv", "path", "path_hooks", "path_importer_cache", "meta_path", "executable"),
            *("prefix", "exec_prefix", "base_prefix", "ps1", "ps2", "ps3", "last_type", "last_value"),
            *("last_traceback", "last_exc", "flags", "platlibdir", "pycache_prefix", "_getframe"),
        )
    ),
    "os": frozenset(("environ", "environb")),
    "builtins": frozenset(("display", "get_ipython", "exit", "quit", "__IPYTHON__", "_", "__import__")),
}
"""Of these modules, what belongs to the process; the rest is as that of any other."""
_MISSING = object()


def patched(namespace: Mapping[str, Any], imported: Collection[str]) -> dict[str, Any]:
    """``module:attribute`` or ``module:Class.attribute`` → what was set there.

    Args:
        namespace: the notebook's variables.
        imported: top-level names of the modules that the code imports.
    """
    found: dict[str, Any] = {}
    for file in locating.cells(namespace):
        for chain in _set_in("".join(linecache.getlines(file))):
            path, value = _resolved(chain, namespace)
            top = path.partition(".")[0].partition(":")[0]
            if (top in imported or top == "builtins") and value is not _MISSING:
                found[path] = value
    return found


def _resolved(chain: str, namespace: Mapping[str, Any]) -> tuple[str, Any]:
    """What ``pd.DataFrame.head2`` stands for: ``pandas.core.frame:DataFrame.head2``, and its value."""
    first, *owners, last = chain.split(".")
    owner = namespace.get(first, _MISSING)
    for name in owners:
        owner = vars(owner).get(name, _MISSING) if isinstance(owner, (types.ModuleType, type)) else _MISSING
    nothing = "", _MISSING
    if isinstance(owner, types.ModuleType):
        module, inner = owner.__name__, ""
    elif isinstance(owner, type) and import_of(owner) is not None:
        module, inner = owner.__module__, f"{owner.__qualname__}."
    else:
        return nothing
    if module.partition(".")[0] in _LEFT_ALONE or is_users(module) or last in _OF_PROCESS.get(module, ()):
        return nothing
    value = vars(owner).get(last, _MISSING)
    itself = import_of(value) == (module, last)
    return nothing if itself or isinstance(value, types.ModuleType) else (f"{module}:{inner}{last}", value)


def is_users(module: str) -> bool:
    """Whether it is the notebook, or one of the user's own modules, whose state is known in full."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return module in ("__main__", "__mp_main__") or (isinstance(file, str) and is_local(Path(file)))


@functools.lru_cache(maxsize=4096)
def _set_in(text: str) -> tuple[str, ...]:
    """The dotted names that a cell sets."""
    try:
        tree = parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    return tuple(dict.fromkeys(filter(None, _chains(tree))))


def _chains(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield _dotted(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            of = _dotted(node.args[0]) if len(node.args) == 3 else ""
            name = node.args[1] if of else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield f"{of}.{name.value}"


def _dotted(node: ast.AST) -> str:
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""
