"""Names of files in a pod and in a store.

In a pod's work directory they are how its first process and the commands that the client runs beside it
(`sovlab.runner.pod.commands`) talk to each other.
"""

from __future__ import annotations

import os
import shutil
import signal

PID = "pid"
"""Holds the process id of the first process: it need not be 1."""
PAYLOAD = "payload.pack"
RESULTS = "results.pack"
CANCEL = "cancel"
"""Its presence makes a SIGTERM mean that the job was cancelled."""
TAKEN = "taken"
"""Its presence says that the results need not be held any more."""
OBJECTS = "objects"
"""Folder of a store with the payloads, by digest."""


def copy(source: str, target: str) -> None:
    """Copy a file; ``target`` appears whole, by a rename."""
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{target}.{os.uname().nodename}.{os.getpid()}.tmp"
    try:
        shutil.copyfile(source, temporary)
        os.rename(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def payload_in_store(store: str, digest: str) -> str:
    """The path of a payload in a store that is mounted at ``store``."""
    return os.path.join(store, OBJECTS, f"{digest}.pack")


def results_in_store(store: str, job_id: str) -> str:
    """The path of a job's results pack in a store."""
    return os.path.join(store, "results", f"{job_id}.pack")


def checkpoint_in_store(store: str, job_id: str) -> str:
    """The directory of a job's checkpoints in a store."""
    return os.path.join(store, "checkpoints", job_id)


def pid(work: str) -> int:
    """The process id of the first process. Raises `OSError` or `ValueError` if there is none yet."""
    with open(os.path.join(work, PID)) as file:
        return int(file.read())


def touch(path: str) -> None:
    """Make an empty file."""
    with open(path, "w"):
        pass


def wake(work: str) -> None:
    """Have the first process look at its files, by SIGUSR1."""
    try:
        os.kill(pid(work), signal.SIGUSR1)
    except (OSError, ValueError):
        return  # it looks by itself in a while
