"""The cap of a job's power: set by a process of its own, which puts back what was there, whatever happens.

It shares nothing with the supervisor but two pipes, and ends with none of the job's processes: when the
supervisor's end of the one closes, by its word or by its death, it puts the limits back and says so in the
other. If it is killed itself, another one takes over what it has noted.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import tempfile
import time
from typing import Any, Dict, List, Optional, Sequence

from sovlab.runner.protocol import frames
from sovlab.runner.protocol.order import Order

_PATIENCE = 5.0
"""Seconds that the supervisor waits for the limits to be put back; that goes on for as long as it takes."""
_AGAIN = 3
"""How often another process takes over from one that was killed."""


class Capping:
    """The supervisor's side of it.

    Args:
        order: says the cap; without one nothing is done.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self.pid: Optional[int] = None
        self._control = -1
        self._told = -1
        self._left = _AGAIN
        self._why: List[str] = []

    def start(self, others: Sequence[int] = ()) -> None:
        """Set the cap.

        Args:
            others: descriptors of the supervisor's that the process must not hold open.
        """
        if self._order.power_cap is not None:
            self._fork(others, takes_over=False)

    def ended(self, pid: int, others: Sequence[int] = ()) -> bool:
        """Whether this was its process, which was killed: then another one takes over; see `start`."""
        if pid != self.pid:
            return False
        self._close()
        if self._left > 0:
            self._left -= 1
            self._fork(others, takes_over=True)
        else:
            self._why.append("not put back: the process that does that was killed again and again")
        return True

    def stop(self) -> Dict[str, Any]:
        """Have the limits put back; what is to be told of the cap, empty if there is none."""
        if self._order.power_cap is None:
            return {}
        if self.pid is not None:
            os.close(self._control)
            self._control = -1
            answers, pid = self._answers(time.monotonic() + _PATIENCE), self.pid
            self._close()
            if answers is None:
                self.pid = pid  # it goes on, and nobody is to kill it
                answers = ["not known to be put back: its driver has not answered yet"]
            self._why += answers
        why = "; ".join(self._why)
        return {"limit": self._order.power_cap, **({"why": why} if why else {})}

    def _fork(self, others: Sequence[int], takes_over: bool) -> None:
        try:
            ends, self._control = os.pipe()
            self._told, told = os.pipe()
            self.pid = os.fork()
        except OSError as error:
            self._why.append(f"not set: {error.strerror}")
            return
        if self.pid == 0:
            try:
                os.setsid()  # what ends a job ends its session
                signal.set_wakeup_fd(-1)
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP, signal.SIGPIPE):
                    signal.signal(number, signal.SIG_IGN)
                for descriptor in (*others, self._control, self._told):
                    with contextlib.suppress(OSError):
                        os.close(descriptor)
                _keep(self._order, ends, told, takes_over)
            finally:
                os._exit(0)
        os.close(ends)
        os.close(told)

    def _answers(self, end: float) -> Optional[List[str]]:
        """What it has said, once it has ended; None if it has not until then."""
        data = b""
        while (left := end - time.monotonic()) > 0:
            poll = select.poll()
            poll.register(self._told, select.POLLIN)
            if poll.poll(left * 1000):
                read = os.read(self._told, 65536)
                if not read:
                    break
                data += read
        else:
            return None
        found: List[str] = []
        for line in data.splitlines():
            with contextlib.suppress(ValueError):
                found += [str(why) for why in json.loads(line)]
        return found

    def _close(self) -> None:
        for descriptor in (self._control, self._told):
            if descriptor >= 0:
                os.close(descriptor)
        self._control = self._told = -1
        self.pid = None


def _keep(order: Order, ends: int, told: int, takes_over: bool) -> None:
    """In its process: set the limits, or take over those that were set, and put them back in the end."""
    from sovlab.sensors import registry
    from sovlab.sensors.caps import Caps
    from sovlab.sensors.machine import Machine

    found = registry.find(Machine(environ={**os.environ, **order.env}))
    gpus = [probe for probe in found.probes if probe.device.kind == "gpu"]
    watts = order.power_cap or 0.0
    caps = Caps(gpus, watts, tempfile.gettempdir())
    if takes_over:
        caps.take_over()
    else:
        refused = caps.set()
        _tell(told, refused)
        if refused:
            message = {"t": "limit", "what": "power_cap", "limit": watts, "state": "unwatched"}
            with contextlib.suppress(OSError, ValueError):
                os.write(1, frames.encode(order.nonce, {**message, "why": "; ".join(refused)}))
    os.read(ends, 1)  # until the other end closes
    _tell(told, caps.put_back())


def _tell(told: int, clauses: List[str]) -> None:
    if clauses:
        with contextlib.suppress(OSError):
            os.write(told, json.dumps(clauses).encode() + b"\n")
