"""papermill's saves of a notebook while its run goes on: one that fails ends no run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sovlab.client.job import Job


class Saves:
    """The saves of one notebook: a full disk, say, is told of once, and the next save may find room.

    Args:
        manager: papermill's ``NotebookExecutionManager``.
        say: called with a sentence.
    """

    def __init__(self, manager: Any, say: Callable[[str], None]) -> None:
        self._manager, self._say = manager, say
        self._save: Callable[..., Any] = manager.save
        self._failure = ""

    @contextmanager
    def heeded(self) -> Iterator[None]:
        """Meanwhile a save that fails raises nothing."""
        self._manager.save = self._try
        try:
            yield
        finally:
            del self._manager.save

    def is_written(self, *, again: bool) -> bool:
        """Whether the notebook is where it should be, but for what only its last save adds.

        Args:
            again: save it now in any case, because it has grown much since.
        """
        if again or self._failure:
            self._try()
        return not self._failure

    def _try(self, **keywords: Any) -> None:
        try:
            self._save(**keywords)
        except Exception as error:  # a store of papermill's raises what it likes
            why = why_not(error)
            if why != self._failure:
                self._failure = why
                self._say(f"{self._manager.output_path} cannot be written: {why}. The next save tries again.")
        else:
            self._failure = ""


class Before:
    """What an output was before papermill wrote there, which it does before there is a job.

    Args:
        path: of the output; empty if papermill makes another of it each time.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path).absolute() if path else None
        self._was_there = self._path is not None and self._path.exists()
        self._content: bytes | None = None
        with suppress(OSError):
            if self._path is not None and self._path.is_file():
                self._content = self._path.read_bytes()

    def restore(self) -> None:
        """No job has begun: a notebook in which nothing ran is no output, and an earlier one stays."""
        if self._path is None or not self._path.is_file():
            return
        with suppress(OSError):
            if not self._was_there:
                self._path.unlink()
            elif self._content is not None and self._path.read_bytes() != self._content:
                self._path.write_bytes(self._content)


def unwritten(job: Job) -> str:
    """What to do about a notebook that could not be written in the end, as sentences."""
    return (
        f"Job {job.id} has all of it: make room, or name another output. The same command then fetches it, "
        "and runs nothing."
    )


def why_not(error: Exception) -> str:
    """Why a file could not be written, as a clause."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return (said or type(error).__name__).strip().splitlines()[0].rstrip(".")
