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
from sovlab.executors.local.command import NOTEBOOKS, Command
from sovlab.runner.system.variables import heeded_once

PRELOADED = ("torch", "numpy")
"""Libraries that are loaded before the next job once a job has imported them: no others are known to
do nothing but load."""
_MOST = 6
"""Forkservers at a time; a loaded torch holds some hundred megabytes."""
_HEADER = 4
_VERB = "nursery"
"""The runner's verb for it. Runners of older versions, whose jobs may still be queued, know no other."""

Key = tuple[str, str, str, tuple[str, ...], tuple[tuple[str, str], ...]]
"""What two jobs of one forkserver have in common: interpreter, runner, stamp, libraries, environment."""
_Slot = tuple[Key, int]
"""Of one key there are two where jobs look at hashes: one that is spent, and the next."""


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
        self.spent = False
        """Whether a job was forked that may look at hashes: another one must not see the same."""
        self.unanswered = 0
        """Requests that it has not answered yet."""
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
        self.unanswered += 1

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
                self.unanswered -= message.get("status") is None
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
        self._open: dict[_Slot, Forkserver] = {}
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
        wants_torch = "torch" in command.wants
        preload = tuple(name for name in PRELOADED if wants_torch and name in self._imported)
        preload += tuple(name for name in command.wants if name == NOTEBOOKS)
        matters = tuple(sorted((n, v) for n, v in environ.items() if heeded_once(n) and n not in late))
        full: Key = (command.python, command.runner, command.stamp, preload, matters)
        bare: Key = (command.python, command.runner, command.stamp, (), matters)
        chosen = None
        for forkserver in (*self._of(full), *self._of(bare)):
            if chosen is None and forkserver.ready and not (command.alone and forkserver.spent):
                chosen = forkserver
                chosen.used = time.monotonic()
                chosen.spent = chosen.spent or command.alone
        for key in dict.fromkeys((full, bare)):
            if all(forkserver.spent for forkserver in self._of(key)):
                self._add(key, command, environ, late, chosen)
        return chosen

    def _of(self, key: Key) -> list[Forkserver]:
        return [self._open[slot] for slot in ((key, 0), (key, 1)) if slot in self._open]

    def _add(
        self, key: Key, command: Command, environ: Mapping[str, str], late: set[str], keep: Forkserver | None
    ) -> None:
        """Start one; where there are two already it takes the place of one that is not to ``keep``."""
        pair = [slot for slot in ((key, 0), (key, 1)) if slot in self._open]
        room = len(pair) < 2 or self._close_oldest(pair, keep)
        if room and (len(self._open) < _MOST or self._close_oldest(list(self._open), keep)):
            self._start((key, 0) if (key, 0) not in self._open else (key, 1), command, environ, late)

    def _close_oldest(self, slots: list[_Slot], keep: Forkserver | None) -> bool:
        """Close the one that was used least recently; False if all are to keep, or have yet to answer."""
        free = [s for s in slots if self._open[s] is not keep and not self._open[s].unanswered]
        if free:
            self._close(min(free, key=lambda slot: self._open[slot].used))
        return bool(free)

    def forget(self, forkserver: Forkserver) -> None:
        """Close one that is gone, or does not answer."""
        for slot in [slot for slot, value in self._open.items() if value is forkserver]:
            self._close(slot)

    def close_idle(self) -> None:
        """Close those that loaded a library and have not been used for `idle` seconds."""
        now = time.monotonic()
        for slot in [s for s, f in self._open.items() if s[0][3] and now - f.used > self._idle]:
            self._close(slot)

    def close(self) -> None:
        """Close all."""
        for slot in list(self._open):
            self._close(slot)

    def _start(self, slot: _Slot, command: Command, environ: Mapping[str, str], late: set[str]) -> None:
        without = {name: value for name, value in environ.items() if name not in late}
        with contextlib.suppress(OSError):  # the job is then started by itself, and says what is wrong
            forkserver = Forkserver(command, slot[0][3], without, self._log, self._on_message)
            self._open[slot] = forkserver
            self._on_open(forkserver)

    def _close(self, slot: _Slot) -> None:
        forkserver = self._open.pop(slot)
        self._on_close(forkserver)
        forkserver.close()
