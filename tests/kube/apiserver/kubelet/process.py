"""One run of a container: a process in its own session, its pipes, its end, and all that it left behind."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .logs import ContainerLog, Splitter

_CHUNK = 64 * 1024
_MEMORY_PERIOD = 0.2


@dataclass(frozen=True)
class Command:
    """What to start, with all paths and names already those of this machine."""

    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path
    # The container's directory; a value of the environment names it, so that its processes are known.
    home: Path


@dataclass(frozen=True)
class End:
    """How a run ended."""

    code: int
    signal: int
    oom: bool
    started: float
    finished: float


def spawn(command: Command, **pipes: object) -> subprocess.Popen[bytes]:
    """Starts a command in a session of its own, with the umask of a container; an OSError if it cannot be."""
    return subprocess.Popen(
        command.argv,
        env=command.env,
        cwd=command.cwd,
        start_new_session=True,
        umask=0o022,
        **pipes,  # type: ignore[call-overload]
    )


class Run:
    """A container's process.

    Args:
        command: to start.
        log: where its output goes.
        ended: called once, from a thread, when it and all it started are gone.
        memory: bytes that it may use.
        init: whether the process is the first of its process namespace: the kernel drops signals for which
            it has no handler.
    """

    def __init__(
        self,
        command: Command,
        log: ContainerLog,
        ended: Callable[[End], None],
        memory: int | None,
        *,
        init: bool,
    ) -> None:
        self.command = command
        self.started = time.time()
        self._log = log
        self._ended = ended
        self._memory = memory
        self._init = init
        self._oom = False
        self._kill_at: float | None = None
        self._lock = threading.Lock()
        self._extra: dict[int, subprocess.Popen[bytes]] = {}
        self.alive = True
        self.killing = False
        out, self._out_end = os.pipe()
        err, self._err_end = os.pipe()
        self._outputs = {out: Splitter(log, "stdout"), err: Splitter(log, "stderr")}
        self._alarm, self._alarm_end = os.pipe()
        try:
            self._process = spawn(
                command, stdin=subprocess.DEVNULL, stdout=self._out_end, stderr=self._err_end
            )
        except OSError:
            for end in (out, err, self._out_end, self._err_end, self._alarm, self._alarm_end):
                os.close(end)
            raise
        os.close(self._out_end)
        os.close(self._err_end)
        self.pid = self._process.pid
        self._thread = threading.Thread(target=self._watch, name=f"container-{self.pid}", daemon=True)
        self._thread.start()

    def stop(self, grace: float) -> None:
        """SIGTERM now, SIGKILL for all of it after the grace; a shorter grace than before wins."""
        with self._lock:
            if not self.alive:
                return
            first = not self.killing
            self.killing = True
            due = time.monotonic() + grace
            self._kill_at = due if self._kill_at is None else min(due, self._kill_at)
            os.write(self._alarm_end, b".")
        if first and grace > 0:
            self._terminate()

    def kill(self) -> None:
        """SIGKILL now, as when the node loses its power."""
        self.stop(0)

    def join(self, timeout: float | None = None) -> None:
        """Waits until it is gone."""
        self._thread.join(timeout)

    def adopt(self, process: subprocess.Popen[bytes]) -> bool:
        """An exec session's process ends with the container; False if that has ended already."""
        with self._lock:
            if self.alive:
                self._extra[process.pid] = process
            return self.alive

    def release(self, process: subprocess.Popen[bytes]) -> None:
        """An exec session's process has ended."""
        with self._lock:
            self._extra.pop(process.pid, None)

    def _terminate(self) -> None:
        if self._init and not _catches(self.pid, signal.SIGTERM):
            return
        try:
            os.kill(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            return

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            for pipe in self._outputs:
                os.set_blocking(pipe, False)
                selector.register(pipe, selectors.EVENT_READ)
            selector.register(self._alarm, selectors.EVENT_READ)
            process = os.pidfd_open(self.pid)
            selector.register(process, selectors.EVENT_READ)
            gone = False
            while not gone:
                for key, _ in selector.select(self._patience()):
                    if key.fd == process:
                        gone = True
                    elif key.fd == self._alarm:
                        os.read(self._alarm, 64)
                    elif not self._read(key.fd):
                        selector.unregister(key.fd)
                self._check()
            os.close(process)
        code = self._process.wait()
        finished = time.time()
        with self._lock:
            self.alive = False
            extra = dict(self._extra)
        kill_members(self.pid, self.command.home, extra)
        for process in extra.values():
            process.wait()
        self._drain()
        self._log.end()
        killed = -code if code < 0 else 0
        self._ended(End(128 + killed if killed else code, killed, self._oom, self.started, finished))
        os.close(self._alarm)
        os.close(self._alarm_end)

    def _patience(self) -> float | None:
        waits = []
        if self._kill_at is not None:
            waits.append(max(0.0, self._kill_at - time.monotonic()))
        if self._memory is not None:
            waits.append(_MEMORY_PERIOD)
        return min(waits) if waits else None

    def _check(self) -> None:
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            self._kill_at = time.monotonic() + 0.2
            self._kill_main()
        elif self._memory is not None and memory_of(members(self.pid, self.command.home)) > self._memory:
            self._oom = True
            self._kill_main()

    def _kill_main(self) -> None:
        # Not yet reaped, so the number is still its own.
        os.kill(self.pid, signal.SIGKILL)

    def _read(self, pipe: int) -> bool:
        """False at the end of the pipe."""
        try:
            chunk = os.read(pipe, _CHUNK)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        self._outputs[pipe].feed(chunk)
        return True

    def _drain(self) -> None:
        """Reads what was written before the end; all writers are dead, so there is an end."""
        for pipe, splitter in self._outputs.items():
            deadline = time.monotonic() + 1.0
            while time.monotonic() < deadline:
                try:
                    chunk = os.read(pipe, _CHUNK)
                except BlockingIOError:
                    time.sleep(0.001)
                    continue
                if not chunk:
                    break
                splitter.feed(chunk)
            splitter.end()
            os.close(pipe)


def _catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    mask = next((line.split()[1] for line in text.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(mask, 16) >> (number - 1) & 1)


def members(pid: int, home: Path) -> set[int]:
    """The processes of a container: by session, descent, or its directory in the environment."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    markers = (f"={home}\0".encode(), f"={home}/".encode())
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        number = int(entry.name)
        try:
            fields = Path(entry.path, "stat").read_bytes().rpartition(b")")[2].split()
            parents[number] = int(fields[1])
            if fields[0] in (b"Z", b"X"):
                continue
            environment = Path(entry.path, "environ").read_bytes() + b"\0"
            if int(fields[3]) == pid or any(marker in environment for marker in markers):
                found.add(number)
        except OSError:
            continue
    grown = True
    while grown:
        grown = False
        for number, parent in parents.items():
            if number not in found and (parent == pid or parent in found):
                found.add(number)
                grown = True
    return found - {os.getpid()}


def kill_members(pid: int, home: Path, extra: Iterable[int] = ()) -> None:
    """SIGKILL for all that a container left, until nothing is left."""
    for _ in range(50):
        left = members(pid, home)
        for number in extra:
            left |= members(number, home)
        if not left:
            return
        # A kernel kills all of a process namespace in one go: none of them sees another one die.
        for number, what in [(n, what) for what in (signal.SIGSTOP, signal.SIGKILL) for n in left]:
            try:
                os.kill(number, what)
            except (ProcessLookupError, PermissionError):
                continue
        time.sleep(0.002)


def memory_of(pids: Iterable[int]) -> int:
    """Bytes that processes have for themselves or share by tmpfs, as a control group counts them."""
    total = 0
    for pid in pids:
        try:
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(("RssAnon:", "RssShmem:")):
                    total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total
