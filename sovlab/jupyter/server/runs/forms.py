"""What a form for the run of a notebook has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sovlab.batch.forms.parameters import has_cell, parameters_of
from sovlab.jupyter.server import models
from sovlab.jupyter.server.runs.places import SUFFIX, Places, member
from sovlab.views.document import printable

_MOST_TRIED = 10_000
_LONGEST_NAME = 60
"""Characters of a notebook's name that are in the one suggested."""


def form(places: Places, path: str) -> models.Form:
    """The form for a notebook.

    Raises:
        RequestError: there is no such notebook.
    """
    found, notebook = places.notebook(path)
    kernel, language = kernel_of(notebook), language_of(notebook)
    parameters = parameters_of(notebook)
    return models.Form(
        notebook=places.told(found),
        kernel=kernel,
        language=language,
        parameters=[
            models.Parameter(
                name=each.name,
                kind=each.kind,  # type: ignore[arg-type]
                type=printable(each.type),
                default=each.default,
                computed=each.computed,
                optional=each.optional,
                choices=list(each.choices),
                note=printable(each.note),
                secret=each.secret,
                required=each.required,
            )
            for each in parameters
        ],
        output=places.told(free(found)),
        notes=_notes(notebook, language, some=bool(parameters)),
    )


def kernel_of(notebook: dict[str, Any]) -> str:
    """The kernel that it names; empty if it names none."""
    return _text(member(notebook, "metadata", "kernelspec", "name"))


def language_of(notebook: dict[str, Any]) -> str:
    """The language of its kernel; empty if it does not say."""
    metadata = notebook.get("metadata")
    said = member(metadata, "kernelspec", "language") or member(metadata, "language_info", "name")
    return _text(said)


def free(notebook: Path) -> Path:
    """A path beside a notebook at which nothing is."""
    stem = notebook.stem[:_LONGEST_NAME]
    for number in range(1, _MOST_TRIED):
        path = notebook.with_name(f"{stem}-out{f'-{number}' if number > 1 else ''}{SUFFIX}")
        if not path.exists() and not path.is_symlink():
            break
    return path


def _notes(notebook: dict[str, Any], language: str, *, some: bool) -> list[str]:
    if not kernel_of(notebook):
        return ["The notebook names no kernel: choose one, and save it."]
    if some:
        return []
    if not has_cell(notebook):
        return ["It has no cell with the tag `parameters`: it runs as it is."]
    if language.lower() not in ("", "python"):
        return [f"Parameters are read from Python only: this notebook of {language} runs with its own."]
    return ["Its cell with the tag `parameters` sets nothing that could be read: it runs as it is."]


def _text(value: Any) -> str:
    return printable(value)[:100] if isinstance(value, str) else ""
