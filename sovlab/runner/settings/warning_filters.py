"""The filters of `warnings`: the whole list, since their order decides."""

from __future__ import annotations

import re
import sys
import warnings
from typing import Any, Dict, List, Optional, Tuple

from sovlab.runner.settings import Setting

_OF_KERNELS = ("IPython", "ipykernel", "traitlets", "jupyter_client", "tornado", "zmq")


def _read(module: Any) -> List[List[Any]]:
    """[action, message, category, module, line]: patterns as [text, flags] or text, categories by name."""
    filters = []
    for action, message, category, within, line in module.filters:
        if category.__module__.partition(".")[0] not in _OF_KERNELS:
            name = f"{category.__module__}:{category.__qualname__}"
            filters.append([action, _written(message), name, _written(within), line])
    return [] if filters == _fresh() else filters


def _fresh() -> List[List[Any]]:
    """As an interpreter without options has them."""
    ignored = ("DeprecationWarning", "PendingDeprecationWarning", "ImportWarning", "ResourceWarning")
    filters: List[List[Any]] = [["default", None, "builtins:DeprecationWarning", "__main__", 0]]
    return filters + [["ignore", None, f"builtins:{name}", None, 0] for name in ignored]


def _written(pattern: Any) -> Any:
    return [pattern.pattern, pattern.flags] if isinstance(pattern, re.Pattern) else pattern


def _compiled(pattern: Any) -> Any:
    return re.compile(*pattern) if isinstance(pattern, list) else pattern


def _category(name: str) -> Optional[type]:
    module, _, path = name.partition(":")
    value: Any = sys.modules.get(module)
    for part in path.split("."):
        value = getattr(value, part, None)
    return value if isinstance(value, type) else None


def _write(module: Any, filters: List[List[Any]]) -> None:
    """Put the notebook's list in force, without what cannot be warned of for want of its library."""
    live = []
    for action, message, name, within, line in filters:
        category = _category(name)
        if category is not None:
            live.append((action, _compiled(message), category, _compiled(within), line))
    module.filters[:] = live
    with module.catch_warnings():
        pass  # it says to the interpreter that the list has changed


def insert(filters: List[List[Any]], library: str) -> None:
    """Add the filters whose categories came with ``library``, each before the next one of the list."""
    later: List[Tuple[Any, ...]] = []
    for action, message, name, within, line in reversed(filters):
        category = _category(name)
        if category is None:
            continue
        entry = (action, _compiled(message), category, _compiled(within), line)
        if name.partition(":")[0] == library and entry not in warnings.filters:
            places = [warnings.filters.index(e) for e in later if e in warnings.filters]
            warnings.filters.insert(min(places, default=len(warnings.filters)), entry)  # type: ignore[attr-defined]
        later.append(entry)
    with warnings.catch_warnings():
        pass


def waited_for(filters: List[List[Any]]) -> List[str]:
    """Modules with categories of these filters, which are not imported yet."""
    modules = {name.partition(":")[0] for _, _, name, _, _ in filters}
    return sorted(m for m in modules if m not in sys.modules and m not in ("__main__", "__mp_main__"))


LIBRARIES: Dict[str, Tuple[Setting, ...]] = {
    "warnings": (Setting("warnings.filterwarnings", _read, _write, []),),
}
"""Module → its settings."""
