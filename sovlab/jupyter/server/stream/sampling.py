"""`Samplers`: what the devices of targets draw, looked at now and then while somebody looks."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from sovlab.errors import SovlabError
from sovlab.jupyter.server.documents.telemetry import telemetry
from sovlab.jupyter.server.models import Telemetry
from sovlab.jupyter.server.problems import problem_of
from sovlab.jupyter.server.stream.messages import TelemetryChanged

if TYPE_CHECKING:
    from sovlab.client import Client

_LONGEST_PAUSE = 60.0
"""Seconds between two looks at what does not answer, at last."""

_log = logging.getLogger(__name__)


class Sampler:
    """The devices of one target.

    Args:
        target: its name.
        client: gives the client; called in threads.
        period: seconds between two looks.
    """

    def __init__(self, target: str, client: Callable[[], Client], period: float) -> None:
        self.target = target
        self._client, self._period = client, period
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None
        self.last: TelemetryChanged | None = None
        self.looks = 0
        """How often it was looked."""

    def look(self) -> Telemetry:
        """What the devices draw now, or did at the last look if that is not older than a period.

        Raises:
            SovlabError: it cannot be had.
        """
        with self._lock:
            last = self.last.telemetry if self.last is not None else None
            if last is not None and time.time() - last.time < self._period:
                return last
            self.looks += 1
            found = telemetry(self._client(), self.target)
            self.last = TelemetryChanged(target=self.target, telemetry=found, problem=None)
            return found

    def start(self, tell: Callable[[str], None]) -> None:
        """Look again and again, and tell of it from a thread; nothing if that is done already."""
        if self._stop is None:
            self._stop = threading.Event()
            threading.Thread(
                target=self._run,
                args=(self._stop, tell),
                name=f"sovlab-server-look {self.target}",
                daemon=True,
            ).start()

    def stop(self) -> None:
        """Look no more."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None

    def _run(self, stop: threading.Event, tell: Callable[[str], None]) -> None:
        pause = self._period
        while not stop.is_set():
            try:
                self.look()
                pause = self._period
            except SovlabError as error:
                self._fail(error)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except Exception as error:  # a mistake of ours
                _log.exception("Looking at the devices of target %s failed", self.target)
                self._fail(SovlabError(f"Its devices cannot be looked at ({type(error).__name__})."))
                pause = _LONGEST_PAUSE
            if not stop.is_set():
                tell(self.target)
            stop.wait(pause)

    def _fail(self, error: SovlabError) -> None:
        with self._lock:
            self.last = TelemetryChanged(target=self.target, telemetry=None, problem=problem_of(error))


class Samplers:
    """One sampler for each target that somebody looks at.

    Args:
        loop: of the server, from which all of this is called.
        client: gives the client; called in threads.
        period: seconds between two looks.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, client: Callable[[], Client], period: float) -> None:
        self._loop, self._client, self._period = loop, client, period
        self._samplers: dict[str, Sampler] = {}
        self._tells: dict[str, list[Callable[[], None]]] = {}
        self._lock = threading.Lock()

    def of(self, target: str) -> Sampler:
        """The sampler of a target that there is."""
        with self._lock:
            if target not in self._samplers:
                self._samplers[target] = Sampler(target, self._client, self._period)
            return self._samplers[target]

    def open(self, target: str, tell: Callable[[], None]) -> Sampler:
        """Look for a page, which is told by ``tell``, from another thread, that there is news."""
        sampler = self.of(target)
        with self._lock:
            self._tells.setdefault(target, []).append(tell)
        sampler.start(self._told)
        return sampler

    def close(self, target: str, tell: Callable[[], None]) -> None:
        """Undo `open`; the last page that goes ends the looking."""
        with self._lock:
            self._tells[target].remove(tell)
            left = bool(self._tells[target])
        if not left:
            self._samplers[target].stop()

    def end(self) -> None:
        """Look at nothing more."""
        for sampler in self._samplers.values():
            sampler.stop()

    def _told(self, target: str) -> None:
        with self._lock:
            tells = list(self._tells.get(target, ()))
        for tell in tells:
            tell()
