"""Several ranks: torchrun starts them, this reads what they print and finds out which one failed.

Each rank prints into a named pipe of its own, from which the supervisor writes to the log, a frame
before each change of rank. One more pipe carries an event of each rank at its start and end. torchrun has
a third, whose output is shown only if nothing else explains a failure.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from functools import partial
from typing import Any, Dict, List, NoReturn, Optional

from sovlab.runner.process import child, interpreter, rank
from sovlab.runner.process.first_node import FirstNode
from sovlab.runner.process.log_merging import Merger
from sovlab.runner.process.work import CannotStart, Outcome, Watchable, Work
from sovlab.runner.protocol.order import Order
from sovlab.runner.protocol.peers import lost_peer
from sovlab.runner.system import processes

_READ = 1 << 16
_LAUNCHER_OUTPUT = 64 << 10
_LOOK = 0.5
"""Seconds between two looks for ranks that died without a report."""
_AFTER_FAILURE = 5.0
"""Seconds that the other ranks get to end after one has failed, unless the first is saving."""
_ITS_CAUSE = 1.0
"""Seconds that a rank whose end another rank has felt gets to say why it ends."""
_ROOT_CAUSE = re.compile(
    rb"Root Cause \(first observed failure\):.*?rank\s*:\s*(\d+).*?exitcode\s*:\s*(-?\d+)", re.DOTALL
)


class Ranks(Work):
    """The launchers of this order's ranks: those of all nodes, or of one if there is a rendezvous.

    Args:
        order: says how many nodes and processes there are, and which node this is.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        nodes = range(order.nodes) if order.rendezvous is None else [order.node_rank]
        self._nodes = list(nodes)
        self._ranks = [node * order.procs + local for node in self._nodes for local in range(order.procs)]
        self._pids: Dict[int, int] = {}
        self._reports: Dict[int, Dict[str, Any]] = {}
        self._ended_at: Dict[int, float] = {}
        self._failed: List[int] = []
        self._launchers: Dict[int, int] = {}
        self._launcher_output: Dict[int, bytes] = {}
        self._launcher_status = 0
        self._partial_event = b""
        self._asked_to_end = False
        self._kill_at: Optional[float] = None
        self._others_at: Optional[float] = None
        self._first_node: Optional[FirstNode] = None
        self._look_at = 0.0
        self._merger = Merger(order.nonce)

    def start(self) -> List[int]:  # noqa: D102 - as Work's
        if importlib.util.find_spec("torch") is None:
            raise CannotStart(
                f"A job of {self._order.ranks} ranks needs torchrun, but {sys.executable} has no torch: "
                "install it there, or leave out --nodes and --procs."
            )
        self._directory = tempfile.mkdtemp(prefix="ranks-", dir=self._order.scratch)
        self._order.write(os.path.join(self._directory, "order.json"))
        self._outputs = {_fifo(rank.output_path(self._directory, r)): r for r in self._ranks}
        self._events = _fifo(rank.events_path(self._directory))
        environment = self._environment()
        port = _free_port() if self._order.rendezvous is None and self._order.nodes > 1 else 0
        for node in self._nodes:
            reading, writing = os.pipe()
            os.set_blocking(reading, False)
            self._launcher_output[reading] = b""
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                _launch(self._order, self._command(node, port), environment, self._directory, writing, parent)
            os.close(writing)
            self._launchers[pid] = node
        return list(self._launchers)

    def watched(self) -> List[Watchable]:  # noqa: D102 - as Work's
        watchables = [Watchable(fd, partial(self._read_output, fd, r)) for fd, r in self._outputs.items()]
        watchables += [
            Watchable(fd, partial(self._read_launcher, fd)) for fd in self._launcher_output if fd >= 0
        ]
        if self._first_node is not None:
            watchables.append(Watchable(self._first_node.descriptor, self._first_has_gone))
        return [*watchables, Watchable(self._events, self._read_events)]

    def tick(self, now: float) -> Optional[float]:  # noqa: D102 - as Work's
        if now >= self._look_at:
            self._look_at = now + _LOOK
            self._look_for_dead(now)
        if self._others_at is not None and now >= self._others_at:
            self._others_at = None
            self._end_others()
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = now + 1.0
            below = processes.descendants(os.getpid())
            processes.kill((p.pid for p in below if p.pid not in self._launchers), signal.SIGKILL)
        due = [
            t
            for t in (self._look_at, self._merger.flush(now), self._kill_at, self._others_at)
            if t is not None
        ]
        return min(due)

    def ask(self, number: int) -> None:  # noqa: D102 - as Work's
        self._asked_to_end = True
        self._read_events()
        if not self._pids:
            # Nothing of the user's has begun. torchrun may be loading torch, or waiting for other nodes, and
            # there it heeds no signal.
            processes.kill(self._launchers, signal.SIGKILL)
        elif 0 in self._pids and 0 not in self._ended_at:
            # Only the first: it comes to its checkpoint hook because the others still answer it. When
            # it is gone, torchrun ends them.
            processes.kill([self._pids[0]], number)
        elif 0 in self._ranks:
            self._end_others()
        else:
            # The first rank, on another node, is asked there; this node's follow when it is gone.
            self._kill_at = time.monotonic() + max(self._order.grace * 0.8, self._order.grace - 5.0)
            self._first_node = FirstNode(self._order.rendezvous)

    def _first_has_gone(self) -> None:
        first, self._first_node = self._first_node, None
        if first is not None:
            first.close()
            self._kill_at = None
            self._end_others()

    def ended(self, pid: int, status: int) -> None:  # noqa: D102 - as Work's
        del self._launchers[pid]
        self._launcher_status = self._launcher_status or status
        if status != 0 and self._launchers:
            self._end_others()

    def outcome(self) -> Outcome:  # noqa: D102 - as Work's
        self._drain()
        try:
            return self._outcome()
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)

    def _outcome(self) -> Outcome:
        if self._asked_to_end:
            first = self._reports.get(0) or next(iter(self._reports.values()), None)
            if first is None or not first.get("terminated"):
                first = next((r for r in self._reports.values() if r.get("terminated")), first)
            return Outcome(first, signal.SIGKILL)
        number, status = self._root_cause()
        silent = number is not None and number not in self._reports and -status not in (0, signal.SIGTERM)
        if silent and (not self._failed or -status != signal.SIGABRT):
            # SIGABRT is what a communication library does to the ranks that are left.
            return Outcome(None, _wait_status(status), number)
        if self._failed:
            # One that lost another rank may say so before that other one has said why it failed.
            failed = next((r for r in self._failed if not self._lost_peer(r)), self._failed[0])
            self._merge(failed)
            return Outcome(self._reports[failed], 0, failed)
        if all(r in self._reports for r in self._ranks):
            return Outcome(self._reports[self._ranks[0]], 0, None)
        output = b"".join(self._launcher_output.values()).decode(errors="replace").strip()
        sys.stderr.write(f"{output}\n" if output else "")
        if os.WIFSIGNALED(self._launcher_status):
            return Outcome(None, self._launcher_status)
        unsaid = f"it ended with status {os.WEXITSTATUS(self._launcher_status)} and printed nothing"
        last = output.splitlines()[-1] if output else unsaid
        return Outcome(
            {
                "reason": "runner",
                "message": f"torchrun could not run the ranks: {last[:300]}",
                "exit_code": 70,
            },
            0,
        )

    def _merge(self, failed: int) -> None:
        path = rank.results_path(self._directory, failed)
        if failed and os.path.exists(path):
            from sovlab.runner.values.pack import merge

            try:
                merge(path, self._order.results)
            except OSError:
                return  # the disk is full: the exit record has the traceback

    def _environment(self) -> Dict[str, str]:
        environment = interpreter.environment(os.environ)
        environment[rank.DIRECTORY] = self._directory
        environment.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // len(self._ranks), 1)))
        if self._order.rendezvous is None:
            # All on this machine, and nothing of it is to be seen from outside.
            loopback = "lo0" if sys.platform == "darwin" else "lo"
            environment.setdefault("GLOO_SOCKET_IFNAME", loopback)
        return environment

    def _command(self, node: int, port: int) -> List[str]:
        order = self._order
        if order.rendezvous is not None:
            host, _, outside = order.rendezvous.rpartition(":")
            rendezvous = ["--rdzv-backend=static", f"--master-addr={host}", f"--master-port={outside}"]
        elif order.nodes > 1:
            rendezvous = ["--rdzv-backend=static", "--master-addr=127.0.0.1", f"--master-port={port}"]
        else:
            rendezvous = ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1"]
        return [
            *(sys.executable, "-m", "torch.distributed.run"),
            *(f"--nnodes={order.nodes}", f"--node-rank={node}", f"--nproc-per-node={order.procs}"),
            *(*rendezvous, f"--rdzv-id={order.job_id}", "--max-restarts=0", "--monitor-interval=0.1"),
            *(*interpreter.program("--module"), "rank", os.path.join(self._directory, "order.json")),
        ]

    def _read_output(self, descriptor: int, number: int) -> bool:
        data = _read(descriptor)
        if data:
            self._merger.feed(number, data, time.monotonic())
        return bool(data)

    def _read_launcher(self, descriptor: int) -> bool:
        data = _read(descriptor)
        if data is None:
            return False
        if not data:
            self._launcher_output[-1 - descriptor] = self._launcher_output.pop(descriptor)
            os.close(descriptor)
            return False
        self._launcher_output[descriptor] = (self._launcher_output[descriptor] + data)[-_LAUNCHER_OUTPUT:]
        return True

    def _read_events(self) -> bool:
        data = _read(self._events)
        if not data:
            return False
        *lines, self._partial_event = (self._partial_event + data).split(b"\n")
        for line in lines:
            self._take(json.loads(line))
        return True

    def _take(self, event: Dict[str, Any]) -> None:
        number = int(event["rank"])
        if event["state"] == "started":
            self._pids[number] = int(event["pid"])
        elif event["state"] == "saving" and self._kill_at is not None:
            self._kill_at = max(self._kill_at, time.monotonic() + self._order.grace)
        elif event["state"] == "ended":
            self._reports[number] = self._full_report(number, event["report"])
            self._ended_at[number] = time.monotonic()
            report = self._reports[number]
            if report["reason"] != "succeeded" and not report.get("terminated"):
                self._failed.append(number)
                if self._lost_peer(number) and self._others_at is None:
                    self._others_at = time.monotonic() + _ITS_CAUSE
                elif not self._lost_peer(number):
                    self._end_others()

    def _lost_peer(self, number: int) -> bool:
        report = self._reports[number]
        return lost_peer(report.get("error"), str(report.get("message") or ""))

    def _full_report(self, number: int, brief: Dict[str, Any]) -> Dict[str, Any]:
        try:
            with open(rank.report_path(self._directory, number)) as file:
                report: Dict[str, Any] = json.load(file)
                return report
        except (OSError, ValueError):
            return brief

    def _end_others(self) -> None:
        """After a failure: SIGTERM to those that still run, and an end to waiting for them."""
        processes.kill((pid for r, pid in self._pids.items() if r not in self._ended_at), signal.SIGTERM)
        if self._kill_at is None:
            self._kill_at = time.monotonic() + min(_AFTER_FAILURE, self._order.grace)

    def _look_for_dead(self, now: float) -> None:
        for number, pid in self._pids.items():
            process = processes.process(pid) if number not in self._ended_at else None
            if number not in self._ended_at and (process is None or process.zombie):
                self._read_events()
                if number not in self._ended_at:
                    self._ended_at[number] = now
                    self._end_others()

    def _root_cause(self) -> Any:
        for output in self._launcher_output.values():
            match = _ROOT_CAUSE.search(output)
            if match is not None:
                return int(match[1]), int(match[2])
        return None, 0

    def _drain(self) -> None:
        """Read to the end of what there is: whoever else holds a pipe open is not waited for."""
        for descriptor, number in self._outputs.items():
            while self._read_output(descriptor, number):
                continue
        while self._read_events():
            continue
        for descriptor in [fd for fd in self._launcher_output if fd >= 0]:
            while self._read_launcher(descriptor):
                continue
        self._merger.flush(float("inf"))


def _read(descriptor: int) -> Optional[bytes]:
    """What can be read now; empty at the end of the file, None if there is nothing."""
    try:
        return os.read(descriptor, _READ)
    except BlockingIOError:
        return None


def _fifo(path: str) -> int:
    os.mkfifo(path, 0o600)
    # For writing too, so that the pipe has no end while no rank has it open.
    return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)


def _wait_status(code: int) -> int:
    """An exit code, negative for a signal, as `os.wait` gives it."""
    return -code if code < 0 else code << 8


def _launch(
    order: Order, command: List[str], environment: Dict[str, str], directory: str, output: int, parent: int
) -> NoReturn:
    """In the forked child: become torchrun."""
    try:
        child.become(order, parent)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        # Not where the user's files are: a random.py there would be imported by torchrun.
        os.chdir(directory)
        os.execve(command[0], command, environment)  # noqa: S606 - no shell
    finally:
        os._exit(70)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
