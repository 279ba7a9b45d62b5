"""The parameters of a notebook, as its cell with the tag ``parameters`` binds them."""

from __future__ import annotations

import ast
import dataclasses
import io
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sovlab.batch.checking import refuse_secrets
from sovlab.batch.forms.annotations import UNKNOWN, expression, kind_named, literal_of, meaning_of
from sovlab.errors import SpecError
from sovlab.runner.source.parsing import parse

MOST = 500
"""Parameters that are read of a notebook."""
_LONGEST = 10_000
"""Characters of a default that are shown."""
_LONGEST_NOTE = 300
_TYPE_COMMENT = re.compile(r"type:\s*(\S+)\s*")
_MAGIC = re.compile(r"^\s*[%!?].*$", re.MULTILINE)
_ANY_TEXT = "x/"
"""A text that only a name makes a secret of."""


@dataclasses.dataclass(frozen=True)
class Parameter:
    """A name that the parameters cell binds.

    Attributes:
        name: as the notebook has it.
        kind: what its value is: ``int``, ``float``, ``bool``, ``str``, ``list``, ``dict``, or ``any`` where
            the notebook does not say.
        type: the same as the notebook writes it, or as its default is; empty if neither says.
        default: as text, as somebody would type it; None if it has none or it is not to be shown.
        computed: whether the default is no literal, but computed in the notebook.
        optional: whether it may be None.
        choices: the only values that it may have, as texts; empty if it may have others.
        note: the comment behind it.
        secret: whether it looks like a secret: it is taken from nobody then.
        required: whether the notebook has only its type, and no value.
    """

    name: str
    kind: str = "any"
    type: str = ""
    default: str | None = None
    computed: bool = False
    optional: bool = False
    choices: tuple[str, ...] = ()
    note: str = ""
    secret: bool = False
    required: bool = False


def parameters_of(notebook: Mapping[str, Any]) -> list[Parameter]:
    """The parameters of a notebook, in order, `MOST` at most; none if it has no such cell of Python.

    Args:
        notebook: of nbformat 4, of which nothing else was checked.
    """
    source = _source_of(notebook)
    if source is None:
        return []
    tree = _parsed(source)
    if tree is None:
        return []
    notes = _comments(source)
    found: dict[str, Parameter] = {}
    for statement, name, annotation, value in _bindings(tree.body):
        note = notes.get(statement.end_lineno or 0, "")
        typed = _TYPE_COMMENT.match(note)
        if typed and annotation is None:
            annotation, note = expression(typed[1]), note[typed.end() :]
        found.pop(name, None)  # the last one counts, and stands where it is
        found[name] = _parameter(source, name, annotation, value, note)
        if len(found) == MOST:
            break
    return list(found.values())


def has_cell(notebook: Mapping[str, Any]) -> bool:
    """Whether it has a cell with the tag ``parameters``."""
    return _source_of(notebook) is not None


def _source_of(notebook: Mapping[str, Any]) -> str | None:
    cells = notebook.get("cells")
    for cell in cells if isinstance(cells, list) else []:
        metadata = cell.get("metadata") if isinstance(cell, dict) else None
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        if isinstance(tags, list) and "parameters" in tags and cell.get("cell_type") == "code":
            source = cell.get("source", "")
            lines = source if isinstance(source, list) else [source]
            return "".join(line for line in lines if isinstance(line, str))
    return None


def _parsed(source: str) -> Any:
    for text in (source, _MAGIC.sub("", source)):  # lines of IPython's become empty: numbers stay
        try:
            return parse(text, "parameters")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def _comments(source: str) -> dict[int, str]:
    """The comment on each line that has one, in one line."""
    found = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(_MAGIC.sub("", source)).readline):
            if token.type == tokenize.COMMENT:
                text = " ".join(token.string.lstrip("#").split())
                found[token.start[0]] = text[:_LONGEST_NOTE]
    except (tokenize.TokenError, SyntaxError, ValueError):
        pass  # those before it are known
    return found


def _bindings(body: Sequence[Any]) -> Iterator[tuple[Any, str, Any, Any]]:
    """What statements bind, those in ``if``, ``for``, ``with`` and ``try`` as well.

    Statement, name, annotation and value of each; what is not said is None, what is not known is `UNKNOWN`.
    """
    for each in body:
        if isinstance(each, ast.Assign):
            for target in each.targets:
                yield from ((each, name, None, value) for name, value in _targets(target, each.value))
        elif isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            yield each, each.target.id, each.annotation, each.value
        else:
            for part in ("body", "orelse", "finalbody"):
                if not isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    yield from _bindings(getattr(each, part, ()))
            for handler in getattr(each, "handlers", ()):
                yield from _bindings(handler.body)


def _targets(target: Any, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        same = isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
        for index, part in enumerate(target.elts):
            yield from _targets(part, value.elts[index] if same else UNKNOWN)


def _parameter(source: str, name: str, annotation: Any, value: Any, note: str) -> Parameter:
    kind, optional, choices, several = meaning_of(annotation)
    written = " ".join(ast.unparse(annotation).split()) if annotation is not None else ""
    default: str | None = None
    computed, required = False, value is None
    held = literal_of(value) if value is not None and value is not UNKNOWN else UNKNOWN
    if value is UNKNOWN:
        computed = True
    elif value is not None:
        computed = held is UNKNOWN
        default = held if isinstance(held, str) else " ".join((_segment(source, value)).split())
    if held is None:
        optional = True
    elif held is not UNKNOWN:
        own = type(held).__name__
        kind = kind if kind != "any" or several else kind_named(own)
        written = written or own
    secret = _is_secret(name, held) or (kind in ("str", "any") and _is_secret(name, _ANY_TEXT))
    if secret or (default is not None and not _can_be_shown(default)):
        default = None
    return Parameter(
        name, kind, written[:_LONGEST_NOTE], default, computed, optional, choices, note, secret, required
    )


def _can_be_shown(default: str) -> bool:
    """Whether a default may stand in a form: what is computed may have a key in it."""
    try:
        default.encode()
    except UnicodeEncodeError:  # half of a pair, as only an escape makes it
        return False
    return len(default) <= _LONGEST and not _is_secret("", default)


def _is_secret(name: str, value: Any) -> bool:
    try:
        refuse_secrets({name: value if isinstance(value, str | list | dict | tuple) else ""})
    except SpecError:
        return True
    return False


def _segment(source: str, value: Any) -> str:
    return ast.get_source_segment(_MAGIC.sub("", source), value) or ast.unparse(value)
