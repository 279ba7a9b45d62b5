r"""The log of a pod: what a job prints, over a channel that knows only whole lines and may break anywhere.

Container runtimes keep what comes after the last newline until the next one, and a reader that lost its
connection can ask for the log only from a second on. So this writer adds marks, which are frames: one
says how many bytes of the job's own output came before it. A mark ends in a newline, so it also pushes
the unfinished line before it (``\r`` redraws) through the runtime. A reader takes the marks out and has
the output byte for byte, and after a break it knows where it is. containerd drops a ``\r`` that ends a
line: a mark between the two keeps ``\r\n`` whole.
"""

from __future__ import annotations

import os
import time
from typing import Optional

from sovlab.runner.protocol import frames

QUIET = 0.01
"""Seconds after which an unfinished line is pushed on."""
_STUCK = 0.2
"""Seconds after which what looks like the beginning of a frame, and is not continued, is not one."""


class LogWriter:
    """Writes output and marks.

    Args:
        descriptor: the container's stdout.
        nonce: marks the frames of the job.
    """

    def __init__(self, descriptor: int, nonce: str) -> None:
        self._descriptor = descriptor
        self._nonce = nonce
        self._written = 0
        self._second = 0
        self._begun = 0
        """Bytes since what looks like the beginning of a frame, 0 if nothing does."""
        self._returned = False
        """Whether the last byte is a carriage return."""
        self._due: Optional[float] = None
        self.mark()

    def feed(self, data: bytes) -> None:
        """Pass on what the job has printed."""
        if not self._in_frame and int(time.time()) != self._second:
            # Each second with output begins with a mark: the log can be asked for from a second on.
            self.mark()
        elif self._returned and data[:1] == b"\n":
            self.mark()
        first, *lines = data.split(b"\r\n")
        self._pass(first + b"\r" if lines else first)
        for number, line in enumerate(lines, 1):
            self.mark()
            self._pass(b"\n" + line + (b"\r" if number < len(lines) else b""))

    @property
    def _in_frame(self) -> bool:
        return 0 < self._begun <= frames.MAX_WRITE

    def _pass(self, data: bytes) -> None:
        newline, begin = data.rfind(b"\n"), data.rfind(b"\x1e")
        if begin > newline:
            self._begun = len(data) - begin
        elif newline >= 0:
            self._begun = 0
        elif self._begun:
            self._begun += len(data)
        self._write(data)
        self._written += len(data)
        self._returned = data[-1:] == b"\r"
        pause = _STUCK if self._in_frame else QUIET
        self._due = time.monotonic() + pause if data[-1:] != b"\n" else None

    def flush(self, now: float) -> Optional[float]:
        """Push an unfinished line on if it is time; when to call again, None if nothing waits."""
        if self._due is not None and now >= self._due:
            self.mark()
        return self._due

    def mark(self) -> None:
        """Say how many bytes have been passed on."""
        self._second = int(time.time())
        self._write(frames.encode(self._nonce, {"t": "at", "o": self._written, "s": self._second}))
        self._begun = 0
        self._returned = False
        self._due = None

    def end(self) -> None:
        """Say that this is all."""
        self._write(frames.encode(self._nonce, {"t": "end", "o": self._written, "s": int(time.time())}))

    def say(self, message: dict) -> None:  # type: ignore[type-arg]
        """Pass a frame of the runner's own on, as a part of the output."""
        self.feed(frames.encode(self._nonce, message))

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            return  # where the log cannot be written to, the job goes on
