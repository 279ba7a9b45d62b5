"""What came with a folder, and the user's word for it.

A folder that somebody cloned brings its ``sovlab.toml`` along, and its ``.env``, which editors put into the
environment of kernels and terminals. Which interpreter runs, which cluster's login programs are started and
which store is written to is not for a folder to choose. So of these files only defaults of jobs, and a choice
among the user's own targets, count unasked; the rest counts after the user has trusted that very content.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sovlab.settings.states import private

FOLDER = "trusted-settings"
"""Of the state: an empty file for each content that is trusted."""
ENV_FILE = ".env"
_UNASKED = ("defaults",)
_FREE = re.compile(r"SOVLAB_(TARGET|DEFAULTS_[A-Z_]+)")
_LINE = re.compile(r"\s*(?:export\s+)?(SOVLAB_[A-Z0-9_]+|KUBECONFIG)\s*=\s*(.*?)\s*")
_LARGEST = 1 << 20


class Brought(NamedTuple):
    """What a file of a folder sets that does not count.

    Attributes:
        path: of the file.
        keys: what it sets, as its lines name it.
    """

    path: Path
    keys: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """For people."""
        return (
            f"{self.path} sets {', '.join(self.keys)}, which was left aside: it came with the folder, and "
            "could run programs as you. sovlab trust, in that folder, takes this very content."
        )


def is_trusted(state: Path, path: Path, content: str) -> bool:
    """Whether the user has trusted this content of a file.

    Args:
        state: directory of the user's state.
        path: of the file.
        content: of it.
    """
    return (state / FOLDER / _digest(path, content)).exists()


def trust(state: Path, path: Path, content: str) -> None:
    """Trust this content of a file, from now on.

    Raises:
        SettingsError: the state is not the user's alone.
        OSError: that cannot be kept.
    """
    private(state)
    folder = state / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / _digest(path, content)).touch(mode=0o600)


def unasked(document: Mapping[str, Any], own: Collection[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What of a project's file counts unasked, and what it sets beside that.

    Args:
        document: of the file.
        own: names of the user's own targets.
    """
    kept = {name: value for name, value in document.items() if name in _UNASKED}
    if document.get("target") in own:
        kept["target"] = document["target"]
    aside = []
    for name, value in document.items():
        if name not in kept:
            aside += [f"{name}.{inner}" for inner in value] if isinstance(value, dict) else [name]
    return kept, tuple(_shown(key) for key in aside)


def of_dotenv(content: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that a ``.env`` has set in an environment, of those that do not count unasked.

    Args:
        content: of the file.
        environ: of the process.
    """
    found = {}
    for line in content.splitlines():
        said = _LINE.fullmatch(line)
        if said and not _FREE.fullmatch(said[1]):
            found[said[1]] = _unquoted(said[2])
    return tuple(name for name, value in found.items() if environ.get(name) == value)


def dotenv_of(directory: Path | None) -> tuple[Path, str] | None:
    """The nearest ``.env`` in a directory or above it, with its content; None if there is none."""
    try:
        start = (directory or Path.cwd()).absolute()
        for folder in (start, *start.parents):
            path = folder / ENV_FILE
            if path.is_file() and path.stat().st_size <= _LARGEST:
                return path, path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        pass  # the working directory is gone, or not for us to read
    return None


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text.partition(" #")[0].rstrip()


def _digest(path: Path, content: str) -> str:
    whole = f"{os.path.realpath(path)}\0{content}".encode(errors="surrogatepass")
    return hashlib.sha256(whole).hexdigest()


def _shown(key: str) -> str:
    return key if key.isprintable() and len(key) <= 100 else repr(key[:100])
