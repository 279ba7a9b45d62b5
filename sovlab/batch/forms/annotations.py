"""What annotations and defaults say of the type of a name."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from sovlab.runner.source.parsing import parse

UNKNOWN: Any = object()
"""Where the value of an expression is not known without running it."""
_KINDS = {
    **{name: name for name in ("int", "float", "bool", "str", "list", "dict")},
    **dict.fromkeys(("List", "tuple", "Tuple", "Sequence", "Iterable"), "list"),
    **dict.fromkeys(("Dict", "Mapping"), "dict"),
}
_MOST_CHOICES = 500
_DEEPEST = 10


class Meaning(NamedTuple):
    """What an annotation means.

    Attributes:
        kind, optional, choices: see the same of `sovlab.batch.forms.parameters.Parameter`.
        several: whether it is of several kinds: that of the default is not the only one then.
    """

    kind: str = "any"
    optional: bool = False
    choices: tuple[str, ...] = ()
    several: bool = False


_NONE = Meaning(optional=True)


def kind_named(name: str) -> str:
    """The kind of values of a type, by its name."""
    return _KINDS.get(name, "any")


def expression(text: str) -> Any:
    """The tree of an expression; None if it is none."""
    try:
        return parse(text, "parameters", "eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def literal_of(value: Any) -> Any:
    """The value of an expression that is a literal; `UNKNOWN` if it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.literal_eval(value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return UNKNOWN


def meaning_of(annotation: Any, depth: int = 0) -> Meaning:
    """What an annotation means; None is no annotation."""
    if annotation is None or depth > _DEEPEST:
        return Meaning()
    if isinstance(annotation, ast.Constant):
        if isinstance(annotation.value, str):
            return meaning_of(expression(annotation.value), depth + 1)
        return _NONE if annotation.value is None else Meaning()
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        return _either([annotation.left, annotation.right], depth)
    if isinstance(annotation, ast.Subscript):
        within = annotation.slice
        inside = list(within.elts) if isinstance(within, ast.Tuple) else [within]
        outer = _last_name(annotation.value)
        if outer in ("Optional", "Union"):
            found = _either(inside, depth)
            return found._replace(optional=found.optional or outer == "Optional")
        if outer == "Literal":
            return _chosen([literal_of(each) for each in inside])
        if outer in ("Annotated", "Final"):
            return meaning_of(inside[0], depth + 1)
        return Meaning(kind_named(outer))
    return Meaning(kind_named(_last_name(annotation)))


def _either(parts: Sequence[Any], depth: int) -> Meaning:
    found = [meaning_of(each, depth + 1) for each in parts]
    some = [each for each in found if each != _NONE]
    optional = len(some) < len(found) or any(each.optional for each in found)
    if {each.kind for each in some} == {"int", "float"}:
        return Meaning("float", optional)
    several = Meaning(optional=optional, several=len(some) > 1)
    return some[0]._replace(optional=optional) if len(some) == 1 else several


def _chosen(values: Sequence[Any]) -> Meaning:
    """What ``Literal`` means; one of several types has no choices here."""
    some = [each for each in values if each is not None]
    kinds = {kind_named(type(each).__name__) for each in some}
    optional = len(some) < len(values)
    if len(kinds) != 1 or not kinds <= {"int", "str", "bool"}:
        return Meaning(optional=optional, several=True)
    return Meaning(kinds.pop(), optional, tuple(str(each) for each in some[:_MOST_CHOICES]))


def _last_name(node: Any) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
