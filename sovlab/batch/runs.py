"""The same command again is the same run: which job runs a notebook, found by what it is made of.

A run's key is of the cells, with their parameters, the local modules that they import, the options, the
target and the working directory; ids of cells, paths of the notebook and times are not in it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sovlab.client import Client, Notebook
from sovlab.client.job import Job
from sovlab.core.job import JobState
from sovlab.core.spec import JobSpec
from sovlab.errors import ExecutorError, JobNotFound
from sovlab.executors.executor import Executor
from sovlab.options.job import Options

_ASIDE = ("name", "origin", "labels", "backend", "backend_why", "resume", "finish_by", "deferral")
_ROOM = 4096
"""Bytes of what is kept of a run, and more."""


@dataclasses.dataclass
class Run:
    """A notebook's run.

    Attributes:
        job: the job.
        found: how it was found: ``new``, ``running`` or ``ended``.
        messages: what the user should know.
        mark: file that says which job it is.
        commit: of its code when it was submitted, see `sovlab.batch.provenance.commits.commit_of`.
        attempts: how often its job has begun, as far as any client here saw it.
        attempt: which one of these was the last, see `sovlab.core.event.NotebookTold`; None before the first.
    """

    job: Job
    found: str
    messages: tuple[str, ...]
    mark: Path
    commit: Mapping[str, Any]
    attempts: int = 0
    attempt: str | None = None

    @property
    def key(self) -> str:
        """What it is made of, 32 hexadecimal digits."""
        return self.mark.stem

    def began(self, attempt: str) -> None:
        """Its job has begun, once more if that is another attempt than the last."""
        if attempt != self.attempt:
            self.attempt, self.attempts = attempt, self.attempts + 1
            with contextlib.suppress(OSError):
                self.write()

    def delivered(self) -> None:
        """Its outcome has been shown: if it failed, the same command begins another."""
        with contextlib.suppress(OSError):  # then it is shown once more
            self.write(delivered=True)

    def write(self, *, delivered: bool = False) -> None:
        """Keep what is known of it, for the next client."""
        content = {
            "job_id": self.job.id,
            "target": self.job.target,
            "delivered": delivered,
            "commit": dict(self.commit),
            "attempts": self.attempts,
            "attempt": self.attempt,
        }
        temporary = _beside(self.mark)
        with temporary.open("r+" if temporary.exists() else "w") as file:
            file.write(json.dumps(content))
            file.truncate()
        temporary.replace(self.mark)


def begin(
    client: Client,
    code: Notebook,
    options: Options,
    *,
    fresh: bool = False,
    commit: Callable[[], Mapping[str, Any]] = dict,
    before: Callable[[JobSpec, Executor], None] = lambda spec, executor: None,
) -> Run:
    """The run of a notebook: one that goes on, has succeeded, or whose failure nobody saw; else a new one.

    Args:
        client: submits, and finds again.
        code: the notebook.
        options: where and with what.
        fresh: begin a new one in any case.
        commit: tells that of the code, for one that is new.
        before: may refuse one that is new: called with the request, and with what it would be sent to.

    Raises:
        UsageError: an option is wrong, or something that it needs cannot travel.
        ExecutorError: the target does not accept it.
    """
    prepared = client.prepare(code, options)
    executor = client.executor(options.target)
    target = executor.target
    folder = client.settings.state / "runs"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark = folder / f"{key(prepared.spec, options, target)}.json"
    with _locked(mark.with_suffix(".lock")):
        known = None if fresh else _known(client, mark)
        if known is not None:
            return known
        before(prepared.spec, executor)
        begun = commit()
        with _reserved(mark):
            submitted = client.send(prepared, options.target)
            run = Run(submitted.job, "new", submitted.messages, mark, begun)
            run.write()
    return run


def key_of(client: Client, code: Notebook, options: Options) -> str:
    """The key of the run that `begin` would find or begin. Raises as `begin`; nothing is begun."""
    prepared = client.prepare(code, options)
    return key(prepared.spec, options, client.executor(options.target).target)


def key(spec: JobSpec, options: Options, target: str) -> str:
    """Of a run, 32 hexadecimal digits.

    Args:
        spec: with its payload.
        options: of which the backend counts as it was asked for, not as ``auto`` chose it.
        target: name.
    """
    fields = {f.name: getattr(spec, f.name) for f in dataclasses.fields(spec) if f.name not in _ASIDE}
    whole = {**fields, "backend": options.backend, "target": target, "cwd": os.getcwd()}  # noqa: PTH109
    return hashlib.sha256(msgspec.json.encode(msgspec.to_builtins(whole, order="sorted"))).hexdigest()[:32]


def _known(client: Client, mark: Path) -> Run | None:
    try:
        found = json.loads(mark.read_bytes())
        job = client.attach(str(found["job_id"]), str(found["target"]))
        status = job.record.status
    except (OSError, ValueError, KeyError, TypeError, JobNotFound):
        return None
    if status.state.ended and status.state is not JobState.SUCCEEDED and found.get("delivered"):
        return None
    begun, attempts, attempt = (found.get(key) for key in ("commit", "attempts", "attempt"))
    return Run(
        job,
        "ended" if status.state.ended else "running",
        (),
        mark,
        begun if isinstance(begun, dict) else {},
        attempts if type(attempts) is int else 0,
        attempt if isinstance(attempt, str) else None,
    )


def _beside(mark: Path) -> Path:
    return mark.with_suffix(f".{os.getpid()}.tmp")


@contextlib.contextmanager
def _reserved(mark: Path) -> Iterator[None]:
    """Room for what is written once there is a job, of which nobody would know if it were missing then."""
    place = _beside(mark)
    try:
        place.write_bytes(b" " * _ROOM)
    except OSError as error:
        place.unlink(missing_ok=True)
        raise ExecutorError(
            f"Which job the run is cannot be kept in {mark.parent}: {error.strerror}. Nothing was submitted.",
            "Make room there, for example with sovlab clean, or set SOVLAB_STATE_DIR to another directory.",
        ) from error
    try:
        yield
    finally:
        place.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two clients that say the same at once make one job."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
