"""`TargetWatch`: the jobs of one target as they change, for all pages; `Watches`: one for each target."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from sovlab.client.others import shown
from sovlab.core.job import JobRecord, JobsSeen
from sovlab.errors import SovlabError, WaitTimeout
from sovlab.jupyter.server import listing
from sovlab.jupyter.server.models import Health
from sovlab.jupyter.server.problems import problem_of
from sovlab.jupyter.server.stream.messages import SNAPSHOT, Records, Snapshot

LINGER = 30.0
"""Seconds that a watch goes on without a page, so that one that was reloaded misses nothing."""
_REMOVED = 10_000
"""Jobs that are gone and still told of."""
_BATCH = 200
"""Rows of one message."""
ANSWER = 8.0
"""Seconds after which a target that has not answered yet is said to be down; it is asked on."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0

_log = logging.getLogger(__name__)
_jitter = random.SystemRandom()


class Revisions:
    """Numbers that grow with each change, over all targets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.last = 0

    def next(self) -> int:
        """The next one."""
        with self._lock:
            self.last += 1
            return self.last


class _Known(NamedTuple):
    revision: int
    record: JobRecord


class Source(Protocol):
    """What a watch asks: `sovlab.client.Client.changes` of one target."""

    def __call__(self, stop: threading.Event) -> Iterator[JobsSeen]:
        """All jobs, and again whenever one has changed."""
        ...


class TargetWatch:
    """This user's jobs of one target, kept up to date by a thread while somebody looks.

    Args:
        target: its name.
        source: what is asked.
        revisions: where numbers of changes are from.
        tell: called from the thread when there is something new.
        answer: seconds in which it has to answer first.
    """

    def __init__(
        self,
        target: str,
        source: Source,
        revisions: Revisions,
        tell: Callable[[TargetWatch], None],
        answer: float = ANSWER,
    ) -> None:
        self.target = target
        self._answer = answer
        self._source, self._revisions, self._tell = source, revisions, tell
        self._lock = threading.Lock()
        self._stop: threading.Event | None = None
        self._known: OrderedDict[str, _Known] = OrderedDict()
        """By id, the change that came last at the end."""
        self._removed: OrderedDict[str, int] = OrderedDict()
        self._floor = 0
        """What changed up to this revision is no longer told apart."""
        self._listed = False
        self._records: Sequence[JobRecord] = ()
        self._counts: dict[str, int] = {}
        self._seen: float | None = None
        self._error: SovlabError | None = None
        self.starts = 0
        """How often the thread was started."""

    # --- the thread

    @property
    def running(self) -> bool:
        """Whether the target is watched."""
        return self._stop is not None

    def start(self) -> None:
        """Begin to watch; nothing if it is watched already."""
        with self._lock:
            if self._stop is not None:
                return
            self._stop = threading.Event()
            self.starts += 1
            # What happened meanwhile is not known, so what a page has from before does not count.
            self._floor = self._revisions.next()
        threading.Thread(
            target=self._run, args=(self._stop,), name=f"sovlab-server-watch {self.target}", daemon=True
        ).start()

    def stop(self) -> None:
        """Watch no more, and forget what was known."""
        with self._lock:
            if self._stop is None:
                return
            self._stop.set()
            self._stop, self._listed, self._seen, self._error = None, False, None, None
            self._known, self._removed, self._records, self._counts = OrderedDict(), OrderedDict(), (), {}

    def _run(self, stop: threading.Event) -> None:
        pause = _FIRST_PAUSE
        late = threading.Timer(self._answer, self._late, (stop,))
        late.daemon = True
        late.start()
        while not stop.is_set():
            try:
                for seen in self._source(stop):
                    late.cancel()
                    self._take(seen, stop)
                    pause = _FIRST_PAUSE
            except SovlabError as error:
                self._fail(error, stop)
            except Exception as error:  # a mistake of ours, or of another package's executor
                _log.exception("Watching the jobs of target %s failed", self.target)
                self._fail(SovlabError(f"Its jobs cannot be watched ({type(error).__name__})."), stop)
            stop.wait(pause * _jitter.uniform(0.75, 1.25))
            pause = min(pause * 2, _LONGEST_PAUSE)
        late.cancel()

    def _late(self, stop: threading.Event) -> None:
        with self._lock:
            if stop is not self._stop or self._listed or self._error is not None:
                return
            self._error = WaitTimeout(
                f"Target {self.target} has not answered for {self._answer:g} s.",
                f"It is asked on. Is the network, or the VPN, up? sovlab target show {self.target} says "
                "where it is.",
            )
        self._tell(self)

    def _take(self, seen: JobsSeen, stop: threading.Event) -> None:
        # Only this thread changes what is known, so others need not wait while it compares.
        records = shown(seen.records, all_users=False)
        fresh = [
            # The oldest first, so that the newest are told last and stand at the end.
            record
            for record in reversed(records)
            if (known := self._known.get(record.id)) is None
            or (known.record is not record and known.record != record)
        ]
        gone = self._known.keys() - {record.id for record in records}
        counts = listing.counts(records)
        with self._lock:
            if stop is not self._stop:
                return  # another thread watches now
            for record in fresh:
                self._known[record.id] = _Known(self._revisions.next(), record)
                self._known.move_to_end(record.id)
                self._removed.pop(record.id, None)
            for job_id in gone:
                del self._known[job_id]
                self._removed[job_id] = self._revisions.next()
            while len(self._removed) > _REMOVED:
                self._floor = max(self._floor, self._removed.popitem(last=False)[1])
            if not self._listed:
                self._floor = self._revisions.last  # a first list is told as a snapshot
            self._records, self._counts = records, counts
            self._listed, self._error = True, seen.error
            self._seen = time.time() if seen.since is None else seen.since
        self._tell(self)

    def _fail(self, error: SovlabError, stop: threading.Event) -> None:
        with self._lock:
            if stop is not self._stop:
                return
            self._error = error
        self._tell(self)

    # --- what is known

    @property
    def health(self) -> Health:
        """Whether what is known is true now."""
        with self._lock:
            return self._health()

    def _health(self) -> Health:
        if self._error is not None:
            return Health(target=self.target, state="down", seen=self._seen, problem=problem_of(self._error))
        now = self._listed and self._stop is not None
        return Health(
            target=self.target,
            state="live" if now else "connecting",
            seen=time.time() if now else self._seen,
            problem=None,
        )

    def listed(self) -> tuple[Sequence[JobRecord], Health] | None:
        """All jobs, newest first, and whether that is true now; None if nothing is known."""
        with self._lock:
            return (self._records, self._health()) if self._listed else None

    def since(self, revision: int) -> Snapshot | Records | None:
        """What a page that knows all up to ``revision`` is to be told next; None if there is nothing.

        At most 200 rows at a time: the page asks again, from the revision that the message says.
        """
        with self._lock:
            if not self._listed:
                return None
            if revision < self._floor or revision > self._revisions.last:
                return self._snapshot()
            changed: list[_Known] = []
            for known in reversed(self._known.values()):
                if known.revision <= revision:
                    break
                changed.append(known)
            removed = []
            for job_id in reversed(self._removed):
                if self._removed[job_id] <= revision:
                    break
                removed.append(job_id)
            if not changed and not removed:
                return None
            newest = max(changed[0].revision if changed else 0, self._removed[removed[0]] if removed else 0)
            if len(changed) + len(removed) > _BATCH:
                # What is told must be whole up to a revision, of both kinds.
                numbers = [known.revision for known in changed] + [self._removed[each] for each in removed]
                newest = sorted(numbers)[_BATCH - 1]
            return Records(
                target=self.target,
                revision=newest,
                total=len(self._known),
                counts=self._counts,
                jobs=[listing.row(known.record) for known in reversed(changed) if known.revision <= newest],
                removed=[each for each in reversed(removed) if self._removed[each] <= newest],
            )

    def _snapshot(self) -> Snapshot:
        active = [record for record in self._records if not record.status.state.ended]
        ended = [record for record in self._records if record.status.state.ended]
        shown = (active + ended)[:SNAPSHOT]
        return Snapshot(
            target=self.target,
            revision=max(self._revision(), self._floor),
            total=len(self._known),
            counts=self._counts,
            jobs=[listing.row(record) for record in shown],
        )

    def _revision(self) -> int:
        newest = next(reversed(self._known.values())).revision if self._known else 0
        gone = next(reversed(self._removed.values())) if self._removed else 0
        return max(newest, gone)


class Watches:
    """One watch for each target, however many pages look.

    Args:
        loop: of the server, from which all of this is called.
        source: from a target's name to what is asked.
        linger: seconds that a watch goes on without a page.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, source: Callable[[str], Source], linger: float = LINGER
    ) -> None:
        self._loop, self._source, self._linger = loop, source, linger
        self.revisions = Revisions()
        self._watches: dict[str, TargetWatch] = {}
        self._tells: dict[str, list[Callable[[], None]]] = {}
        self._ends: dict[str, asyncio.TimerHandle] = {}
        self._lock = threading.Lock()

    def of(self, target: str) -> TargetWatch | None:
        """The watch of a target; None if it was never watched."""
        return self._watches.get(target)

    def open(self, target: str, tell: Callable[[], None]) -> TargetWatch:
        """Watch a target for a page, which is told by ``tell``, from another thread, that there is news."""
        watch = self._watches.get(target)
        if watch is None:
            watch = self._watches[target] = TargetWatch(
                target, self._source(target), self.revisions, self._told
            )
        with self._lock:
            self._tells.setdefault(target, []).append(tell)
        timer = self._ends.pop(target, None)
        if timer is not None:
            timer.cancel()
        watch.start()
        return watch

    def close(self, target: str, tell: Callable[[], None]) -> None:
        """Undo `open`."""
        with self._lock:
            self._tells[target].remove(tell)
            left = bool(self._tells[target])
        if not left and target not in self._ends:
            self._ends[target] = self._loop.call_later(self._linger, self._end, target)

    def end(self) -> None:
        """End all watches."""
        for timer in self._ends.values():
            timer.cancel()
        for watch in self._watches.values():
            watch.stop()

    def _end(self, target: str) -> None:
        del self._ends[target]
        self._watches.pop(target).stop()

    def _told(self, watch: TargetWatch) -> None:
        with self._lock:
            tells = list(self._tells.get(watch.target, ()))
        for tell in tells:
            tell()
