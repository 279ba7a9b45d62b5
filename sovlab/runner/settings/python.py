"""Settings of the interpreter and the standard library."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Tuple

from sovlab.runner.settings import Setting

_CONTEXT = {
    "prec": 28,
    "rounding": "ROUND_HALF_EVEN",
    "Emin": -999999,
    "Emax": 999999,
    "capitals": 1,
    "clamp": 0,
    "traps": ["DivisionByZero", "InvalidOperation", "Overflow"],
}


def _added_paths(module: Any) -> List[List[Any]]:
    """Directories on the path that no interpreter puts there, and whether each comes before the library's."""
    ours = tuple({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix})
    added: List[List[Any]] = []
    before = True
    for path in module.path:
        if not isinstance(path, str) or path.endswith((".zip", ".pyz", "site-packages", "dist-packages")):
            continue
        if path.startswith(ours):
            before = False
        elif os.path.isabs(path):
            added.append([path, before])
    return added


def _add_paths(module: Any, paths: List[List[Any]]) -> None:
    library = next(
        (i for i, p in enumerate(module.path) if p.startswith((sys.base_prefix, sys.base_exec_prefix))), 0
    )
    here = set(module.path)
    new = [(path, before) for path, before in paths if path not in here and os.path.isdir(path)]
    module.path[library:library] = [path for path, before in new if before]
    module.path.extend(path for path, before in new if not before)


def _read_locale(module: Any) -> Dict[str, str]:
    categories = ("LC_COLLATE", "LC_MONETARY", "LC_NUMERIC", "LC_TIME", "LC_MESSAGES")
    values = {c: module.setlocale(getattr(module, c)) for c in categories if hasattr(module, c)}
    changed = {name: value for name, value in values.items() if value != "C"}
    if changed:  # of the characters' alone every process has the environment's
        changed["LC_CTYPE"] = module.setlocale(module.LC_CTYPE)
    return changed


def _write_locale(module: Any, values: Dict[str, str]) -> None:
    for category, value in values.items():
        try:
            module.setlocale(getattr(module, category), value)
        except module.Error:
            raise ValueError(f"the locale {value} is not installed here") from None


def _read_context(module: Any) -> Dict[str, Any]:
    context = module.getcontext()
    values = {name: getattr(context, name) for name in _CONTEXT}
    if context.traps == _context(module, _CONTEXT).traps:
        values["traps"] = _CONTEXT["traps"]
    else:
        values["traps"] = sorted(signal.__name__ for signal, trapped in context.traps.items() if trapped)
    return values


def _context(module: Any, values: Dict[str, Any]) -> Any:
    traps = [getattr(module, name) for name in values["traps"]]
    return module.Context(**{**values, "traps": traps})


def _write_context(module: Any, values: Dict[str, Any]) -> None:
    module.setcontext(_context(module, values))


def _read_start_method(module: Any) -> Any:
    method = module.get_start_method(allow_none=True)
    return None if method == module.get_all_start_methods()[0] else method


LIBRARIES: Dict[str, Tuple[Setting, ...]] = {
    "sys": (
        Setting("sys.path", _added_paths, _add_paths, []),
        Setting(
            "sys.setrecursionlimit",
            lambda m: m.getrecursionlimit(),
            lambda m, value: m.setrecursionlimit(value),
            1000,
        ),
        Setting(
            "sys.set_int_max_str_digits",
            lambda m: m.get_int_max_str_digits(),
            lambda m, value: m.set_int_max_str_digits(value),
            4300,
        ),
        Setting(
            "sys.setswitchinterval",
            lambda m: m.getswitchinterval(),
            lambda m, value: m.setswitchinterval(value),
            0.005,
        ),
    ),
    "gc": (
        Setting("gc.disable", lambda m: m.isenabled(), lambda m, on: m.enable() if on else m.disable(), True),
    ),
    "locale": (Setting("locale.setlocale", _read_locale, _write_locale, {}),),
    "decimal": (Setting("the decimal context", _read_context, _write_context, _CONTEXT),),
    "socket": (
        Setting(
            "socket.setdefaulttimeout",
            lambda m: m.getdefaulttimeout(),
            lambda m, value: m.setdefaulttimeout(value),
            None,
        ),
    ),
    "csv": (
        Setting(
            "csv.field_size_limit",
            lambda m: m.field_size_limit(),
            lambda m, value: m.field_size_limit(value),
            131072,
        ),
    ),
    "multiprocessing": (
        Setting(
            "multiprocessing.set_start_method",
            _read_start_method,
            lambda m, value: m.set_start_method(value, force=True),
            None,
        ),
    ),
}
"""Module → its settings."""
