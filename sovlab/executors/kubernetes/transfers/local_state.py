"""Files on this machine about a cluster's jobs: payloads still to send, results, records of deleted jobs.

The names of files and directories are those of older versions, whose states are still read.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec

from sovlab import codec
from sovlab.core.job import JobRecord, load_types
from sovlab.core.names import is_job_id
from sovlab.settings.states import MARKED, OBJECTS

_TOMBSTONE = "buried.json"
"""The record of a job that is no longer in the cluster."""
_OWN = "own"
"""An empty file: the job was submitted from here."""
_TRUSTED = "trusted"
"""The digest of a job's request: the user trusts what it leaves."""
_BEFORE_KEYS = "before-keys"
"""An empty file, as old as the user's key: jobs from before it have no marks of their owner."""
_REQUESTS = "attend"
"""Directory with an empty file for each job that the transfer agent is asked to serve."""


class LocalState:
    """The directory of one target, with one directory for each job.

    Args:
        root: path of the directory; created with mode 0700 when something is put into it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def requests(self) -> Path:
        """The directory with a file for each job that the transfer agent is to serve."""
        return self.root / _REQUESTS

    def request_transfer(self, job_id: str) -> None:
        """Ask the transfer agent to serve a job."""
        self.requests.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.requests / job_id).touch(mode=0o600)

    def requested(self) -> list[str]:
        """Ids of the jobs that the transfer agent is asked to serve, sorted."""
        return sorted(path.name for path in self.requests.iterdir()) if self.requests.exists() else []

    def is_requested(self, job_id: str) -> bool:
        """Whether the transfer agent is asked to serve a job."""
        return (self.requests / job_id).exists()

    def withdraw_request(self, job_id: str) -> None:
        """Undo `request_transfer`."""
        (self.requests / job_id).unlink(missing_ok=True)

    def results(self, job_id: str, node: str = "") -> Path:
        """Path of the results of a job, or of one of its nodes; the file need not exist."""
        return self.root / job_id / f"results{node}.pack"

    def payload(self, job_id: str) -> Path:
        """Path of the payload of a job; the file exists if it must be sent from here."""
        return self.root / job_id / "payload.pack"

    def put_payload(self, job_id: str, payload: Path) -> None:
        """Keep a payload, by a hard link where that is possible."""
        target = self.make(job_id) / "payload.pack"
        if target.exists():
            return
        temporary = target.with_name(f".payload.{os.getpid()}.tmp")
        try:
            try:
                os.link(payload, temporary)
            except OSError:
                shutil.copyfile(payload, temporary)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)

    def put_results(self, job_id: str, data: bytes, node: str = "") -> Path:
        """Write the results of a job, or of one of its nodes; their path."""
        self.make(job_id)
        return self._put(self.results(job_id, node), data)

    def put_bytes(self, job_id: str, data: bytes) -> Path:
        """Write the payload of a job; its path."""
        return self._put(self.make(job_id) / "payload.pack", data)

    def _put(self, target: Path, data: bytes) -> Path:
        temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        temporary.write_bytes(data)
        temporary.replace(target)
        return target

    @contextlib.contextmanager
    def only_one(self, job_id: str, what: str) -> Iterator[None]:
        """Hold a lock, so that one thread of one process at a time does ``what`` for a job; wait for it."""
        with (self.make(job_id) / f"{what}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def put_tombstone(self, record: JobRecord) -> None:
        """Keep the record of a job that is no longer in the cluster."""
        target = self.make(record.id) / _TOMBSTONE
        self._put(target, msgspec.json.encode(record))

    def drop_tombstone(self, job_id: str) -> None:
        """Undo `put_tombstone`: the job is in the cluster after all."""
        (self.root / job_id / _TOMBSTONE).unlink(missing_ok=True)

    def tombstone(self, job_id: str) -> JobRecord | None:
        """The record that `put_tombstone` kept; None if there is none."""
        try:
            data = (self.root / job_id / _TOMBSTONE).read_bytes()
            load_types()
            return codec.decode(data, JobRecord)
        except (OSError, msgspec.MsgspecError):
            return None

    def tombstones(self) -> list[JobRecord]:
        """All records that `put_tombstone` kept."""
        records = (self.tombstone(path.parent.name) for path in self.root.glob(f"*/{_TOMBSTONE}"))
        return [record for record in records if record is not None]

    def note_own(self, job_id: str) -> None:
        """Note that a job was submitted from here. What cannot be written is left: the job has begun."""
        with contextlib.suppress(OSError):
            (self.make(job_id) / _OWN).touch(mode=0o600)

    def is_own(self, job_id: str) -> bool:
        """Whether a job is known to have been submitted from here; older notes are gone, see `newest_own`."""
        return is_job_id(job_id) and ((self.root / job_id / _OWN).exists() or self.is_requested(job_id))

    def note_keys(self) -> None:
        """Note that jobs are marked as their user's from now on, where a version without marks was before."""
        state = self.root.parent.parent
        if (state / OBJECTS).exists() and not (state / MARKED).exists():
            with contextlib.suppress(OSError):
                (state / MARKED).touch(mode=0o600)
                (state / _BEFORE_KEYS).touch(mode=0o600)

    def keys_since(self) -> float:
        """When `note_keys` noted it, in seconds since the epoch; 0 if it did not."""
        try:
            return (self.root.parent.parent / _BEFORE_KEYS).stat().st_mtime
        except OSError:
            return 0.0

    def put_trust(self, job_id: str, digest: str) -> None:
        """Trust what a job leaves whose request has this digest."""
        self.make(job_id)
        self._put(self.root / job_id / _TRUSTED, digest.encode())

    def trusted(self, job_id: str) -> str:
        """The digest that `put_trust` kept; empty if there is none."""
        try:
            return (self.root / job_id / _TRUSTED).read_text() if is_job_id(job_id) else ""
        except (OSError, ValueError):
            return ""

    def newest_own(self, most: int) -> list[str]:
        """Ids of the jobs that were submitted from here, newest first.

        Older ones are not looked at again: their notes go, so that they do not become ever more.
        """
        noted = []
        for path in self.root.glob(f"*/{_OWN}"):
            with contextlib.suppress(OSError):  # deleted meanwhile
                noted.append((path.stat().st_mtime, path))
        noted.sort(reverse=True)
        for _, path in noted[most:]:
            with contextlib.suppress(OSError):
                path.unlink()
                path.parent.rmdir()  # unless there is more in it
        return [path.parent.name for _, path in noted[:most] if is_job_id(path.parent.name)]

    def left_behind(self, there: Collection[str], before: float) -> list[str]:
        """Ids of jobs that the cluster has no more, of which files are left here that are old.

        Args:
            there: ids of the jobs that are known.
            before: when the newest file of each was changed at the latest, in seconds since the epoch.
        """
        found = []
        for directory in self.root.iterdir() if self.root.exists() else ():
            if directory.name in there or not is_job_id(directory.name) or self.is_requested(directory.name):
                continue
            with contextlib.suppress(OSError):  # deleted meanwhile
                if max(path.stat().st_mtime for path in (directory, *directory.rglob("*"))) < before:
                    found.append(directory.name)
        return sorted(found)

    def size(self, job_id: str) -> int:
        """How many bytes the directory of a job takes."""
        directory = self.root / job_id
        return sum(p.stat().st_size for p in directory.rglob("*") if p.is_file()) if directory.exists() else 0

    def forget(self, job_id: str) -> int:
        """Delete the directory of a job; how many bytes that freed."""
        size = self.size(job_id)
        shutil.rmtree(self.root / job_id, ignore_errors=True)
        return size

    def make(self, job_id: str) -> Path:
        """The directory of a job, created if needed."""
        directory = self.root / job_id
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory
