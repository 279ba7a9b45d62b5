"""The agent: one small process for each user, which starts waiting jobs when there is room for them.

It is started by a submit and ends when it has had nothing to do for a while. All its knowledge is in the job
directories: killed at any moment, it takes no running job with it, and the next one goes on from there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from sovlab import codec
from sovlab.core.decoding import DamagedRecord
from sovlab.executors.local.command import Command
from sovlab.executors.local.configuration import Configuration
from sovlab.executors.local.forkservers import Forkserver, Forkservers
from sovlab.executors.local.queue import Demand, Held, demand, startable
from sovlab.executors.local.store import LOST, JobDirectory, JobStore
from sovlab.executors.local.supervisors import Supervisors
from sovlab.runner.protocol.exit_record import ExitRecord
from sovlab.runner.system import processes

_SOON = 0.02
_HALF_WAY = 600.0
"""Seconds that a submit may take between its entry in the queue and its job directory: to copy a payload."""
_LONGEST_WAIT = 30.0
"""Seconds after which jobs that are held back are looked at again: while a machine sleeps, the clock by which
the agent waits stands still, and not that by which they are due."""
_POLL = 0.5
"""Seconds between looks at supervisors, only where the system cannot tell of their end."""


class Agent:
    """Owns the queue of one state directory.

    Args:
        configuration: its limits and paths.
        ready: descriptor to close once the agent listens; -1 if nobody waits for that.
    """

    def __init__(self, configuration: Configuration, ready: int = -1) -> None:
        self._configuration = configuration
        self._ready = ready
        self._store = JobStore(Path(configuration.state))
        self._queue = self._store.queue
        self._selector = selectors.DefaultSelector()
        self._running: dict[str, Held] = {}
        self._supervisors = Supervisors(self._selector, self._on_end)
        self._cancelled: set[str] = set()
        self._forking: dict[str, dict[str, str]] = {}
        """Environments of jobs that a forkserver was asked to fork, until it says that it has, by id."""
        self._forkservers = Forkservers(
            self._store.state / "agent.log",
            self._listen,
            self._stop_listening,
            self._on_message,
            idle=configuration.idle / 2,
        )
        self._next_due: float | None = None
        """When the first of the jobs that are held back is to start, seconds since the epoch."""
        self._stopping = False
        self._quiet_since = time.monotonic()

    def serve(self) -> None:
        """Serve until idle or told to stop; returns at once if another agent serves this directory."""
        with (self._store.state / "agent.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            path = Path(self._configuration.socket)
            path.unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX) as listener:
                old = os.umask(0o177)
                try:
                    listener.bind(str(path))
                finally:
                    os.umask(old)
                listener.listen(64)
                listener.setblocking(False)
                self._selector.register(listener, selectors.EVENT_READ, self._accept)
                self._close_ready()
                try:
                    self._adopt()
                    self._loop()
                finally:
                    path.unlink(missing_ok=True)
        # After the lock: whoever submits now need not wait until they have left.
        self._forkservers.close()

    def _close_ready(self) -> None:
        if self._ready >= 0:
            os.close(self._ready)
            self._ready = -1

    def _loop(self) -> None:
        while not self._stopping:
            self._start_waiting()
            busy = bool(self._running) or any(job.path.exists() for job in self._store.active())
            if busy:
                self._quiet_since = time.monotonic()
            self._forkservers.close_idle()
            remaining = self._configuration.idle - (time.monotonic() - self._quiet_since)
            if remaining <= 0:
                return
            unwatched = self._supervisors.unwatched
            until_forkserver_idle = self._configuration.idle / 2 if len(self._forkservers) else None
            timeout = min(remaining, _POLL) if unwatched else (until_forkserver_idle if busy else remaining)
            if self._next_due is not None:
                until_due = min(max(self._next_due - time.time(), 0.0), _LONGEST_WAIT)
                timeout = until_due if timeout is None else min(timeout, until_due)
            if self._pass_cancels():
                timeout = _SOON
            for key, _ in self._selector.select(timeout):
                # One before it may have closed it, and something else may have its number now.
                if self._selector.get_map().get(key.fd) is key:
                    key.data(key.fileobj)
            for job_id in unwatched:
                self._supervisors.look(job_id)

    # --- requests

    def _accept(self, listener: Any) -> None:
        connection, _ = listener.accept()
        if not _same_user(connection):
            connection.close()
            return
        connection.setblocking(True)
        connection.settimeout(5)
        with connection, contextlib.suppress(OSError, ValueError):
            request = json.loads(connection.makefile("rb").readline(65536))
            if request.get("op") == "stop":
                self._stopping = True
            connection.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")

    def _pass_cancels(self) -> bool:
        """Pass cancellations on that came while a job was starting; True if one still is."""
        pending = False
        for job_id in self._running:
            job = JobDirectory(self._store.jobs, job_id)
            if job_id in self._cancelled or not (job / "cancel").exists():
                continue
            running = None
            with contextlib.suppress(OSError, DamagedRecord):
                running = job.running()
            if running is None:
                pending = True
            else:
                self._cancelled.add(job_id)
                if running.alive:
                    processes.kill([running.pid], signal.SIGTERM)
        return pending

    # --- jobs

    def _adopt(self) -> None:
        """Take up what an earlier agent left: running jobs, and jobs that vanished meanwhile."""
        for job in self._store.active():
            try:
                running = job.running()
            except (OSError, DamagedRecord):
                continue
            if running is None or (job / "exit.json").exists():
                continue
            if running.alive:
                self._watch(job, running.pid)
            else:
                self._end_lost(job, running.sid if running.boot == processes.boot() else None)

    def _start_waiting(self) -> None:
        waiting: dict[str, Demand] = {}  # by id: two processes may be submitting the same job
        now, dues = time.time(), []
        for entry in sorted(entry.name for entry in self._queue.iterdir()):
            job_id = entry.partition(".")[2]
            job = JobDirectory(self._store.jobs, job_id)
            if job_id in self._running or job_id in waiting:
                continue
            if not job.path.exists():
                self._forget_if_old(self._queue / entry)
                continue
            if (job / "exit.json").exists():
                (self._queue / entry).unlink(missing_ok=True)
                continue
            if (job / "cancel").exists():
                self._end(job, "cancelled", "It was cancelled before it started.")
                (self._queue / entry).unlink(missing_ok=True)
                continue
            try:
                spec = job.accepted().spec
            except (OSError, DamagedRecord):
                (self._queue / entry).unlink(missing_ok=True)  # its record is UNKNOWN; it cannot be run
                continue
            due = spec.due(now)
            if due is not None:
                dues.append(due)
            else:
                waiting[job_id] = demand(spec, self._configuration.budget)
        self._next_due = min(dues, default=None)
        for job_id, devices in startable(
            list(waiting.items()), list(self._running.values()), self._configuration.budget
        ):
            self._start(JobDirectory(self._store.jobs, job_id), devices)

    def _forget_if_old(self, entry: Path) -> None:
        """Remove an entry whose job was never accepted: its submitter was killed half-way."""
        with contextlib.suppress(OSError):
            if time.time() - entry.stat().st_mtime > _HALF_WAY:
                entry.unlink()

    def _start(self, job: JobDirectory, devices: tuple[int, ...]) -> None:
        held = Held(demand=self._demand(job), devices=devices)
        try:
            (job / "held.json").write_bytes(msgspec.json.encode({"devices": devices}))
            environ = json.loads((job / "environ.json").read_bytes())
            variable = self._configuration.visible.get(held.demand.backend)
            if variable and devices:
                environ[variable] = ",".join(map(str, devices))
            late = {variable or ""}
            if "OMP_NUM_THREADS" not in environ:
                late.add("OMP_NUM_THREADS")
                environ["OMP_NUM_THREADS"] = str(self._threads(job, held.demand))
            command = codec.decode((job / "command.json").read_bytes(), Command)
            forkserver = self._forkservers.ready_for(command, environ, late)
            if forkserver is not None:
                try:
                    forkserver.start(job / "order.json", job / "log", environ)
                except OSError:
                    self._forkservers.forget(forkserver)
                    forkserver = None
            self._running[job.id] = held
            if forkserver is None:
                self._supervisors.start(job, command, environ)
            else:
                self._forking[job.id] = environ
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            self._running.pop(job.id, None)
            self._end(job, "runner", f"It could not be started: {error}.")
            return
        (job / "environ.json").unlink(missing_ok=True)

    def _threads(self, job: JobDirectory, demand: Demand) -> int:
        """Threads for each process of a job: its own cores if it asked for some, else those that are free.

        Libraries take as many threads as the machine has cores; two such jobs would keep each other waiting.
        """
        spec = job.accepted().spec
        if spec.resources.cpu is not None:
            cores = spec.resources.cpu * spec.nodes
        else:
            others = sum(h.demand.cores for j, h in self._running.items() if j != job.id)
            cores = max(self._configuration.cores - others, demand.cores)
        return max(int(cores / spec.ranks), 1)

    # --- forkservers

    def _listen(self, forkserver: Forkserver) -> None:
        def read(_: Any) -> None:
            if not forkserver.read():
                self._forkservers.forget(forkserver)
                self._start_again()

        self._selector.register(forkserver.socket, selectors.EVENT_READ, read)

    def _stop_listening(self, forkserver: Forkserver) -> None:
        self._selector.unregister(forkserver.socket)

    def _on_message(self, message: dict[str, Any]) -> None:
        """A forkserver has forked a job's supervisor, or could not, or the supervisor has exited."""
        job_id, pid = str(message.get("job_id")), message.get("pid")
        if message.get("status") is not None:
            self._supervisors.look(job_id)
        elif pid is not None:
            self._forking.pop(job_id, None)
            self._watch(JobDirectory(self._store.jobs, job_id), int(pid))
        else:
            self._start_again(job_id)

    def _start_again(self, *only: str) -> None:
        """Start without a forkserver what one that failed was asked for, unless it had forked that."""
        for job_id in [j for j in self._forking if not only or j in only]:
            environ, job = self._forking.pop(job_id), JobDirectory(self._store.jobs, job_id)
            forked = processes.of_job(job_id)
            try:
                if forked:
                    self._watch(job, min(p.pid for p in forked))
                elif not (job / "run.json").exists():
                    command = codec.decode((job / "command.json").read_bytes(), Command)
                    self._supervisors.start(job, command, environ)
            except (OSError, msgspec.MsgspecError) as error:
                self._running.pop(job_id, None)
                self._end(job, "runner", f"It could not be started: {error}.")

    def _demand(self, job: JobDirectory) -> Demand:
        return demand(job.accepted().spec, self._configuration.budget)

    def _watch(self, job: JobDirectory, pid: int) -> None:
        """Count a job as running whose supervisor was started by somebody else, and wait for its end."""
        if job.id not in self._running:
            devices: tuple[int, ...] = ()
            with contextlib.suppress(OSError, ValueError, KeyError):
                devices = tuple(json.loads((job / "held.json").read_bytes())["devices"])
            with contextlib.suppress(OSError, DamagedRecord):
                self._running[job.id] = Held(demand=self._demand(job), devices=devices)
        self._supervisors.watch(job.id, pid)

    def _on_end(self, job_id: str, pid: int) -> None:
        """Clean up behind a supervisor that has ended."""
        job = JobDirectory(self._store.jobs, job_id)
        self._running.pop(job_id, None)
        self._cancelled.discard(job_id)
        if job.path.exists():
            self._conclude(job, pid)
        # Last: what is not in the queue is no concern of the agent's any more.
        for entry in self._queue.glob(f"*.{job_id}"):
            entry.unlink(missing_ok=True)

    def _conclude(self, job: JobDirectory, pid: int) -> None:
        try:
            ended = job.ended()
        except (OSError, DamagedRecord):
            return  # its record is UNKNOWN
        if ended is None:
            self._end_lost(job, pid)
        else:
            self._forkservers.learn(ended.imported)

    def _end_lost(self, job: JobDirectory, session: int | None) -> None:
        """Kill the processes that a vanished supervisor left in its session, and write the exit record."""
        processes.sweep(job.id, None if session is None else processes.session_after(session))
        self._end(job, "lost", LOST)

    def _end(self, job: JobDirectory, reason: str, message: str) -> None:
        """Write the exit record of a job whose supervisor did not."""
        started = None
        with contextlib.suppress(OSError, DamagedRecord):
            running = job.running()
            started = running.started if running else None
        with contextlib.suppress(OSError):
            ExitRecord(str(job / "exit.json")).commit(
                {"reason": reason, "message": message, "started": started, "ended": time.time()}
            )
            (job / "environ.json").unlink(missing_ok=True)


def _same_user(connection: socket.socket) -> bool:
    if hasattr(socket, "SO_PEERCRED"):
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return int.from_bytes(data[4:8], sys.byteorder) == os.getuid()
    return True  # the socket's mode and its directory's keep others out


def main(argv: list[str]) -> None:
    """Be the agent.

    Args:
        argv: a `Configuration` as JSON, and the descriptor to close once the agent listens.
    """
    # Nobody who submits waits for the agent's end: its parent goes at once.
    if os.fork():
        os._exit(0)
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Agent(codec.decode(argv[0], Configuration), int(argv[1])).serve()
