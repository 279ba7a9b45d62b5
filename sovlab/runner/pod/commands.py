"""What the client does in a running container: bring the payload, take the results, ask it to end.

Each is an exec command of its own: ``receive`` and ``received``, ``send`` and ``taken``, ``cancel``. They
speak to the first process by files in the work directory and SIGUSR1. ``idle`` and ``forget`` are for a pod
that only mounts a store.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from typing import List

from sovlab.runner.protocol import layout

_PIECE = 1 << 20
_UNUSED = 30 * 86400.0
"""Seconds after which a payload in a store is deleted if no job has used it."""


def receive(work: str, size: int, start: int) -> int:
    """Read the payload from stdin, from byte ``start`` on; it appears once all ``size`` bytes are there."""
    partial = os.path.join(work, f"{layout.PAYLOAD}.part")
    mode = "r+b" if start and os.path.exists(partial) else "wb"
    with open(partial, mode) as file:
        file.seek(start)
        file.truncate()
        remaining = size - start
        while remaining > 0:
            piece = os.read(0, min(remaining, _PIECE))
            if not piece:
                sys.stderr.write(f"the payload is {remaining} bytes short\n")
                return 1
            file.write(piece)
            remaining -= len(piece)
    os.rename(partial, os.path.join(work, layout.PAYLOAD))
    layout.wake(work)
    return 0


def received(work: str) -> int:
    """Print how many bytes of the payload are there; -1 when it is complete."""
    whole, partial = (os.path.join(work, name) for name in (layout.PAYLOAD, f"{layout.PAYLOAD}.part"))
    count = -1 if os.path.exists(whole) else os.path.getsize(partial) if os.path.exists(partial) else 0
    sys.stdout.write(f"{count}\n")
    return 0


def send(path: str, start: int) -> int:
    """Write the file's size as one line, then its bytes from ``start`` on, to stdout."""
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        out = sys.stdout.buffer
        out.write(b"%d\n" % size)
        out.flush()
        file.seek(start)
        while True:
            piece = file.read(_PIECE)
            if not piece:
                return 0
            view = memoryview(piece)
            while view:
                view = view[os.write(1, view) :]


def taken(work: str) -> int:
    """Say that the results are where they belong: the pod need not hold them any more."""
    layout.touch(os.path.join(work, layout.TAKEN))
    layout.wake(work)
    return 0


def cancel(work: str) -> int:
    """Mark the job as cancelled, and send SIGTERM to it."""
    layout.touch(os.path.join(work, layout.CANCEL))
    try:
        os.kill(layout.pid(work), signal.SIGTERM)
    except FileNotFoundError:
        pass  # it has not started yet, and will see the file
    return 0


def idle(seconds: float) -> int:
    """Keep the container running for exec commands, until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    time.sleep(seconds)
    return 0


def forget(store: str, jobs: List[str]) -> int:
    """Delete results and checkpoints of jobs in the store, and payloads that no job has used for long."""
    for job_id in jobs:
        results = layout.results_in_store(store, job_id)
        if os.path.exists(results):
            os.unlink(results)
        shutil.rmtree(layout.checkpoint_in_store(store, job_id), ignore_errors=True)
    objects = os.path.join(store, layout.OBJECTS)
    for name in os.listdir(objects) if os.path.isdir(objects) else ():
        path = os.path.join(objects, name)
        if time.time() - os.path.getmtime(path) > _UNUSED:
            os.unlink(path)
    return 0


def main(command: str, arguments: List[str]) -> int:
    """Do what the arguments say; the status to exit with."""
    try:
        if command == "receive":
            return receive(arguments[0], int(arguments[1]), int(arguments[2]))
        if command == "send":
            return send(arguments[0], int(arguments[1]))
        if command == "idle":
            return idle(float(arguments[0]))
        if command == "forget":
            return forget(arguments[0], arguments[1:])
        single = {"received": received, "taken": taken, "cancel": cancel}
        return single[command](arguments[0])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
