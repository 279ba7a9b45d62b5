"""Reaching the agent, and starting it where there is none."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from sovlab.errors import ExecutorError
from sovlab.executors.local.configuration import Configuration

_LONGEST = 100
"""Bytes of the longest path of a socket that all systems take (sockaddr_un)."""
_PATIENCE = 20.0


def socket_path(state: Path) -> Path:
    """Where the agent listens: in the state directory, or in a private one if that path is too long."""
    path = state / "agent.sock"
    if len(os.fsencode(path)) <= _LONGEST:
        return path
    import hashlib
    import tempfile

    name = hashlib.sha256(os.fsencode(state)).hexdigest()[:16]
    directory = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"sovlab-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    if directory.stat().st_uid != os.getuid() or directory.stat().st_mode & 0o077:
        raise ExecutorError(
            f"The directory {directory} is open to other users.",
            "Remove it, or set SOVLAB_STATE_DIR to a shorter path.",
        )
    return directory / f"{name}.sock"


class AgentClient:
    """Speaks to the agent of one state directory.

    Args:
        state: the state directory.
        configuration: makes what it is started with, where it has to be.
    """

    def __init__(self, state: Path, configuration: Callable[[Path], Configuration]) -> None:
        self._state = state
        self._socket = socket_path(state)
        self._configuration = configuration

    def wake(self) -> int:
        """Have it look at the queue, started if needed; its pid. Raises `ExecutorError`."""
        for _ in range(5):
            answer = self._ask({"op": "wake"})
            if answer is not None:
                return int(answer["pid"])
            self._start()
        raise ExecutorError(
            f"The agent that starts jobs does not answer.{self._end_of_log()}", "sovlab doctor looks into it."
        )

    def running(self) -> bool:
        """Whether an agent answers."""
        return self._ask({"op": "ping"}) is not None

    def stop(self) -> None:
        """Have it end; running jobs go on."""
        self._ask({"op": "stop"})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any] | None:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PATIENCE)
            try:
                connection.connect(str(self._socket))
                connection.sendall(json.dumps(request).encode() + b"\n")
                answer = json.loads(connection.makefile("rb").readline(65536))
            except (OSError, ValueError):
                return None
        return dict(answer)

    def _start(self) -> None:
        import select
        import subprocess

        configuration = msgspec.json.encode(self._configuration(self._socket)).decode()
        reading, writing = os.pipe()
        try:
            with (self._state / "agent.log").open("ab") as log:
                subprocess.run(
                    [
                        sys.executable,
                        "-m",
                        "sovlab.executors.local",
                        configuration,
                        str(writing),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=[writing],
                    cwd=self._state,
                    check=False,
                )
        except OSError as error:
            raise ExecutorError(
                f"The agent that starts jobs cannot be started: {error}.", "sovlab doctor looks into it."
            ) from error
        finally:
            os.close(writing)
        # The agent closes its end once it listens, or when it ends because another one serves already.
        with contextlib.suppress(OSError):
            select.select([reading], [], [], _PATIENCE)
        os.close(reading)

    def _end_of_log(self) -> str:
        try:
            lines = (self._state / "agent.log").read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return f" Its log ends with: {lines[-1][:300]}" if lines else ""
