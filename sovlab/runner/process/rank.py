"""One rank of a job: what torchrun starts, as many times as there are processes."""

from __future__ import annotations

import json
import os
import signal
from typing import Any, Dict, NoReturn

from sovlab.runner.process import child, interpreter
from sovlab.runner.protocol.exit_record import short
from sovlab.runner.protocol.order import Order
from sovlab.runner.system import processes

DIRECTORY = "SOVLAB_RANKS"
"""Environment variable with the directory of the pipes and files between ranks and supervisor."""
MAX_EVENT = 4000
"""Bytes of an event: writes to a pipe up to 4096 are whole on Linux, and macOS holds back no more."""


def output_path(directory: str, rank: int) -> str:
    """The pipe that a rank prints into."""
    return os.path.join(directory, f"output-{rank}")


def events_path(directory: str) -> str:
    """The pipe in which all ranks say that they start, save and end."""
    return os.path.join(directory, "events")


def report_path(directory: str, rank: int) -> str:
    """Where a rank leaves its report."""
    return os.path.join(directory, f"report-{rank}.json")


def results_path(directory: str, rank: int) -> str:
    """Where a rank other than the first leaves the exception that ended it."""
    return os.path.join(directory, f"results-{rank}.pack")


def run(order: Order) -> NoReturn:
    """Run the user's code as the rank that ``RANK`` gives. Ends by `SystemExit`."""
    directory, rank = os.environ.pop(DIRECTORY), int(os.environ["RANK"])
    processes.die_with(os.getppid())
    interpreter.restore_path()
    output = os.open(output_path(directory, rank), os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    events = os.open(events_path(directory), os.O_WRONLY | os.O_CLOEXEC)
    tell(events, {"rank": rank, "pid": os.getpid(), "state": "started"})
    os.chdir(order.workdir)
    if rank:
        order.results = results_path(directory, rank)

    def saving() -> None:
        tell(events, {"rank": rank, "state": "saving"})

    report = child.run(order, rank, saving)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with open(report_path(directory, rank), "w") as file:
            json.dump(report, file, default=str)
    except OSError:
        pass  # on a full disk the short form must do
    brief = json.loads(short(report, MAX_EVENT - 200))
    tell(events, {"rank": rank, "state": "ended", "report": brief})
    raise SystemExit(child.exit_status(report))


def tell(events: int, message: Dict[str, Any]) -> None:
    """Write one event."""
    os.write(events, json.dumps(message, separators=(",", ":"), default=str).encode() + b"\n")
