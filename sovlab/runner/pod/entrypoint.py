"""A job in a pod: the container's first process, above the supervisor.

It gets the payload, passes on what the job prints (`LogWriter`), and when the job has ended it leaves the
exit record in the termination message and the results where the client finds them: in that message, in
the target's store, or in this pod until somebody has fetched them.

The client talks to it by commands in the same container (`sovlab.runner.pod.commands`), which leave files in
the work directory and then send SIGUSR1.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import Any, Dict, List, Optional

from sovlab.runner.pod import processes
from sovlab.runner.pod.log_writer import LogWriter
from sovlab.runner.protocol import layout, termination
from sovlab.runner.protocol.order import Order, OrderError

_LOOK = 1.0
"""Seconds between two looks for files, in case a signal was lost."""
_LINGER = 10.0
"""Seconds for which a node that failed for want of another gives that one to end first."""
_PATIENT = 24 * 3600.0
_GATHER = 0.002
"""Seconds for which what is printed in quick succession is gathered: line by line it costs this process, the
container runtime and the cluster many times as much."""
_ENDING = (signal.SIGTERM, signal.SIGINT)
_SIGNALS = (*_ENDING, signal.SIGCHLD, signal.SIGUSR1)


class Pod:
    """One container of a job.

    Args:
        inputs: directory with the order and, if it is small, the payload; it may be read-only.
        work: directory of this pod alone.
        message: path of the termination message.
        store: where the target's store is mounted; None if it has no volume.
    """

    def __init__(self, inputs: str, work: str, message: str, store: Optional[str]) -> None:
        self._work = work
        self._termination_path = message
        self._store = store
        self._terminating = 0.0
        self._quiet_since = 0.0
        # First: a container's first process hears no signal that it does not handle, and the files to begin
        # with may be large. The pipe before the handlers, lest one is taken and forgotten.
        self._waking, woken = os.pipe()
        for end in (self._waking, woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        self._restarts = bool(os.environ.pop("SOVLAB_RESTARTS", None))
        self._order = order = Order.read(os.path.join(inputs, "order.json"))
        order.node_rank = int(os.environ.get("JOB_COMPLETION_INDEX") or 0)
        order.rendezvous = os.environ.pop("SOVLAB_RENDEZVOUS", None) or order.rendezvous
        order.exit = self._at("exit.json")
        order.results = self._at(layout.RESULTS)
        order.cancel = self._at(layout.CANCEL)
        order.checkpoint = self._checkpoint()
        order.payload = os.path.join(inputs, layout.PAYLOAD)
        if not os.path.exists(order.payload):
            order.payload = self._at(layout.PAYLOAD)
        directory = os.getcwd()
        order.workdir = directory if os.access(directory, os.W_OK) else work
        _complete_environment(work)
        # What users write is in one stream: a runtime that reads two mixes them as it likes.
        os.dup2(1, 2)
        self._log = LogWriter(1, order.nonce)
        # The directory is that of the pod: where containers are started anew, an earlier one has been here.
        self._restarted = os.path.exists(self._at(layout.PID))
        with open(self._at(layout.PID), "w") as file:
            file.write(str(os.getpid()))

    def run(self) -> int:
        """From the payload to the termination message; the status to exit with."""
        from sovlab.runner.process.verdict import exit_status

        record = self._record_of_previous() or self._await_payload() or self._supervise()
        self._publish(record)
        return 0 if self._restarts or self._is_cancelled_with_others() else exit_status(record)

    def _is_cancelled_with_others(self) -> bool:
        """Whether a cancel ends this node among others.

        For a node that fails the cluster deletes those that have not ended yet, and what they printed with
        them. That the job was cancelled is said by its record, and by its annotation in the cluster.
        """
        return self._order.nodes > 1 and self._order.cancelled

    def _record_of_previous(self) -> Optional[Dict[str, Any]]:
        """How an earlier container of this pod ended: what it ran does not run twice."""
        if not self._restarted:
            return None
        if os.path.exists(self._order.exit):
            return self._record()
        return _record("killed", "Its container was killed from outside. Submit it again.")

    # --- before it runs

    def _checkpoint(self) -> str:
        """The directory for checkpoints; in a store it begins with those of the job to resume."""
        order, store = self._order, self._store
        if store is None:
            return self._at("checkpoint")
        own, earlier = (
            layout.checkpoint_in_store(store, name) for name in (order.job_id, order.resume or "-")
        )
        if order.node_rank == 0 and not os.path.exists(own) and os.path.isdir(earlier):
            import shutil

            fresh = f"{own}.tmp"
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.copytree(earlier, fresh)
            os.rename(fresh, own)
        return own

    def _await_payload(self) -> Optional[Dict[str, Any]]:
        """Wait until the payload is there; a record if the job must end without it."""
        order = self._order
        self._fetch_payload()
        if os.path.exists(order.payload):
            return None
        self._log.say({"t": "waiting", "for": "payload"})
        self._log.mark()
        end = time.monotonic() + (order.arrival or _PATIENT)
        while not os.path.exists(order.payload):
            self._sleep(_LOOK)
            if self._terminating:
                why = "cancelled" if order.cancelled else "killed"
                return _record(why, "It was asked to end before its payload had arrived.")
            if time.monotonic() > end:
                return _record(
                    "payload",
                    "Its payload did not arrive in time: the client that sends it is gone. Submit it again.",
                )
        stored = self._stored_payload()
        if stored is not None:
            try:
                layout.copy(order.payload, stored)
            except OSError as error:  # then it is sent again the next time
                self._log.feed(f"The payload could not be written to the store: {error}\n".encode())
        return None

    def _fetch_payload(self) -> None:
        order = self._order
        stored = self._stored_payload()
        if stored is not None and os.path.exists(stored):
            order.payload = stored
            try:
                os.utime(stored)  # it is in use
            except OSError:
                pass  # it was put there by somebody else
        elif order.payload_url and not os.path.exists(order.payload):
            from sovlab.runner.pod.presigned import download

            download(order.payload_url, order.payload)

    def _stored_payload(self) -> Optional[str]:
        if self._store is None or not self._order.digest:
            return None
        return layout.payload_in_store(self._store, self._order.digest)

    # --- while it runs

    def _supervise(self) -> Dict[str, Any]:
        reading, writing = os.pipe()
        # The supervisor lets them come when it can heed them: until then a SIGTERM would just end it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        pid = os.fork()
        if pid == 0:
            processes.become_supervisor(self._order, reading, writing, _SIGNALS)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
        os.close(writing)
        os.set_blocking(reading, False)
        forwarded = False
        while True:
            ended = self._turn(reading)
            if self._terminating and not forwarded:
                forwarded = True
                processes.send(pid, signal.SIGTERM)
            if ended or (processes.reap(pid) and not self._pending(reading)):
                break
        self._drain(reading)
        return self._record()

    def _turn(self, reading: int) -> bool:
        """Sleep until there is something to pass on or a signal came; True at the end of the output."""
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        poll.register(self._waking, select.POLLIN)
        due = self._log.flush(time.monotonic())
        pause = 1000.0 if due is None else max(due - time.monotonic(), 0) * 1000 + 1
        ended = False
        for descriptor, _ in poll.poll(pause):
            if descriptor == self._waking:
                self._signalled()
            else:
                if time.monotonic() - self._quiet_since < _GATHER:
                    time.sleep(_GATHER)
                data = processes.read(reading)
                if data:
                    self._log.feed(data)
                self._quiet_since = 0.0 if len(data or b"") == processes.MOST else time.monotonic()
                ended = data == b""
        return ended

    def _pending(self, reading: int) -> bool:
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        return bool(poll.poll(0))

    def _drain(self, reading: int) -> None:
        while True:
            data = processes.read(reading)
            if not data:
                return
            self._log.feed(data)

    def _signalled(self) -> None:
        for number in os.read(self._waking, 4096):
            if number in _ENDING and not self._terminating:
                self._terminating = time.monotonic()

    def _sleep(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._waking, select.POLLIN)
        if poll.poll(seconds * 1000):
            self._signalled()
        processes.reap(-1)

    # --- at its end

    def _record(self) -> Dict[str, Any]:
        import json

        try:
            with open(self._order.exit, "rb") as file:
                record: Dict[str, Any] = json.load(file)
                return record
        except (OSError, ValueError):
            return _record(
                "lost", "Its supervisor was killed, perhaps because its container ran out of memory."
            )

    def _publish(self, record: Dict[str, Any]) -> None:
        """Put record and results where the client finds them."""
        path = self._order.results
        results = None
        self._look_for_files(record)
        first = self._order.node_rank == 0 or record["reason"] != "succeeded"
        if first and os.path.exists(path):
            with open(path, "rb") as file:
                results = file.read(16 * termination.LIMIT + 1)
        text, inside = termination.encode(record, results)
        if results is not None and not inside and not (self._in_store and self._follows(record)):
            # It may be killed while it holds them.
            self._tell(termination.encode({**record, "kept": "interrupted"})[0])
            record["kept"] = self._save_results(path, follows=self._follows(record))
            text, _ = termination.encode(record)
        self._tell(text)
        self._log.end()
        if record.get("kept") != "taken" and self._follows(record):
            self._linger()

    def _linger(self) -> None:
        """Let the node end first that failed by itself.

        The first to end has the cluster delete those that have not, with what they have to say of it; then
        SIGTERM comes.
        """
        end = time.monotonic() + _LINGER
        while not self._terminating and (left := end - time.monotonic()) > 0:
            self._sleep(left)

    def _tell(self, text: bytes) -> None:
        try:
            with open(self._termination_path, "wb") as file:
                file.write(text)
        except OSError as error:
            self._log.feed(f"The termination message could not be written: {error}\n".encode())

    def _look_for_files(self, record: Dict[str, Any]) -> None:
        """See to what the code wrote: that it comes back if it was ended before it could, and is said."""
        from sovlab.runner.execution import files

        order = self._order
        directory = os.path.join(order.scratch, "files")
        if order.node_rank == 0 and not os.path.exists(order.results) and files.written(directory):
            try:
                found = files.write_pack(order.results, directory)
            except OSError as error:
                self._log.feed(f"What was written beside the code is lost: {error}\n".encode())
            else:
                self._log.feed(f"{files.sentence(found)}\n".encode())
                record["files"] = files.names(found)
        elif order.node_rank and files.written(directory):
            self._log.feed(
                f"What node {order.node_rank} wrote beside the code does not come back.\n".encode()
            )
        if self._store is not None and os.path.isdir(order.checkpoint) and order.node_rank == 0:
            saved = [f"checkpoint/{name}"[:200] for name in sorted(os.listdir(order.checkpoint))[:10]]
            record["files"] = [*(record.get("files") or ()), *saved]

    @property
    def _in_store(self) -> bool:
        """Whether results go into a store, where there is one place for those of all nodes."""
        return self._store is not None or bool(self._order.results_url)

    def _follows(self, record: Dict[str, Any]) -> bool:
        """Whether another node's failure explains this one's."""
        if self._order.nodes == 1 or record["reason"] == "succeeded":
            return False
        from sovlab.runner.protocol.peers import lost_peer

        return lost_peer(record.get("error"), str(record.get("message") or ""))

    def _save_results(self, path: str, *, follows: bool) -> str:
        """Put the results where they outlive this pod, or hold them; the word for it in the record."""
        order = self._order
        try:
            if self._store is not None:
                layout.copy(path, layout.results_in_store(self._store, order.job_id))
                return "store"
            if order.results_url:
                from sovlab.runner.pod.presigned import upload

                upload(order.results_url, path)
                return "store"
        except OSError as error:
            self._log.feed(f"The results could not be written to the store: {error}\n".encode())
        return self._hold(path, follows=follows)

    def _hold(self, path: str, *, follows: bool) -> str:
        until = time.time() + self._order.hold
        size = os.path.getsize(path)
        self._log.say({"t": "held", "size": size, "until": until, "follows": follows})
        self._log.mark()
        taken = self._at(layout.TAKEN)
        while not os.path.exists(taken):
            remaining = until - time.time()
            if remaining <= 0:
                return "expired"
            if self._terminating and time.monotonic() - self._terminating > max(self._order.grace - 2, 0):
                return "interrupted"
            self._sleep(min(remaining, _LOOK))
        return "taken"

    def _at(self, name: str) -> str:
        return os.path.join(self._work, name)


def _complete_environment(work: str) -> None:
    """Give the user's code what an arbitrary UID lacks: a name, a home and directories for caches."""
    home = os.environ.get("HOME") or "/"
    if not os.access(home, os.W_OK) or home == "/":
        os.environ["HOME"] = home = work
    for name in ("USER", "LOGNAME"):
        os.environ.setdefault(name, "job")
    caches = os.path.join(work, "cache")
    for name, folder in (("TRITON_CACHE_DIR", "triton"), ("TORCHINDUCTOR_CACHE_DIR", "inductor")):
        os.environ.setdefault(name, os.path.join(caches, folder))


def _record(reason: str, text: str) -> Dict[str, Any]:
    now = time.time()
    return {
        "version": 1,
        "reason": reason,
        "message": text,
        "exit_code": None,
        "signal": "",
        "started": now,
        "ended": now,
        "python": sys.version.split()[0],
        "host": os.uname().nodename,
    }


def main(arguments: List[str]) -> int:
    """``pod INPUT WORK TERMINATION [STORE]``; the status to exit with."""
    inputs, work, message = arguments[:3]
    try:
        pod = Pod(inputs, work, message, arguments[3] if len(arguments) > 3 else None)
    except OrderError as error:
        sys.stderr.write(f"{error}\n")
        return 70
    return pod.run()
