"""What the directory of a user's state holds for all targets."""

from __future__ import annotations

from pathlib import Path

OBJECTS = "objects"
"""Directory with the payloads, each by its digest."""
MARKED = "owners-are-marked"
"""An empty file: all jobs submitted from here are marked as their user's. Older states have none."""


def objects_of(state: Path) -> Path:
    """The directory of the payloads, made if needed.

    Args:
        state: directory of the user's state.
    """
    folder = state / OBJECTS
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (state / MARKED).touch(mode=0o600)
    return folder
