"""Values of parameters, of the texts that somebody has typed."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from sovlab.batch.checking import refuse_secrets
from sovlab.batch.forms.parameters import Parameter
from sovlab.errors import SpecError
from sovlab.options.sweep import literal
from sovlab.settings.words import suggest

_WHOLE = re.compile(r"[+-]?[0-9](?:_?[0-9])*")
_SHOWN = 40
_DEEPEST = 50
_NAMED = 20
_MEANT = {
    "int": "a whole number",
    "float": "a number",
    "bool": "True or False",
    "list": "a list",
    "dict": "a dictionary",
}
_LIKE = {
    "int": "30",
    "float": "0.1 or 1e-3",
    "list": "[1, 2, 3]",
    "dict": '{"name": 1}',
}


def value_of(parameter: Parameter, text: str) -> Any:
    """The value that a text means for a parameter.

    Of a parameter that is text it is the text as it stands; of one whose type is not known it is what Python
    makes of it, and the text where Python makes nothing of it.

    Raises:
        SpecError: it is none of its type, looks like a secret, or cannot be written into a notebook.
    """
    name, bare = parameter.name, text.strip()
    refuse_secrets({name: text})
    if bare == "None" and parameter.optional:
        return None
    if parameter.choices and text not in parameter.choices:
        among = ", ".join(parameter.choices[:_NAMED])
        hint = suggest(text, parameter.choices).strip()
        raise SpecError(f"{name} is one of {among}; {_quoted(text)} is none of them.", hint)
    if parameter.kind == "str":
        return text
    if not bare and parameter.kind != "any":
        raise SpecError(f"{name} is {_meant(parameter)}, and nothing is given.", _like(parameter))
    try:
        value = _READ[parameter.kind](bare if parameter.kind != "any" else text)
    except (ValueError, RecursionError):
        other = "neither" if parameter.kind == "bool" and not parameter.optional else "not one"
        said = f"{name} is {_meant(parameter)}; {_quoted(text)} is {other}."
        raise SpecError(said, _like(parameter)) from None
    refuse_secrets({name: value})
    wrong = _unwritable(value)
    if wrong:
        hint = "If it is meant as text, put it in quotation marks." if parameter.kind == "any" else ""
        raise SpecError(f"{name} has {wrong}, which cannot be handed to a notebook.", hint)
    return value


def unknown(name: str, parameters: Mapping[str, Parameter]) -> SpecError:
    """The error for a name that is none of the notebook's parameters."""
    among = list(parameters)
    has = f"It has {', '.join(among[:_NAMED])}." if among else "It has no cell with the tag `parameters`."
    return SpecError(f"The notebook has no parameter {name[:100]!r}.", f"{suggest(name, among)}{has}")


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _list(text: str) -> list[Any]:
    value = _structure(text)
    if not isinstance(value, list | tuple):
        raise ValueError(text)
    return list(value)


def _dictionary(text: str) -> dict[Any, Any]:
    value = _structure(text)
    if not isinstance(value, dict):
        raise ValueError(text)
    return value


def _structure(text: str) -> Any:
    """As Python writes it, or as JSON does."""
    value = literal(text)
    return json.loads(text) if value is text else value


_READ: dict[str, Callable[[str], Any]] = {
    "int": _whole,
    "float": float,
    "bool": _boolean,
    "list": _list,
    "dict": _dictionary,
    "any": literal,
}


def _unwritable(value: Any, depth: int = 0) -> str:
    """What in a value a notebook's JSON does not have, or has as something else; empty if nothing."""
    if depth > _DEEPEST:
        return "too many brackets in each other"
    if value is None or isinstance(value, str | bool | int):
        return ""
    if isinstance(value, float):
        return "" if math.isfinite(value) else f"the number {value}"
    if isinstance(value, list):
        return next((wrong for each in value if (wrong := _unwritable(each, depth + 1))), "")
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            return "a key that is no text"
        return _unwritable(list(value.values()), depth + 1)
    return f"a {type(value).__name__}"


def _meant(parameter: Parameter) -> str:
    return _MEANT.get(parameter.kind, parameter.kind) + (" or None" if parameter.optional else "")


def _like(parameter: Parameter) -> str:
    like = _LIKE.get(parameter.kind)
    return f"Write it like {like}." if like else ""


def _quoted(text: str) -> str:
    shown = " ".join(text.split())
    return f"“{shown[:_SHOWN]}{'…' if len(shown) > _SHOWN else ''}”"
