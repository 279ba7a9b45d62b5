"""The courier: a small process that brings payloads and fetches results when no kernel is there to do it.

A target without a store needs somebody here while a job runs: a payload that is too large for a Secret is
sent once the pod is there, and results are held by the pod until they are fetched. The courier is started
by a submit, one for each target, follows the jobs that were submitted from this machine, and ends with the
last of them. Whoever waits for a job does the same work; a lock sees to it that it is done once.
"""

from __future__ import annotations

import contextlib
import fcntl
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
from sovlab.executors.kubernetes.local_state import LocalState
from sovlab.executors.watching import Watch
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.transport.connection import Login

_IDLE = 3.0
"""Seconds without a job after which it ends."""
_AGAIN = 10.0


class AgentConfiguration(msgspec.Struct, frozen=True):
    """What a transfer agent is started with: all that makes its executor."""

    target: str
    login: Login
    profile: ClusterProfile = msgspec.field(name="place")  # as kernels with an older sovlab say it
    state: str = ""


def ensure_agent(mission: AgentConfiguration, kept: LocalState, job_id: str) -> None:
    """Have a courier attend to a job; it is started if there is none."""
    kept.attend(job_id)
    with _lock(kept) as free:
        pass
    if not free:
        return
    log = kept.root / "courier.log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sovlab.executors.kubernetes",
                msgspec.json.encode(mission, enc_hook=str).decode(),
            ],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)


class TransferAgent:
    """Attends to the jobs of one target.

    Args:
        executor: of the target.
        kept: what this machine keeps of it.
    """

    def __init__(self, executor: Any, kept: LocalState) -> None:
        self._executor = executor
        self._kept = kept
        self._busy: dict[str, threading.Thread] = {}

    def serve(self) -> None:
        """Attend until there is nothing more to do; returns at once if another courier does."""
        while True:
            with _lock(self._kept) as mine:
                if not mine:
                    return
                self._serve()
            if not self._kept.requested():
                return  # nobody asked between the last look and the end of the lock

    def _serve(self) -> None:
        quiet_since = time.monotonic()
        with Watch(self._kept.requests) as watch:
            while time.monotonic() - quiet_since < _IDLE:
                for job_id in self._kept.requested():
                    if job_id not in self._busy:
                        thread = threading.Thread(target=self._attend, args=(job_id,), daemon=True)
                        self._busy[job_id] = thread
                        thread.start()
                self._busy = {job_id: t for job_id, t in self._busy.items() if t.is_alive()}
                if self._busy:
                    quiet_since = time.monotonic()
                watch.wait(1.0)

    def _attend(self, job_id: str) -> None:
        while True:
            try:
                for _ in self._executor.events(job_id):
                    pass
                with contextlib.suppress(SovlabError):
                    self._executor.results(job_id)
            except JobNotFound:
                pass
            except SovlabError as error:
                sys.stderr.write(f"{job_id}: {error}\n")
                time.sleep(_AGAIN)  # the cluster does not answer now
                continue
            self._kept.withdraw_request(job_id)
            return


@contextlib.contextmanager
def _lock(kept: LocalState) -> Iterator[bool]:
    """Whether no other courier serves; while the context lasts none can."""
    with (kept.root / "courier.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def main(argument: str) -> None:
    """Be the courier of a `AgentConfiguration` in JSON."""
    from sovlab.executors.kubernetes import KubernetesExecutor

    mission = msgspec.convert(_present(msgspec.json.decode(argument)), AgentConfiguration, dec_hook=_path)
    executor = KubernetesExecutor(
        mission.target, mission.login, mission.profile, Path(mission.state), agents=False
    )
    TransferAgent(executor, executor.kept).serve()


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
