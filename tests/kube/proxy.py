"""A TCP proxy before an API server that breaks connections on demand, as the network of a laptop does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import yaml


class Proxy:
    """Passes TLS through as it is. Use it as a context manager.

    Args:
        host: of the server.
        port: of the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self.refusing = False
        """Whether new connections are closed at once."""
        self.limits: list[int] = []
        """Bytes after which the answers of the next connections are cut off, one each."""
        self.count = 0
        """Connections so far."""
        self.passed = 0
        """Bytes of answers so far."""

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Break all connections."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            for one in pair:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()

    @contextlib.contextmanager
    def cutting_every(self, seconds: float, after: int = 1) -> Iterator[None]:
        """Break all connections again and again, once so many bytes of answers have come since the last time.

        Where a machine is slow, none may come for as long, and nobody could get any further.
        """
        over = threading.Event()

        def work() -> None:
            at = self.passed
            while not over.wait(seconds):
                if self.passed - at >= after:
                    self.cut()
                    at = self.passed

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The server cannot be reached."""
        self.refusing = True
        self.cut()
        try:
            yield
        finally:
            self.refusing = False

    def kubeconfig(self, original: Path, target: Path) -> Path:
        """Write a copy of a kubeconfig that goes through this proxy."""
        config = yaml.safe_load(original.read_text())
        for cluster in config["clusters"]:
            old = urlsplit(cluster["cluster"]["server"])
            cluster["cluster"].setdefault("tls-server-name", old.hostname)
            cluster["cluster"]["server"] = f"https://127.0.0.1:{self.port}"
        target.write_text(yaml.safe_dump(config))
        target.chmod(0o600)
        return target

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.count += 1
            if self.refusing:
                client.close()
                continue
            try:
                server = socket.create_connection(self._server, timeout=5)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            pair = (client, server)
            with self._lock:
                self._pairs.add(pair)
                limit = self.limits.pop(0) if self.limits else None
            threading.Thread(target=self._pass, args=(client, server, pair, None), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, pair, limit), daemon=True).start()

    def _pass(
        self,
        source: socket.socket,
        target: socket.socket,
        pair: tuple[socket.socket, socket.socket],
        limit: int | None,
    ) -> None:
        try:
            while data := source.recv(65536):
                self.passed += len(data) if source is pair[1] else 0
                if limit is not None:
                    target.sendall(data[:limit])
                    limit -= len(data)
                    if limit <= 0:
                        break
                else:
                    target.sendall(data)
        except OSError:
            pass
        with self._lock:
            self._pairs.discard(pair)
        for one in pair:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextlib.contextmanager
def proxy_before(original: Path, directory: Path) -> Iterator[tuple[Proxy, Path]]:
    """A proxy before the server of a kubeconfig, and a kubeconfig that goes through it."""
    config = yaml.safe_load(original.read_text())
    server = urlsplit(config["clusters"][0]["cluster"]["server"])
    with Proxy(server.hostname or "", server.port or 443) as proxy:
        yield proxy, proxy.kubeconfig(original, directory / "proxied.yaml")


def until(found, seconds: float = 30.0):  # type: ignore[no-untyped-def]
    """Wait until ``found()`` is true, and return it."""
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)
    return value
