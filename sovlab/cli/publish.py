"""``sovlab publish``: a copy of an executed notebook without what tells who ran it and where."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from sovlab.cli import show
from sovlab.errors import SpecError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what ``sovlab publish`` takes."""
    parser.add_argument("notebook", help="an executed notebook, whoever ran it")
    parser.add_argument("copy", nargs="?", help="where the copy goes (default: NOTEBOOK.public.ipynb)")
    parser.add_argument("--in-place", action="store_true", help="change the notebook itself")
    parser.add_argument("--no-widgets", action="store_true", help="leave out what widgets show, too")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit with 1 if something would be taken out"
    )


def publish(parsed: argparse.Namespace) -> int:
    """Write the copy; the exit status is 1 if something is to be looked at, or taken out with --check."""
    from sovlab.batch.publishing.stripping import Published

    if parsed.in_place and parsed.copy:
        raise SpecError("--in-place and a copy are two things.", "Leave one of them out.")
    here = Path(parsed.notebook)
    from sovlab.batch.provenance.reading import read_notebook

    notebook = read_notebook(parsed.notebook)
    try:
        made = Published(notebook, widgets=not parsed.no_widgets)
    except RecursionError:
        raise SpecError(
            f"{parsed.notebook} is nested too deeply.", "No front end writes such a notebook."
        ) from None
    target = here if parsed.in_place else Path(parsed.copy or here.with_suffix(".public.ipynb"))
    if not parsed.check:
        if not parsed.in_place and target.exists() and target.samefile(here):
            raise SpecError(
                "The copy would be written over the notebook itself.", "Give another path, or --in-place."
            )
        _write(target, made.notebook, here)
    did = "Would be taken out" if parsed.check else "Taken out"
    for sentence in made.taken:
        show.note(f"{did}: {sentence}")
    for sentence in made.hints:
        show.note(f"Look at this: {sentence}")
    if not parsed.check:
        show.note(f"Written: {target}" + ("" if made.taken else "; nothing was to be taken out"))
        if made.hints:
            show.note("Look at it before others do: what is named above is still in it.")
    elif not made.taken and not made.hints:
        show.note("Nothing is to be taken out.")
    return 1 if made.hints or (parsed.check and made.taken) else 0


def _write(path: Path, notebook: dict[str, Any], like: Path) -> None:
    """Write a notebook in one step, as nbformat lays it out."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    try:
        data = text.encode()
    except UnicodeEncodeError:  # half a character, which JSON can say and UTF-8 cannot
        data = (json.dumps(notebook, indent=1) + "\n").encode()
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".sovlab-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        shutil.copymode(like, temporary)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise SpecError(f"{path} cannot be written: {error.strerror}.", "Give another path.") from None
