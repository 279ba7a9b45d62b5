"""`Places`: paths of the contents API as paths of this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from sovlab.jupyter.server.problems import RequestError

_DRIVES = ("RTC:",)
"""What older collaboration puts before a path."""
_LARGEST = 64 << 20
"""Bytes of a notebook that is read here."""
SUFFIX = ".ipynb"


class Places(msgspec.Struct, frozen=True):
    """What of this machine pages may name.

    Attributes:
        root: the directory below which it is.
        hidden: whether files may be named whose names, or folders, begin with a dot.
    """

    root: Path
    hidden: bool = False

    def below(self, path: str) -> Path:
        """A path of the contents API as a path of this machine, which is below the server's root.

        Raises:
            RequestError: it is not, or it is hidden.
        """
        refused = RequestError(
            403, f"{path[:200]} is not below the server's root.", "Move it there, or submit it in a terminal."
        )
        try:
            root = self.root.resolve()
            found = self.unresolved(path).resolve()
        except (OSError, RuntimeError, ValueError):
            raise refused from None
        if not found.is_relative_to(root):
            raise refused
        if not self.hidden and any(part.startswith(".") for part in found.relative_to(root).parts):
            raise RequestError(403, f"{path[:200]} is hidden.", "Give it a name without a dot before it.")
        return found

    def unresolved(self, path: str) -> Path:
        """The same where nobody has looked what lies there; links are what they are.

        Raises:
            ValueError: it cannot be a path.
        """
        for drive in _DRIVES:
            path = path.removeprefix(drive)
        if "\0" in path:
            raise ValueError("a NUL")
        return self.root.resolve() / path.lstrip("/")

    def told(self, path: Path) -> str:
        """A path of this machine, below the root, as the contents API has it."""
        return path.relative_to(self.root.resolve()).as_posix()

    def notebook(self, path: str) -> tuple[Path, dict[str, Any]]:
        """A notebook: where it is, and what it says.

        Raises:
            RequestError: there is none, or it cannot be read as one.
        """
        found = self.below(path)
        if found.suffix != SUFFIX:
            raise RequestError(422, f"{path[:200]} is not a notebook.", f"Name a file that ends in {SUFFIX}.")
        if not found.is_file():
            raise RequestError(404, f"There is no notebook {path[:200]} below the server's root.")
        notebook = read(found)
        if not isinstance(notebook.get("cells"), list):
            raise RequestError(
                422,
                f"{path[:200]} cannot be read as a notebook: it is damaged, of an old format or too large.",
                "Open it and save it.",
            )
        return found, notebook


def read(path: Path) -> dict[str, Any]:
    """A notebook as JSON has it; empty where there is none that can be read."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:  # of a device there is no end
            return {}
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def member(value: Any, *names: str) -> Any:
    """What is at the end of a way through objects that nobody has checked; None if there is nothing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
