"""What this machine keeps of a cluster's jobs: payloads that must still be sent, and results that came."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from sovlab.core.job import JobRecord

_BURIED = "buried.json"


class LocalState:
    """A directory of one target, with one directory for each job.

    Args:
        root: of the target; made with mode 0700 when something is put into it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def requests(self) -> Path:
        """Where a file for each job asks for a courier."""
        return self.root / "attend"

    def attend(self, job_id: str) -> None:
        """Ask for a courier for a job."""
        self.requests.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.requests / job_id).touch(mode=0o600)

    def requested(self) -> list[str]:
        """The jobs that a courier is asked for."""
        return sorted(path.name for path in self.requests.iterdir()) if self.requests.exists() else []

    def withdraw_request(self, job_id: str) -> None:
        """Take back `attend`."""
        (self.requests / job_id).unlink(missing_ok=True)

    def results(self, job_id: str) -> Path:
        """Where the results of a job are, or will be."""
        return self.root / job_id / "results.pack"

    def payload(self, job_id: str) -> Path:
        """Where the payload of a job is, if it must be sent from here."""
        return self.root / job_id / "payload.pack"

    def put_payload(self, job_id: str, payload: Path) -> None:
        """Keep a payload, by a link where that is possible."""
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

    def put_results(self, job_id: str, data: bytes) -> Path:
        """Keep results that came as bytes."""
        return self._put(self.make(job_id) / "results.pack", data)

    def put_bytes(self, job_id: str, data: bytes) -> Path:
        """Keep a payload that came as bytes."""
        return self._put(self.make(job_id) / "payload.pack", data)

    def _put(self, target: Path, data: bytes) -> Path:
        temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        temporary.write_bytes(data)
        temporary.replace(target)
        return target

    @contextlib.contextmanager
    def only_one(self, job_id: str, what: str) -> Iterator[None]:
        """Be the one process, and the one thread of it, that does ``what`` for a job; wait to become it."""
        with (self.make(job_id) / f"{what}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def bury(self, record: JobRecord) -> None:
        """Keep the record of a job that is no longer in the cluster."""
        target = self.make(record.id) / _BURIED
        self._put(target, msgspec.json.encode(record))

    def buried(self, job_id: str) -> JobRecord | None:
        """The record that `bury` kept; None if there is none."""
        try:
            data = (self.root / job_id / _BURIED).read_bytes()
            return msgspec.json.decode(data, type=JobRecord)
        except (OSError, msgspec.MsgspecError):
            return None

    def all_buried(self) -> list[JobRecord]:
        """All records that `bury` kept."""
        found = (self.buried(path.parent.name) for path in self.root.glob(f"*/{_BURIED}"))
        return [record for record in found if record is not None]

    def forget(self, job_id: str) -> int:
        """Delete what is kept of a job; how many bytes that were."""
        place = self.root / job_id
        size = sum(p.stat().st_size for p in place.rglob("*") if p.is_file()) if place.exists() else 0
        shutil.rmtree(place, ignore_errors=True)
        return size

    def make(self, job_id: str) -> Path:
        """The directory of a job, made if need be."""
        place = self.root / job_id
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place
