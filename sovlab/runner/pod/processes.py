"""The processes below a container's first one: the supervisor that it forks, and what it must collect."""

from __future__ import annotations

import os
import signal
from typing import Iterable, Optional

from sovlab.runner.protocol.order import Order

MOST = 1 << 16
"""Bytes that are read at once of what a job prints."""


def become_supervisor(order: Order, reading: int, writing: int, handled: Iterable[int]) -> None:
    """In the forked child: supervise, and print into the pipe. Does not return.

    Args:
        order: what to run.
        reading: the pipe's end of the first process.
        writing: the end that it prints into.
        handled: signals whose handlers are those of the first process.
    """
    status = 70
    try:
        signal.set_wakeup_fd(-1)
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
        os.close(reading)
        for descriptor in (1, 2):
            os.dup2(writing, descriptor)
        os.close(writing)
        os.setsid()
        from sovlab.runner.process.supervisor import supervise

        status = supervise(order)
    except BaseException as error:
        os.write(2, f"The runner failed: {type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)


def reap(pid: int) -> bool:
    """Collect ended children, as the first process of a container must; True if ``pid`` is gone."""
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if ended == 0:
            return False
        if ended == pid:
            return True


def read(descriptor: int) -> Optional[bytes]:
    """What there is to read; empty at the end, None if there is nothing just now."""
    try:
        return os.read(descriptor, MOST)
    except BlockingIOError:
        return None


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may be gone."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
