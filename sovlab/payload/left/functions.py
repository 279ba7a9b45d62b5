"""Functions of the notebook as a job has left them: the same code, but other attributes or defaults."""

from __future__ import annotations

import ast
import contextlib
import copy
import functools
import sys
import types
from collections.abc import Collection, Mapping
from typing import Any, cast

from sovlab.payload.left.states import State, is_same
from sovlab.runner.source import decorated
from sovlab.runner.source.definitions import Definition, Definitions
from sovlab.runner.source.wrapping import enclosed, layers


def left(
    written: Mapping[str, State], here: Definitions, main: Mapping[str, Any], names: Collection[str]
) -> dict[str, Any]:
    """For each function among ``names`` that the job has left otherwise than it is here one to put that on.

    It runs the notebook's code and sees the notebook's names; the notebook's own keeps its state. Attributes
    and defaults are those that the source says: `sovlab.runner.source.installing.Installer` adds the job's.

    Args:
        written: what the job says of its definitions beside their source; None where it cannot be read here.
        here: the notebook's definitions.
        main: the notebook's namespace.
        names: definitions whose code is the same here and in the job.
    """
    found: dict[str, Any] = {}
    for name in sorted(names):
        definition = here.definition(name)
        if definition is None or not isinstance(main[name], types.FunctionType):
            continue
        of_job = written.get(name, {})
        if not is_same(definition.state, of_job, here):
            found[name] = _separate(main[name], definition, of_job or {})
    return found


def separate_method(member: Any, cls: type, of_job: Mapping[str, Any]) -> Any:
    """What a class has as a method, with attributes and closures of its own; see `left`."""
    function = decorated.function_of(member)
    if function is None:
        return member
    new = _separate_layers(function, cls, of_job)
    return type(member)(new) if isinstance(member, (staticmethod, classmethod)) else new


def _separate(value: Any, definition: Definition, of_job: Mapping[str, Any]) -> Any:
    """A function, or what decorators have made of it, with attributes and closures of its own."""
    node, origin = definition.statement.node, definition.statement.origin
    if (
        value is origin
        and isinstance(value, types.FunctionType)
        and not getattr(node, "decorator_list", None)
    ):
        plain = _copied(value, value.__closure__)
        if "defaults" in definition.state:
            _say_defaults(plain, node)
        return plain
    return _separate_layers(value, origin, of_job)


def _separate_layers(value: types.FunctionType, origin: Any, of_job: Mapping[str, Any]) -> Any:
    made: dict[int, types.FunctionType] = {}
    parts = [part for part in layers(value, origin) if isinstance(part, types.FunctionType)]
    told = [*of_job.get("layers", ()), *({} for _ in parts)]
    cells: list[types.CellType] = []
    for part, state in reversed(list(zip(parts, told, strict=False))):
        made[id(part)] = _layer(part, origin, made, state.get("cells", {}), cells)
    for cell in cells:  # a function may have closed over itself
        with contextlib.suppress(ValueError):
            cell.cell_contents = made.get(id(cell.cell_contents), cell.cell_contents)
    return made.get(id(value), value)


def _layer(
    part: types.FunctionType,
    origin: Any,
    made: Mapping[int, types.FunctionType],
    filled: Collection[str],
    cells: list[types.CellType],
) -> types.FunctionType:
    """A copy of one wrapper; ``filled`` are what of its closure the job's state brings."""

    def other(content: Any) -> Any:
        return made.get(id(content), content)

    if decorated.is_dispatching(part):
        registry: Any = part
        dispatching: Any = functools.singledispatch(other(registry.registry[object]))
        return cast(types.FunctionType, dispatching)
    if part is origin:
        new = _copied(part, part.__closure__)
    else:
        inside = enclosed(part)
        # Those to be filled are empty, so that what they share with others stays shared.
        own = [
            types.CellType(*([inside[n]] if n in inside and n not in filled else []))
            for n in part.__code__.co_freevars
        ]
        cells += own
        new = _copied(part, tuple(own) or None)
    vars(new).update({name: other(content) for name, content in vars(part).items()})
    return new


def _copied(function: types.FunctionType, closure: Any) -> types.FunctionType:
    """The same code without attributes."""
    new = types.FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, closure
    )
    new.__kwdefaults__ = copy.copy(function.__kwdefaults__)
    new.__annotations__ = dict(function.__annotations__)
    new.__qualname__, new.__module__, new.__doc__ = (
        function.__qualname__,
        function.__module__,
        function.__doc__,
    )
    if sys.version_info >= (3, 12):
        new.__type_params__ = function.__type_params__
    return new


def _say_defaults(function: types.FunctionType, node: Any) -> None:
    """Give a function the defaults that its source says; what is no literal comes from the job."""
    function_node: Any = node.value if isinstance(node, ast.Assign) else node
    arguments = function_node.args
    try:
        positional = tuple(map(ast.literal_eval, arguments.defaults))
        named = {
            argument.arg: ast.literal_eval(default)
            for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if default is not None
        }
    except (ValueError, TypeError, SyntaxError):
        return
    function.__defaults__, function.__kwdefaults__ = positional or None, named or None
