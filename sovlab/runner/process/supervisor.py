"""The parent of the user's process: it keeps the time, passes signals on, and says how the job ended.

The user's code runs in a child, so whatever becomes of that, somebody is left to clean up behind it and
to write the exit record. The supervisor itself never touches what the code prints, nor loads the payload.
"""

from __future__ import annotations

import errno
import json
import os
import select
import signal
import sys
import time
from typing import Any, Dict, List, Optional, Tuple

from sovlab.runner.process.capping import Capping
from sovlab.runner.process.memory_limit import MemoryLimit
from sovlab.runner.process.sampling import Sampling
from sovlab.runner.process.verdict import Ending, Left, describe, exit_status
from sovlab.runner.process.work import CannotStart, Child, Outcome, Watchable, Work
from sovlab.runner.protocol import frames
from sovlab.runner.protocol.exit_record import ExitRecord
from sovlab.runner.protocol.order import Order
from sovlab.runner.system import processes
from sovlab.runner.system.launchers import of_launchers
from sovlab.runner.system.variables import unheeded

_POLITE = 2.0
"""Seconds that what a finished job left running gets between SIGTERM and SIGKILL."""
_STUBBORN = 10.0
"""Seconds after which the supervisor no longer waits for killed processes, e.g. ones stuck in the kernel."""
_PASSED_ON = (signal.SIGTERM, signal.SIGINT)


class Supervisor:
    """Runs one job from its start to its exit record."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._started = time.time()
        self._limit = MemoryLimit(order)
        self._ending = Ending(order.timeout, self._limit)
        self._deadline = None if order.timeout is None else time.monotonic() + order.timeout
        self._kill_at: Optional[float] = None
        self._running: Dict[int, bool] = {}
        self._usage = [0.0, 0]
        self._sampling = Sampling(order)
        self._capping = Capping(order)
        self._energy: Optional[Dict[str, Any]] = None

    def run(self) -> int:
        """Run the job and write its exit record; the status to exit with."""
        order = self._order
        if os.getpid() != 1 and os.getsid(0) != os.getpid():
            os.setsid()
        self._orphans_come = processes.adopt_orphans()
        self._record = ExitRecord(order.exit)
        try:
            leftovers, outcome = self._supervise()
        except (CannotStart, OSError, RuntimeError, ImportError) as error:
            self._stop_measuring()
            self._kill_tree(0.0)
            message = f"The runner failed: {type(error).__name__}: {error}"
            if isinstance(error, CannotStart):
                message = str(error)
            leftovers, outcome = Left(), Outcome({"reason": "runner", "message": message, "exit_code": 70}, 0)
        memory = self._limit.end()
        record = describe(order, self._ending, outcome, leftovers)
        record.update(
            **({"memory": memory} if memory is not None else {}),
            **({"energy": self._energy} if self._energy is not None else {}),
            started=self._started,
            ended=time.time(),
            max_rss=self._usage[1],
            cpu_seconds=round(self._usage[0], 3),
            python=platform_version(),
            host=os.uname().nodename,
        )
        self._say({"t": "exit", "reason": record["reason"]})
        self._record.commit(record)
        return exit_status(record)

    def _supervise(self) -> Tuple[Left, Outcome]:
        order = self._order
        waking, woken = os.pipe()
        for end in (waking, woken):
            os.set_blocking(end, False)
        # Before the handlers: one that comes between the two would be taken and forgotten.
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        for number in (*_PASSED_ON, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # Only now: whoever knows this process may ask it to end.
        self._write_run_file()
        for name in of_launchers(os.environ):
            del os.environ[name]
        fresh = bool(unheeded(order.env, os.environ))
        os.environ.update(environment(order))
        os.chdir(order.workdir)
        work = self._work(fresh)
        self._say(
            {"t": "start", "python": platform_version(), "host": os.uname().nodename, "pid": os.getpid()}
        )
        if order.cancelled:
            # Before there was a process to signal.
            self._ending.why = "cancelled"
            return Left(), Outcome(None, 0)
        blocked = {*_PASSED_ON, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
        self._running = dict.fromkeys(self._limit.start(work.start), True)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        while self._running:
            self._wait(work, waking)
        self._stop_measuring()
        leftovers = Left(self._ending.memory_evidence(), self._kill_tree(_POLITE))
        return leftovers, work.outcome()

    def _stop_measuring(self) -> None:
        self._energy = self._sampling.stop()
        cap = self._capping.stop()
        if cap:
            self._energy = self._energy or {"devices": [], "seconds": 0.0, "unavailable": {}}
            self._energy["limits"] = {**self._energy.get("limits", {}), "power_cap": cap}

    def _work(self, fresh: bool) -> Work:
        if self._order.ranks > 1:
            from sovlab.runner.process.ranks import Ranks

            return Ranks(self._order)
        return Child(self._order, fresh)

    def _write_run_file(self) -> None:
        if self._order.run is None:
            return
        process = processes.process(os.getpid())
        about = {
            "version": 1,
            "pid": os.getpid(),
            "start": process.start if process is not None else "",
            "boot": processes.boot(),
            "sid": os.getsid(0),
            "started": self._started,
            "host": os.uname().nodename,
        }
        temporary = f"{self._order.run}.tmp"
        with open(temporary, "w") as file:
            json.dump(about, file)
        os.rename(temporary, self._order.run)

    def _wait(self, work: Work, waking: int) -> None:
        """Sleep until something happens or is due, and see to it."""
        poll = select.poll()
        poll.register(waking, select.POLLIN)
        watched = {w.descriptor: w for w in work.watched()}
        if self._sampling.descriptor is not None:
            watched[self._sampling.descriptor] = Watchable(self._sampling.descriptor, self._sampling.ready)
        for descriptor in watched:
            poll.register(descriptor, select.POLLIN)
        due = work.tick(time.monotonic())
        times = [
            t
            for t in (due, self._deadline, self._kill_at, self._limit.due, self._sampling.due)
            if t is not None
        ]
        pause = None if not times else max(0.0, min(min(times) - time.monotonic(), 86400.0)) * 1000 + 1
        try:
            ready = poll.poll(pause)
        except InterruptedError:
            ready = []
        for descriptor, _ in ready:
            if descriptor == waking:
                self._signalled(work, os.read(waking, 4096))
            elif descriptor in watched:
                watched[descriptor].ready()
        self._reap(work)
        self._keep_time(work, time.monotonic())

    def _signalled(self, work: Work, numbers: bytes) -> None:
        for number in numbers:
            if number in _PASSED_ON:
                why = "cancelled" if self._order.cancelled else signal.Signals(number).name
                self._ask_to_end(work, why)

    def _ask_to_end(self, work: Work, why: str) -> None:
        # Whatever comes after the first does not shorten the grace.
        if self._ending.why is None:
            self._ending.why = why
            self._kill_at = time.monotonic() + self._order.grace
            work.ask(signal.SIGTERM)

    def _keep_time(self, work: Work, now: float) -> None:
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._ask_to_end(work, "timeout")
        if self._limit.due is not None and now >= self._limit.due:
            self._limit.look(now)
            if self._limit.over and self._running:
                self._kill_all()
        if self._sampling.reached and self._ending.why is None:
            self._ending.words = self._sampling.reached
            self._ask_to_end(work, "limit")
        if self._sampling.due is not None and now >= self._sampling.due and self._running:
            self._capping.start()
            self._sampling.start()
        if self._kill_at is not None and now >= self._kill_at and self._running:
            self._kill_at = now + 1.0
            self._kill_all()

    def _reap(self, work: Work) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._sampling.ended(pid, status) or self._capping.ended(pid, self._sampling.descriptors):
                continue
            # Of a process and those it waited for; in bytes on macOS, in KiB elsewhere.
            unit = 1 if sys.platform == "darwin" else 1024
            self._usage[0] += usage.ru_utime + usage.ru_stime
            self._usage[1] = max(self._usage[1], usage.ru_maxrss * unit)
            if pid in self._running:
                del self._running[pid]
                work.ended(pid, status)

    def _kill_all(self) -> None:
        found = (p.pid for p in processes.descendants(os.getpid()))
        ours = (self._sampling.pid, self._capping.pid)
        processes.kill((pid for pid in found if pid not in ours), signal.SIGKILL)

    def _kill_tree(self, polite: float) -> List[int]:
        """End what the job left running; the pids that were still there."""
        begun = time.monotonic()
        signalled: Dict[int, bool] = {}
        while True:
            while True:
                try:
                    if os.waitpid(-1, os.WNOHANG)[0] == 0:
                        break
                except ChildProcessError:
                    if self._orphans_come:
                        return list(signalled)
                    break
            remaining = [p.pid for p in self._remaining() if not p.zombie and p.pid != self._capping.pid]
            now = time.monotonic()
            if not remaining or now - begun > _STUBBORN:
                return list(signalled)
            if now - begun >= polite or self._limit.over:
                processes.kill(remaining, signal.SIGKILL)
            else:
                processes.kill((pid for pid in remaining if pid not in signalled), signal.SIGTERM)
            signalled.update(dict.fromkeys(remaining, True))
            time.sleep(0.005)

    def _remaining(self) -> List[processes.Process]:
        if self._orphans_come:
            return processes.descendants(os.getpid())
        session = None if os.getpid() == 1 else os.getsid(0)
        return processes.of_job(self._order.job_id, session)

    def _say(self, message: Dict[str, Any]) -> None:
        try:
            os.write(1, frames.encode(self._order.nonce, message))
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE, errno.EBADF, errno.EIO):
                raise


def platform_version() -> str:
    """``3.11.7``."""
    return sys.version.split()[0]


def environment(order: Order) -> Dict[str, str]:
    """What the runner adds to the environment of the user's code."""
    return {
        **order.env,
        "SOVLAB_JOB_ID": order.job_id,
        "SOVLAB_JOB_NAME": order.name,
        "SOVLAB_BACKEND": order.backend,
        "SOVLAB_DEVICE": order.device,
        "SOVLAB_DISTRIBUTED": order.distributed,
        "SOVLAB_CHECKPOINT": order.checkpoint,
    }


def supervise(order: Order) -> int:
    """Run a job in this process and its children; the status to exit with.

    May be called in a fresh interpreter or after a fork. In the child in which the user's code runs it
    never returns.

    Raises:
        OSError: not even an exit record can be written.
    """
    return Supervisor(order).run()
