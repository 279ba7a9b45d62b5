"""The agent's side of the forkservers: processes with an interpreter, or torch, loaded already."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sovlab.core.names import MAX_ID
from sovlab.executors.local.command import Command

PRELOADED = ("torch", "numpy")
"""Libraries that are loaded before the next job once a job has imported them: no others are known to
do nothing but load."""
_MOST = 4
"""Forkservers at a time; a loaded torch holds some hundred megabytes."""
_HEADER = 4
_VERB = "nursery"
"""The runner's verb for it. Runners of older versions, whose jobs may still be queued, know no other."""

_READ_EARLY = """
OMP_ MKL_ KMP_ OPENBLAS_ GOMP_ NUMEXPR_ TORCH PYTORCH_ CUDA_ NCCL_ HIP_ HSA_ ROCR_ ZE_ SYCL_
HABANA_ PT_ LD_ DYLD_ PYTHON MALLOC_ LC_ LANG
"""
_PREFIXES = tuple(_READ_EARLY.split())
"""Beginnings of names of environment variables that an interpreter or library reads when it is loaded."""


Key = tuple[str, str, str, tuple[str, ...], tuple[tuple[str, str], ...]]


class Forkserver:
    """One forkserver.

    Args:
        command: names the interpreter and the runner.
        preload: modules that it loads at its start.
        environ: its environment.
        log: path of the file for its stderr.
        on_message: called with each message from it, see `sovlab.runner.process.forkserver`.
    """

    def __init__(
        self,
        command: Command,
        preload: tuple[str, ...],
        environ: Mapping[str, str],
        log: Path,
        on_message: Callable[[dict[str, Any]], None],
    ) -> None:
        self.ready = False
        self.used = time.monotonic()
        self._on_message = on_message
        self._received = b""
        self.socket, theirs = socket.socketpair()
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(
                command.argv(_VERB, "--socket-fd", str(theirs.fileno()), "--preload", ",".join(preload)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Room for the id of a job, which a forked process then shows as its own.
                env={**environ, "SOVLAB_JOB_ID": "-" * MAX_ID},
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def start(self, order: Path, log: Path, environ: Mapping[str, str]) -> None:
        """Ask for a job to be forked. Raises `OSError` if the forkserver is gone."""
        self.used = time.monotonic()
        data = json.dumps({"order": str(order), "log": str(log), "environ": dict(environ)}).encode()
        self.socket.sendall(len(data).to_bytes(_HEADER, "big") + data)

    def read(self) -> bool:
        """Read what it has sent, and pass on its messages; False if it is gone."""
        try:
            data = self.socket.recv(1 << 16)
        except OSError:
            data = b""
        self._received += data
        while len(self._received) >= _HEADER:
            end = _HEADER + int.from_bytes(self._received[:_HEADER], "big")
            if len(self._received) < end:
                break
            message = json.loads(self._received[_HEADER:end])
            self._received = self._received[end:]
            if "ready" in message:
                self.ready = True
            else:
                self._on_message(message)
        return bool(data)

    def close(self) -> None:
        """End it; jobs that it forked go on."""
        self.socket.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()  # it hangs in an import; it has forked nothing yet
            self._process.wait()


class Forkservers:
    """The forkservers of one agent.

    Args:
        log: path of the file for their stderr.
        on_open: called with each new one.
        on_close: called with each before it is closed.
        on_message: called with each message from one.
        idle: seconds without a job after which one that has loaded a library ends.
    """

    def __init__(
        self,
        log: Path,
        on_open: Callable[[Forkserver], None],
        on_close: Callable[[Forkserver], None],
        on_message: Callable[[dict[str, Any]], None],
        idle: float,
    ) -> None:
        self._log = log
        self._on_open = on_open
        self._on_close = on_close
        self._on_message = on_message
        self._idle = idle
        self._open: dict[Key, Forkserver] = {}
        self._imported: set[str] = set()

    def __len__(self) -> int:
        return len(self._open)

    def learn(self, imported: tuple[str, ...]) -> None:
        """Note what a job has imported: the next forkserver loads those of `PRELOADED`."""
        self._imported.update(name for name in PRELOADED if name in imported)

    def ready_for(self, command: Command, environ: Mapping[str, str], late: set[str]) -> Forkserver | None:
        """One that may fork this job now; None if there is none yet, and then it is being started.

        Args:
            command: the job's ``command.json``.
            environ: the job's environment.
            late: variables that are still read after a fork, such as those that name devices.
        """
        preload = tuple(name for name in PRELOADED if name in self._imported) if command.wants else ()
        matters = tuple(
            sorted((n, v) for n, v in environ.items() if n.startswith(_PREFIXES) and n not in late)
        )
        full: Key = (command.python, command.runner, command.stamp, preload, matters)
        bare: Key = (command.python, command.runner, command.stamp, (), matters)
        for key in dict.fromkeys((full, bare)):
            if key not in self._open:
                self._start(key, command, environ, late)
        for key in (full, bare):
            forkserver = self._open.get(key)
            if forkserver is not None and forkserver.ready:
                return forkserver
        return None

    def forget(self, forkserver: Forkserver) -> None:
        """Close one that is gone, or does not answer."""
        for key in [key for key, value in self._open.items() if value is forkserver]:
            self._close(key)

    def close_idle(self) -> None:
        """Close those that loaded a library and have not been used for `idle` seconds."""
        now = time.monotonic()
        for key in [k for k, n in self._open.items() if k[3] and now - n.used > self._idle]:
            self._close(key)

    def close(self) -> None:
        """Close all."""
        for key in list(self._open):
            self._close(key)

    def _start(self, key: Key, command: Command, environ: Mapping[str, str], late: set[str]) -> None:
        while len(self._open) >= _MOST:
            self._close(min(self._open, key=lambda k: self._open[k].used))
        without = {name: value for name, value in environ.items() if name not in late}
        with contextlib.suppress(OSError):  # the job is then started by itself, and says what is wrong
            forkserver = Forkserver(command, key[3], without, self._log, self._on_message)
            self._open[key] = forkserver
            self._on_open(forkserver)

    def _close(self, key: Key) -> None:
        forkserver = self._open.pop(key)
        self._on_close(forkserver)
        forkserver.close()
