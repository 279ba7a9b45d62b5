"""The forkserver: a process that has torch imported already, from which jobs are forked.

It is given one end of a socket pair. Messages in both directions are a length (4 bytes, big endian)
and JSON. A request is ``{"order": path, "log": path, "environ": {...}}``; the answers are
``{"job_id", "pid", "status": null}`` when the job's supervisor has been forked (``pid`` null and an
``error`` if that failed) and ``{"job_id", "pid", "status": n}`` when it has exited, negative for a
signal. The first message is ``{"ready": [modules]}``. When the socket closes the forkserver leaves; jobs
that run go on.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import sys
import warnings
from typing import Any, Dict, List, Mapping

from sovlab.runner.output import streams
from sovlab.runner.process.renewal import Renewal
from sovlab.runner.process.supervisor import supervise
from sovlab.runner.protocol.order import Order, OrderError
from sovlab.runner.system import processes

_HEADER = 4
_OURS = (
    "process.child",
    "process.ranks",
    "execution.program",
    "execution.results",
    "settings.python",
    "settings.writing",
    "source.definitions",
    "source.installing",
    "values.pickling",
    "output.tracebacks",
)
_SENSORS = ("registry", "sampler", "share", "nvml_calls")
_RUNNERS = (
    *(f"sovlab.runner.{name}" for name in _OURS),
    *(f"sovlab.sensors.{name}" for name in _SENSORS),
    "cloudpickle.cloudpickle",
    "faulthandler",
)


class Forkserver:
    """Waits for requests and forks. It has one thread, or a fork would copy locks that others hold.

    Args:
        descriptor: its end of the socket pair.
    """

    def __init__(self, descriptor: int) -> None:
        # No socket object: one that were collected in a forked process would close a stranger's file.
        self._socket = descriptor
        self._received = b""
        self._jobs: Dict[int, str] = {}
        self._renewal = Renewal()
        self._waking, self._woken = os.pipe()
        for end in (self._waking, self._woken):
            os.set_blocking(end, False)

    def run(self, modules: List[str]) -> int:
        """Import ``modules``, then serve until the socket closes; the status to exit with."""
        os.set_inheritable(self._socket, False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        with self._renewal.watching():
            loaded = [name for name in modules if _preload(name)]
            for name in _RUNNERS:
                _preload(name)
            _prepare()
        self._renewal.collect()
        # What is loaded by now stays shared with the forks: no collection writes into it.
        gc.collect()
        gc.freeze()
        try:
            self._send({"ready": loaded})
            while self._serve():
                pass
        except (BrokenPipeError, ConnectionError):
            pass
        return 0

    def _serve(self) -> bool:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        poll.register(self._waking, select.POLLIN)
        ready = dict(poll.poll())
        if self._waking in ready:
            os.read(self._waking, 4096)
        self._reap()
        if self._socket not in ready:
            return True
        data = os.read(self._socket, 1 << 16)
        self._received += data
        while len(self._received) >= _HEADER:
            end = _HEADER + int.from_bytes(self._received[:_HEADER], "big")
            if len(self._received) < end:
                break
            request = json.loads(self._received[_HEADER:end])
            self._received = self._received[end:]
            self._fork(request)
        return bool(data)

    def _fork(self, request: Dict[str, Any]) -> None:
        job_id = str(request.get("job_id", ""))
        try:
            job_id = Order.read(request["order"]).job_id
            with warnings.catch_warnings():
                # Of libraries' threads, which are idle: nothing has been computed here.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
        except (OSError, OrderError) as error:
            self._send({"job_id": job_id, "pid": None, "status": None, "error": str(error)})
            return
        if pid == 0:
            status = 70
            try:
                status = start_forked(request["order"], request["log"], request["environ"], self._renewal)
            except BaseException as error:
                os.write(2, f"The runner failed: {type(error).__name__}: {error}\n".encode(errors="replace"))
            finally:
                os._exit(status)
        self._jobs[pid] = job_id
        self._send({"job_id": job_id, "pid": pid, "status": None})

    def _reap(self) -> None:
        while self._jobs:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            self._send({"job_id": self._jobs.pop(pid, ""), "pid": pid, "status": code})

    def _send(self, message: Dict[str, Any]) -> None:
        data = json.dumps(message).encode()
        data = len(data).to_bytes(_HEADER, "big") + data
        while data:
            data = data[os.write(self._socket, data) :]


def _preload(name: str) -> bool:
    try:
        importlib.import_module(name)
    except Exception:
        return False
    return True


def _prepare() -> None:
    """Make what every job that returns something would make."""
    from sovlab.runner.values import pickling

    with contextlib.suppress(ImportError):  # cloudpickle is not everywhere
        pickling.prepare()


def start_forked(order_path: str, log_path: str, environ: Mapping[str, str], renewal: Renewal) -> int:
    """Become the supervisor of a job, in a process that was just forked; the status to leave with.

    Everything of the forking process that a freshly started one would not have is undone: session,
    descriptors, signals, environment, the state of random generators, what is unique.

    Args:
        order_path: the job's ``order.json``.
        log_path: where standard output and error go, appended to.
        environ: the environment of the job; nothing of this process's is kept.
        renewal: what the forking process holds that must be the job's own.
    """
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        _redirect(log_path)
        order = Order.read(order_path)
    except (OSError, OrderError):
        return 70
    _refresh(environ)
    renewal.renew()
    processes.mark_environment(order.job_id)
    try:
        return supervise(order)
    except OSError as error:
        os.write(2, f"The runner cannot run the job: {error}\n".encode(errors="replace"))
        return 70


def _redirect(log_path: str) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    streams.close_others()


def _refresh(environ: Mapping[str, str]) -> None:
    import time

    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    paths = [
        path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path and path not in sys.path
    ]
    sys.path[1:1] = paths


def main(arguments: List[str]) -> int:
    """``--socket-fd N [--preload torch,numpy]``; the status to exit with."""
    import argparse

    parser = argparse.ArgumentParser(prog="forkserver", description="Fork jobs from a warm process.")
    parser.add_argument("--socket-fd", type=int, required=True)
    parser.add_argument("--preload", default="", help="modules to import, joined by commas")
    options = parser.parse_args(arguments)
    return Forkserver(options.socket_fd).run([name for name in options.preload.split(",") if name])
