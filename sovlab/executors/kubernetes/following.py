"""Following one job: its states from the watches, its log from each of its pods, as one stream of events."""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from sovlab.core import decoding
from sovlab.core.event import (
    Cursor,
    Event,
    LogChunk,
    LogLost,
    NotebookTold,
    PowerChanged,
    ProgressChanged,
    StatusChanged,
    TargetAway,
)
from sovlab.core.job import JobRecord, JobState, JobStatus, Progress
from sovlab.executors.kubernetes.cursors import Cursors
from sovlab.executors.kubernetes.objects.trimming import Object
from sovlab.executors.kubernetes.objects.workloads import LiveObjects
from sovlab.kube import labels
from sovlab.kube.reading import status
from sovlab.kube.reading.pods import container_name
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ClusterError, Unreachable
from sovlab.kube.transport.logs import PodLog, is_refusal

_LOOK = 2.0
"""Seconds between looks at events of the cluster, while a job waits: they say why."""
_HELD = 30.0
"""Seconds between looks at a job that is held back: while a machine sleeps, the clock by which is waited
stands still, and not that by which the job is due."""
_GONE = 10.0
_GATHER = 0.002
"""Seconds for which what comes in quick succession is gathered: each line of thousands is a piece."""
_AT_ONCE = 1000
_SILENT, _GIVEN_UP = 15.0, 100.0
"""Seconds after a job's end without a piece of its log after which it is read anew, and then given up."""
_REFUSED = 30.0
"""Seconds for which a cluster must refuse news of jobs until that is said: one that starts refuses too."""
_AWAY = 15.0
"""Seconds for which a cluster must not answer until that is said: connections break, and are made again."""
_ENDS = ("Failed", "FailureTarget", "Complete", "Completed", "SuccessCriteriaMet")
"""Conditions by which workloads say that they end."""


class _Reader(threading.Thread):
    """Reads the log of one pod into the queue."""

    def __init__(self, log: PodLog, index: int, pod: Object, rank: int | None, following: Following) -> None:
        super().__init__(name=f"sovlab-log {pod['metadata']['name']}", daemon=True)
        self.log = log
        self.index = index
        self.object = pod
        self.pod = pod["metadata"]["name"]
        self.uid = pod["metadata"].get("uid", "")[:8]
        self.rank = rank
        self._following = following
        self.start()

    def run(self) -> None:
        following = self._following
        try:
            over = lambda: following.is_over(self.pod)  # noqa: E731
            for piece, place in self.log.pieces(follow=following.follow, over=over):
                following.inbox.put((self, piece, place))
        except ClusterError as error:
            following.inbox.put((self, error, self.log.position))
        finally:
            following.inbox.put((self, None, 0))


_Piece = bytes | dict[str, Any] | ClusterError | None
_Item = tuple[_Reader, _Piece, int] | None
"""What a reader brought, None at its end, and the place after it; None where something has changed."""


class Following:
    """The events of one job.

    Args:
        api: of the cluster.
        namespace: of the job.
        job_id: of the job.
        watched: workloads and pods, kept up to date.
        record: makes a record from a workload and its pods.
        look: reads the pods of the job anew.
        cursor: where in the log to begin.
        follow: wait for more until the job has ended.
        stop: set it to end soon.
        on_frame: called with each frame of the runner and the pod that it came from.
        why_not_fetched: says why results that are held cannot be had from here; empty if they can.
        gone: the record of a job that was taken out of the cluster; None if nobody kept one.
        let_go: lets a workload go that is held back, if its start has come.
        log: read the log; without, only states come.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        job_id: str,
        watched: LiveObjects,
        record: Callable[[Object, list[Object]], JobRecord],
        look: Callable[[], list[Object]],
        *,
        cursor: Cursor,
        follow: bool,
        stop: threading.Event | None,
        on_frame: Callable[[Object, decoding.Frame], None],
        why_not_fetched: Callable[[], str] = lambda: "",
        gone: Callable[[], JobRecord | None] = lambda: None,
        let_go: Callable[[Object], bool] = lambda obj: False,
        log: bool = True,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._job_id = job_id
        self._watched = watched
        self._record = record
        self._look = look
        self._cursors = Cursors(cursor)
        self.follow = follow
        self._stop = stop
        self._on_frame = on_frame
        self._why_not_fetched = why_not_fetched
        self._gone = gone
        self._let_go = let_go
        self._log = log
        self.inbox: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._taken = 0.0
        self._readers: dict[str, _Reader] = {}
        self._busy: set[_Reader] = set()
        self._nonce = ""
        self._seen: set[str | None] = set()
        self._left = False
        self._again = False
        self._said_again = False
        self._held = False
        self._changed = True
        self._looked_at: str | None = None
        self._over: set[str] = set()
        self._newest: dict[int, _Reader] = {}
        self._away: float | None = None

    def events(self) -> Iterator[Event]:
        """See `Executor.events`."""
        changed = lambda: self.inbox.put(None)  # noqa: E731
        self._watched.listen(changed)
        try:
            yield from self._events()
        finally:
            self._watched.ignore(changed)
            for reader in self._readers.values():
                reader.log.stop()

    def _events(self) -> Iterator[Event]:
        last: JobStatus | None = None
        missing_since: float | None = None
        while True:
            self._changed = False
            self._heed_refusal()
            yield from self._reachability()
            obj = self._watched.workload(self._job_id)
            if obj is None:
                buried = self._gone()
                if buried is not None:
                    yield StatusChanged(status=buried.status)
                    return
                missing_since = missing_since or time.monotonic()
                if not self.follow or time.monotonic() - missing_since > (_GONE if last is None else 0):
                    yield StatusChanged(status=_deleted(last))
                    return
                current = last
            else:
                self._let_go(obj)
                self._nonce = obj["metadata"]["annotations"].get(labels.NONCE, "-")
                pods, current = self._read(obj)
                current = self._marked(current, pods, status.nodes(obj))
                self._start_readers(pods)
            over = current is not None and (current.state.ended or current.state is JobState.UNKNOWN)
            if current is not None and not over and (last is None or _shown(current) != _shown(last)):
                yield StatusChanged(status=current)
            last = current
            yield from self._take(0.0)
            if over or not self.follow:
                yield from self._rest()
                if self._is_stopped():
                    return
                if over and current is not None:
                    yield StatusChanged(status=current)
                return
            waits = current is None or current.state in (JobState.PENDING, JobState.QUEUED)
            wait = 0.1 if obj is None else _LOOK if waits else 60.0
            if current is not None and current.due is not None:
                wait = min(max(current.due - time.time(), _LOOK / 10), _HELD)
            end = time.monotonic() + wait
            # What the job prints changes nothing of its status, which takes longer to make than a line
            # takes to read.
            while not self._changed and (left := end - time.monotonic()) > 0:
                if self._is_stopped():
                    return
                yield from self._take(left if self._stop is None else min(left, 0.1))

    def _is_stopped(self) -> bool:
        return self._stop is not None and self._stop.is_set()

    def _heed_refusal(self) -> None:
        """Raise what the cluster says if it goes on refusing news of jobs: nobody would hear of an end."""
        for failure, since in self._watched.failures():
            if is_refusal(failure) and time.monotonic() - since > _REFUSED:
                raise failure

    def _reachability(self) -> Iterator[Event]:
        """That the cluster does not answer, where that goes on for a while, and that it does again."""
        failures = self._watched.failures()
        now = time.monotonic()
        if not failures:
            if self._away is not None:
                yield TargetAway(error=None, seconds=now - self._away)
                self._away = None
            return
        failure, since = min(failures, key=lambda failed: failed[1])
        if now - since > _AWAY:
            self._away = since
            yield TargetAway(error=failure, seconds=now - since)

    def _rest(self) -> Iterator[Event]:
        """The rest of the log of pods that have ended; of one that nobody can read, that it is so."""
        quiet_since, is_new = time.monotonic(), True
        while self._busy and not self._is_stopped():
            came = False
            for event in self._take(0.1):
                came = True
                yield event
            now = time.monotonic()
            if came:
                quiet_since, is_new = now, True
            elif is_new and now - quiet_since > _SILENT:
                is_new = False
                for reader in self._busy:
                    reader.log.read_anew()
            elif now - quiet_since > _GIVEN_UP:
                for reader in list(self._busy):
                    said = Unreachable(
                        f"The rest of the log of pod {reader.pod} does not come.", "Try again later."
                    )
                    yield self._lost(reader, said, reader.log.position)
                self._busy.clear()

    def _read(self, obj: Object) -> tuple[list[Object], JobStatus]:
        """The pods of the job and its status.

        Where the workload tells of an end that its pods are not known to have come to, they are read anew:
        they are watched apart, and the news of them may be late. Of pods that have gone the watch has yet to
        say how they ended, which nothing else can.
        """
        pods = self._watched.pods_of(self._job_id)
        current = self._record(obj, pods).status
        version = obj["metadata"].get("resourceVersion")
        if current.state is JobState.UNKNOWN or version == self._looked_at or not self._is_late(obj, pods):
            return pods, current
        with contextlib.suppress(ClusterError):
            found = self._look()
            there = {pod["metadata"]["name"] for pod in found}
            pods = [*found, *(pod for pod in pods if pod["metadata"]["name"] not in there)]
            self._looked_at = version
            self._over |= {p["metadata"]["name"] for p in pods if status.ended(p) is not None}
        return pods, self._record(obj, pods).status

    def _is_late(self, obj: Object, pods: list[Object]) -> bool:
        ends = status.condition(obj, *_ENDS) or labels.CANCELLED in obj["metadata"]["annotations"]
        known = sum(status.ended(pod) is not None for pod in status.newest(pods))
        return bool(ends or not self.follow) and known < status.nodes(obj)

    def _marked(self, current: JobStatus, pods: list[Object], nodes: int) -> JobStatus:
        """The status, with a word of it where pods that were there have gone and others take their place."""
        there = {pod["metadata"].get("uid") for pod in pods}
        if self._seen - there:
            self._left, self._held = True, False
        # Whether pods only go, as they do when the job is cancelled, the watch of workloads may tell later.
        if self._left and (there - self._seen or (not there and current.state is JobState.QUEUED)):
            self._again = True
        self._seen |= there
        if len(self._seen) > nodes:
            self._again = True  # one that is still going has been replaced
        waits = current.state in (JobState.PENDING, JobState.QUEUED)
        if self._again and waits and not current.message.startswith(("requeued", "ending")):
            self._said_again = True
            return replace(current, message=f"requeued: {current.message}")
        if self._held and current.state is JobState.RUNNING and not current.message:
            fetched = "its code has ended, its results are being fetched"
            return replace(current, message=self._why_not_fetched() or fetched)
        if self._again and not self._said_again and current.state is JobState.RUNNING and not current.message:
            # It did not wait for so long that anybody had seen it wait.
            return replace(current, message="requeued: it runs again")
        return current

    def is_over(self, pod: str) -> bool:
        """Whether the container of a pod has ended, or the pod is gone."""
        if pod in self._over:
            return True
        found = next((p for p in self._watched.pods_of(self._job_id) if p["metadata"]["name"] == pod), None)
        return found is None or status.ended(found) is not None

    def _start_readers(self, pods: list[Object]) -> None:
        if not self._log:
            return
        for pod in map(dict, status.newest(pods)):
            name = pod["metadata"]["name"]
            begun = status.running_since(pod) is not None or status.ended(pod) is not None
            if begun and name not in self._readers:
                index = status.index(pod)
                place, rank = self._cursors.of(index, pod["metadata"].get("uid", "")[:8])
                log = PodLog(self._api, self._namespace, name, self._nonce, place, container_name(pod))
                self._readers[name] = _Reader(log, index, pod, rank, self)
                self._busy.add(self._readers[name])
                self._newest[index] = self._readers[name]

    def _take(self, timeout: float) -> Iterator[Event]:
        """What the readers have brought, waiting for it if there is nothing yet."""
        for item in _joined(self._items(timeout)):
            if item is None:
                self._changed = True
            else:
                yield from self._event(*item)

    def _items(self, timeout: float) -> list[_Item]:
        try:
            items = [self.inbox.get(timeout=timeout) if timeout else self.inbox.get_nowait()]
        except queue.Empty:
            return []
        if time.monotonic() - self._taken < _GATHER:
            time.sleep(_GATHER)
        with contextlib.suppress(queue.Empty):
            while len(items) < _AT_ONCE:
                items.append(self.inbox.get_nowait())
        self._taken = time.monotonic()
        return items

    def _lost(self, reader: _Reader, error: ClusterError, place: int) -> LogLost:
        cursor = self._cursors.set(reader.index, reader.uid, place, reader.rank)
        text = f"\n[sovlab: {error}]\n".encode()
        return LogLost(data=text, rank=reader.rank, offset=cursor, error=error, refused=is_refusal(error))

    def _event(self, reader: _Reader, piece: _Piece, place: int) -> Iterator[Event]:
        if piece is None:
            self._busy.discard(reader)
            return
        if isinstance(piece, ClusterError):
            yield self._lost(reader, piece, place)
            return
        frame = decoding.frame(piece) if isinstance(piece, dict) else None
        if isinstance(frame, decoding.RankNamed):
            reader.rank = frame.rank
        if frame is not None:
            self._on_frame(reader.object, frame)
        if isinstance(frame, decoding.ResultsHeld):
            self._held = self._changed = True
        cursor = self._cursors.set(reader.index, reader.uid, place, reader.rank)
        if isinstance(piece, bytes):
            yield LogChunk(data=piece, rank=reader.rank, offset=cursor)
        elif isinstance(frame, Progress):
            yield ProgressChanged(progress=frame, offset=cursor)
        elif isinstance(frame, decoding.NotebookPiece):
            if self._newest.get(reader.index) is reader:  # a pod that was replaced may tell of its end yet
                yield NotebookTold(piece=frame, attempt=reader.uid, offset=cursor)
        elif decoding.is_power(frame) and reader.index == 0:
            yield PowerChanged(seen=frame, offset=cursor)  # of other nodes, nothing tells their devices apart


def _joined(items: list[_Item]) -> Iterator[_Item]:
    """The items, with what one reader brought of the log at a stretch as one piece."""
    for reader, stretch in itertools.groupby(items, _prints):
        if reader is None:
            yield from stretch
        else:
            pieces: list[Any] = list(stretch)
            yield reader, b"".join(piece for _, piece, _ in pieces), pieces[-1][2]


def _prints(item: _Item) -> _Reader | None:
    """Whose output an item is."""
    return item[0] if item is not None and isinstance(item[1], bytes) else None


def _deleted(last: JobStatus | None) -> JobStatus:
    told = "It was deleted from the cluster."
    base = last if last is not None else JobStatus(state=JobState.UNKNOWN)
    return base if base.state.ended else replace(base, state=JobState.UNKNOWN, message=told)


def _shown(found: JobStatus) -> tuple[object, ...]:
    """What of a status is worth an event; progress has events of its own."""
    return found.state, found.reason, found.message, found.ahead, found.host
