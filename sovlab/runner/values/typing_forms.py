"""Type forms that `typing` pickles by name only, though ``__main__`` is nowhere to be imported from.

They come back as what the other side's ``__main__`` has under their name, if that says the same: a form is
equal to nothing but itself.
"""

from __future__ import annotations

import collections
import operator
import sys
import typing
from typing import Any, Callable, Dict, Mapping, MutableMapping, Optional, Tuple

from sovlab.runner.values.unpickling import main_namespace

_MAIN = ("__main__", "__mp_main__")


def _of_new_type(form: Any) -> Tuple[Any, ...]:
    return (form.__supertype__,)


def _of_parameters(form: Any) -> Tuple[Any, ...]:
    return (form.__bound__, form.__covariant__, form.__contravariant__)


def _of_tuple(form: Any) -> Tuple[Any, ...]:
    return ()


def _of_alias(form: Any) -> Tuple[Any, ...]:
    return (form.__value__, form.__type_params__)


_PARTS: Dict[str, Callable[[Any], Tuple[Any, ...]]] = {
    "NewType": _of_new_type,
    "ParamSpec": _of_parameters,
    "TypeVarTuple": _of_tuple,
    "TypeAliasType": _of_alias,
}
"""What makes a form the same as another of its kind and name."""


def with_forms(reducers: MutableMapping[Any, Any]) -> MutableMapping[Any, Any]:
    """A dispatch table of a pickler that knows these forms, as far as this Python has them as classes."""
    kinds = [(kind, getattr(typing, kind, None)) for kind in _PARTS]
    ours = {form: _reducer(kind) for kind, form in kinds if isinstance(form, type)}
    return collections.ChainMap(ours, reducers)


def _reducer(kind: str) -> Callable[[Any], Any]:
    def reduce(form: Any) -> Any:
        module, name = getattr(form, "__module__", None), form.__name__
        if module not in _MAIN and getattr(sys.modules.get(str(module)), name, None) is form:
            return name
        return form_again, (_NAMESPACE, kind, name, _PARTS[kind](form))

    return reduce


class _Namespace:
    """Stands in a pickle for the namespace of ``__main__``."""

    def __reduce__(self) -> Tuple[Any, ...]:
        return main_namespace, ()


_NAMESPACE = _Namespace()


def form_again(main: Mapping[str, Any], kind: str, name: str, parts: Tuple[Any, ...]) -> Any:
    """The form of ``main`` that is the same, or a new one.

    Args:
        main: the namespace of ``__main__``.
        kind: a name of `typing`.
        name: what it calls itself.
        parts: as `_PARTS` gives them.
    """
    maker = getattr(typing, kind, None) or getattr(__import__("typing_extensions"), kind)
    for here in (main.get(name), *main.values()):
        if type(here) is maker and here.__name__ == name and _PARTS[kind](here) == parts:
            return here
    if kind == "ParamSpec":
        bound, covariant, contravariant = parts
        form = maker(name, bound=bound, covariant=covariant, contravariant=contravariant)
    elif kind == "TypeAliasType":
        form = maker(name, parts[0], type_params=parts[1])
    else:
        form = maker(name, *parts)
    try:
        form.__module__ = main.get("__name__", "__main__")
    except AttributeError:
        pass  # newer versions write it in C
    return form


def parametrised(kind: type) -> Optional[Tuple[Any, ...]]:
    """How a class that a library has made for ``Generic[int]`` is made again; None if it is no such class."""
    about = vars(kind).get("__pydantic_generic_metadata__")
    if not isinstance(about, dict) or about.get("origin") is None:
        return None
    arguments = about["args"]
    return operator.getitem, (about["origin"], arguments[0] if len(arguments) == 1 else arguments)
