"""How a job ended: judged by the report of the user's process, its exit status, and what was asked of it."""

from __future__ import annotations

import os
import signal
from typing import Any, Dict, List, NamedTuple, Optional

from sovlab.runner.process.memory_limit import MemoryLimit
from sovlab.runner.process.work import Outcome
from sovlab.runner.protocol.order import Order
from sovlab.runner.system import memory


class Left(NamedTuple):
    """What the user's process left behind when it ended.

    Attributes:
        oom_kills: where the kernel killed for lack of memory while the job ran; None if nowhere.
        processes: pids that it left running.
    """

    oom_kills: Optional[str] = None
    processes: List[int] = []  # noqa: RUF012 - a tuple's default


class Ending:
    """What may end a job, collected while it runs: the request to end, memory over its limit, OOM kills."""

    def __init__(self, timeout: Optional[float], limit: Optional[MemoryLimit] = None) -> None:
        self.why: Optional[str] = None
        """What the job was asked to end for: ``timeout``, ``limit``, ``cancelled`` or a signal's name."""
        self.words = ""
        """Which limit of energy or heat was reached, as a sentence."""
        self.limit = limit
        self._kills = memory.Kills()

    def memory_evidence(self) -> Optional[str]:
        """Where the kernel has killed for lack of memory since the start; None if nowhere."""
        return self._kills.since()


def describe(order: Order, ending: Ending, outcome: Outcome, leftovers: Left) -> Dict[str, Any]:
    """The exit record, without its times and usage."""
    report, status, rank = outcome
    killed_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    record: Dict[str, Any] = {
        "reason": "",
        "message": "",
        "exit_code": None if killed_by else os.WEXITSTATUS(status),
        "signal": "",
        "error": None,
        "results": None,
        "progress": None,
        "imported": [],
        "files": [],
    }
    for key in record:
        if report is not None and report.get(key) is not None:
            record[key] = report[key]
    on_request = report is None or report.get("terminated")
    limit = ending.limit
    if limit is not None and limit.used is not None and order.memory is not None:
        record["reason"] = "out_of_memory"
        record["message"] = (
            f"It used {_size(limit.used)} of memory, but --memory allows only {_limit(order.memory)}."
        )
    elif limit is not None and limit.exceeded and order.memory and record["reason"] != "succeeded":
        record["reason"] = "out_of_memory"
        record["message"] = f"It used more memory than the {_limit(order.memory)} that --memory allows."
    elif ending.why == "timeout" and on_request:
        record["reason"] = "timeout"
        record["message"] = f"It ran longer than its --timeout of {order.timeout:g} s."
    elif ending.why == "limit" and on_request:
        record["reason"] = "limit"
        record["message"] = ending.words
    elif ending.why == "cancelled" and on_request:
        record["reason"] = "cancelled"
        record["message"] = "It was cancelled."
    elif ending.why is not None and on_request:
        record["reason"] = "killed"
        record["signal"] = ending.why
        record["message"] = f"It was ended from outside by {ending.why}."
    elif report is None:
        _explain_silence(record, killed_by, leftovers.oom_kills)
        if record["reason"] == "out_of_memory" and order.contained and order.memory is not None:
            record["message"] = f"It used more memory than the {_limit(order.memory)} that --memory allows."
        if rank is not None:
            record["message"] = f"Rank {rank}: {record['message']}"
    elif report.get("terminated"):
        # The signal went to the user's process itself.
        record.update(reason="killed", signal="SIGTERM", message="It was ended from outside by SIGTERM.")
    if record["reason"] in ("timeout", "limit", "cancelled", "killed") and record["error"]:
        record["error"] = None if record["error"]["type"] == "SystemExit" else record["error"]
    return record


def _explain_silence(record: Dict[str, Any], killed_by: int, oom_kills: Optional[str]) -> None:
    if killed_by == signal.SIGKILL and oom_kills is not None:
        record["reason"] = "out_of_memory"
        record["signal"] = "SIGKILL"
        record["message"] = f"The kernel killed it because {oom_kills} ran out of memory."
    elif killed_by:
        name = signal_name(killed_by)
        crashed = killed_by in _CRASHES
        record["reason"] = "killed"
        record["signal"] = name
        record["message"] = (
            f"It crashed in compiled code ({name})." if crashed else f"It was ended from outside by {name}."
        )
    else:
        record["reason"] = "user_error"
        record["message"] = (
            f"Its process exited with status {record['exit_code']} before the code finished "
            "(os._exit, or a library that calls it)."
        )


_CRASHES = (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT)
_STATUS = {
    "succeeded": 0,
    "timeout": 124,
    "limit": 124,
    "cancelled": 130,
    "killed": 137,
    "out_of_memory": 137,
}


def exit_status(record: Dict[str, Any]) -> int:
    """The supervisor's exit status: 0, that of the code, 124, 130, 137, or 70 for the runner's own."""
    if record["reason"] == "user_error":
        return int(record["exit_code"] or 1)
    return _STATUS.get(record["reason"], 70)


def signal_name(number: int) -> str:
    """``SIGKILL``; real-time signals by number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _limit(count: int) -> str:
    """As it was asked for, where that was a whole number of MiB or GiB."""
    for shift, unit in ((30, "GiB"), (20, "MiB")):
        if count % (1 << shift) == 0:
            return f"{count >> shift} {unit}"
    return _size(count)


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if size >= 99.5 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
