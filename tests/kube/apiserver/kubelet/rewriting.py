"""Mounts without a mount: a container's paths in its arguments and environment become this machine's."""

from __future__ import annotations

import re
from pathlib import Path

_BEFORE = r"(?<![\w./~-])"
_AFTER = r"(?![\w.-])"


class Rewriter:
    """Replaces paths.

    Args:
        mounts: path in the container → directory here; the longest path wins.
        files: the same for single files, which have nothing below them.
    """

    def __init__(self, mounts: dict[str, Path], files: dict[str, Path]) -> None:
        self._real = {path.rstrip("/") or "/": str(real) for path, real in {**mounts, **files}.items()}
        paths = sorted((path for path in self._real if path != "/"), key=len, reverse=True)
        self._pattern = (
            re.compile(_BEFORE + f"({'|'.join(re.escape(path) for path in paths)})" + _AFTER)
            if paths
            else None
        )

    def __call__(self, text: str) -> str:
        """The text with each path at or under a mount replaced, at the boundaries of paths only."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda match: self._real[match[1]], text)
