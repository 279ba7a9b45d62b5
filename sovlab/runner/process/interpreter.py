"""This runner in another interpreter: how it is started there, and what it undoes when it is."""

from __future__ import annotations

import os
import sys
from typing import Dict, List, Mapping, Optional

from sovlab import _version

_PYTHONPATH = "SOVLAB_PYTHONPATH"
"""Environment variable that keeps the user's ``PYTHONPATH`` until `restore_path`."""


def program(module: str) -> List[str]:
    """What to say to Python, or to torchrun, that it runs this runner.

    Args:
        module: the flag that a module's name follows, where the runner is in a directory.
    """
    archive = _archive()
    return [archive] if archive is not None else [module, "sovlab.runner"]


def environment(environ: Mapping[str, str]) -> Dict[str, str]:
    """``environ`` for a process that runs `program`: it finds this runner."""
    changed = dict(environ)
    if "PYTHONPATH" in changed:
        changed[_PYTHONPATH] = changed["PYTHONPATH"]
    if _archive() is None:
        changed["PYTHONPATH"] = os.pathsep.join([_root(), *filter(None, [changed.get("PYTHONPATH")])])
    return changed


def restore_path() -> None:
    """In the process that runs it: show the user's code the ``PYTHONPATH`` that it was given."""
    path = os.environ.pop(_PYTHONPATH, None)
    os.environ.pop("PYTHONPATH", None)
    if path is not None:
        os.environ["PYTHONPATH"] = path


def execute(verb: str, *arguments: str) -> None:
    """Become a fresh interpreter that runs this runner. Raises `OSError`."""
    command = [sys.executable, *program("-m"), verb, *arguments]
    # Not where the user's files are: a random.py there would be imported by the runner.
    os.chdir(os.path.dirname(sys.executable))
    os.execve(command[0], command, environment(os.environ))  # noqa: S606 - no shell


def _root() -> str:
    """What must be on ``sys.path`` for `sovlab` to be found: a directory or an archive."""
    return os.path.dirname(os.path.dirname(os.path.abspath(_version.__file__)))


def _archive() -> Optional[str]:
    """The ``.pyz`` that this is run from; None if it is run from a directory."""
    path = getattr(__spec__.loader, "archive", None)
    return None if path is None else os.path.abspath(path)
