"""`Feed`: one job as it runs, read once for all pages that follow it; `Feeds`: all of them, and no more."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sovlab.core.energy.history import PowerHistory
from sovlab.core.event import Cursor, Event, LogChunk, LogLost, PowerChanged, after
from sovlab.core.job import JobRecord
from sovlab.errors import JobNotFound, SovlabError
from sovlab.jupyter.server.listing import document
from sovlab.jupyter.server.problems import RequestError
from sovlab.jupyter.server.stream.marks import Marks
from sovlab.jupyter.server.stream.pieces import Piece, Pieces, Positions, Ring
from sovlab.jupyter.server.stream.readers import Readers

if TYPE_CHECKING:
    from sovlab.client import Client
    from sovlab.client.job import Job

MOST = 100
"""Jobs that are followed at a time, by all pages together."""
_EACH, _TOGETHER, _LEAST = 1 << 20, 24 << 20, 64 << 10
"""Bytes of logs that are kept: of one job at most, of all together, of one at least."""
_LINGER = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
_LOSSES = 20

_log = logging.getLogger(__name__)
T = TypeVar("T")

Key = tuple[str, str]
"""A target's name and a job's id."""


class Feed:
    """One job: its record, the newest of its log, its power.

    What is there of it already is read in one of a few threads; a job that goes on has a thread of its own.

    Args:
        key: of the job.
        readers: have the threads for what is there already.
        client: gives the client; called in a thread.
        tell: called from a thread when there is something new.
        room: gives the bytes of the log that may be kept.
        marks: for whoever reads the log from another place.
    """

    def __init__(
        self,
        key: Key,
        readers: Readers,
        client: Callable[[], Client],
        tell: Callable[[Key], None],
        room: Callable[[], int],
        marks: Marks,
    ) -> None:
        self.key = key
        self._client, self._tell, self._room, self._marks = client, tell, room, marks
        self._stop = threading.Event()
        self._pieces = Pieces()
        self._cursor: Cursor = 0
        self._site: Any = None
        self.lock = threading.Lock()
        """Holds what follows still, for a page that takes of it."""
        self.ring = Ring()
        self.record: JobRecord | None = None
        self.changes = 0
        """How often the record has changed."""
        self.ready = False
        """All of the log that was there at the begin has been read."""
        self.over = False
        """The job has ended, and all of its log has been read; or nobody knows it."""
        self.losses: list[str] = []
        """Why parts of the log cannot be read."""
        self.error: SovlabError | None = None
        self.errors = 0
        """How often that has changed."""
        self.power: PowerHistory | None = None
        self.looks = 0
        """How often its devices were looked at."""
        readers.take(key[0], self._begin)

    def stop(self) -> None:
        """Read no more."""
        self._stop.set()

    @property
    def positions(self) -> Positions:
        """Bytes that each rank has printed, as far as it was read."""
        return self._pieces.positions

    def document(self) -> dict[str, Any] | None:
        """What is known of the job; None if nothing is yet."""
        return document(self.record, self._site) if self.record is not None else None

    def _begin(self) -> None:
        """Read what is there. What goes on, or cannot be read now, is left to a thread of its own."""
        if self._stop.is_set():
            return
        job = self._try(self._read_there)
        if not self.over:
            name = f"sovlab-server-feed {self.key[1]}"
            threading.Thread(target=self._run, args=(job,), name=name, daemon=True).start()

    def _run(self, job: Job | None) -> None:
        pause = _FIRST_PAUSE
        while True:
            if job is not None and not self.over:
                self._try(partial(self._follow, job))
            if self.over or self._stop.wait(pause):
                return
            pause = min(pause * 2, _LONGEST_PAUSE)
            job = self._try(self._read_there)

    def _try(self, read: Callable[[], T]) -> T | None:
        """What is read; None if it cannot be, and why is told."""
        try:
            return read()
        except JobNotFound as error:
            self._fail(error, over=True)
        except SovlabError as error:
            self._fail(error)
        except Exception as error:  # a mistake of ours, or of another package's executor
            _log.exception("Reading job %s failed", self.key[1])
            self._fail(SovlabError(f"Job {self.key[1]} cannot be read ({type(error).__name__})."))
        return None

    def _follow(self, job: Job) -> None:
        for event in job.events(offset=self._cursor, stop=self._stop):
            self._take(event)
        self._end()

    def _read_there(self) -> Job:
        """Read what is there already to its end, first: a page that comes anew is told its end."""
        job = self._client().attach(self.key[1], self.key[0])
        record: JobRecord = job.record
        with self.lock:
            self._site, self.record, self.error = job.site, record, None
            self.changes += 1
        self._tell(self.key)
        if not self.ready:
            for event in job.events(follow=False, offset=self._cursor, stop=self._stop):
                self._take(event)
            with self.lock:
                self.ready = True
            self._tell(self.key)
        if self.record.status.state.ended:
            self._end()
        return job

    def _end(self) -> None:
        """All of it has been read, unless nobody wanted it any more."""
        if self._stop.is_set():
            return
        with self.lock:
            for piece in self._pieces.rest():
                self.ring.add(piece, self._room())
            self.over = True
        self._tell(self.key)

    def _take(self, event: Event) -> None:
        with self.lock:
            if isinstance(event, LogLost):
                if len(self.losses) < _LOSSES:
                    self.losses.append(str(event.error))
            elif isinstance(event, LogChunk):
                for piece in self._pieces.feed(event):
                    self.ring.add(piece, self._room())
                self._cursor = event.offset
                if self._pieces.whole:
                    self._marks.note(self.key, event.offset, self._pieces.positions)
            elif isinstance(event, PowerChanged):
                if self.power is None:
                    self.power = PowerHistory()
                self.power.add(event.seen)
                self.looks += 1
                self._cursor = event.offset
            elif self.record is not None:
                known = after(self.record, event)
                if known is not self.record:
                    self.record = known
                    self.changes += 1
                self._cursor = getattr(event, "offset", self._cursor)
        if self.ready:
            self._tell(self.key)

    def _fail(self, error: SovlabError, *, over: bool = False) -> None:
        with self.lock:
            self.error = error
            self.errors += 1
            self.over = over
        self._tell(self.key)

    def since(self, number: int, have: Positions, most: int) -> tuple[list[Piece], int]:
        """Pieces from a number on that go beyond what a page has, and the number after them.

        Args:
            number: of the first.
            have: bytes that the page has of each rank; not changed.
            most: bytes at most, but for one piece.
        """
        found: list[Piece] = []
        size, at = 0, max(number, self.ring.first)
        for piece in self.ring.since(number):
            if size and size + len(piece.data) > most:
                return found, at
            at += 1
            if piece.end > have.get(piece.rank, 0):
                found.append(piece)
                size += len(piece.data)
        # The last piece may still grow, so it is looked at again.
        return found, max(at - 1, self.ring.first)


class Feeds:
    """One reader for each job that is followed.

    Args:
        loop: of the server, from which all of this is called.
        client: gives the client; called in threads.
        marks: in the logs that are read.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, client: Callable[[], Client], marks: Marks) -> None:
        self._loop, self._client, self._marks = loop, client, marks
        self._feeds: dict[Key, Feed] = {}
        self._tells: dict[Key, list[Callable[[], None]]] = {}
        self._ends: dict[Key, asyncio.TimerHandle] = {}
        self._lock = threading.Lock()
        self._readers = Readers()

    def open(self, key: Key, tell: Callable[[], None]) -> Feed:
        """Follow a job for a page, which is told by ``tell``, from another thread, that there is news.

        Raises:
            RequestError: too many are followed.
        """
        feed = self._feeds.get(key)
        if feed is not None and feed.error is not None and feed.over:
            feed = None  # nobody knew it; it may be there by now
        if feed is None and key not in self._feeds and len(self._feeds) >= MOST:
            self._make_room()
        with self._lock:
            self._tells.setdefault(key, []).append(tell)
        timer = self._ends.pop(key, None)
        if timer is not None:
            timer.cancel()
        if feed is None:
            feed = self._feeds[key] = Feed(
                key, self._readers, self._client, self._told, self._room, self._marks
            )
        return feed

    def close(self, key: Key, tell: Callable[[], None]) -> None:
        """Undo `open`."""
        with self._lock:
            self._tells[key].remove(tell)
            left = bool(self._tells[key])
        if not left and key not in self._ends:
            self._ends[key] = self._loop.call_later(_LINGER, self._end, key)

    def end(self) -> None:
        """Follow no more jobs."""
        for timer in self._ends.values():
            timer.cancel()
        for feed in self._feeds.values():
            feed.stop()

    def _make_room(self) -> None:
        """End a reader that lingers without a page."""
        idle = next(iter(self._ends), None)
        if idle is None:
            raise RequestError(
                503,
                f"{MOST} jobs are followed already.",
                "Close some of the cards, or the pages, that do so.",
            )
        self._ends[idle].cancel()
        self._end(idle)

    def _end(self, key: Key) -> None:
        del self._ends[key]
        self._feeds.pop(key).stop()
        with self._lock:
            self._tells.pop(key, None)

    def _room(self) -> int:
        return max(min(_EACH, _TOGETHER // max(len(self._feeds), 1)), _LEAST)

    def _told(self, key: Key) -> None:
        with self._lock:
            tells = list(self._tells.get(key, ()))
        for tell in tells:
            tell()
