"""Settings of Python and of libraries that a notebook has changed: read there, put in force in its jobs.

One table says for each setting how it is read, how it is written and what a fresh process has. Only what
differs from that travels. It is written when the job imports the library, and never imports it.
"""

from __future__ import annotations

import importlib
from typing import Any, Callable, NamedTuple, Tuple


class Setting(NamedTuple):
    """One setting of a module.

    Attributes:
        name: what people call it, after the function that sets it: ``torch.set_default_dtype``.
        read: its value, given the module; may raise, and is then taken for not set.
        write: puts a value in force, given the module and the value.
        fresh: the value in a fresh process; a setting of many parts gives just those that differ, and
            ``{}`` or ``[]`` here.
    """

    name: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]
    fresh: Any


def attribute(name: str, path: str, fresh: Any) -> Setting:
    """A setting that is an attribute: ``path`` leads from the module to it."""
    *above, last = path.split(".")

    def holder(module: Any) -> Any:
        for part in above:
            module = getattr(module, part)
        return module

    return Setting(
        name,
        lambda module: getattr(holder(module), last),
        lambda module, value: setattr(holder(module), last, value),
        fresh,
    )


_TABLES = {
    "python": ("sys", "gc", "locale", "decimal", "socket", "csv", "multiprocessing"),
    "warning_filters": ("warnings",),
    "loggers": ("logging",),
    "libraries": ("numpy", "pandas", "matplotlib", "sklearn"),
    "torch": ("torch", "torch._dynamo.config", "torch._inductor.config"),
}
"""Module of this package → the modules whose settings it knows."""
MODULES = {module: table for table, modules in _TABLES.items() for module in modules}
"""Modules with settings, in the order in which these are read."""


def table(module: str) -> Tuple[Setting, ...]:
    """The settings of a module of `MODULES`, in the order in which they are written."""
    known: Tuple[Setting, ...] = importlib.import_module(f"{__name__}.{MODULES[module]}").LIBRARIES[module]
    return known
