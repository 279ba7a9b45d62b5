"""`sovlab.measure`: a phase of the code, whose time and energy are told apart."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any, Optional

from sovlab.runner import context

_NAME = 60


def path(scratch: str) -> str:
    """The named pipe that the sampler of a job reads, in the job's own directory."""
    return os.path.join(scratch, "phases")


class measure(contextlib.ContextDecorator):  # noqa: N801 - it is used as a function is
    """``with sovlab.measure("epoch"):`` adds the energy of what is inside to that phase; also a decorator.

    Phases of one name are added up, and may lie within others. They are told once the job has ended, by
    ``job.energy.by_phase``. It costs microseconds; outside of a job, and in ranks but the first, it does
    nothing.

    Args:
        name: what the phase is called.
    """

    def __init__(self, name: str) -> None:
        self._name = str(name)[:_NAME]

    def __enter__(self) -> measure:
        self._mark("begin")
        return self

    def __exit__(self, *_: Any) -> Optional[bool]:
        self._mark("end")
        return None

    def _mark(self, what: str) -> None:
        job = context.current
        if job is None or not job.speaks:
            return
        line = json.dumps([what, self._name, time.monotonic()]).encode() + b"\n"
        try:
            # Opened each time: the sampler may start after this process, and end before it.
            pipe = os.open(path(job.order.scratch), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return
        try:
            os.write(pipe, line)
        except OSError:
            pass
        finally:
            os.close(pipe)
