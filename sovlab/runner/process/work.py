"""What the supervisor supervises: the user's code in one child here, or in several ranks (`ranks`)."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any, Callable, Dict, List, NamedTuple, NoReturn, Optional

from sovlab.runner.protocol.order import Order
from sovlab.runner.system import processes


class CannotStart(Exception):
    """The job cannot be started here; the message is a sentence for people."""


class Watchable(NamedTuple):
    """A descriptor that the supervisor reads besides its own.

    Attributes:
        ready: called when it can be read.
    """

    descriptor: int
    ready: Callable[[], object]


class Outcome(NamedTuple):
    """How the user's code ended.

    Attributes:
        report: of its process, as `sovlab.runner.process.child.run` returns it; None if it left none.
        status: how that process ended, as `os.wait` gives it.
        rank: which of the ranks this is about; None if there is only one.
    """

    report: Optional[Dict[str, Any]]
    status: int
    rank: Optional[int] = None


class Work:
    """What the supervisor asks of either."""

    def start(self) -> List[int]:
        """Start the processes; the pids whose end is the end of the job. Signals are blocked meanwhile.

        Raises:
            CannotStart: the job cannot be started here.
        """
        raise NotImplementedError

    def watched(self) -> List[Watchable]:
        """What to read while it runs."""
        raise NotImplementedError

    def tick(self, now: float) -> Optional[float]:
        """Do what is due; when to be called again at the latest, on the monotonic clock."""
        raise NotImplementedError

    def ask(self, number: int) -> None:
        """Ask the user's code to end, by a signal."""
        raise NotImplementedError

    def ended(self, pid: int, status: int) -> None:
        """One of the pids has ended with this wait status."""
        raise NotImplementedError

    def outcome(self) -> Outcome:
        """How it ended; called once all pids have."""
        raise NotImplementedError


class Child(Work):
    """The user's code in a child forked from here: Python is there already.

    Args:
        order: the request.
        fresh: give it an interpreter that is started for it, which heeds what only such a one does.
    """

    def __init__(self, order: Order, fresh: bool = False) -> None:
        self._order = order
        self._fresh = fresh
        self._report = bytearray()
        self._pid = 0
        self._status = 0
        self._reading = -1

    def start(self) -> List[int]:  # noqa: D102 - as Work's
        from sovlab.runner.process import child

        self._reading, writing = os.pipe()
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._reading)
            try:
                if self._fresh:
                    _execute(self._order, parent, writing)
                child.main(self._order, parent, writing)
            except BaseException as error:
                os.write(2, f"The runner failed: {type(error).__name__}: {error}\n".encode(errors="replace"))
            finally:
                os._exit(70)
        os.close(writing)
        os.set_blocking(self._reading, False)
        return [self._pid]

    def watched(self) -> List[Watchable]:  # noqa: D102 - as Work's
        return [Watchable(self._reading, self._read)] if self._reading >= 0 else []

    def tick(self, now: float) -> Optional[float]:  # noqa: D102 - as Work's
        return None

    def ask(self, number: int) -> None:  # noqa: D102 - as Work's
        processes.kill([self._pid], number)

    def ended(self, pid: int, status: int) -> None:  # noqa: D102 - as Work's
        self._status = status
        self._read()

    def outcome(self) -> Outcome:  # noqa: D102 - as Work's
        try:
            return Outcome(json.loads(bytes(self._report)), self._status)
        except ValueError:
            return Outcome(None, self._status)

    def _read(self) -> None:
        # Only what there is now: whoever else holds the pipe open is not waited for.
        while self._reading >= 0:
            try:
                data = os.read(self._reading, 1 << 16)
            except BlockingIOError:
                return
            self._report += data
            if not data:
                os.close(self._reading)
                self._reading = -1


def _execute(order: Order, parent: int, writing: int) -> NoReturn:
    """In the forked child: become an interpreter that was started for the job."""
    from sovlab.runner.process import child, interpreter

    try:
        child.become(order, parent)
        with tempfile.TemporaryFile(dir=order.scratch) as file:
            file.write(order.encoded())
            file.seek(0)
            os.set_inheritable(file.fileno(), True)
            os.set_inheritable(writing, True)
            interpreter.execute("child", f"/dev/fd/{file.fileno()}", str(writing))
    except OSError as error:
        os.write(2, f"Python could not be started for the job: {error}\n".encode(errors="replace"))
    finally:
        os._exit(70)
