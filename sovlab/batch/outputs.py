"""Where executed notebooks go: paths like ``out-{lr}.ipynb``, filled with the values of parameters."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping
from typing import Any

from sovlab.errors import SpecError
from sovlab.settings.words import suggest

_PAPERMILL = "pm"
"""What papermill itself fills in, like ``{pm[run_uuid]}``."""
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]+|\.\.+")
_LONGEST = 100
"""Characters of a value; a name of a file may have 255 bytes."""


def names_in(pattern: str) -> list[str]:
    """The parameters that a path names in braces, in order.

    Raises:
        SpecError: what is in braces is no name.
    """
    return list(dict.fromkeys(name for _, name, _, _ in _parts(pattern) if name and not _is_papermills(name)))


def is_certain(pattern: str) -> bool:
    """Whether the path is the same each time: papermill fills nothing in that is new each time."""
    return not any(name and _is_papermills(name) for _, name, _, _ in _parts(pattern))


def filled(pattern: str, parameters: Mapping[str, Any]) -> str:
    """The path with values in the place of names; ``{{`` is a brace, and what papermill fills is as it was.

    A value is no path: separators, ``..`` and what cannot be shown become ``_``.

    Args:
        pattern: like ``out-{lr}-{seed:03}.ipynb``.
        parameters: values by name.

    Raises:
        SpecError: a name is none of them, or its value does not have that format.
    """
    return "".join(
        text + ("" if name is None else _papermills(name, spec, how) or _value(name, spec, how, parameters))
        for text, name, spec, how in _parts(pattern)
    )


def for_papermill(path: str, pattern: str) -> str:
    """A path that `filled` has made, so that papermill, which fills it once more, finds nothing to fill."""
    return path if not is_certain(pattern) else path.replace("{", "{{").replace("}", "}}")


def check_names(pattern: str, known: Iterable[str]) -> None:
    """Raise `SpecError` where a path names what is no parameter of the run."""
    among = list(known)
    for name in names_in(pattern):
        if name not in among:
            given = f"Given are {', '.join(among)}." if among else "No -p is given."
            raise SpecError(
                f"The output {pattern} names {{{name}}}, of which no -p says the value.",
                f"{suggest(name, among)}{given}",
            )


def _parts(pattern: str) -> list[tuple[str, str | None, str, str]]:
    try:
        parts = [(text, name, spec or "", how or "") for text, name, spec, how in _FORMATTER.parse(pattern)]
    except ValueError as error:
        raise SpecError(
            f"The output {pattern} cannot be filled: {error}.", "Write {{ and }} for braces themselves."
        ) from None
    for _, name, spec, _ in parts:
        if name is not None and not _is_papermills(name) and (not name.isidentifier() or "{" in spec):
            raise SpecError(
                f"The output {pattern} names {{{name}}}.",
                "In braces stands the name of a parameter, like {lr} or {seed:03}; {{ and }} are braces.",
            )
    return parts


_FORMATTER = string.Formatter()


def _is_papermills(name: str) -> bool:
    return re.split(r"[.\[]", name, maxsplit=1)[0] == _PAPERMILL


def _papermills(name: str, spec: str, how: str) -> str:
    if not _is_papermills(name):
        return ""
    return f"{{{name}{'!' + how if how else ''}{':' + spec if spec else ''}}}"


def _value(name: str, spec: str, how: str, parameters: Mapping[str, Any]) -> str:
    check_names(f"{{{name}}}", parameters)
    try:
        value = parameters[name]
        text = format(_FORMATTER.convert_field(value, how or None) if how else value, spec)
    except (ValueError, TypeError) as error:
        raise SpecError(f"{name} cannot be written as {{{name}:{spec}}}: {error}.") from None
    return _UNSAFE.sub("_", text)[:_LONGEST]
