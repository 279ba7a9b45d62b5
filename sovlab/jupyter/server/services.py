"""`Services`: what all requests and pages of one server share."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from sovlab.client import Client
from sovlab.jupyter.server.pool import Pool
from sovlab.jupyter.server.runs.kept import Kept
from sovlab.jupyter.server.runs.places import Places
from sovlab.jupyter.server.stream.feeds import Feeds
from sovlab.jupyter.server.stream.marks import Marks
from sovlab.jupyter.server.stream.sampling import Samplers
from sovlab.jupyter.server.stream.watches import LINGER, Watches
from sovlab.settings import load

_RELOAD = 2.0
"""Seconds for which settings are not looked at again."""
_KEYS = 1000
_KEY_LASTS = 600.0
"""Seconds for which a submit's key finds the job that it has made."""


class Services:
    """The client, its threads, the watches and readers of one server.

    Args:
        loop: of the server.
        root: the directory below which files may be submitted.
        hidden: whether files may be whose names, or folders, begin with a dot.
        linger: seconds that a target is watched on after the last page has gone.
        period: seconds between two looks at devices.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        root: Path,
        *,
        hidden: bool = False,
        linger: float = LINGER,
        period: float = 4.0,
    ) -> None:
        self.loop, self.places = loop, Places(root, hidden)
        self.epoch = secrets.token_hex(8)
        self.pool = Pool()
        self.watches = Watches(loop, lambda name: lambda stop: self.client().changes(name, stop), linger)
        self.marks = Marks()
        self.feeds = Feeds(loop, self.client, self.marks)
        self.samplers = Samplers(loop, self.client, period)
        self.once = Once()
        self.runs = Kept()
        self._client: Client | None = None
        self._looked = 0.0
        self._lock = threading.Lock()

    def client(self) -> Client:
        """The client, with the settings as they are now. It reads files: call it in a thread.

        Raises:
            SettingsError: a settings file is wrong.
        """
        with self._lock:
            now = time.monotonic()
            if self._client is None or now - self._looked > _RELOAD:
                settings = load()
                if self._client is None or settings != self._client.settings:
                    self._client = Client(settings)
                self._looked = now
            return self._client

    def resolve(self, target: str | None) -> str:
        """The name of a target; None is the current one. Call it in a thread.

        Raises:
            SettingsError: there is none of that name.
        """
        return self.client().settings.target_named(target).name

    def end(self) -> None:
        """End all that goes on here; jobs go on."""
        self.watches.end()
        self.feeds.end()
        self.samplers.end()


class Once:
    """Work that is done once for each key, though it is asked for again: the answer is the first one's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._done: OrderedDict[str, tuple[float, threading.Lock, list[object]]] = OrderedDict()

    def __call__(self, key: str | None, work: Callable[[], object]) -> object:
        """What ``work`` returned the first time for that key; None is no key. What failed is tried again."""
        if key is None:
            return work()
        with self._lock:
            now = time.monotonic()
            while self._done and (
                len(self._done) >= _KEYS or now - next(iter(self._done.values()))[0] > _KEY_LASTS
            ):
                self._done.popitem(last=False)
            _, mine, answers = self._done.setdefault(key, (now, threading.Lock(), []))
        with mine:
            if not answers:
                answers.append(work())
            return answers[0]
