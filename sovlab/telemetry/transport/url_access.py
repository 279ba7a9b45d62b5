"""A Prometheus at its own address: a token that is read anew, certificates, no redirect to another host."""

from __future__ import annotations

import email.utils
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from sovlab.core.untrusted import clean
from sovlab.telemetry.profile import check_url
from sovlab.telemetry.transport import failures
from sovlab.telemetry.transport.answer import MAX_BYTES, Answer
from sovlab.telemetry.transport.failures import PrometheusError

if TYPE_CHECKING:
    import urllib3

_CHUNK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 3
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class UrlAccess:
    """A Prometheus, or a Thanos querier, at its own address.

    A redirect to another host, port or scheme is not followed: the token is for this one.

    Args:
        url: what ``/api/v1`` is appended to.
        token_file: holds the bearer token; None for none.
        ca_file: certificates that sign the server's; None for those of the system.

    Raises:
        SpecError: the URL cannot be used.
    """

    def __init__(self, url: str, token_file: Path | None = None, ca_file: Path | None = None) -> None:
        check_url(url, with_token=token_file is not None)
        self._url = url.rstrip("/")
        self._token_file = token_file
        self._ca_file = ca_file
        self._lock = threading.Lock()
        self._made: urllib3.PoolManager | None = None

    @property
    def where(self) -> str:
        """Its URL."""
        return self._url

    def get(self, path: str, params: Mapping[str, str], timeout: float) -> Answer:
        """See `sovlab.telemetry.access.Access.get`."""
        end = time.monotonic() + timeout
        url = f"{self._url}/api/v1/{path}?{urlencode(params)}"
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._once(url, timeout, end)
            if isinstance(answer, Answer):
                return answer
            url = answer
        raise failures.stranger(self.where, "it redirects again and again")

    def _once(self, url: str, timeout: float, end: float) -> Answer | str:
        """An answer, or the URL on the same host that it redirects to."""
        import urllib3

        headers = {"Accept": "application/json", "User-Agent": "sovlab", **self._authorization()}
        left = max(end - time.monotonic(), 0.001)
        try:
            response = self._pool().request(
                "GET",
                url,
                headers=headers,
                timeout=urllib3.Timeout(connect=left, read=left),
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                if response.status in _REDIRECTS:
                    return self._followed(url, str(response.headers.get("Location") or ""))
                body = self._body(response, timeout, end)
                return Answer(response.status, body, _date(response.headers), _html(response.headers))
            finally:
                response.close()
        except urllib3.exceptions.NewConnectionError as error:  # which is a TimeoutError by descent only
            raise failures.down(self.where, _cause(error)) from error
        except urllib3.exceptions.TimeoutError as error:
            raise failures.slow(self.where, timeout) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise failures.down(self.where, _cause(error)) from error

    def _body(self, response: Any, timeout: float, end: float) -> bytes:
        # Read as it comes: a server that sends a byte now and then would pass every time-out of the socket.
        parts, size = [], 0
        while chunk := response.read1(_CHUNK):
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_BYTES:
                raise failures.too_much(self.where, f"{MAX_BYTES >> 20} MiB")
            if time.monotonic() > end:
                raise failures.slow(self.where, timeout)
        return b"".join(parts)

    def _followed(self, url: str, location: str) -> str:
        try:
            target = urljoin(url, location)
            same = _origin(target) == _origin(url)
            host = urlsplit(target).hostname
        except ValueError:
            same, host = False, None
        if not location or not same:
            raise PrometheusError(
                f"Prometheus at {self.where} redirects to another place"
                f"{f' ({clean(host, 100)})' if host else ''}, which is not followed.",
                "Usually that is a login: set token_file in the target's [prometheus] section.",
                reason=failures.STRANGER,
            )
        return target

    def _authorization(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        try:
            token = self._token_file.read_bytes()[:20_000].decode("ascii", "replace").strip()
        except OSError as error:
            raise PrometheusError(
                f"The token file {self._token_file} cannot be read: {error.strerror}.",
                "Check token_file in the target's [prometheus] section.",
                reason=failures.ACCESS,
            ) from error
        if not _TOKEN.fullmatch(token):  # and nothing of it is said: it may be a part of a token
            raise PrometheusError(
                f"The token file {self._token_file} does not hold one token.",
                "It is one line of letters, digits and signs.",
                reason=failures.ACCESS,
            )
        return {"Authorization": f"Bearer {token}"}

    def _pool(self) -> urllib3.PoolManager:
        import urllib3

        with self._lock:
            if self._made is None:
                certificates: dict[str, Any] = {}
                if self._ca_file is not None:
                    if not self._ca_file.is_file():
                        raise PrometheusError(
                            f"The file of certificates {self._ca_file} does not exist.",
                            "Check ca_file in the target's [prometheus] section.",
                            reason=failures.ACCESS,
                        )
                    certificates["ca_certs"] = str(self._ca_file)
                self._made = urllib3.PoolManager(
                    num_pools=2, maxsize=4, cert_reqs="CERT_REQUIRED", **certificates
                )
            return self._made


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)


def _date(headers: Mapping[str, str]) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(headers.get("Date") or "").timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _html(headers: Mapping[str, str]) -> bool:
    return "html" in (headers.get("Content-Type") or "").lower()


def _cause(error: BaseException) -> str:
    """Why a connection failed, a clause: what the library wraps says more than the library."""
    import urllib3

    inner: BaseException | None = error
    for _ in range(6):
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted ({clean(inner.verify_message, 100)}); set ca_file"
        if isinstance(inner, (socket.gaierror, urllib3.exceptions.NameResolutionError)):
            return "its name is not known"
        if isinstance(inner, ConnectionRefusedError):
            return "nothing listens there"
        wrapped = inner.args[0] if inner is not None and inner.args else None
        if isinstance(wrapped, BaseException):
            inner = wrapped
        elif inner is not None and (inner.__cause__ or inner.__context__):
            inner = inner.__cause__ or inner.__context__
        else:
            break
    if isinstance(inner, ssl.SSLError):
        return "TLS failed; is it http:// there?"
    return (
        clean(inner.strerror, 100)
        if isinstance(inner, OSError) and inner.strerror
        else "the connection broke"
    )
