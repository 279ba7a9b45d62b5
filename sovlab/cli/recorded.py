"""``sovlab show``: what an executed notebook says of its run; and how notebooks are read."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sovlab.cli import show
from sovlab.errors import SpecError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``sovlab show`` takes."""
    parser.add_argument("notebook", help="an executed notebook, e.g. of sovlab run")


def show_record(parsed: argparse.Namespace) -> int:
    """Show it; the exit status is 0 where there is a record, of a run or of results, else 1."""
    from sovlab.batch.recorded import record_of, recorded_table
    from sovlab.batch.results import recorded_values

    notebook = read_notebook(parsed.notebook)
    record, recorded = record_of(notebook), recorded_values(notebook)
    if recorded:
        record = {**record, "recorded": recorded}
    if parsed.json:
        show.json_document(record)
    elif record:
        show.table(recorded_table(notebook))
    else:
        show.note(
            f"{parsed.notebook} has no record of a run: papermill's engine sovlab writes one, as sovlab run."
        )
    return 0 if record else 1


def read_text(path: str) -> str:
    """A file's text; raises `SpecError` with what is wrong where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}.", "Give the path of a file.") from None
    except UnicodeDecodeError:
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
