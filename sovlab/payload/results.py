"""What came back: values by name, displayed output, and the exception of a job that failed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sovlab.core.decoding import outputs
from sovlab.errors import ResultError, remote_cause
from sovlab.payload.returning import Returning
from sovlab.runner.values.pack import Pack, PackError
from sovlab.runner.values.pickling import Sent


class Results:
    """A results pack, opened in the notebook.

    Values are loaded when they are first asked for, each once: asking again gives the same object.
    They run the code that they were made with: see `Returning`.

    Args:
        path: of the results pack.
        main: the notebook's namespace, into which definitions of the job go.
        labels: what cells are called, by the SHA-256 of their source.

    Raises:
        ResultError: the file is damaged.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, main: dict[str, Any], labels: Mapping[str, str] | None = None
    ) -> None:
        try:
            self._pack = Pack(path)
        except (OSError, PackError) as damage:
            raise ResultError(
                f"The results in {Path(path).name} cannot be read: {damage}.", "Run the job again."
            ) from damage
        self._main = main
        self._labels = labels or {}
        self._values: dict[str, Any] = {}
        self._returning: Returning | None = None
        self.errors: dict[str, str] = {}
        """Why names have no value here; each reason continues a sentence that begins with the name."""
        try:
            for sent in self._sent():
                if sent.error:
                    self.errors[sent.name] = f"could not be sent back by the job: {sent.error}"
        except (TypeError, AttributeError) as damage:
            raise ResultError(
                f"The results in {Path(path).name} do not say what is in them.", "Run the job again."
            ) from damage
        self._lost = dict(self.errors)

    def _sent(self) -> list[Sent]:
        return [Sent(**s) if isinstance(s, dict) else Sent(*s) for s in self._pack.meta.get("names", ())]

    @property
    def names(self) -> list[str]:
        """Names that the job was to return, whether their values can be loaded here or not."""
        return [sent.name for sent in self._sent()]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """What the cell displayed, as MIME bundles ``{"data": …, "metadata": …}``."""
        return outputs(self._pack.meta.get("outputs"))

    def extract(self, directory: Path) -> dict[str, Path]:
        """Write the files that the job wrote beside its code below a directory; path in the job → path here.

        Raises:
            ResultError: they cannot be written there, or a path leads out of it.
        """
        found = {}
        for name in self._pack.names():
            if not name.startswith("file/"):
                continue
            relative = PurePosixPath(name[len("file/") :])
            if relative.is_absolute() or ".." in relative.parts:
                raise ResultError(
                    f"The job sent a file with the path {str(relative)!r:.200}, outside of its directory.",
                    "It was not written.",
                )
            path = directory / relative
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
                temporary.write_bytes(self._pack.segment(name))
                temporary.replace(path)
            except OSError as error:
                raise ResultError(
                    f"{path} cannot be written: {error.strerror}.", "Give another directory."
                ) from error
            found[str(relative)] = path
        return found

    def value(self, name: str) -> Any:
        """The value of one name.

        Raises:
            ResultError: the job did not return it, or it cannot be loaded here: the results keep it,
                and asking again after the reason is gone gives it.
        """
        if name not in self.names:
            returned = ", ".join(self.names)
            raise ResultError(
                f"The job returned no {name!r}.",
                f"It returned {returned}." if returned else "Name what it should return with --out.",
            )
        self._load([name])
        if name in self.errors:
            advice = "Its data is kept with the job: ask for it again once that is available."
            if name in self._lost:
                advice = "Return something that can be pickled instead."
            raise ResultError(f"{name!r} {self.errors[name]}.", advice)
        return self._values[name]

    def values(self) -> dict[str, Any]:
        """The values of all names that can be loaded here; `errors` says why the others cannot."""
        self._load(self.names)
        return {name: self._values[name] for name in self.names if name in self._values}

    def _load(self, names: list[str]) -> None:
        requested = {name for name in names if name not in self._values and name not in self._lost}
        if not requested:
            return
        # All of them together: what two names share stays shared.
        unloaded = {name for name in self.names if name not in self._values and name not in self._lost}
        try:
            returning = self._opened()
            self._values.update(returning.values(unloaded))
        except FileNotFoundError:
            raise ResultError(
                "The results of this job are no longer kept here.", "Run the job again."
            ) from None
        errors = returning.installer.errors
        self.errors = {**self._lost, **{n: why for n, why in errors.items() if n in unloaded}}

    def _opened(self) -> Returning:
        # One for all that is asked for: what the job defined is defined once.
        if self._returning is None:
            self._returning = Returning(self._pack, self._main, self._labels)
        return self._returning

    def exception(self) -> BaseException | None:
        """The exception that ended the job, rebuilt, if the results hold one that can be loaded here.

        Its ``__cause__`` shows the traceback that it had in the job, where that is known.
        """
        if "exception" not in self._pack:
            return None
        try:
            returning = self._opened()
            error = returning.exception(bytes(self._pack.segment("exception")))
        except Exception:
            return None  # whatever its class's own unpickling raises: the text of the traceback remains
        if not isinstance(error, BaseException):
            return None
        text = str(self._pack.meta.get("traceback", ""))
        if text and error.__cause__ is None:
            error.__cause__ = remote_cause(text)
        return error
