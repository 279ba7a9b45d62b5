"""The files by which a pod's first process and the client's commands beside it know of each other."""

from __future__ import annotations

import os
import shutil
import signal

PID = "pid"
"""The number of the first process: it need not be 1."""
PAYLOAD = "payload.pack"
RESULTS = "results.pack"
CANCEL = "cancel"
"""Its presence makes a SIGTERM mean that somebody cancelled the job."""
TAKEN = "taken"
"""Its presence says that the results need not be held any more."""
OBJECTS = "objects"
"""Where a store keeps payloads."""


def copy(source: str, target: str) -> None:
    """Copy a file; ``target`` appears at once and whole."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{target}.{os.uname().nodename}.{os.getpid()}.tmp"
    try:
        shutil.copyfile(source, temporary)
        os.rename(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def kept_payload(store: str, digest: str) -> str:
    """Where a store keeps a payload."""
    return os.path.join(store, OBJECTS, f"{digest}.pack")


def kept_results(store: str, job_id: str) -> str:
    """Where a store keeps the results of a job."""
    return os.path.join(store, "results", f"{job_id}.pack")


def kept_checkpoint(store: str, job_id: str) -> str:
    """Where a store keeps the checkpoint of a job."""
    return os.path.join(store, "checkpoints", job_id)


def pid(work: str) -> int:
    """Of the first process. Raises `OSError` or `ValueError` if there is none."""
    with open(os.path.join(work, PID)) as file:
        return int(file.read())


def touch(path: str) -> None:
    """Make an empty file."""
    with open(path, "w"):
        pass


def wake(work: str) -> None:
    """Let the first process look at its files."""
    try:
        os.kill(pid(work), signal.SIGUSR1)
    except (OSError, ValueError):
        return  # it looks by itself in a while
