"""Several runs of a notebook, so many at a time, each in a process of its own (`sovlab.batch.one`)."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any

from sovlab.batch.forms.request import Request, asked_line, command
from sovlab.client.sweeping.feeding import WAITS, Run
from sovlab.client.sweeping.rows import row_of
from sovlab.core.job import JobState
from sovlab.options.sweep import Point

Row = dict[str, Any]

_GIVE_UP = 3
"""Runs in a row that were refused, after which no other begins."""
_LAST = 20
"""Lines of what a run wrote that are kept, for one that ends without a word."""
_REST = 1.0
"""Seconds for what a process that has ended may have left in its pipe."""


class Many:
    """Runs, and what is known of each as a row: those of a sweep (`sovlab.client.sweeping.Sweep.rows`), and

    - ``output``: path of the executed notebook;
    - ``found``: ``new``, ``running`` or ``ended`` as its job was found, ``complete`` if the output was there;
    - ``recorded``: values of `sovlab.record`, by name;
    - ``message``: why it failed;
    - ``status``: exit status of its command, None until it has ended.

    Args:
        points: the parameters of each.
        requests: what each runs.
        at_most: how many are under way at a time.
        changed: called with the row of a run whose state has changed.
        logged: called with the row of a run and a line that it wrote.
    """

    def __init__(
        self,
        points: Sequence[Point],
        requests: Sequence[Request],
        at_most: int,
        changed: Callable[[Row], None],
        logged: Callable[[Row, str], None],
    ) -> None:
        self._requests = requests
        self._at_most = at_most
        self._changed, self._logged = changed, logged
        self._heard: queue.SimpleQueue[tuple[int, str, Any]] = queue.SimpleQueue()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._lines: dict[int, deque[str]] = {}
        self._refused = 0
        pairs = zip(points, requests, strict=True)
        self.rows = [_row(number, point, request) for number, (point, request) in enumerate(pairs, start=1)]
        self._waiting = deque(range(len(self.rows)))

    @property
    def waiting(self) -> int:
        """How many have not begun."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """How many are under way."""
        return len(self._processes)

    def run(self) -> list[Row]:
        """Begin them one after another, and follow them until all have ended; their rows."""
        while self._waiting or self._processes:
            while self._waiting and len(self._processes) < self._at_most:
                self._begin(self._waiting.popleft())
            self._take(*self._heard.get())
        return self.rows

    def end(self) -> list[Row]:
        """Begin no other, and have those that are under way write what there is, as by Ctrl-C; their rows.

        Their jobs go on, unless they were asked to cancel them.
        """
        self._waiting.clear()
        left = dict(self._processes)
        for process in left.values():
            with suppress(OSError):
                process.send_signal(signal.SIGINT)
        try:
            while self._processes:
                self._take_soon()
        except BaseException:  # told twice
            for process in self._processes.values():
                process.kill()
            raise
        return [self.rows[number] for number in left]

    def _take_soon(self) -> None:
        """As `_take`. Ctrl-C may have come between hearing of an end and doing what it means."""
        try:
            self._take(*self._heard.get(timeout=_REST))
        except queue.Empty:
            for number in [n for n, process in self._processes.items() if process.poll() is not None]:
                self._over(number)

    def _begin(self, number: int) -> None:
        process = subprocess.Popen(
            command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C of a terminal is ours to hand on, once
        )
        assert process.stdin is not None
        assert process.stderr is not None
        self._processes[number] = process
        self._lines[number] = deque(maxlen=_LAST)
        with suppress(BrokenPipeError):
            process.stdin.write(asked_line(self._requests[number]))
            process.stdin.flush()  # it stays open: its end tells the process that we are gone
        lines = threading.Thread(target=self._read_lines, args=(number, process.stderr), daemon=True)
        lines.start()
        threading.Thread(target=self._read, args=(number, process, lines), daemon=True).start()

    def _read_lines(self, number: int, stream: IO[bytes]) -> None:
        with suppress(OSError, ValueError), stream:
            for line in stream:
                self._heard.put((number, "line", line.decode("utf-8", "replace").rstrip("\r\n")))

    def _read(self, number: int, process: subprocess.Popen[bytes], lines: threading.Thread) -> None:
        """What the process tells, and its end. Others may hold its pipes, whose end tells nothing."""
        assert process.stdout is not None
        with suppress(OSError, ValueError), process.stdout:
            for line in process.stdout:
                said = json.loads(line)
                self._heard.put((number, "said", said))
                if said["t"] == "end":
                    break
        process.wait()
        lines.join(_REST)
        self._heard.put((number, "over", None))

    def _take(self, number: int, what: str, said: Any) -> None:
        row = self.rows[number]
        if what == "line":
            self._lines[number].append(said)
            self._logged(row, said)
        elif what == "over":
            self._over(number)
        elif said["t"] == "state":
            row.update(id=said["id"], target=said["target"], state=said["state"], found=said["found"], why="")
            self._refused = 0
            if not JobState(said["state"]).ended:  # that comes with all that is known
                self._changed(row)
        else:
            row.update(said.get("row", {}))
            row.update(status=said["status"], message=said.get("why", ""))
            row.update(recorded=said.get("recorded", {}), found=said.get("found", row["found"]))

    def _over(self, number: int) -> None:
        process, row = self._processes.pop(number), self.rows[number]
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        if row["status"] is None:
            last = next((line for line in reversed(self._lines[number]) if line.strip()), "")
            row.update(status=1, message=f"Its process ended with {process.returncode}. {last}".strip())
        if row["id"] is None:
            row["why"] = row["message"] or "it was interrupted before its job began"
        self._changed(row)
        if row["id"] is None:
            self._refuse(row)

    def _refuse(self, row: Row) -> None:
        self._refused += 1
        if self._refused < _GIVE_UP:
            return
        while self._waiting:
            other = self.rows[self._waiting.popleft()]
            other.update(status=row["status"], why=f"{_GIVE_UP} before it were refused: {row['why']}")
            self._changed(other)


def _row(number: int, point: Point, request: Request) -> Row:
    known = Run(point, why=WAITS)
    known.number = number
    return {
        **row_of(known, values=False),
        "output": request.path,
        "found": "",
        "recorded": {},
        "message": "",
        "status": None,
    }
