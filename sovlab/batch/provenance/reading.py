"""Executed notebooks that somebody names by a path, and what is known of them beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sovlab.batch.provenance import sidecar
from sovlab.batch.recorded import record_of, with_packages
from sovlab.errors import SpecError


def read_text(path: str) -> str:
    """A file's text; raises `SpecError` with what is wrong where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}.", "Give the path of a file.") from None
    except ValueError:
        raise SpecError(f"{path} is no text in UTF-8.", "Give the path of a .ipynb file.") from None


def read_notebook(path: str) -> dict[str, Any]:
    """A notebook as plain JSON, of which nothing more is known than that it has cells.

    Raises:
        SpecError: it cannot be read, or is none.
    """
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("cells"), list) or found.get("nbformat") != 4:
        raise SpecError(f"{path} is no notebook of nbformat 4.", "Give the path of a .ipynb file.")
    return found


def read_whole(path: str, note: Callable[[str], None]) -> dict[str, Any]:
    """A notebook whose record has all packages, where the file beside it is there and of the same run.

    Args:
        path: of the notebook.
        note: called with a sentence if that file is not.

    Raises:
        SpecError: as `read_notebook`.
    """
    notebook = read_notebook(path)
    beside = sidecar.read(Path(path), record_of(notebook))
    if beside.problem:
        note(f"{beside.name} {beside.problem}: of packages only those that are imported are compared.")
    return with_packages(notebook, beside.content)
