r"""Reading the log of a pod: it waits for the pod, survives breaks and rotation, loses and doubles nothing.

The runner marks in the log how many bytes of the job's output came before (`sovlab.runner.pod.log_writer`). A
position in the output is such a count, so after a break the reader asks for the log from the second of the
last mark on, and leaves out what it has yielded already. Output of a container without a runner has no
marks; then all is read again and as many bytes are left out.
"""

from __future__ import annotations

import datetime
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from sovlab.core import decoding
from sovlab.kube import labels
from sovlab.kube.transport.api import READ, Api, Stream
from sovlab.kube.transport.errors import (
    ApiError,
    ClusterError,
    CredentialsError,
    Invalid,
    NotFound,
    Overloaded,
    Unreachable,
)
from sovlab.runner.protocol.frames import FrameReader

_SILENCE = 300.0
"""Seconds of silence after which a followed log is asked for again: the connection may be dead."""
_BEFORE_MARK = 4 << 20
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_REFUSED, _BROKEN, _AWAY = 2.0, 5.0, 30.0
"""Seconds without progress after which a log is given up: where it is refused, as a server that has just
started does for a moment; and of a container that has ended, where its kubelet or the server is away."""
_NO_LOG = b"unable to retrieve container logs for "
"""What a kubelet sends, as if it were the log, of a container that its runtime no longer has."""

Piece = bytes | dict[str, Any]


class LogPositions:
    """Finds out where in the job's output each piece of a pod's log is.

    Args:
        nonce: marks the frames of the job.
        position: bytes of the output that were yielded before.
        whole: whether the log was asked for from its beginning.
    """

    def __init__(self, nonce: str, position: int, *, whole: bool) -> None:
        self._reader = FrameReader(nonce)
        self._raw = 0
        self._whole = whole
        self._at: int | None = None
        self._unpositioned: list[tuple[Piece, int]] = []
        self._waiting = 0
        self.position = position
        self.marked: int | None = None
        """Time of the last mark, in whole seconds since the epoch."""
        self.complete = False
        """Whether the runner has marked the end of the output."""
        self.missing = 0
        """Bytes that the cluster no longer keeps, since this was last set to 0."""

    def feed(self, data: bytes) -> Iterator[tuple[Piece, int]]:
        """Pieces not yielded before, each with the position after it."""
        pieces = self._reader.feed(data)
        for piece, end in zip(pieces, self._reader.ends, strict=True):
            size, self._raw = end - self._raw, end
            yield from self._take(piece, size)

    def finish(self) -> Iterator[tuple[Piece, int]]:
        """At the end of the log: pieces without a position so far, and what only looked like a frame."""
        yield from self._begin()
        for piece in self._reader.flush():
            if self._at is not None:
                yield from self._yield_new(piece, len(piece))
        self._unpositioned = []

    def _take(self, piece: Piece, size: int) -> Iterator[tuple[Piece, int]]:
        frame = decoding.frame(piece) if isinstance(piece, dict) else None
        if isinstance(frame, decoding.LogMark):
            yield from self._mark(frame.position)
            self.marked = frame.second
            self.complete = frame.last
        elif self._at is None:
            self._unpositioned.append((piece, size))
            self._waiting += size
            if self._waiting > _BEFORE_MARK:
                yield from self._begin()
        else:
            yield from self._yield_new(piece, size)

    def _begin(self) -> Iterator[tuple[Piece, int]]:
        """Count from 0 where the log has no marks and was asked for from its beginning."""
        if self._at is None and self._whole and self.marked is None:
            yield from self._set_start(0)

    def _set_start(self, start: int) -> Iterator[tuple[Piece, int]]:
        self._at = start
        unpositioned, self._unpositioned = self._unpositioned, []
        for piece, size in unpositioned:
            yield from self._yield_new(piece, size)

    def _mark(self, position: int) -> Iterator[tuple[Piece, int]]:
        if self._at is None:
            start = position - self._waiting
            self._skip(start)
            yield from self._set_start(start)
        elif self._at > position:
            # Somebody else has written into the log, and that was given as if it were output.
            self.position = position if self.position == self._at else self.position
            self._at = position
        else:
            self._skip(position)
            self._at = position

    def _skip(self, position: int) -> None:
        if position > self.position:
            self.missing += position - self.position
            self.position = position

    def _yield_new(self, piece: Piece, size: int) -> Iterator[tuple[Piece, int]]:
        assert self._at is not None
        start, self._at = self._at, self._at + size
        if self._at <= self.position:
            return
        seen = max(self.position - start, 0)
        self.position = self._at
        if isinstance(piece, dict):
            yield piece, self.position
        elif piece[seen:]:
            yield piece[seen:], self.position


class PodLog:
    """The log of one pod's container, from a position on.

    Args:
        api: as a user who may read logs.
        namespace: the pod's.
        pod: the pod's name.
        nonce: marks the frames of the job.
        position: bytes of the job's output that were read before.
        container: the container's name.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        pod: str,
        nonce: str,
        position: int = 0,
        container: str = labels.CONTAINER,
    ) -> None:
        self._api = api
        self._path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        self._nonce = nonce
        self._container = container
        self._since: int | None = None
        self._stream: Stream | None = None
        self._stopped = threading.Event()
        self.position = position

    def pieces(self, *, follow: bool, over: Callable[[], bool]) -> Iterator[tuple[Piece, int]]:
        """Output and frames, each with the position after it.

        Args:
            follow: wait for more until the container has ended.
            over: whether the container has ended, or its pod is gone.

        Raises:
            ClusterError: it cannot be read, and would not be if one went on to wait for more.
        """
        pause, failing_since, again = _FIRST_PAUSE, math.inf, False
        while not self._stopped.is_set():
            was_over, before, ended_before = not follow or over(), self.position, again
            again = False
            try:
                complete = yield from self._read(follow=not was_over)
                if complete or was_over:
                    return
                failing_since = math.inf
                # What came before its end may not have been read; then it is asked for at once, but once.
                again = over() and not ended_before
            except NotFound:
                return
            except Invalid:  # the container has not started yet, or never did
                if was_over:
                    return
                failing_since = math.inf
            except ClusterError as error:
                now = time.monotonic()
                failing_since = min(failing_since, now) if self.position == before else now
                if now - failing_since >= _patience(error, ended=was_over):
                    raise
            if self.position > before:
                pause = _FIRST_PAUSE
            if not again:
                self._stopped.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def read_anew(self) -> None:
        """End what is read now, from another thread: the container has ended, and nothing more may come."""
        stream = self._stream
        if stream is not None:
            stream.close()

    def stop(self) -> None:
        """End `pieces`, from another thread."""
        self._stopped.set()
        self.read_anew()

    def _read(self, *, follow: bool) -> Any:
        positions = LogPositions(self._nonce, self.position, whole=self._since is None)
        query: dict[str, Any] = {"container": self._container, "follow": follow or None}
        if self._since is not None:
            # One second earlier: in that second's part of the log there is a mark that we have seen.
            since = datetime.datetime.fromtimestamp(self._since - 1, datetime.UTC)
            query["sinceTime"] = since.strftime("%Y-%m-%dT%H:%M:%SZ")
        silence = _SILENCE if follow else READ
        with self._api.stream(self._path, query, read_timeout=silence) as stream:
            self._stream = stream
            if self._stopped.is_set():
                return True
            try:
                chunks = stream.chunks()
                first = next(chunks, b"")
                if first.startswith(_NO_LOG):
                    return False
                for chunk in itertools.chain((first,), chunks):
                    yield from self._pass(positions, positions.feed(chunk))
                if not follow or positions.complete:
                    yield from self._pass(positions, positions.finish())
            finally:
                self._stream = None
        return positions.complete

    def _pass(
        self, positions: LogPositions, pieces: Iterator[tuple[Piece, int]]
    ) -> Iterator[tuple[Piece, int]]:
        for piece, position in pieces:
            if positions.missing:
                note = f"\n[sovlab: the cluster no longer keeps {positions.missing} bytes of this log]\n"
                positions.missing = 0
                yield note.encode(), position
            self.position = position
            yield piece, position
        if positions.marked is not None:
            self._since = positions.marked
        self.position = positions.position


def is_refusal(error: ClusterError) -> bool:
    """Whether the server will go on saying it: a right is missing, or it does not know us."""
    return isinstance(error, CredentialsError) or (
        isinstance(error, ApiError) and not isinstance(error, Overloaded)
    )


def _patience(error: ClusterError, *, ended: bool) -> float:
    """Seconds for which an error is borne; of a container that runs, one that may pass always is."""
    if is_refusal(error):
        return _REFUSED
    if not ended:
        return math.inf
    return _AWAY if isinstance(error, Unreachable) else _BROKEN
