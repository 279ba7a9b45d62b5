"""Which commit the code of a run was at, as git tells it."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import urllib.parse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sovlab.batch.provenance.private import user_names

_PATIENCE = 10.0
"""Seconds for one question; a checkout on a slow disk is not waited for."""
_QUIET = ("-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
_OF_ANOTHER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""Variables by which a hook would have us look at its repository."""
_SCHEMES = ("http", "https", "ssh", "git", "git+ssh")
_SCP = re.compile(r"(?:[^@/\s]+@)?([A-Za-z0-9.-]+\.[A-Za-z0-9-]+):(?!//)([^\s:]+)")


def commit_of(folders: Iterable[Path], notebook: Path | None, aside: Sequence[Path]) -> dict[str, Any]:
    """The commit of the first folder that is in a repository; empty if none is, or without git.

    ``commit``; ``dirty``: whether something that is tracked was changed, or the notebook is in none;
    ``diff_sha256`` of such changes; ``remote``: of ``origin``, without credentials, where it is a server's
    and does not name the user. What git does not tell in time is not in it. No path is.

    Args:
        folders: where code was taken from.
        notebook: what is run, which is code, too; None if it is no file here.
        aside: files that the run itself writes.
    """
    for folder in folders:
        top = _said(folder, "rev-parse", "--show-toplevel")
        commit = _said(folder, "rev-parse", "--verify", "HEAD")
        if top and re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", commit):
            known: dict[str, Any] = {"commit": commit}
            known.update(_changes(Path(top), notebook, aside))
            remote = public_remote(_said(folder, "config", "--get", "remote.origin.url"))
            return {**known, "remote": remote} if remote else known
    return {}


def public_remote(url: str) -> str:
    """A remote's URL without user, password and query; empty for paths, and where it names this user."""
    url = url.strip()
    scp = _SCP.fullmatch(url)
    if scp and "://" not in url:
        url = f"ssh://{scp[1]}/{scp[2].lstrip('/')}"
    try:
        parts = urllib.parse.urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in _SCHEMES or not parts.hostname or len(url) > 300:
        return ""
    mine = {name.lower() for name in user_names()}
    if any(part.lower().lstrip("~") in mine for part in parts.path.split("/")):
        return ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def _changes(top: Path, notebook: Path | None, aside: Sequence[Path]) -> dict[str, Any]:
    left_out = [
        f":(top,exclude,literal){path.relative_to(top)}"
        for path in (Path(os.path.realpath(each)) for each in aside)
        if path.is_relative_to(top)
    ]
    where = ["--", ":/", *left_out]
    digest = _digest(top, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", *where)
    if digest is None:
        return {}
    new = False
    if notebook is not None:
        path = Path(os.path.realpath(notebook))
        new = path.is_relative_to(top) and not _said(
            top, "ls-files", "--", f":(top,literal){path.relative_to(top)}"
        )
    if digest == hashlib.sha256().hexdigest():
        return {"dirty": new}
    return {"dirty": True, "diff_sha256": digest}


def _said(folder: Path, *words: str) -> str:
    """What git says, as text; empty if it does not."""
    return (_asked(folder, *words) or b"").decode("utf-8", "replace").strip()


def _digest(folder: Path, *words: str) -> str | None:
    """SHA-256 of what git says; None if it does not."""
    said = _asked(folder, *words)
    return None if said is None else hashlib.sha256(said).hexdigest()


def _asked(folder: Path, *words: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *_QUIET, *words],
            env=_variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _variables() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
