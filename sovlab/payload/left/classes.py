"""Classes of the notebook as a job has left them: the same code, but other attributes, also of methods."""

from __future__ import annotations

import abc
import ast
import contextlib
from collections.abc import Collection, Mapping
from typing import Any

from sovlab.payload.left import functions
from sovlab.payload.left.states import State, is_same
from sovlab.runner.source import defaults
from sovlab.runner.source.definitions import Definitions
from sovlab.runner.values.pickling import PickleOptions, dumps


def left(
    written: Mapping[str, State],
    here: Definitions,
    main: Mapping[str, Any],
    names: Collection[str],
) -> dict[str, dict[str, Any]]:
    """For each class among ``names`` the attributes that the job has set to something else than is here.

    Those whose value was written with the results have none yet: it comes with them. A method of which the
    job has changed attributes is among them, as one to put these on.

    Args:
        written: what the job says of its definitions.
        here: the notebook's definitions.
        main: the notebook's namespace.
        names: definitions whose code is the same here and in the job.
    """
    classes = {name: main[name] for name in sorted(names) if _may_be_derived(main.get(name), main)}
    found: dict[str, dict[str, Any]] = {}
    for name, cls in classes.items():
        definition = here.definition(name)
        if definition is None:
            continue
        state = written.get(name) or {}
        of_job = state.get("attributes", {})
        said = _literals(definition.statement.node) if definition.state.get("attributes") else {}
        others = {key: value for key, value in said.items() if key not in of_job}
        changed = {
            **{key: _WRITTEN for key, value in of_job.items() if not _is_here(cls, key, value, here)},
            **{key: value for key, value in others.items() if not _is_here(cls, key, value, here)},
        }
        changed.update(_methods(cls, definition.state.get("members", {}), state.get("members", {}), here))
        if changed:
            found[name] = changed
    return found


def _methods(
    cls: type, here_has: Mapping[str, Any], job_has: Mapping[str, Any], here: Definitions
) -> dict[str, Any]:
    """Of each method that the job has left otherwise one to put that on."""
    return {
        name: functions.separate_method(vars(cls)[name], cls, job_has.get(name, {}))
        for name in sorted({*here_has, *job_has})
        if name in vars(cls) and not is_same(here_has.get(name, {}), job_has.get(name, {}), here)
    }


def derived(
    main: Mapping[str, Any], names: Collection[str], attributes: Mapping[str, Mapping[str, Any]]
) -> dict[str, type]:
    """For each class with ``attributes`` one that is it but for these, and for each that is derived from it.

    Attributes that are yet to come are left out. Instances are instances of the notebook's classes as well.
    """
    classes = [main[name] for name in names if _may_be_derived(main.get(name), main)]
    made: dict[type, type] = {}
    for cls in sorted(classes, key=lambda cls: len(cls.__mro__)):
        own = attributes.get(cls.__name__)
        bases = [made[base] for base in cls.__mro__[1:] if base in made]
        if own is None and not bases:
            continue
        known = {name: value for name, value in (own or {}).items() if value is not _WRITTEN}
        body = {
            "__module__": cls.__module__,
            "__qualname__": cls.__qualname__,
            "__doc__": cls.__doc__,
            **known,
        }
        with contextlib.suppress(TypeError):  # bases that have no common order stay the notebook's
            made[cls] = type(cls)(cls.__name__, (cls, *bases), body)
    return {cls.__name__: new for cls, new in made.items()}


_WRITTEN = object()


def _may_be_derived(cls: Any, main: Mapping[str, Any]) -> bool:
    """Whether deriving from a class runs nothing of the user's."""
    if not isinstance(cls, type) or type(cls) not in (type, abc.ABCMeta) or "__slots__" in vars(cls):
        return False
    own = [base for base in cls.__mro__ if base.__module__ == main.get("__name__", "__main__")]
    return not any("__init_subclass__" in vars(base) for base in own)


def _literals(node: Any) -> dict[str, Any]:
    if not isinstance(node, ast.ClassDef):
        return {}
    return {name: ast.literal_eval(value) for name, value in defaults.literals(node)}


def _is_here(cls: type, path: str, value: Any, here: Definitions) -> bool:
    """Whether a class has a value under a name; what is in a class within it, is not compared."""
    if "." in path:
        return True
    if path not in vars(cls):
        return False
    options = PickleOptions(here.refer)
    try:
        return dumps(vars(cls)[path], options) == dumps(value, options)
    except Exception:
        return False
