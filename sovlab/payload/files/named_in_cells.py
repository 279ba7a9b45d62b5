"""Files that the cells of a notebook name: code of a notebook reads from its working directory.

A job elsewhere has another one. So what is named there and is small travels, and of the rest it is said
before the run begins, and not by a FileNotFoundError an hour into it. Nothing is run to find out.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable
from pathlib import Path

from sovlab.payload.files.beside import matches, texts

_LONGEST = 400
_SYSTEM = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var")
"""Directories that are where the job runs as well, with what is in them."""
_EVERYWHERE = ("/", "/tmp", "/home", "/mnt", "/opt", "/srv")  # noqa: S108 - nothing is written there


def named(cells: Iterable[tuple[int, ast.AST]], folder: Path) -> tuple[dict[Path, str], list[str]]:
    """What cells name and is there.

    Args:
        cells: number and syntax tree of each.
        folder: the working directory.

    Returns:
        Paths below the directory, or that lead out of it by ``..``, each with the cell that names it first;
        and a sentence for each absolute path, which the job will not find.
    """
    found: dict[Path, str] = {}
    messages: dict[str, str] = {}
    for number, tree in cells:
        for text in sorted(texts(tree)):
            if not text.strip(" .*?/") or len(text) > _LONGEST or not text.isprintable():
                continue
            if text.startswith(("/", "~")):
                if _is_here(text):
                    messages.setdefault(
                        text,
                        f"{text}, which cell {number} names, was not sent: the job runs elsewhere, and finds "
                        "what is there. What lies below this directory can be sent, with --file.",
                    )
                continue
            for path in matches(folder, text):
                found.setdefault(Path(os.path.normpath(path)), f"cell {number}")
    return found, list(messages.values())


def _is_here(text: str) -> bool:
    try:
        path = Path(text).expanduser()
        outside = not any(path.is_relative_to(folder) for folder in _SYSTEM)
        return outside and str(path) not in _EVERYWHERE and path.exists()
    except (OSError, RuntimeError, ValueError):
        return False
