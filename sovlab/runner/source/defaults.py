"""What the defaults of functions are now, where their source does not say it.

A default is worked out once, when its ``def`` is run: what it read then may have another value today. So a
default that is no literal travels as a value, for functions, for those within decorators, and for the
methods of a class, also those that `dataclasses` or `typing.NamedTuple` has made.
"""

from __future__ import annotations

import ast
import copy
import functools
import types
from typing import Any, Dict, Iterator, List, Optional, Tuple

from sovlab.runner.source import decorated, locating
from sovlab.runner.source.binding import FUNCTIONS
from sovlab.runner.source.locating import Statement
from sovlab.runner.source.matching import layered

State = Dict[str, Any]
"""``defaults`` and ``kwdefaults`` of a function, and the ``line`` of its ``def``; where none stands in the
notebook, the values of those ``parameters`` alone that are numbers, strings and the like."""


def of_function(function: types.FunctionType, node: Any) -> State:
    """The defaults of ``function``, which ``node`` has made; empty if ``node`` says the same."""
    arguments = _arguments(node)
    written = [*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)]
    live = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    if len(written) == len(live) and all(says(w, v) for w, v in zip(written, live)):
        return {}
    return {"defaults": function.__defaults__, "kwdefaults": function.__kwdefaults__}


def of_decorated(value: Any, node: Any, *, only: bool = True) -> State:
    """The same of the function to which decorators were applied, within what they have made of it.

    Args:
        value: what they have made.
        node: the ``def``.
        only: whether no other ``def`` can have made it.
    """
    function = _within(value, node.name, locating.first_line(node), only=only)
    found = of_function(function, node) if function is not None else {}
    return {**found, "line": locating.first_line(node)} if found else {}


def of_class(origin: type, node: ast.ClassDef) -> Dict[str, State]:
    """The same of the functions of a class, by name; those of a class within it as ``Inner.name``."""
    nodes = locating.defining(node.body)
    found: Dict[str, State] = {}
    for name, member in vars(origin).items():
        definitions = nodes.get(name, [])
        if isinstance(member, type):
            if len(definitions) == 1 and isinstance(definitions[0], ast.ClassDef):
                inner = of_class(member, definitions[0])
                found.update((f"{name}.{key}", state) for key, state in inner.items())
            continue
        functions = [part for part in definitions if isinstance(part, FUNCTIONS)]
        if functions:
            only = len(functions) == 1
            state = next(filter(None, (of_decorated(member, part, only=only) for part in functions)), {})
        else:
            state = _of_generated(member, origin, node)
        if state:
            found[name] = state
    return found


def restore(value: Any, name: str, state: State) -> None:
    """Give the function called ``name`` within ``value`` the defaults that were found on its like."""
    function = _within(value, name, state["line"], only=False)
    if function is not None:
        function.__defaults__, function.__kwdefaults__ = state["defaults"], state["kwdefaults"]


def restore_class(cls: type, states: Dict[str, State]) -> None:
    """Give the functions of a class the defaults that `of_class` found."""
    for path, state in states.items():
        *owners, name = path.split(".")
        owner = functools.reduce(getattr, owners, cls)
        function = vars(owner).get(name)
        if function is not None and "parameters" in state:
            _restore_generated(owner, function, state["parameters"])
        elif function is not None:
            restore(function, name, state)


def _of_generated(member: Any, origin: type, node: ast.ClassDef) -> State:
    if isinstance(member, staticmethod):
        member = member.__func__  # as ``__new__`` is
    if not isinstance(member, types.FunctionType) or not member.__qualname__.startswith(origin.__qualname__):
        return {}
    said = dict(literals(node))
    parameters = {
        name: value
        for name, value in _by_parameter(member).items()
        if decorated.is_plain(value) and not (name in said and says(said[name], value))
    }
    return {"parameters": parameters} if parameters else {}


def _restore_generated(cls: type, function: Any, values: Dict[str, Any]) -> None:
    if isinstance(function, staticmethod):
        function = function.__func__
    positional = function.__defaults__ or ()
    now = _by_parameter(function)
    now.update((name, value) for name, value in values.items() if name in now)
    function.__defaults__ = tuple(now.values())[: len(positional)] or None
    function.__kwdefaults__ = dict(list(now.items())[len(positional) :]) or None
    fields, tuple_defaults = vars(cls).get("__dataclass_fields__", {}), vars(cls).get("_field_defaults", {})
    for name, value in values.items():
        if name in fields:
            fields[name].default = value
        if name in tuple_defaults:
            tuple_defaults[name] = value


def _by_parameter(function: types.FunctionType) -> Dict[str, Any]:
    defaults = function.__defaults__ or ()
    code = function.__code__
    names = code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount]
    return {**dict(zip(names, defaults)), **(function.__kwdefaults__ or {})}


def _within(value: Any, name: str, line: int, *, only: bool) -> Optional[types.FunctionType]:
    """The function that the ``def`` of ``name`` at ``line`` has made; with ``only`` wherever that stood."""
    found: List[types.FunctionType] = []
    for function in layered(value):
        if isinstance(function, types.FunctionType) and function.__code__.co_name == name:
            if function.__code__.co_firstlineno == line:
                return function
            found.append(function)
    return found[0] if only and len(found) == 1 else None


def says(node: ast.AST, value: Any) -> bool:
    """Whether an expression is a literal, and that of ``value``."""
    try:
        written = ast.literal_eval(node)
        return type(written) is type(value) and repr(written) == repr(value)
    except (ValueError, TypeError, SyntaxError):
        return False


def literals(node: ast.ClassDef) -> Iterator[Tuple[str, ast.expr]]:
    """What the body of a class assigns literally."""
    for part in node.body:
        targets = part.targets if isinstance(part, ast.Assign) else [getattr(part, "target", None)]
        value = getattr(part, "value", None)
        if not isinstance(part, (ast.Assign, ast.AnnAssign)) or value is None or not is_literal(value):
            continue
        for target in targets:
            if isinstance(target, ast.Name):
                yield target.id, value


def is_literal(node: ast.AST) -> bool:
    """Whether an expression is made of numbers, strings and containers of them alone."""
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError):
        return False
    return True


def without_defaults(node: Statement) -> Statement:
    """The tree of a function, or of the methods of a class, with None for defaults that come as values.

    All of a function do; of methods those that are no literals, if `comes_with_all`.
    """
    blank: Statement = copy.deepcopy(node)
    if not isinstance(blank, ast.ClassDef):
        _blank(blank, literals=True)
        return blank
    for method in _methods(blank):
        _blank(method, literals=False)
    return blank


def comes_with_all(node: ast.AST, states: Dict[str, State]) -> bool:
    """Whether ``states``, which `of_class` found, have what `without_defaults` leaves out of a class."""
    return not isinstance(node, ast.ClassDef) or all(
        method.name in states
        for method in _methods(node)
        if not all(is_literal(d) for d in [*method.args.defaults, *filter(None, method.args.kw_defaults)])
    )


def _methods(node: ast.ClassDef) -> Iterator[Any]:
    for definitions in locating.defining(node.body).values():
        yield from (part for part in definitions if isinstance(part, FUNCTIONS))


def _blank(node: Statement, *, literals: bool) -> None:
    arguments = _arguments(node)
    for values in (arguments.defaults, arguments.kw_defaults):
        for number, default in enumerate(values):
            if default is not None and (literals or not is_literal(default)):
                values[number] = ast.copy_location(ast.Constant(None), default)


def _arguments(node: Any) -> ast.arguments:
    function: Any = node.value if isinstance(node, ast.Assign) else node
    arguments: ast.arguments = function.args
    return arguments
