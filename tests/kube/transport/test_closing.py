"""Connections are closed whatever the other side did to them."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import urllib3
import websocket

from sovlab.kube.transport.api import _refusal
from sovlab.kube.transport.errors import Forbidden, Unreachable
from sovlab.kube.transport.exec import ExecChannel

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3


@contextmanager
def answering(speak) -> Iterator[int]:
    """The port of a server that gives its first connection, after the request's head, to ``speak``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(4096)
                speak(connection, head)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)
        assert not thread.is_alive()


def test_a_channel_whose_server_closes_first_leaves_no_open_socket():
    def speak(connection: socket.socket, head: bytes) -> None:
        key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
        digest = hashlib.sha1(key.split(b": ")[1] + _GUID.encode()).digest()
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        connection.sendall(bytes([0x88, 0x00]))  # a close frame without a status of the command before it
        while connection.recv(4096):  # until the client has closed its end
            pass

    with answering(speak) as port:
        inner = websocket.create_connection(f"ws://127.0.0.1:{port}/", timeout=20)
        plain = inner.sock
        with ExecChannel(inner, "run a command") as channel, pytest.raises(Unreachable):
            channel.finish()
        assert plain.fileno() == -1


def test_a_refusal_whose_text_breaks_off_is_still_that_refusal():
    def speak(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b'HTTP/1.1 403 Forbidden\r\nContent-Length: 500\r\n\r\n{"message": "pods is')

    with answering(speak) as port, urllib3.PoolManager() as pool:
        answer = pool.request("GET", f"http://127.0.0.1:{port}/", preload_content=False, retries=False)
        assert isinstance(_refusal(answer, "read pods"), Forbidden)
