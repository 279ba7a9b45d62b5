"""Job directories: one for each job, whose files say all that is known of it.

A job is accepted when its directory gets its name, by one rename, with ``spec.json`` in it. After that
each file is written once, whole, by one process: ``run.json`` and ``exit.json`` by the supervisor.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from sovlab import codec
from sovlab.core.job import JobRecord, JobState, JobStatus, Progress, Reason
from sovlab.core.names import is_job_id
from sovlab.core.spec import JobSpec
from sovlab.core.untrusted import MAX_BYTES, DamagedRecord, clean, moment, parse
from sovlab.errors import JobNotFound, SpecError
from sovlab.runner.system import processes

if TYPE_CHECKING:
    from sovlab.core.decoding import ExitRecord

T = TypeVar("T")

_USUAL = 64 << 10

LOST = "It ended without a record: its processes were killed, or the machine was restarted. Submit it again."


class Accepted(msgspec.Struct, frozen=True):
    """``spec.json``: the request as it was accepted."""

    version: int
    submitted: float
    spec: JobSpec


class Running(msgspec.Struct, frozen=True):
    """``run.json``: which process supervises the job."""

    pid: int
    start: str
    boot: str
    sid: int
    started: float
    host: str = ""

    @property
    def alive(self) -> bool:
        """Whether it is that process that has the pid now, and not one that came after it."""
        return processes.is_running(self.pid, self.start, self.boot)


class JobDirectory:
    """The files of one job.

    Args:
        jobs: the directory of all jobs.
        job_id: the job's.
    """

    def __init__(self, jobs: Path | str, job_id: str) -> None:
        # Lists read tens of thousands of files, and pathlib takes longer than the system.
        self._path = f"{jobs}/{job_id}"
        self.id = job_id

    @property
    def path(self) -> Path:
        """The directory."""
        return Path(self._path)

    def __truediv__(self, name: str) -> Path:
        return Path(self._path, name)

    def _read(self, name: str) -> bytes:
        with open(f"{self._path}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
            data = file.read(_USUAL)  # room for the most that is allowed would cost more than the reading
            return data if len(data) < _USUAL else data + file.read(MAX_BYTES)

    def _decoded(self, name: str, kind: type[T]) -> T:
        try:
            return codec.decode(self._read(name), kind)
        except RecursionError:
            raise DamagedRecord("it is nested too deeply") from None
        except (msgspec.MsgspecError, SpecError, ValueError) as error:
            raise DamagedRecord(clean(str(error), 300)) from error

    def accepted(self) -> Accepted:
        """The request.

        Raises:
            DamagedRecord: its file is damaged.
            OSError: it cannot be read.
        """
        from sovlab.core.decoding import check_request

        accepted = self._decoded("spec.json", Accepted)
        if moment(accepted.submitted) is None:
            raise DamagedRecord("submitted is not a time")
        check_request(accepted.spec)
        return accepted

    def running(self) -> Running | None:
        """Which process supervises it; None if none has started yet. Raises as `accepted` does."""
        try:
            running = self._decoded("run.json", Running)
        except FileNotFoundError:
            return None
        if moment(running.started) is None:
            raise DamagedRecord("started is not a time")
        return running

    def ended(self) -> ExitRecord | None:
        """The exit record; None if there is none yet. Raises as `accepted` does."""
        try:
            data = self._read("exit.json")
        except FileNotFoundError:
            return None
        from sovlab.core.decoding import exit_record

        return exit_record(_parsed(data))

    def record(self, target: str) -> JobRecord:
        """All that the files say. Damage makes the job UNKNOWN, never an error."""
        try:
            accepted = self.accepted()
        except (OSError, DamagedRecord) as error:
            return self._damaged(target, None, "spec.json", error)
        try:
            status = self._status(accepted)
        except (OSError, DamagedRecord) as error:
            return self._damaged(target, accepted.spec, "exit.json or run.json", error)
        return JobRecord(id=self.id, target=target, spec=accepted.spec, status=status)

    def _status(self, accepted: Accepted) -> JobStatus:
        ended = self.ended()
        if ended is not None:
            return _ended_status(ended, accepted.submitted)
        running = self.running()
        if running is None:
            waits = JobStatus(state=JobState.QUEUED, reason=Reason.WAITING, submitted=accepted.submitted)
            now = time.time()
            due = accepted.spec.due(now)
            if due is None:
                return waits
            from sovlab.core.deferral.words import held

            return held(waits, accepted.spec, due, now)
        if running.alive:
            return JobStatus(
                state=JobState.RUNNING,
                submitted=accepted.submitted,
                started=running.started,
                host=clean(running.host, 300),
                progress=self.last_progress(),
            )
        ended = self.ended()  # it may have ended between the two looks
        if ended is not None:
            return _ended_status(ended, accepted.submitted)
        return JobStatus(
            state=JobState.FAILED,
            reason=Reason.LOST,
            message=LOST,
            submitted=accepted.submitted,
            started=running.started,
            host=clean(running.host, 300),
        )

    def _damaged(self, target: str, spec: JobSpec | None, file: str, error: Exception) -> JobRecord:
        status = JobStatus(
            state=JobState.UNKNOWN,
            reason=Reason.UNREADABLE,
            message=f"Its {file} cannot be read ({error}). sovlab clean --all deletes {self.path}.",
            submitted=_changed(self.path),
        )
        return JobRecord(id=self.id, target=target, spec=spec, status=status)

    def written(self) -> tuple[str, ...]:
        """Paths of the files in it that the job itself wrote: what it saved, or put beside its code."""
        found = [path for path in (self / "checkpoint").rglob("*") if path.is_file()]
        beside = self / "files"
        if beside.is_dir():  # of jobs that do not see the user's files, and of older versions
            sent = self._sent()
            for path in beside.rglob("*"):
                name = path.relative_to(beside).as_posix()
                if (
                    path.is_file()
                    and "__pycache__" not in path.parts
                    and sent.get(name) != path.stat().st_size
                ):
                    found.append(path)
        return tuple(sorted(map(str, found)))

    def _sent(self) -> dict[str, int]:
        """The files of the payload, with their sizes."""
        from sovlab.runner.values.pack import Pack, PackError

        try:
            pack = Pack(self / "payload.pack")
        except (OSError, PackError):
            return {}
        sizes = {n[len("file/") :]: len(pack.segment(n)) for n in pack.names() if n.startswith("file/")}
        if "source" in pack and "script" in (pack.meta.get("entry") or {}):
            sizes[str(pack.meta["entry"]["script"])] = len(pack.segment("source"))
        return sizes

    def nonce(self) -> str:
        """What marks the frames in this job's log."""
        try:
            return str(parse(self._read("order.json"))["nonce"])
        except (OSError, DamagedRecord, KeyError, TypeError):
            return "-"

    def last_progress(self) -> Progress | None:
        """The last progress that the log holds, if it is near its end."""
        try:
            with (self / "log").open("rb") as log:
                log.seek(max(log.seek(0, os.SEEK_END) - 65536, 0))
                text = log.read()
        except OSError:
            return None
        mark = f"\x1esovlab:{self.nonce()} ".encode()
        at = text.rfind(mark)
        if at < 0:
            return None
        from sovlab.core import decoding

        while at >= 0:
            frame = decoding.frame(text[at + len(mark) : text.find(b"\n", at)])
            if isinstance(frame, Progress):
                return frame
            at = text.rfind(mark, 0, at)
        return None


class JobStore:
    """All jobs of a state directory.

    Args:
        state: the user's state directory; made with mode 0700.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self.jobs = state / "jobs"
        self.queue = state / "queue"
        for path in (state, self.jobs, self.queue):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def job(self, job_id: str) -> JobDirectory:
        """One job. Raises `JobNotFound`."""
        if not is_job_id(job_id) or not (self.jobs / job_id).is_dir():
            raise JobNotFound(
                f"There is no job {job_id!r}.", "%sovjobs (in a shell: sovlab jobs) lists them."
            )
        return JobDirectory(self.jobs, job_id)

    def names(self) -> list[str]:
        """What is in the directory of jobs, in no order: ids, and what is no job yet."""
        return os.listdir(self.jobs)  # noqa: PTH208 - of ten thousand names no paths are made

    def all(self) -> Iterator[JobDirectory]:
        """All accepted jobs, in no order."""
        for name in self.names():
            if is_job_id(name):
                yield JobDirectory(self.jobs, name)

    def newest(self, most: int) -> list[str]:
        """Ids of the jobs whose directories have changed last: at their submit, their start or their end."""
        changed = []
        with os.scandir(self.jobs) as entries:
            for entry in entries:
                if is_job_id(entry.name):
                    with contextlib.suppress(OSError):  # deleted meanwhile
                        changed.append((entry.stat().st_mtime, entry.name))
        return [name for _, name in sorted(changed, reverse=True)[:most]]

    def active(self) -> list[JobDirectory]:
        """Jobs that have not ended, as far as the queue says, in the order of arrival.

        A job is in the queue from before it is accepted until the agent has seen its end, so nothing that
        runs or waits is missing, and the cost does not grow with the jobs of former days.
        """
        names = sorted(entry.name for entry in self.queue.iterdir())
        return [JobDirectory(self.jobs, name.partition(".")[2]) for name in names]

    def accept(self, job_id: str, fill: Any) -> bool:
        """Make a job's directory, filled by ``fill(path)``, in one step; False if it is there already."""
        place = self.jobs / job_id
        if place.exists():
            return False
        scratch = self.jobs / f".{job_id}.{os.getpid()}"
        scratch.mkdir(mode=0o700)
        try:
            fill(scratch)
            scratch.rename(place)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            if place.exists():
                return False  # another process was first
            raise
        return True


def _ended_status(ended: ExitRecord, submitted: float) -> JobStatus:
    from sovlab.core.decoding import ended_status

    return ended_status(ended, submitted)


def _parsed(data: bytes) -> object:
    """An exit record's JSON; as it is where it is odd, for the door to say what is wrong with it."""
    try:  # a list of 10,000 jobs feels the difference to the standard library's parser
        return msgspec.json.decode(data) if len(data) < _USUAL else data
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return data


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()
