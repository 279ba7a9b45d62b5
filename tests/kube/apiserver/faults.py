"""Faults, on demand: what goes wrong with requests that match, how often, and how.

cluster.faults.add("create jobs", respond(503, retry_after=1), times=2)
cluster.faults.add("watch pods", drop(after_events=1))
cluster.faults.add("POST /apis/batch/*", answered(500))          # the object is made, the answer is lost
"""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
_MESSAGES = {
    401: "Unauthorized",
    409: "Operation cannot be fulfilled: the object has been modified; please apply your changes to the "
    "latest version and try again",
    410: "The provided continue parameter is too old to display a consistent list result.",
    429: "Too many requests, please try again later.",
    500: "Internal error occurred: injected",
    503: "the server is currently unable to handle the request",
    504: "Timeout: request did not complete within requested timeout",
}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request. Made by the functions below; unset fields change nothing.

    Attributes:
        status: answer this instead.
        reason: of the Status.
        message: of the Status.
        headers: sent with the answer.
        body: sent instead of a Status, e.g. a proxy's HTML page.
        after: do what was asked first, then answer `status`, or close the connection.
        delay: seconds before anything is done.
        close: close the connection without an answer.
        cut_bytes: close the connection after this many bytes of the body, or of the streams of an exec.
        cut_events: close the connection after this many events of a watch.
        cut_seconds: close the connection this long after the answer began.
        clean: end the stream properly rather than cut it.
        stall_bytes: send nothing more after this many bytes of the body.
        stall_events: send nothing more after this many events.
        stall_seconds: for how long.
        error_event: send this Status code as an ERROR event in a watch, then end it.
    """

    status: int = 0
    reason: str = ""
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    after: bool = False
    delay: float = 0.0
    close: bool = False
    cut_bytes: int | None = None
    cut_events: int | None = None
    cut_seconds: float | None = None
    clean: bool = False
    stall_bytes: int | None = None
    stall_events: int | None = None
    stall_seconds: float = 0.0
    error_event: int = 0

    def body_status(self) -> dict[str, Any]:
        """The Status to answer with."""
        details: dict[str, Any] = {}
        if "Retry-After" in self.headers:
            details["retryAfterSeconds"] = int(self.headers["Retry-After"])
        code = self.status or self.error_event
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message or _MESSAGES.get(code, "injected"),
            "reason": self.reason or _REASONS.get(code, ""),
            **({"details": details} if details else {}),
            "code": code,
        }


def respond(
    status: int,
    message: str = "",
    *,
    reason: str = "",
    retry_after: int | None = None,
    body: str | None = None,
    **headers: str,
) -> Fault:
    """Answer a status; nothing is done."""
    sent = {name.replace("_", "-"): text for name, text in headers.items()}
    if retry_after is not None:
        sent["Retry-After"] = str(retry_after)
    return Fault(status=status, message=message, reason=reason, headers=sent, body=body)


def answered(status: int, message: str = "") -> Fault:
    """Do what was asked, then answer a status all the same."""
    return Fault(status=status, message=message, after=True)


def lost() -> Fault:
    """Do what was asked, then close the connection without an answer."""
    return Fault(close=True, after=True)


def close() -> Fault:
    """Close the connection without doing or answering anything."""
    return Fault(close=True)


def delay(seconds: float) -> Fault:
    """Wait first."""
    return Fault(delay=seconds)


def cut(after_bytes: int) -> Fault:
    """Close the connection in the middle of the answer."""
    return Fault(cut_bytes=after_bytes)


def drop(
    *,
    after_events: int | None = None,
    after_seconds: float | None = None,
    after_bytes: int | None = None,
    clean: bool = False,
) -> Fault:
    """Break a stream: a watch after some events, a log after some bytes (mid-line), either after a time."""
    return Fault(cut_events=after_events, cut_seconds=after_seconds, cut_bytes=after_bytes, clean=clean)


def stall(seconds: float, *, after_bytes: int | None = None, after_events: int | None = None) -> Fault:
    """Send nothing for a while, the connection staying open."""
    if after_bytes is None and after_events is None:
        after_bytes = 0
    return Fault(stall_seconds=seconds, stall_bytes=after_bytes, stall_events=after_events)


def error_event(status: int = 410) -> Fault:
    """An ERROR event at the start of a watch."""
    return Fault(error_event=status)


@dataclass(frozen=True)
class Asked:
    """A request, as `match` sees it."""

    method: str
    path: str
    query: dict[str, str]
    verb: str
    resource: str
    namespace: str
    name: str
    user: str


Match = str | Callable[[Asked], bool]


@dataclass(eq=False)
class _Armed:
    match: Match
    fault: Fault
    times: int | None
    after: int
    hits: int = 0


class Faults:
    """The faults that are armed; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def add(self, match: Match, action: Fault, times: int | None = 1, after: int = 0) -> _Armed:
        """Arms a fault.

        Args:
            match: `"<verb or method> <resource or path>"`, each with wildcards (`watch pods`, `* pods/exec`,
                `POST /apis/batch/*`), or a function of the request.
            action: what goes wrong.
            times: how often; None is always.
            after: how many matching requests are let through first.
        """
        armed = _Armed(match, action, times, after)
        with self._lock:
            self._armed.append(armed)
        return armed

    def remove(self, armed: _Armed) -> None:
        """Disarms a fault."""
        with self._lock:
            self._armed = [one for one in self._armed if one is not armed]

    def clear(self) -> None:
        """Disarms all."""
        with self._lock:
            self._armed.clear()

    def take(self, asked: Asked) -> Fault | None:
        """The fault for a request: the first armed one that matches."""
        with self._lock:
            for armed in self._armed:
                if not _matches(armed.match, asked):
                    continue
                armed.hits += 1
                if armed.hits <= armed.after:
                    continue
                if armed.times is not None and armed.hits - armed.after >= armed.times:
                    self._armed.remove(armed)
                return armed.fault
        return None


def _matches(match: Match, asked: Asked) -> bool:
    if not isinstance(match, str):
        return match(asked)
    word, _, what = match.partition(" ")
    if word not in ("*", asked.method, asked.verb):
        return False
    return not what or fnmatch.fnmatchcase(asked.path if what.startswith("/") else asked.resource, what)
