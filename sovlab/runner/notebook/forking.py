"""A kernel that is forked and not started: what it imports is loaded already, see `preloaded`.

The fork is made before the driver has any thread, and waits until the driver knows how the kernel is to be
started. By then all that a freshly started interpreter would not have is undone: session, signals,
descriptors, environment, paths, streams, the runner's own modules.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Dict, List, Mapping, Optional

from sovlab.runner.system.variables import heeded_once

_LAUNCHER = "ipykernel_launcher"
_PRELOADED = "sovlab.runner.notebook.preloaded"
"""Not imported here: that would load it all."""


class Forked:
    """A forked kernel, as `subprocess.Popen` has a started one.

    Attributes:
        returncode: exit status, negative for a signal; None while it runs.
        stdin, stdout, stderr: None.
    """

    stdin = stdout = stderr = None

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: Optional[int] = None

    def poll(self) -> Optional[int]:
        """The exit status; None while it runs."""
        if self.returncode is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                self.returncode = 0
            else:
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: Optional[float] = None) -> int:
        """The exit status, when there is one. Raises `subprocess.TimeoutExpired`."""
        end = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if end is not None and time.monotonic() > end:
                raise subprocess.TimeoutExpired("kernel", timeout or 0.0)
            time.sleep(0.01)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, if it has not ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Template:
    """A process that becomes the kernel when it is told how.

    Args:
        pid: of the process.
        order: descriptor into which it is told.
        environ: the environment that it has.
    """

    def __init__(self, pid: int, order: int, environ: Mapping[str, str]) -> None:
        self._pid, self._order = pid, order
        self._environ = dict(environ)

    def start(
        self, command: List[str], environ: Mapping[str, str], directory: Optional[str]
    ) -> Optional[Forked]:
        """Have it become the kernel of a command; None if it would not be the same.

        Args:
            command: to start the kernel.
            environ: for it.
            directory: in which it runs; None is this one's.
        """
        if not _is_ours(command) or _heeded(environ) != _heeded(self._environ):
            return None
        environ = {**environ, "JPY_PARENT_PID": str(os.getpid())}
        told = {"arguments": command[3:], "environ": environ, "directory": directory or ""}
        order, self._order = self._order, -1
        try:
            with os.fdopen(order, "w", encoding="utf-8", errors="surrogateescape") as file:
                json.dump(told, file)
        except OSError:
            return None
        return Forked(self._pid)

    def close(self) -> None:
        """Let it go, if it has not become a kernel."""
        if self._order >= 0:
            os.close(self._order)
            self._order = -1
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)


def prepare() -> Optional[Template]:
    """Fork what may become the kernel; None where nothing would be won by it, or this process has threads."""
    if _PRELOADED not in sys.modules or "ipykernel.kernelapp" not in sys.modules:
        return None
    if threading.active_count() > 1:
        return None
    reading, writing = os.pipe()
    environ = dict(os.environ)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(writing)
            status = _become_kernel(reading)
        finally:
            os._exit(status)
    os.close(reading)
    return Template(pid, writing, environ)


def _is_ours(command: List[str]) -> bool:
    """Whether a command starts ipykernel by this very interpreter; what it says to ipykernel is kept."""
    if command[1:4] != ["-m", _LAUNCHER, "-f"]:
        return False
    return os.path.isabs(command[0]) and os.path.abspath(command[0]) == os.path.abspath(sys.executable)


def _heeded(environ: Mapping[str, str]) -> Dict[str, str]:
    return {name: value for name, value in environ.items() if heeded_once(name) and name != "PYTHONPATH"}


def _become_kernel(reading: int) -> int:
    # Until it is told, it is nobody's: what is sent to the job reaches the driver, which closes the pipe.
    with os.fdopen(reading, encoding="utf-8", errors="surrogateescape") as file:
        told = file.read()
    if not told:
        return 0
    order = json.loads(told)
    os.setsid()
    if order["directory"]:
        os.chdir(order["directory"])
    os.environ.clear()
    os.environ.update(order["environ"])
    time.tzset()
    _reset_signals()
    _reset_descriptors()
    _reset_interpreter(order["arguments"])
    from ipykernel import kernelapp

    status = 0
    try:
        # Whose end it ends with it has read of its environment when it was imported.
        parent = f"--IPKernelApp.parent_handle={os.environ['JPY_PARENT_PID']}"
        kernelapp.launch_new_instance([*order["arguments"], parent])
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        status = 1
    _finish()
    return status


def _reset_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _reset_descriptors() -> None:
    # Not closed: an object that is collected later would close a stranger's that has its number then.
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    for descriptor in map(int, os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd")):
        if descriptor > 2 and descriptor != null:
            with contextlib.suppress(OSError):
                os.fstat(descriptor)
                os.dup2(null, descriptor, inheritable=False)


def _reset_interpreter(arguments: List[str]) -> None:
    preloaded = sys.modules[_PRELOADED]
    for name in [name for name in sys.modules if name == "sovlab" or name.startswith("sovlab.")]:
        del sys.modules[name]
    asked = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [*asked, *(path for path in preloaded.fresh_path if path not in asked)]
    sys.path_importer_cache.clear()
    sys.meta_path[:] = preloaded.fresh_hooks
    sys.excepthook, sys.displayhook = sys.__excepthook__, sys.__displayhook__
    sys.unraisablehook = sys.__unraisablehook__
    threading.excepthook = threading.__excepthook__
    sys.settrace(None)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc] # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # type: ignore[misc] # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(  # type: ignore[misc] # noqa: SIM115
        2, "w", encoding="utf-8", errors="backslashreplace", closefd=False
    )
    launcher = importlib.util.find_spec(_LAUNCHER)
    sys.argv = [str(launcher.origin if launcher is not None else _LAUNCHER), *arguments]


def _finish() -> None:
    """As an interpreter ends: threads, then what was registered for the end."""
    import atexit

    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(Exception):
            stream.flush()  # type: ignore[union-attr]
