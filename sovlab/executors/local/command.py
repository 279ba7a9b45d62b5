"""How a job's runner is started: what a submit writes down, and the agent reads."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

NOTEBOOKS = "sovlab.runner.notebook.preloaded"
"""What a job wants that runs a notebook."""


class Command(msgspec.Struct, frozen=True):
    """``command.json``: how to start a job's runner.

    Attributes:
        python: the interpreter.
        runner: the ``.pyz``.
        stamp: what tells one state of the interpreter's libraries from another.
        wants: libraries that the job is likely to import.
        alone: whether the code may look at hashes or addresses, which jobs forked from one process share.
    """

    python: str
    runner: str
    stamp: str
    wants: tuple[str, ...] = ()
    alone: bool = False

    def argv(self, *arguments: str) -> list[str]:
        """The command line that runs the runner with ``arguments``."""
        return [self.python, self.runner, *arguments]


def stamp(paths: list[str]) -> str:
    """What tells one state of installed libraries from another: when their directories changed last.

    Args:
        paths: directories, as in `sys.path`; only those of installed packages count.
    """
    times = []
    for path in paths:
        if path.endswith(("site-packages", "dist-packages")):
            with contextlib.suppress(OSError):
                times.append(f"{path}:{Path(path).stat().st_mtime_ns}")
    return "|".join(times)
