"""Power and heat of a job's node, looked at by a process of its own beside the job.

A vendor's library may hang, crash, or take seconds to start: all that must not reach the job. So the sampler
is a child of the supervisor that shares nothing with it but two pipes: it ends when the supervisor's end of
the one closes, and writes totals into the other, of which the supervisor keeps the last. What it sees in
between goes into the job's log, as frames.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import time
from typing import Any, Dict, Optional, Tuple

from sovlab.runner import phases
from sovlab.runner.protocol import frames
from sovlab.runner.protocol.order import Order
from sovlab.runner.system import processes

DELAY = 0.1
"""Seconds after a job's start before its sampler starts: shorter jobs are over before a counter moves."""
_BATCH = 5.0
"""Seconds between two totals."""
_SECOND_BATCH = 1.0
"""Seconds until the second ones, and the second frame: somebody may be looking at the card."""
_LAST_LOOK = 0.5
"""Seconds that the last look may take before the supervisor goes on without it."""
_NO_LOOK = 0.05
"""Seconds that the first look may take if the job has ended meanwhile."""
_LIMITED = 1.0
"""Seconds between two looks at devices with a limit, at most."""
_LONGEST = 60 << 10
"""Bytes of a line of totals, at most."""


class Sampling:
    """The supervisor's side of it.

    Args:
        order: says how often to look, and what marks the frames.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self.due: Optional[float] = time.monotonic() + DELAY
        self.pid: Optional[int] = None
        self.descriptor: Optional[int] = None
        self._control = -1
        self._pipe = ""
        self._lost = ""
        self._started = time.monotonic()
        self._pending = b""
        self._totals: Optional[Dict[str, Any]] = None
        self.reached = ""
        """Why the job is to be ended: a limit of energy or heat is reached; empty as long as none is."""

    def start(self) -> None:
        """Start the sampler, if the job still runs when that is due."""
        self.due = None
        supervisor = os.getpid()
        self._pipe = phases.path(self._order.scratch)
        try:
            os.mkfifo(self._pipe, 0o600)
        except OSError:
            pass  # there is none on this file system: then there are no phases
        try:
            ends, control = os.pipe()
            totals, told = os.pipe()
            self.pid = os.fork()
        except OSError:
            return  # no more processes or descriptors: the job needs them more
        if self.pid == 0:
            status = 1
            try:
                signal.set_wakeup_fd(-1)
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                os.close(control)
                os.close(totals)
                processes.die_with(supervisor)
                _sample(self._order, supervisor, ends, told)
                status = 0
            finally:
                os._exit(status)
        os.close(ends)
        os.close(told)
        os.set_blocking(totals, False)
        self.descriptor, self._control = totals, control

    @property
    def descriptors(self) -> Tuple[int, ...]:
        """What it holds open, and no other process may: else the sampler would not end."""
        return tuple(each for each in (self._control, self.descriptor) if each is not None and each >= 0)

    def ready(self) -> None:
        """Take in what the sampler has written; never waits."""
        if self.descriptor is None:
            return
        try:
            while True:
                data = os.read(self.descriptor, 65536)
                if not data:
                    os.close(self.descriptor)
                    self.descriptor = None
                    break
                self._pending += data
        except BlockingIOError:
            pass
        *lines, self._pending = self._pending.split(b"\n")
        self._pending = self._pending[:_LONGEST]
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict) and "reached" in found:
                self.reached = self.reached or str(found["reached"])
            elif isinstance(found, dict):
                self._totals = found

    def ended(self, pid: int, status: int) -> bool:
        """Whether this was the sampler, which has ended by itself, with this wait status."""
        if pid != self.pid:
            return False
        self.pid = None
        how = f"with status {os.WEXITSTATUS(status)}"
        if os.WIFSIGNALED(status):
            how = f"by {signal.Signals(os.WTERMSIG(status)).name}"
        self._lost = f"The process that reads the sensors ended {how}."
        _say(self._order, {"t": "unseen", "at": round(time.time(), 3), "why": self._lost})
        for what, limit in self._limits().items():
            _say(self._order, {"t": "limit", "what": what, "state": "unwatched", **limit})
        return True

    def stop(self) -> Optional[Dict[str, Any]]:
        """Have the sampler look a last time and end; the totals, None if there are none."""
        self.due = None
        if self._pipe:
            with contextlib.suppress(OSError):
                os.unlink(self._pipe)
        if self._control >= 0:
            os.close(self._control)
            self._control = -1
        end = time.monotonic() + (_NO_LOOK if self._totals is None else _LAST_LOOK)
        while self.descriptor is not None and (left := end - time.monotonic()) > 0:
            poll = select.poll()
            poll.register(self.descriptor, select.POLLIN)
            poll.poll(left * 1000)
            self.ready()
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
            if not self._lost:
                self._lost = f"The sensors had not answered when the job ended, after {self._age():.1f} s."
        if self.pid is not None:
            try:
                os.kill(self.pid, signal.SIGKILL)
                # One that is stuck in the kernel is left to it.
                until = time.monotonic() + _LAST_LOOK
                while os.waitpid(self.pid, os.WNOHANG)[0] == 0 and time.monotonic() < until:
                    time.sleep(0.001)
            except (ProcessLookupError, ChildProcessError):
                pass
            self.pid = None
        if self._totals is None and not self._lost:
            return None
        totals = self._totals or {"devices": [], "seconds": 0.0, "unavailable": {}}
        if self._lost:
            _stretch(totals, self._age())
            totals["unavailable"] = {**totals.get("unavailable", {}), "sampling": self._lost}
            told = totals.get("limits", {})
            limits = {what: {**told.get(what, {}), **limit} for what, limit in self._limits().items()}
            totals.update({"limits": limits} if limits else {})
        return totals

    def _limits(self) -> Dict[str, Dict[str, Any]]:
        """The job's limits, which nobody watches any more."""
        return {what: {"limit": limit, "why": self._lost} for what, limit in self._order.limits.items()}

    def _age(self) -> float:
        return time.monotonic() - self._started


def _stretch(totals: Dict[str, Any], seconds: float) -> None:
    """Have totals be of so many seconds, whose end nobody has seen: what is covered is a smaller share."""
    share = totals["seconds"] / seconds if seconds > totals["seconds"] else 1.0
    for device in totals["devices"]:
        energy = device["energy"]
        if "coverage" in energy:
            energy["coverage"] = round(energy["coverage"] * share, 4)
    totals["seconds"] = round(max(totals["seconds"], seconds), 3)


def why_none(unavailable: Dict[str, str]) -> str:
    """Why no device is measured: what those say that most machines have, else what any says."""
    said = [unavailable[name] for name in ("rapl", "nvml") if name in unavailable]
    return (said or list(unavailable.values()) or ["No sensor was found."])[0]


def _sample(order: Order, supervisor: int, ends: int, told: int) -> None:
    """In the sampler's process: look until the supervisor's end of ``ends`` closes."""
    from sovlab.runner.process.telling import Telling
    from sovlab.sensors import registry
    from sovlab.sensors.bounds import ENERGY, HEAT, REACHED, Bounds, words
    from sovlab.sensors.machine import Machine
    from sovlab.sensors.phases import Phases
    from sovlab.sensors.sampler import LONGEST, Sampler
    from sovlab.sensors.share import ProcessorShare

    machine = Machine(environ={**os.environ, **order.env})
    share = ProcessorShare(machine, supervisor, order.contained)
    found = registry.find(machine)
    # What accelerators draw is none of a job's that has none.
    probes = [probe for probe in found.probes if probe.device.kind != "gpu" or order.device != "cpu"]
    longest = _LIMITED if order.limits else LONGEST
    sampler = Sampler(probes, order.power_rate and 1 / order.power_rate, longest=longest)
    bounds = Bounds(sampler, order.limits.get(ENERGY), order.limits.get(HEAT))
    sampler.look()
    telling = Telling(sampler, functools.partial(_put, order), order.machines)
    telling.describe()
    if not probes:
        _say(order, {"t": "unseen", "at": round(time.time(), 3), "why": why_none(found.unavailable)})
    marked = Phases(sampler)
    poll = select.poll()
    poll.register(ends, select.POLLIN)
    pipe = _opened(phases.path(order.scratch))
    if pipe is not None:
        poll.register(pipe, select.POLLIN)
    batch = told_next = time.monotonic()
    pause = _SECOND_BATCH
    while True:
        wait = min(sampler.due, batch, told_next) - time.monotonic()
        ready = [descriptor for descriptor, _ in poll.poll(max(wait, 0.0) * 1000 + 0.5)]
        over = ends in ready
        if pipe is not None and pipe in ready:
            marked.feed(os.read(pipe, 65536))
        now = time.monotonic()
        if over or now >= sampler.due:
            sampler.look()
            for message in bounds.check():
                _say(order, {"t": "limit", **message})
                if message["state"] == REACHED and not over:
                    os.write(told, json.dumps({"reached": words(message, order.machines)}).encode() + b"\n")
        if over or now >= told_next:
            telling.tell(time.time())
            told_next = now + (pause if pause == _SECOND_BATCH else telling.pause)
        if over or now >= batch:
            batch, pause = now + pause, _BATCH
            totals = {
                "devices": sampler.totals(),
                "seconds": round(sampler.elapsed, 3),
                "unavailable": found.unavailable,
                "nodes": order.machines,
                **share.told(),
                **marked.told(),
                **bounds.told(),
            }
            os.write(told, json.dumps(totals, separators=(",", ":")).encode()[:_LONGEST] + b"\n")
        if over:
            telling.finish()
            return


def _opened(pipe: str) -> Optional[int]:
    try:
        # For writing too: so it never ends, however often somebody opens and closes it.
        return os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None


def _say(order: Order, message: Dict[str, Any]) -> None:
    with contextlib.suppress(ValueError):  # more than fits
        _put(order, message)


def _put(order: Order, message: Dict[str, Any]) -> None:
    """Write a frame into the log. Raises `ValueError` if it is too long."""
    frame = frames.encode(order.nonce, message)
    with contextlib.suppress(OSError):  # a full disk: the totals come another way
        os.write(1, frame)
