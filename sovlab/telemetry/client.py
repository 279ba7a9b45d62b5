"""`Prometheus`: questions to a site's Prometheus, with its clock and its errors in one sentence."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

import msgspec

from sovlab.telemetry.access import Access
from sovlab.telemetry.transport import failures
from sovlab.telemetry.transport.results import (
    Lines,
    Samples,
    data_of,
    lines_of,
    names_of,
    samples_of,
    series_of,
)

TIMEOUT = 10.0
MAX_POINTS = 2000
"""Most points of one series in a range query; Prometheus itself refuses more than 11,000."""
_LONGEST_QUERY = 7000
"""Characters, as it is written in the URL, of which servers take 8 KiB."""
_TOLERATED = 2.0
"""Seconds that two clocks may differ: the ``Date`` header has whole seconds, and the way takes time."""


class Prometheus:
    """One site's Prometheus. It may be used by several threads.

    Times are seconds since the epoch by the *server's* clock, which stamps what it scrapes: a question at a
    time that its clock has not reached, or that is minutes ago for it, gets other numbers or none.

    Args:
        access: the way there.
        timeout: seconds until an answer must be there.
        clock: this machine's.
    """

    def __init__(
        self, access: Access, *, timeout: float = TIMEOUT, clock: Callable[[], float] = time.time
    ) -> None:
        self._access = access
        self._timeout = timeout
        self._clock = clock
        self._lock = threading.Lock()
        self._skew: float | None = None

    @property
    def where(self) -> str:
        """How messages call it."""
        return self._access.where

    @property
    def skew(self) -> float:
        """Seconds that the server's clock is ahead of this machine's; 0 within two seconds.

        It is known from the ``Date`` header of an answer, and where none has come, the server is asked.
        """
        with self._lock:
            known = self._skew
        if known is None:
            self._ask_its_time()
            with self._lock:
                known = self._skew
        return known or 0.0

    def now(self) -> float:
        """The server's time."""
        return self._clock() + self.skew

    def by_its_clock(self, moment: float) -> float:
        """A time of this machine's clock, by the server's."""
        return moment + self.skew

    def query(self, text: str, at: float | None = None) -> Samples:
        """The value of an expression at one time.

        Args:
            text: PromQL.
            at: by the server's clock; None is now.

        Raises:
            PrometheusError: it gave no answer; the message says why.
        """
        moment = self.now() if at is None else at
        data, notes = self._ask("query", {"query": text, "time": _stamp(moment), **self._limit()})
        return Samples(samples_of(data, self.where), notes)

    def query_range(self, text: str, begin: float, end: float, step: float | None = None) -> Lines:
        """The values of an expression over a time.

        Args:
            text: PromQL.
            begin: by the server's clock.
            end: likewise.
            step: seconds between points; None, or what would give more than `MAX_POINTS`, is widened to that.

        Raises:
            PrometheusError: it gave no answer; the message says why.
        """
        wide = max(step or 0.0, step_of(begin, end))
        params = {"query": text, "start": _stamp(begin), "end": _stamp(end), "step": f"{wide:.3f}"}
        params |= self._limit()
        data, notes = self._ask("query_range", params)
        return Lines(lines_of(data, self.where), notes)

    def label_values(self, label: str, match: str, begin: float, end: float) -> tuple[str, ...]:
        """The values that a label has in the series of a selector ``match`` over a time."""
        params = {"match[]": match, "start": _stamp(begin), "end": _stamp(end)}
        return names_of(self._ask(f"label/{label}/values", params)[0], self.where)

    def label_names(self, match: str, begin: float, end: float) -> tuple[str, ...]:
        """The labels that the series of a selector ``match`` have over a time."""
        params = {"match[]": match, "start": _stamp(begin), "end": _stamp(end)}
        return names_of(self._ask("labels", params)[0], self.where)

    def series(self, match: str, begin: float, end: float) -> tuple[Mapping[str, str], ...]:
        """The labels of each series of a selector ``match`` over a time."""
        params = {"match[]": match, "start": _stamp(begin), "end": _stamp(end)}
        return series_of(self._ask("series", params)[0], self.where)

    def _limit(self) -> dict[str, str]:
        """So that the server gives up what nobody waits for any more."""
        return {"timeout": f"{max(round(self._timeout * 1000), 1)}ms"}

    def _ask(self, path: str, params: Mapping[str, str]) -> tuple[msgspec.Raw, tuple[str, ...]]:
        if len(urlencode(params)) > _LONGEST_QUERY:
            raise failures.too_long(self.where, _LONGEST_QUERY)
        asked = self._clock()
        answer = self._access.get(path, params, self._timeout)
        heard = self._clock()
        data, notes = data_of(answer, self.where)
        if answer.date is not None:
            # The header is cut to whole seconds, and was written between the question and the answer.
            self._learn(answer.date + 0.5 - (asked + heard) / 2)
        return data, notes

    def _ask_its_time(self) -> None:
        """Learn its clock where answers come without a ``Date``: through an API server, say."""
        asked = self._clock()
        data, _ = self._ask("query", {"query": "time()"})
        heard = self._clock()
        samples = samples_of(data, self.where)
        with self._lock:
            unknown = self._skew is None
        if unknown and samples:
            self._learn(samples[0].value - (asked + heard) / 2)

    def _learn(self, ahead: float) -> None:
        with self._lock:
            self._skew = ahead if abs(ahead) >= _TOLERATED else 0.0


def step_of(begin: float, end: float) -> float:
    """Seconds between points so that there are at most `MAX_POINTS` of them; whole from one second on."""
    step = max(end - begin, 0.0) / (MAX_POINTS - 1)
    return float(math.ceil(step)) if step > 1 else max(step, 0.1)


def _stamp(moment: float) -> str:
    return f"{moment:.3f}"
