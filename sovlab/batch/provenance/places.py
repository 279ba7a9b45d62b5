"""Where the notebooks of a papermill run are, as far as that is on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from papermill.iorw import LocalHandler, NoIOHandler, NotebookNodeHandler, StreamHandler, papermill_io

from sovlab.batch.provenance import sidecar
from sovlab.batch.provenance.commits import commit_of


class Places(NamedTuple):
    """The files of one run.

    Attributes:
        input: the notebook that is run; None if it is no local file.
        output: the executed one; None if it is no local file.
        elsewhere: whether the executed one goes to a place that is not local, as a bucket.
    """

    input: Path | None
    output: Path | None
    elsewhere: bool = False

    @classmethod
    def of(cls, papermill: Mapping[str, Any]) -> Places:
        """By the paths in papermill's metadata."""
        begin, end = papermill.get("input_path"), papermill.get("output_path")
        away = isinstance(end, str) and not isinstance(
            papermill_io.get_handler(end), LocalHandler | NoIOHandler | NotebookNodeHandler | StreamHandler
        )
        return cls(_local(begin), _local(end), away)

    def commit(self) -> dict[str, Any]:
        """See `commit_of`: of the notebook's repository, else of the working directory's."""
        folders = [self.input.parent] if self.input is not None else []
        aside = [self.output, self.output.with_name(self.output.name + sidecar.SUFFIX)] if self.output else []
        return commit_of([*folders, Path.cwd()], self.input, aside)

    def with_details(
        self, record: dict[str, Any], content: Mapping[str, Any], say: Callable[[str], None]
    ) -> dict[str, Any]:
        """A record that names the file with the rest of it, which is written beside an output that is here.

        Args:
            record: of the run.
            content: of that file.
            say: called with a sentence if there is none.
        """
        if self.output is None:
            if self.elsewhere:
                say("The rest of the run's record is not kept: it is a file beside an output that is local.")
            return record
        try:
            return {**record, "sidecar": sidecar.write(self.output, content)}
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            say(f"The rest of the run's record cannot be written beside {self.output.name}: {why}.")
            return record


def local_path(path: object) -> Path | None:
    """Where a path of papermill's is on this machine, absolute; None if it is no local one."""
    if not isinstance(path, str) or not path:
        return None
    handler = papermill_io.get_handler(path)
    if not isinstance(handler, LocalHandler):
        return None
    # papermill has changed into --cwd by now, and keeps where it came from.
    return Path(getattr(handler, "_cwd", None) or os.curdir, path).absolute()


def _local(path: object) -> Path | None:
    found = local_path(path)
    return found if found is not None and (found.is_file() or found.parent.is_dir()) else None
