"""A small S3 service over HTTP that checks every signature (AWS Signature Version 4, header and query form).

It knows one key pair and keeps objects in memory; what it needs is what the client and presigned URLs use.
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

ACCESS, SECRET = "test-access", "test-secret-key"


class S3Server:
    """Use it as a context manager; ``url`` is its endpoint.

    Args:
        host: address to listen on.
    """

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.objects: dict[str, bytes] = {}
        self.times: dict[str, datetime.datetime] = {}
        """When each was put there; a test may say another time."""
        self.requests: list[tuple[str, str, int]] = []
        outer = self

        class Handler(_Handler):
            server_state = outer

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._host = host

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._server.server_address[1]}"

    def __enter__(self) -> S3Server:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no more; may be done twice."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: S3Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._refused(body):
            return
        self.server_state.objects[self._key] = body
        self.server_state.times[self._key] = datetime.datetime.now(datetime.UTC)
        self._answer(200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def do_GET(self) -> None:
        if self._refused(b""):
            return
        query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if query.get("list-type") == "2":
            self._answer(200, self._listing(query.get("prefix", "")), {"Content-Type": "application/xml"})
            return
        found = self.server_state.objects.get(self._key)
        if found is None:
            self._answer(404, _error("NoSuchKey"))
            return
        stamp = self.server_state.times[self._key].strftime("%a, %d %b %Y %H:%M:%S GMT")
        headers = {"ETag": f'"{hashlib.md5(found).hexdigest()}"', "Last-Modified": stamp}
        self._answer(200, found, headers)

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        if not self._refused(b""):
            self.server_state.objects.pop(self._key, None)
            self._answer(204, b"")

    def _listing(self, prefix: str) -> bytes:
        """ListObjectsV2, all on one page."""
        bucket = self._key.rstrip("/")
        found = "".join(
            f"<Contents><Key>{quote(key.removeprefix(bucket + '/'))}</Key>"
            f"<LastModified>{self.server_state.times[key].strftime('%Y-%m-%dT%H:%M:%S.000Z')}</LastModified>"
            f"<ETag>e</ETag><Size>{len(data)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key, data in sorted(self.server_state.objects.items())
            if key.startswith(f"{bucket}/{prefix}")
        )
        head = f"<Name>{bucket.strip('/')}</Name><IsTruncated>false</IsTruncated>"
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        listed = f"<ListBucketResult xmlns='{space}'>{head}{found}</ListBucketResult>"
        return f"<?xml version='1.0'?>{listed}".encode()

    @property
    def _key(self) -> str:
        return urlsplit(self.path).path

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.server_state.requests.append((self.command, self._key, status))
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refused(self, body: bytes) -> bool:
        """Answer 403 and return True unless the signature is right and not too old."""
        query = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        if "X-Amz-Signature" in query:
            told = query.pop("X-Amz-Signature")
            scope, signed = query["X-Amz-Credential"], query["X-Amz-SignedHeaders"]
            stamp, payload = query["X-Amz-Date"], "UNSIGNED-PAYLOAD"
            made = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
            life = datetime.timedelta(seconds=int(query["X-Amz-Expires"]))
            fresh = datetime.datetime.now(datetime.UTC) < made + life
        else:
            parts = dict(
                part.strip().split("=", 1)
                for part in self.headers.get("Authorization", "").partition(" ")[2].split(",")
                if "=" in part
            )
            told, scope = parts.get("Signature", ""), parts.get("Credential", "/")
            signed, stamp = parts.get("SignedHeaders", ""), self.headers.get("x-amz-date", "")
            payload, fresh = self.headers.get("x-amz-content-sha256", ""), True
            if payload not in ("UNSIGNED-PAYLOAD", hashlib.sha256(body).hexdigest()):
                fresh = False
        access, _, where = scope.partition("/")
        canonical = "\n".join(
            [
                self.command,
                quote(urlsplit(self.path).path, safe="/%"),
                "&".join(
                    f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in sorted(query.items())
                ),
                *(f"{name}:{(self.headers.get(name) or '').strip()}" for name in signed.split(";")),
                "",
                signed,
                payload,
            ]
        )
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, where, hashlib.sha256(canonical.encode()).hexdigest()])
        key = f"AWS4{SECRET}".encode()
        for part in where.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        right = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        if access == ACCESS and fresh and hmac.compare_digest(right, told):
            return False
        self._answer(403, _error("SignatureDoesNotMatch"))
        return True


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
