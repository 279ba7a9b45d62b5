"""What the directory of a user's state holds for all targets."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sovlab.errors import SettingsError

OBJECTS = "objects"
"""Directory with the payloads, each by its digest."""
MARKED = "owners-are-marked"
"""An empty file: all jobs submitted from here are marked as their user's. Older states have none."""


def private(state: Path) -> None:
    """Make the state's directory, for its owner's eyes only; what is below need not be looked at then.

    Args:
        state: directory of the user's state.

    Raises:
        SettingsError: it cannot be made, is another's, or cannot be closed to others.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = state.stat()
        if there.st_uid == os.getuid() and there.st_mode & 0o077:
            state.chmod(0o700)
            there = state.stat()
    except OSError as error:
        raise SettingsError(
            f"The state directory {state} cannot be used: {error.strerror or error}.",
            "Name another in SOVLAB_STATE_DIR.",
        ) from error
    if there.st_uid != os.getuid():
        raise SettingsError(
            f"The state directory {state} belongs to another user (uid {there.st_uid}), who could change "
            "what your jobs run.",
            "Name one of your own in SOVLAB_STATE_DIR.",
        )
    if there.st_mode & 0o077:
        raise SettingsError(
            f"The state directory {state} is open to others, and its file system does not let it be closed.",
            "Name one on another file system in SOVLAB_STATE_DIR.",
        )


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


def sweep_objects(state: Path, before: float) -> int:
    """Delete the payloads that no job keeps; how many bytes that freed.

    One that a submit beside this takes up is put back: it is looked at again once nobody else finds it.

    Args:
        state: directory of the user's state.
        before: those go that were used last before this, in seconds since the epoch.
    """
    size = 0
    for pack in (state / OBJECTS).glob("*.pack"):
        hidden = pack.with_name(f".{pack.name}.{os.getpid()}.gone")
        with contextlib.suppress(FileNotFoundError):  # another sweep was first
            if not _is_unused(pack, before):
                continue
            pack.rename(hidden)
            if _is_unused(hidden, before):
                size += hidden.stat().st_size
            else:
                with contextlib.suppress(FileExistsError):  # it was written anew meanwhile
                    os.link(hidden, pack)
            hidden.unlink()
    return size


def _is_unused(pack: Path, before: float) -> bool:
    found = pack.stat()
    return found.st_nlink == 1 and found.st_mtime < before
