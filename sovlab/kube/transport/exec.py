"""`ExecChannel`: the streams of a command that runs in a container, over one WebSocket.

The Kubernetes client's own stream keeps all output in memory and changes the client it is made from, so
the two subprotocols are spoken here: a message is one byte that names the stream, then data (KEP-4006).
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from sovlab import codec
from sovlab.core.untrusted import clean
from sovlab.kube.transport.errors import ClusterError, Unreachable

STDIN, STDOUT, STDERR, ERROR, CLOSE = 0, 1, 2, 3, 255
_BINARY, _MASKED = 0x82, 0x80
_PIECE = 1 << 17
"""Bytes sent in one message."""
_STDERR_KEPT = 4096
SILENCE = 120.0
"""Seconds without a byte either way after which a connection counts as broken: no command of ours is silent
for so long."""


MOST = 1 << 20
"""Bytes that a command may print whose output is wanted whole."""


class _Cause(msgspec.Struct):
    reason: str | None = None
    message: str | None = None


class _Details(msgspec.Struct):
    causes: list[_Cause] | None = None


class _Status(msgspec.Struct):
    """Of metav1's Status what says how a command ended."""

    status: str | None = None
    message: str | None = None
    details: _Details | None = None


class CommandFailed(ClusterError):
    """A command in a container did not exit with status 0.

    Args:
        exit_code: its exit status; None if it never ran.
        stderr: the end of its stderr.
    """

    def __init__(self, message: str, *, exit_code: int | None = None, stderr: str = "") -> None:
        super().__init__(message)
        self.status = exit_code
        self.stderr = stderr


class _Message:
    """A binary message for the library to send, under a mask that leaves it as it is.

    Masking protects proxies from what a browser's script could send. Here it only costs time, half of all
    that sending takes, so the key is of zeros, which RFC 6455 allows, and nothing is computed.

    Args:
        stream: number of the stream, e.g. `STDIN`.
        data: what is sent to it.
    """

    get_mask_key = None

    def __init__(self, stream: int, data: memoryview | bytes) -> None:
        self._stream = stream
        self._data = data

    def format(self) -> bytes:
        """The whole frame (RFC 6455, section 5.2)."""
        size = len(self._data) + 1
        if size < 126:
            head = struct.pack(">BB", _BINARY, _MASKED | size)
        elif size < 1 << 16:
            head = struct.pack(">BBH", _BINARY, _MASKED | 126, size)
        else:
            head = struct.pack(">BBQ", _BINARY, _MASKED | 127, size)
        return b"".join((head, bytes(4), bytes([self._stream]), self._data))


class ExecChannel:
    """One command's streams. Use it as a context manager.

    Args:
        socket: a WebSocket that speaks ``v5.channel.k8s.io`` or ``v4.channel.k8s.io``.
        doing: what the command is for, in messages: ``run a command in pod x``.
    """

    def __init__(self, socket: Any, doing: str) -> None:
        self._socket = socket
        self._doing = doing
        self._stderr = b""
        self._lock = threading.Lock()
        socket.settimeout(SILENCE)

    def __enter__(self) -> ExecChannel:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, data: memoryview | bytes, on_sent: Callable[[int], None] | None = None) -> None:
        """Send ``data`` to the command's stdin; ``on_sent`` is called with the bytes sent so far."""
        import websocket

        view = memoryview(data)
        try:
            for start in range(0, len(view), _PIECE):
                piece = view[start : start + _PIECE]
                self._socket.send_frame(_Message(STDIN, piece))
                if on_sent is not None:
                    on_sent(start + len(piece))
        except (websocket.WebSocketException, OSError) as error:
            raise self._broken(error) from error

    def close_stdin(self) -> None:
        """Close the command's stdin, where the server's protocol (v5) can."""
        if self._socket.getsubprotocol() == "v5.channel.k8s.io":
            self._socket.send_frame(_Message(CLOSE, bytes([STDIN])))

    def output(self) -> Iterator[bytes]:
        """The command's stdout, until it has exited.

        Raises:
            CommandFailed: its exit status is not 0; the message ends with the last line of its stderr.
            Unreachable: the connection broke before that.
        """
        import websocket

        while True:
            try:
                message = self._socket.recv()
            except (websocket.WebSocketException, OSError) as error:
                raise self._broken(error) from error
            if not message:
                raise self._broken(None)
            if isinstance(message, str):
                message = message.encode()
            stream = message[0]
            if stream == STDOUT and len(message) > 1:
                yield memoryview(message)[1:]  # type: ignore[misc]
            elif stream == STDERR:
                self._stderr = (self._stderr + message[1:])[-_STDERR_KEPT:]
            elif stream == ERROR:
                self._conclude(message[1:])
                return

    def finish(self) -> bytes:
        """Wait for the command's end; all of its stdout, which must be small.

        Raises:
            CommandFailed: as `output`, or it printed more than `MOST` bytes.
            Unreachable: as `output`.
        """
        pieces, size = [], 0
        for piece in self.output():
            pieces.append(piece)
            size += len(piece)
            if size > MOST:
                raise CommandFailed(f"Could not {self._doing}: it answered with more than {MOST} bytes.")
        return b"".join(pieces)

    def close(self) -> None:
        """Close the connection; the command gets a broken pipe if it is still there."""
        with self._lock:
            if self._socket is not None:
                with contextlib.suppress(Exception):
                    self._socket.close(timeout=1)
                # After the server's own close frame the library's close does nothing at all.
                self._socket.shutdown()

    def _conclude(self, data: bytes) -> None:
        try:
            status = codec.decode(data, _Status)
        except (msgspec.MsgspecError, RecursionError):
            status = _Status()
        if status.status == "Success":
            return
        causes = status.details.causes if status.details is not None else None
        code = next((c.message for c in causes or () if c.reason == "ExitCode"), None)
        stderr = self._stderr.decode(errors="replace").strip()
        last = clean((stderr.splitlines() or [status.message or ""])[-1], 300)
        why = "".join(c if c.isprintable() else " " for c in last).strip() or "it failed"
        raise CommandFailed(
            f"Could not {self._doing}: {why}.".replace("..", "."),
            exit_code=int(code) if code is not None and code.isdecimal() and len(code) < 10 else None,
            stderr=stderr,
        )

    def _broken(self, error: Exception | None) -> Unreachable:
        why = f" ({error})" if error is not None and str(error) else ""
        return Unreachable(f"The connection was lost while sovlab tried to {self._doing}{why}.")
