"""`Interrupts` and `terminations`: waiting that a signal ends, whatever Python does just then."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Interrupts:
    """Sees to it that an Interrupt is heard: one that Python loses comes again.

    What is raised in the callback of a weak reference or in ``__del__`` is printed and forgotten, a
    KeyboardInterrupt too, and each import has such callbacks. A handler of somebody else's is left alone.
    """

    _AGAIN = 0.3
    """Seconds after which an Interrupt that has ended nothing comes again."""

    def __init__(self) -> None:
        self._ours = self._over = False
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        is_main = threading.current_thread() is threading.main_thread()
        self._ours = is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._ours:
            signal.signal(signal.SIGINT, self._interrupt)

    def __exit__(self, *_: object) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        if self._ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._over:
            return
        if self._timer is None or not self._timer.is_alive():
            self._timer = threading.Timer(self._AGAIN, signal.pthread_kill, (threading.get_ident(), number))
            self._timer.daemon = True
            self._timer.start()
        raise KeyboardInterrupt


class Terminated(BaseException):
    """SIGTERM came."""


@contextmanager
def terminations() -> Iterator[None]:
    """SIGTERM raises `Terminated` meanwhile, unless somebody else has a handler for it."""
    ours = threading.current_thread() is threading.main_thread()
    heard = ours and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if heard:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        if heard:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(*_: object) -> NoReturn:
    raise Terminated
