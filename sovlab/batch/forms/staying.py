"""A run in a process of its own that stays when whoever asked for it goes away."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from sovlab import errors
from sovlab.batch.forms.request import Request, asked_line, command
from sovlab.errors import BackendError, ExecutorError, SovlabError, UsageError, WaitTimeout

_TAIL = 4096
"""Bytes at the end of a log that are looked at for why a process has ended."""
_LOGS = 100
"""Logs of earlier runs that are kept."""


class Begun(NamedTuple):
    """The job of a run.

    Attributes:
        id: of the job.
        target: its name.
        found: how it was found: ``new``, ``running`` or ``ended``.
    """

    id: str
    target: str
    found: str


class Staying:
    """A run under way: it writes its output whatever becomes of this process, and is waited for here.

    Args:
        request: what to run; its paths are of ``folder``.
        folder: working directory of the run.
        logs: directory for what it writes on standard error; made if it is not there.
    """

    def __init__(self, request: Request, folder: Path, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        _forget_old(logs)
        self.log = logs / f"{secrets.token_hex(8)}.log"
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._process = subprocess.Popen(
                command(),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=descriptor,
                start_new_session=True,  # a signal for this process's group is none for the run
            )
        finally:
            os.close(descriptor)
        self._known = threading.Condition()
        self._begun: Begun | None = None
        self._end: dict[str, Any] | None = None
        self._over = False
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as asked:
            asked.write(asked_line(request, stays=True))
        threading.Thread(target=self._read, name="sovlab-run", daemon=True).start()

    @property
    def over(self) -> bool:
        """Whether its process has ended."""
        return self._over

    @property
    def problem(self) -> str:
        """Why its process has ended without success, as a sentence; empty if it has not."""
        if not self._over:
            return ""
        if self._end is None:
            return f"Its process ended with {self._process.returncode}. {self._last_line()}".strip()
        return str(self._end.get("why", ""))

    def begun(self, seconds: float) -> Begun:
        """Its job, as soon as there is one.

        Args:
            seconds: to wait at most.

        Raises:
            WaitTimeout: nothing was heard in that time; it goes on.
            SovlabError: there is none: it was refused, or its process ended.
        """
        with self._known:
            if not self._known.wait_for(lambda: self._begun is not None or self._over, seconds):
                raise WaitTimeout(f"The run has not begun after {seconds:g} s.", "It may begin later.")
        if self._begun is None:
            raise self._refusal()
        return self._begun

    def _read(self) -> None:
        """What the process tells, and its end: it is waited for, so that nothing is left of it."""
        assert self._process.stdout is not None
        with suppress(OSError, ValueError, KeyError, TypeError), self._process.stdout as told:
            for line in told:
                said = json.loads(line)
                if said["t"] == "end":
                    self._end = said
                    break
                if self._begun is None:
                    with self._known:
                        self._begun = Begun(str(said["id"]), str(said["target"]), str(said["found"]))
                        self._known.notify_all()
        self._process.wait()
        with self._known:
            self._over = True
            self._known.notify_all()
        if self._end is not None and self._end.get("status") == 0:
            self.log.unlink(missing_ok=True)

    def _refusal(self) -> SovlabError:
        said = (self._end or {}).get("refused")
        if not isinstance(said, dict):
            return ExecutorError(
                f"The run did not begin. {self.problem}".strip(), "Try again, or in a terminal."
            )
        kind = getattr(errors, str(said.get("error")), None)
        made: type[SovlabError] = SovlabError
        for each in (ExecutorError, UsageError, BackendError):
            if isinstance(kind, type) and issubclass(kind, each):
                made = each
        return made(str(said.get("message", "")), str(said.get("hint", "")))

    def _last_line(self) -> str:
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:1000]


def _forget_old(logs: Path) -> None:
    found = []
    for path in logs.glob("*.log"):
        with suppress(OSError):
            found.append((path.stat().st_mtime, path))
    for _, path in sorted(found, reverse=True)[_LOGS:]:
        with suppress(OSError):
            path.unlink()
