"""Whether running the source of a definition now makes what it made then.

What it reads while it is run may have got another value since: the base of a class, a decorator that was
edited, a constant in the body of a class.
"""

from __future__ import annotations

import abc
import ast
import functools
import types
from typing import Any, Iterator, Mapping, Optional

from sovlab.runner.source.decorated import is_plain
from sovlab.runner.source.locating import DefiningStatement, defining
from sovlab.runner.source.matching import same_code
from sovlab.runner.source.wrapping import enclosed, layers


def is_as_made(statement: DefiningStatement, value: Any, namespace: Mapping[str, Any]) -> bool:
    """Whether the names that a definition needs to be run stand for what they stood for.

    Args:
        statement: the definition.
        value: what the namespace has under its name.
        namespace: where it looks names up.
    """
    origin, node = statement.origin, statement.node
    if isinstance(origin, type) and isinstance(node, ast.ClassDef):
        same = _has_bases(origin, node, namespace) and _has_body(origin, node, namespace)
        if not same:
            return False
    if value is origin or not getattr(node, "decorator_list", None):
        return True
    module = namespace.get("__name__", "__main__")
    kind = type(value)
    if kind.__module__ == module and _resolved_name(kind.__qualname__, namespace) is not kind:
        return False
    makers = [_resolved(_callee(expression), namespace) for expression in getattr(node, "decorator_list", ())]
    inner = [code for maker in makers for code in _codes(maker)]
    return all(
        any(same_code(part.__code__, code) for code in inner)
        for part in layers(value, origin)
        if isinstance(part, types.FunctionType) and part is not origin and part.__globals__ is namespace
    )


def _has_bases(origin: type, node: ast.ClassDef, namespace: Mapping[str, Any]) -> bool:
    for expression in node.bases:
        base = _resolved(_callee(expression), namespace)
        if isinstance(base, type) and base not in origin.__mro__:
            return False
    for keyword in node.keywords:
        kind = _resolved(keyword.value, namespace) if keyword.arg == "metaclass" else None
        if isinstance(kind, type) and not isinstance(origin, kind):
            return False
    return True


def _has_body(origin: type, node: ast.ClassDef, namespace: Mapping[str, Any]) -> bool:
    """Whether the body of a class takes the way that it took, and gives the members that it gave.

    Attributes of most classes, as far as they are plain, are set after it has run again; those that a
    metaclass has made something else of, as `enum.Enum` does, cannot be.
    """
    module = ast.Module(body=[*node.body], type_ignores=[])
    if any(_chooses(part, namespace) for part in ast.walk(module)):
        return False
    for name, nodes in defining(node.body).items():
        inner, last = vars(origin).get(name), nodes[-1]
        is_class = isinstance(inner, type) and isinstance(last, ast.ClassDef)
        if is_class and not _has_body(inner, last, namespace):  # type: ignore[arg-type]
            return False
    if all(type(base) in (type, abc.ABCMeta) for base in origin.__mro__):
        return True
    for part in node.body:
        target = part.targets[0] if isinstance(part, ast.Assign) else getattr(part, "target", None)
        value = getattr(part, "value", None)
        if not isinstance(target, ast.Name) or value is None:
            continue
        made, makes = _member(origin, target.id), _evaluated(value, namespace)
        if is_plain(made) and is_plain(makes) and repr(made) != repr(makes):
            return False
    return True


def _chooses(part: ast.AST, namespace: Mapping[str, Any]) -> bool:
    """Whether a statement in the body of a class does one thing or another by a variable of the notebook."""
    if not isinstance(part, (ast.If, ast.For, ast.While)):
        return False
    condition = part.iter if isinstance(part, ast.For) else part.test
    names = {inner.id for inner in ast.walk(condition) if isinstance(inner, ast.Name)}
    return any(name in namespace and not callable(namespace[name]) for name in names)


def _member(origin: type, name: str) -> Any:
    """The value that a class was given under a name, whatever its metaclass has made of it."""
    members = vars(origin).get("_member_map_", {})
    if name in members:
        return members[name].value
    for fields in ("__pydantic_fields__", "model_fields", "__fields__"):
        found = vars(origin).get(fields)
        if isinstance(found, dict) and name in found:
            return getattr(found[name], "default", _NOTHING)
    return vars(origin).get(name, _NOTHING)


_NOTHING = object()
_HARMLESS = (
    *(ast.Constant, ast.Name, ast.Load, ast.Tuple, ast.List, ast.Dict, ast.Set),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod),
    *(ast.UnaryOp, ast.UAdd, ast.USub, ast.Not, ast.JoinedStr, ast.FormattedValue),
)


def _evaluated(expression: ast.expr, namespace: Mapping[str, Any]) -> Any:
    """What an expression of plain values gives now; `_NOTHING` if it may run code of the user's."""
    parts = list(ast.walk(expression))
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    if not all(isinstance(part, _HARMLESS) for part in parts):
        return _NOTHING
    values = {name: namespace[name] for name in names if name in namespace}
    if len(values) < len(names) or not all(map(is_plain, values.values())):
        return _NOTHING
    try:
        code = compile(ast.Expression(expression), "<expression>", "eval")
        return eval(code, {"__builtins__": {}}, values)  # noqa: S307 - arithmetic of plain values
    except Exception:
        return _NOTHING


def _callee(expression: ast.expr) -> ast.expr:
    while isinstance(expression, (ast.Call, ast.Subscript)):
        expression = expression.func if isinstance(expression, ast.Call) else expression.value
    return expression


def _resolved(expression: ast.expr, namespace: Mapping[str, Any]) -> Any:
    """What a dotted name stands for now; None if it is something else, or is not to be had without asking."""
    if isinstance(expression, ast.Name):
        return namespace.get(expression.id)
    if isinstance(expression, ast.Attribute):
        owner = _resolved(expression.value, namespace)
        found = None
        for place in (owner, *(owner.__mro__ if isinstance(owner, type) else type(owner).__mro__)):
            fields = getattr(place, "__dict__", {})
            if expression.attr in fields:
                found = fields[expression.attr]
                break
        return found
    return None


def _resolved_name(qualified: str, namespace: Mapping[str, Any]) -> Any:
    first, *rest = qualified.split(".")
    try:
        return functools.reduce(getattr, rest, namespace.get(first))
    except AttributeError:
        return None


def _codes(maker: Any) -> Iterator[types.CodeType]:
    """The code of all functions that a decorator may make."""
    todo = [code for code in (_code_of(maker), _code_of(vars(type(maker)).get("__call__"))) if code]
    if isinstance(maker, type):
        todo += [code for part in vars(maker).values() if (code := _code_of(part)) is not None]
    if isinstance(maker, types.FunctionType):
        todo += [code for part in enclosed(maker).values() if (code := _code_of(part)) is not None]
    while todo:
        code = todo.pop()
        yield code
        todo.extend(const for const in code.co_consts if isinstance(const, types.CodeType))


def _code_of(value: Any) -> Optional[types.CodeType]:
    value = getattr(value, "__func__", value)
    return value.__code__ if isinstance(value, types.FunctionType) else None
