"""What is refused before a notebook runs."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sovlab.errors import SpecError
from sovlab.payload.secrets import suspicious
from sovlab.runner.source.parsing import parse
from sovlab.settings.words import suggest


def refuse_secrets(parameters: Mapping[str, Any]) -> None:
    """Refuse parameters that look like secrets: papermill writes them into the notebook, for all to read.

    Args:
        parameters: values by name.

    Raises:
        SpecError: one looks like a secret; its value is in no message.
    """
    for name, value in parameters.items():
        found = suspicious(str(name), value)
        if found:
            variable = str(name).upper()
            raise SpecError(
                f"Parameter {found}, and would be written into the notebook.",
                f'Hand it over with sovlab run --env {variable}="${variable}", and read '
                f"os.environ[{variable!r}] in the notebook.",
            )


def refuse_unknown(given: Iterable[str], known: Sequence[str] | None, notebook: str) -> None:
    """Refuse parameters that a notebook does not have: it would run for hours with its default.

    Args:
        given: names.
        known: those of the notebook; None if nobody knows, and then none is refused.
        notebook: what it is called, as a subject.

    Raises:
        SpecError: it does not have one; the nearest name is named.
    """
    if known is None:
        return
    for name in given:
        if name not in known:
            hint = suggest(name, known).strip()
            has = f"It has {', '.join(known)}." if known else "It has no cell with the tag `parameters`."
            raise SpecError(f"{notebook} has no parameter {name!r}.", f"{hint} {has}".strip())


def check_output(output: str, path: Path) -> None:
    """Refuse an output that cannot be written; nothing is written.

    Args:
        output: as the user gave it.
        path: where that is, absolute.

    Raises:
        SpecError: it is a directory, its folder is not there, or it may not be written.
    """
    if path.is_dir():
        raise SpecError(f"The output {output} is a directory.", f"Name a file: {path.name}/out.ipynb.")
    if not path.parent.is_dir():
        raise SpecError(f"The folder of {output} is not there.", "Make it, or name another.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise SpecError(f"The output {output} may not be written.", "Name another, or change its rights.")


def parameters_of(notebook: Mapping[str, Any]) -> list[str]:
    """Names that the cell with the tag ``parameters`` binds, in order; none if it is no Python.

    papermill looks at its lines, and knows nothing of ``a = b = 1``, of a tuple, or of a type with a bracket.

    Args:
        notebook: of nbformat 4, of which nothing else was checked.
    """
    found: dict[str, None] = {}
    cells = notebook.get("cells")
    for cell in cells if isinstance(cells, list) else []:
        metadata = cell.get("metadata") if isinstance(cell, dict) else None
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        if not isinstance(tags, list) or "parameters" not in tags:
            continue
        source = cell.get("source", "")
        try:
            tree = parse("".join(source) if isinstance(source, list) else str(source), "parameters")
        except (SyntaxError, ValueError, RecursionError, TypeError):
            continue  # of another language
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                found[node.id] = None
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found[node.target.id] = None
        break  # papermill takes the first
    return list(found)
