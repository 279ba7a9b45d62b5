"""Words for messages about settings."""

from __future__ import annotations

from collections.abc import Iterable


def suggest(word: str, among: Iterable[str]) -> str:
    """``Did you mean …? `` with the nearest of ``among``; empty if none is near."""
    import difflib

    near = difflib.get_close_matches(word, list(among), 1)
    return f"Did you mean {near[0]}? " if near else ""
