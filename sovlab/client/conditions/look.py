"""`Look`: asks how devices do in a thread of its own, and keeps the answer for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sovlab.core.capacity import Capacity
from sovlab.core.energy.condition import Condition, unknown
from sovlab.errors import SovlabError

BUDGET = 1.0
"""Seconds that a submit waits for it, where its choice rests on it."""
FRESH = 15.0
"""Seconds for which an answer is not asked for again."""
OLD = 120.0
"""Seconds after which an answer tells nothing any more."""

Conditions = Mapping[str, Condition]
"""By the backend's name."""


class Answer(NamedTuple):
    """What was known at a time.

    Attributes:
        time: seconds since the epoch.
        conditions: of each backend that has some.
        why: why there is none of the others; a clause, empty if there is nothing to say.
    """

    time: float
    conditions: Conditions
    why: str = ""


class Look:
    """Looks at the devices of one target. It may be used by several threads.

    Args:
        ask: what takes its time, and may hang or raise a `SovlabError`.
        where: who is asked, for messages: ``the sensors of this machine``.
        kept: the last answer that another process has left; None if there is none.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Capacity]], Answer],
        where: str,
        kept: Callable[[], Answer | None] = lambda: None,
    ) -> None:
        self._ask = ask
        self._where = where
        self._kept = kept
        self._lock = threading.Lock()
        self._last: Answer | None = None
        self._under_way: threading.Event | None = None

    def conditions(self, offers: Sequence[Capacity], wait: float) -> Conditions:
        """How the devices of some backends do, as far as that is known.

        Args:
            offers: what the target has of each.
            wait: seconds that an answer is waited for, where there is none that is fresh; with 0 one is only
                asked for, so that the next to ask may have it.
        """
        answer = self._newest()
        if answer is None or not 0 <= time.time() - answer.time < FRESH:
            done = self._begin(offers)
            if wait > 0 and done.wait(wait):
                answer = self._newest()
        if answer is None or not 0 <= time.time() - answer.time < OLD:
            late = f"{self._where} did not answer within {wait:g} s" if wait else "not asked yet"
            answer = Answer(0.0, {}, late)
        return {
            offer.detection.backend: answer.conditions.get(offer.detection.backend, unknown(answer.why))
            for offer in offers
        }

    def _newest(self) -> Answer | None:
        with self._lock:
            last = self._last
        kept = self._kept() if last is None or time.time() - last.time >= FRESH else None
        return max(filter(None, (last, kept)), key=lambda answer: answer.time, default=None)

    def _begin(self, offers: Sequence[Capacity]) -> threading.Event:
        """Ask, unless somebody does already; what is returned is set once there is an answer."""
        with self._lock:
            if self._under_way is None:
                self._under_way = threading.Event()
                args = (self._under_way, offers)
                threading.Thread(target=self._answer, args=args, name="sovlab-look", daemon=True).start()
            return self._under_way

    def _answer(self, done: threading.Event, offers: Sequence[Capacity]) -> None:
        try:
            answer = self._ask(offers)
        except SovlabError as error:
            from sovlab.core.finding import phrase

            answer = Answer(time.time(), {}, phrase(error))
        except Exception as error:  # a choice is made all the same
            answer = Answer(time.time(), {}, f"{self._where} failed: {type(error).__name__}: {error}")
        with self._lock:
            self._last, self._under_way = answer, None
        done.set()
