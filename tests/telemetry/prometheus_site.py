"""A real Prometheus on this machine, exporters for it to scrape, and a proxy before it as sites have them."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest
import yaml

PAGES = Path(__file__).parent / "pages"
SCRAPE = 1.0
"""Seconds between scrapes."""
SPAN = 8.0
"""Seconds that counters are looked at in."""


def binary(name):
    """The path of ``prometheus`` or ``promtool``; the test is skipped where it is not installed."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian package prometheus)")
    return path


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_):
        """Connections that a client gave up are what some tests are about."""


@contextlib.contextmanager
def serving(handler, tls=None):
    """An HTTP server on this machine with a handler class, maybe by TLS; gives its port."""
    server = _Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class Exporters:
    """Exporters' pages over HTTP: those of ``pages``, and others that a test puts into `pages` while it runs.

    A line that ends with ``+5`` grows by 5 each second.
    """

    def __init__(self):
        self.start = time.time()
        self.pages = {path.stem: path.read_text() for path in PAGES.glob("*.prom")}

    def page(self, name):
        lines = []
        for line in self.pages.get(name, "").splitlines():
            grows = re.fullmatch(r"(.* )(\S+) \+(\S+)", line)
            if grows and not line.startswith("#"):
                value = float(grows[2]) + float(grows[3]) * (time.time() - self.start)
                line = f"{grows[1]}{value!r}"
            if not line.startswith("#"):
                lines.append(line)
        return "\n".join([*lines, ""]).encode()

    @contextlib.contextmanager
    def serve(self):
        exporters = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = exporters.page(urlsplit(self.path).path.strip("/"))
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with serving(Handler) as port:
            yield port


def job(name, port, *, instance, honor=False, **labels):
    """A scrape job of a page; ``labels`` are those that a discovery of targets would add."""
    return {
        "job_name": name,
        "honor_labels": honor,
        "metrics_path": f"/{name}",
        "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": instance, **labels}}],
    }


@contextlib.contextmanager
def prometheus(folder: Path, jobs, rules: str = "") -> Iterator[int]:
    """A real Prometheus that scrapes ``jobs``; gives its port once it answers."""
    program = binary("prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "global": {"scrape_interval": f"{SCRAPE:g}s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "scrape_configs": jobs,
    }
    if rules:
        (folder / "rules.yml").write_text(rules)
        config["rule_files"] = [str(folder / "rules.yml")]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    log = folder / "log"
    for _ in range(3):
        port = _free_port()
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    program,
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                    "--log.level=warn",
                ],
                stdout=output,
                stderr=output,
                cwd=folder,
            )
        try:
            if _answers(process, port):
                yield port
                return
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    raise AssertionError(f"Prometheus did not start:\n{log.read_text()[-3000:]}")


def _answers(process, port):
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            if ask(port, "vector(1)"):
                return True
        time.sleep(0.2)
    return False


def ask(port, query):
    """The result of an instant query, by the shortest way: not by what is tested."""
    from urllib.parse import urlencode

    with urlopen(f"http://127.0.0.1:{port}/api/v1/query?{urlencode({'query': query})}", timeout=5) as answer:
        return json.load(answer)["data"]["result"]


def wait_for(port, query, *, seconds=30.0):
    """Until a query has a result that is not empty."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := ask(port, query):
            return result
        time.sleep(0.2)
    raise AssertionError(f"Prometheus has nothing for {query}")


def _free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Front:
    """What stands before a Prometheus: a login, tenancy, an API server's proxy; and what goes wrong there.

    Attributes:
        upstream: port of the Prometheus; of the tenants' by namespace in ``tenants``.
        token: that is wanted; empty for none.
        tenants: ports by namespace: only that namespace's series are there; empty for no tenancy.
        service: ``NS/NAME:PORT`` that is reached through ``/api/v1/namespaces/…``; empty for none.
        delay: seconds before it answers.
        drip: seconds between single bytes of the answer.
        ahead: seconds that its clock is ahead; None for no ``Date`` header.
        body: to answer instead, with `kind` and `status`.
        redirect: to answer instead: a ``Location``.
        seen: (path, parameters, authorization) of each request.
    """

    upstream: int = 0
    token: str = ""
    tenants: dict[str, int] = field(default_factory=dict)
    service: str = ""
    delay: float = 0.0
    drip: float = 0.0
    ahead: float | None = 0.0
    body: bytes | None = None
    kind: str = "application/json"
    status: int = 200
    redirect: str = ""
    refused_paths: tuple[str, ...] = ()
    seen: list = field(default_factory=list)

    @contextlib.contextmanager
    def serve(self, tls=None):
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                front.answer(self)

            def do_POST(self):
                self.send_error(405)

            def log_message(self, *_):
                pass

        with serving(Handler, tls) as port:
            yield port

    def answer(self, request):
        parts = urlsplit(request.path)
        params = parse_qs(parts.query)
        self.seen.append((parts.path, params, request.headers.get("Authorization")))
        time.sleep(self.delay)
        if self.redirect:
            return self._send(request, 302, b"", location=self.redirect)
        if self.body is not None:
            return self._send(request, self.status, self.body)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            status = 401 if request.headers.get("Authorization") is None else 403
            return self._send(request, status, b"Unauthorized")
        path = parts.path
        if self.service:
            namespace, name = self.service.split("/")
            prefix = f"/api/v1/namespaces/{namespace}/services/{name}/proxy"
            if not path.startswith(prefix):
                return self._send(request, 404, b'{"kind":"Status","message":"not found"}')
            path = path.removeprefix(prefix)
        if path.endswith(self.refused_paths) and self.refused_paths:
            return self._send(request, 403, b"Forbidden")
        port = self.upstream
        if self.tenants:
            wanted = params.get("namespace", [""])
            if len(wanted) != 1 or wanted[0] not in self.tenants:
                return self._send(request, 400, b"Bad Request. The request or configuration is malformed.")
            port = self.tenants[wanted[0]]
        status, body = _get(f"http://127.0.0.1:{port}{path}?{parts.query}")
        return self._send(request, status, body)

    def _send(self, request, status, body, location=""):
        request.send_response_only(status)
        if self.ahead is not None:
            request.send_header("Date", formatdate(time.time() + self.ahead, usegmt=True))
        request.send_header("Content-Type", self.kind)
        if location:
            request.send_header("Location", location)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if self.drip:
            for byte in body:
                request.wfile.write(bytes([byte]))
                request.wfile.flush()
                time.sleep(self.drip)
        else:
            request.wfile.write(body)


def _get(url):
    try:
        with urlopen(Request(url), timeout=20) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()
