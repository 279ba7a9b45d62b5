"""Container logs as containerd and the kubelet keep them.

The rule: what is written is stored at each newline, or when 16 KiB have come without one, or at the end;
until then no reader sees it. Each entry has the time at which it was stored. A file that has grown too large
is put away: new readers see only the new one, and a follower goes on from one to the next.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

ENTRY_LIMIT = 16 * 1024
# What an entry takes in the file beside its text: the time, the stream and the tag.
_OVERHEAD = 45


class LogEntry(NamedTuple):
    """One line, or a part of one.

    Attributes:
        time: when it was stored, in nanoseconds since the epoch.
        stream: stdout or stderr.
        text: the bytes, with the newline unless the line goes on.
    """

    time: int
    stream: str
    text: bytes


class LogFile:
    """One file of a log; `next` is set once it has been put away."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []
        self.size = 0
        self.next: LogFile | None = None


class ContainerLog:
    """The log of one run of a container; written by one thread, read by any.

    Args:
        rotate_bytes: how large a file grows.
    """

    def __init__(self, rotate_bytes: int) -> None:
        self._rotate = rotate_bytes
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self.current = LogFile()
        self.ended = False
        # The node is gone: nothing more is stored, and nobody says that it was the end.
        self.lost = False

    def append(self, stream: str, text: bytes) -> None:
        """Stores an entry."""
        with self._lock:
            if self.lost:
                return
            if self.current.size >= self._rotate:
                self.current.next = LogFile()
                self.current = self.current.next
            self.current.entries.append(LogEntry(time.time_ns(), stream, text))
            self.current.size += len(text) + _OVERHEAD
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def end(self) -> None:
        """Nothing more will come."""
        with self._lock:
            self.ended = not self.lost
            listeners = list(self._listeners)
        for listener in listeners:
            listener()

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls a function, from any thread, whenever there is more."""
        with self._lock:
            self._listeners.append(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Calls it no more."""
        with self._lock:
            self._listeners.remove(listener)

    def tail(self, lines: int, size: int) -> str:
        """The last lines as text, for a termination message."""
        text = b"".join(entry.text for entry in self.current.entries[-lines:])
        return text[-size:].decode(errors="replace")


class Splitter:
    """Cuts what a container writes to one of its pipes into entries.

    Args:
        log: where they go.
        stream: the name of the pipe.
    """

    def __init__(self, log: ContainerLog, stream: str) -> None:
        self._log = log
        self._stream = stream
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Takes what was read."""
        lines = (self._rest + chunk).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._log.append(self._stream, self._long(line) + b"\n")
        self._rest = self._long(self._rest)

    def end(self) -> None:
        """The pipe is closed: the last line is stored as it is."""
        if self._rest:
            self._log.append(self._stream, self._rest)
        self._rest = b""

    def _long(self, line: bytes) -> bytes:
        while len(line) > ENTRY_LIMIT:
            self._log.append(self._stream, line[:ENTRY_LIMIT])
            line = line[ENTRY_LIMIT:]
        return line
