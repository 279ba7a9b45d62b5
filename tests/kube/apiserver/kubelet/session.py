"""An exec session's process and its pipes, used from an event loop that may end before it does."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess

from .process import Command, spawn

_PIPE = 1024 * 1024


class Session:
    """A command beside a container's process; an OSError if it cannot be started.

    Args:
        command: to run.
        stdin: whether it has an input; without one it reads nothing.
        stdout: whether its output is wanted.
        stderr: the same for its errors.
    """

    def __init__(self, command: Command, *, stdin: bool, stdout: bool, stderr: bool) -> None:
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        self.process = spawn(
            command,
            stdin=pipe if stdin else nothing,
            stdout=pipe if stdout else nothing,
            stderr=pipe if stderr else nothing,
            bufsize=0,
        )
        self._pidfd = os.pidfd_open(self.process.pid)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                try:
                    fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE)
                except OSError:
                    # More than this user may have: the usual size does too.
                    continue

    async def read(self, stream: int, size: int) -> bytes:
        """What the command wrote to stdout (1) or stderr (2); empty at the end, or when nobody wants it."""
        file = self.process.stdout if stream == 1 else self.process.stderr
        if file is None:
            return b""
        while True:
            try:
                return os.read(file.fileno(), size)
            except BlockingIOError:
                await _ready(file.fileno(), reading=True)

    async def write(self, data: bytes) -> None:
        """Hands input to the command, when it can take it; a BrokenPipeError if it takes none any more."""
        file = self.process.stdin
        left = memoryview(data)
        while left and file is not None and not file.closed:
            try:
                left = left[os.write(file.fileno(), left) :]
            except BlockingIOError:
                await _ready(file.fileno(), reading=False)

    def end_input(self) -> None:
        """The end of the input."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    async def wait(self) -> int:
        """The exit status."""
        await _ready(self._pidfd, reading=True)
        return self.process.wait()

    def close(self) -> None:
        """Closes the pipes; the command goes on if it has not ended."""
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        os.close(self._pidfd)


async def _ready(descriptor: int, *, reading: bool) -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def done() -> None:
        if not future.done():
            future.set_result(None)

    (loop.add_reader if reading else loop.add_writer)(descriptor, done)
    try:
        await future
    finally:
        (loop.remove_reader if reading else loop.remove_writer)(descriptor)
