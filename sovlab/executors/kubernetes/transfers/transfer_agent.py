"""The transfer agent: a small process that sends payloads and fetches results when no kernel does.

A target without a store needs somebody here while a job runs: a payload that is too large for a Secret is
sent once the pod is there, and results are held by the pod until they are fetched. The agent is started
by a submit, one for each target, follows the jobs that were submitted from this machine, and ends with the
last of them. Whoever waits for a job does the same work; a lock sees to it that it is done once.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from sovlab.errors import JobNotFound, SovlabError
from sovlab.executors.kubernetes.transfers.local_state import LocalState
from sovlab.executors.watching import Watch
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.transport.connection import Login

_IDLE = 3.0
"""Seconds without a job after which it ends."""
_AGAIN, _LONGEST, _GIVEN_UP = 10.0, 300.0, 24 * 3600.0
"""Seconds between tries to serve a job whose cluster does not answer, and until it is left: no pod waits
longer for its payload."""
_LOCK_FILE, _LOG_FILE = "courier.lock", "courier.log"
"""Names of files, which agents of older versions share."""


class AgentConfiguration(msgspec.Struct, frozen=True):
    """What a transfer agent is started with: all that makes its executor."""

    target: str
    login: Login
    profile: ClusterProfile = msgspec.field(name="place")  # as kernels with an older sovlab say it
    state: str = ""


def ensure_agent(configuration: AgentConfiguration, local_state: LocalState, job_id: str) -> None:
    """Have the transfer agent serve a job; it is started if none runs.

    Args:
        configuration: what to start it with.
        local_state: the target's files on this machine.
        job_id: of a job that was submitted from here.
    """
    local_state.request_transfer(job_id)
    with _lock(local_state) as free:
        pass
    if not free:
        return
    log = local_state.root / _LOG_FILE
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sovlab.executors.kubernetes",
                msgspec.json.encode(configuration, enc_hook=str).decode(),
            ],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)


class TransferAgent:
    """Serves the jobs of one target.

    Args:
        executor: the target's `KubernetesExecutor`, without agents of its own.
        local_state: the target's files on this machine.
    """

    def __init__(self, executor: Any, local_state: LocalState) -> None:
        self._executor = executor
        self._local_state = local_state
        self._busy: dict[str, threading.Thread] = {}

    def serve(self) -> None:
        """Serve until there is nothing more to do; returns at once if another agent serves the target."""
        while True:
            with _lock(self._local_state) as acquired:
                if not acquired:
                    return
                self._serve()
            if not self._local_state.requested():
                return  # nobody asked between the last look and the end of the lock

    def _serve(self) -> None:
        quiet_since = time.monotonic()
        with Watch(self._local_state.requests) as watch:
            while time.monotonic() - quiet_since < _IDLE:
                for job_id in self._local_state.requested():
                    if job_id not in self._busy:
                        thread = threading.Thread(target=self._serve_job, args=(job_id,), daemon=True)
                        self._busy[job_id] = thread
                        thread.start()
                self._busy = {job_id: t for job_id, t in self._busy.items() if t.is_alive()}
                if self._busy:
                    quiet_since = time.monotonic()
                watch.wait(1.0)

    def _serve_job(self, job_id: str) -> None:
        pause, failing_since = _AGAIN, time.monotonic()
        while time.monotonic() < failing_since + _GIVEN_UP:
            try:
                for _ in self._executor.events(job_id):
                    pause, failing_since = _AGAIN, math.inf  # a job may be held back, or wait, for days
                with contextlib.suppress(SovlabError):
                    self._executor.results(job_id)
                break
            except JobNotFound:
                break
            except Exception as error:  # the cluster does not answer now; or this job alone cannot be served
                failing_since = min(failing_since, time.monotonic())
                sys.stderr.write(f"{job_id}: {type(error).__name__}: {error}\n")
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST)
        self._local_state.withdraw_request(job_id)


@contextlib.contextmanager
def _lock(local_state: LocalState) -> Iterator[bool]:
    """Whether no other agent serves the target; while the context lasts none can."""
    with (local_state.root / _LOCK_FILE).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def main(argument: str) -> None:
    """Be the transfer agent of an `AgentConfiguration` in JSON."""
    from sovlab.executors.kubernetes import KubernetesExecutor

    configuration = read_configuration(argument)
    executor = KubernetesExecutor(
        configuration.target,
        configuration.login,
        configuration.profile,
        Path(configuration.state),
        agents=False,
    )
    TransferAgent(executor, executor.local_state).serve()


def read_configuration(argument: str) -> AgentConfiguration:
    """What a kernel wrote in JSON, be its sovlab an older one."""
    return msgspec.convert(_present(msgspec.json.decode(argument)), AgentConfiguration, dec_hook=_path)


def _path(kind: type[Any], text: Any) -> Any:
    return kind(text)


def _present(configuration: dict[str, Any]) -> dict[str, Any]:
    """A configuration as kernels with an older sovlab write it, in today's words."""
    profile = dict(configuration.get("place") or {})
    claim, bucket = profile.pop("claim", ""), profile.pop("bucket", "")
    if claim or bucket:
        profile["store"] = f"pvc:{claim}" if claim else bucket
    images = dict(profile.get("images") or {})
    if "" in images:
        profile["image"] = images.pop("")
        profile["images"] = images
    return {**configuration, "place": profile}
