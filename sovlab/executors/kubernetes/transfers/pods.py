"""Payloads to a job's pods, and results from them, as the runner asks for it in the log."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from sovlab.core.decoding import Frame, PayloadAwaited, ResultsHeld
from sovlab.core.spec import JobSpec
from sovlab.errors import ResultError, UsageError
from sovlab.executors.kubernetes.objects.trimming import Object
from sovlab.executors.kubernetes.transfers.local_state import LocalState
from sovlab.kube import labels
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.reading import status
from sovlab.kube.reading.pods import container_name
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ClusterError, Invalid, NotFound
from sovlab.kube.transport.exec_files import Container
from sovlab.runner.values.pack import merge

_LOOK = 0.5
_OTHERS = 60.0
"""Seconds for which a node that failed for want of another is kept, lest it ends before that one."""
_AT_MOST = 5
"""How often a transfer to or from a pod is begun: what the code in it prints may ask for it without end."""
_TRIES, _AGAIN = 30, 10.0
"""How often, and after how many seconds, something that broke off for good is begun again."""


class PodTransfers:
    """What goes between this machine and the pods of a target.

    Args:
        api: as the user who submits.
        profile: of the target.
        local_state: the target's files on this machine.
    """

    def __init__(self, api: Api, profile: ClusterProfile, local_state: LocalState) -> None:
        self._api = api
        self._profile = profile
        self._local_state = local_state
        self._lock = threading.Lock()
        self._begun: dict[str, threading.Thread] = {}
        self._times: dict[str, int] = {}

    def on_frame(self, job_id: str, pod: Object, frame: Frame) -> None:
        """Start the transfer that a frame from the log of a pod asks for, in a thread."""
        if isinstance(frame, PayloadAwaited):
            work: Callable[[str, Object], None] = self._bring
        elif isinstance(frame, ResultsHeld):
            work = self._fetch_last if frame.follows else self._fetch
        else:
            return
        name = f"sovlab-{type(frame).__name__} {pod['metadata']['name']}"
        with self._lock:
            begun, times = self._begun.get(name), self._times.get(name, 0)
            # However often a job says it: one at a time, and each that ended well is the last but a few.
            if (begun is None or not begun.is_alive()) and times < _AT_MOST:
                self._times[name] = times + 1
                self._begun[name] = threading.Thread(target=work, args=(job_id, pod), name=name, daemon=True)
                self._begun[name].start()

    def results(self, job_id: str, pods: list[Object]) -> Path | None:
        """The results of a job: from the termination message, from the pod that holds them, or from here.

        Raises:
            ResultError: there were results, but they are lost or elsewhere.
        """
        local = self._local_state.results(job_id)
        found = [e for e in map(status.ended, status.newest(pods)) if e is not None]
        last = status.decisive(found)
        mine = self._left_by(job_id, last)
        first = next((e for e in found if e.index == 0 and e is not last), None)
        if last is not None and last.reason != "user_error":
            # Its exception is not asked for: what the first node displayed is all that there is of use.
            mine, first = mine or self._left_by(job_id, first), None
        if mine is not None:
            return self._chosen(job_id, mine, self._left_by(job_id, first))
        fate = last.record.kept if last is not None and last.record is not None else ""
        if fate == "taken":
            if local.exists():
                return local
            raise ResultError(
                f"The results of job {job_id} were fetched by another machine.",
                "Read them there, or run the job again: sovlab.job(…).rerun().",
            )
        if fate in ("expired", "interrupted"):
            raise ResultError(
                f"The results of job {job_id} were not fetched in time, and are gone with its pod.",
                "Run it again, and wait for it; or give the target a store.",
            )
        return local if local.exists() else None

    def _left_by(self, job_id: str, ended: status.Ended | None) -> Path | None:
        """The results of one node, as far as they are here or in its pod's last words."""
        if ended is None:
            return None
        path = self._local_state.results(job_id, _node(ended.pod))
        if ended.results is not None:
            return self._local_state.put_results(job_id, ended.results, _node(ended.pod))
        return path if path.exists() else None

    def _chosen(self, job_id: str, mine: Path, first: Path | None) -> Path:
        """The results of the node that explains the job's end, with what the first node displayed."""
        target = self._local_state.results(job_id)
        if mine == target:
            return target
        with self._local_state.only_one(job_id, "choose"):
            if not target.exists():
                whole = mine.with_name(f".chosen.{os.getpid()}.pack")
                whole.unlink(missing_ok=True)
                if first is None:
                    os.link(mine, whole)
                else:
                    shutil.copyfile(first, whole)
                    merge(str(mine), str(whole))
                whole.replace(target)
        return target

    def is_stored(self, pods: list[Object]) -> bool:
        """Whether the results of a job are in the target's store."""
        last = status.decisive([e for e in map(status.ended, status.newest(pods)) if e is not None])
        return last is not None and last.record is not None and last.record.kept == "store"

    def request(self, job_id: str, spec: JobSpec) -> tuple[JobSpec, Path]:
        """The whole request of a job, from its Secret; see `Executor.request`."""
        import base64
        from dataclasses import replace

        base = f"/api/v1/namespaces/{self._profile.namespace}/secrets/{job_id}"
        try:
            data = self._api.get(base).get("data") or {}
            order = msgspec.json.decode(base64.b64decode(data["order.json"]))
            payload = data.get("payload.pack")
            if payload is None and not self._local_state.payload(job_id).exists():
                payload = self._api.get(f"{base}-payload")["data"]["payload.pack"]
        except (NotFound, LookupError, TypeError, ValueError, msgspec.MsgspecError) as error:
            raise UsageError(
                f"The code of job {job_id} is no longer kept.", "Submit its code again."
            ) from error
        path = self._local_state.payload(job_id)
        if payload is not None:
            path = self._local_state.put_bytes(job_id, base64.b64decode(payload))
        whole = replace(
            spec,
            env=order.get("env") or {},
            args=tuple(order.get("args") or ()),
            labels=order.get("labels") or {},
        )
        return whole, path

    def _bring(self, job_id: str, pod: Object) -> None:
        payload = self._local_state.payload(job_id)
        if payload.exists():  # or another machine submitted it
            self._patiently(job_id, "bring", lambda: self._container(pod).bring(payload))

    def _fetch_last(self, job_id: str, pod: Object) -> None:
        self._fetch(job_id, pod, before_taken=lambda: self._until_others_ended(job_id, pod))

    def _until_others_ended(self, job_id: str, pod: Object) -> None:
        """Wait until the other nodes of a failed job have ended.

        The first to end has the cluster delete those that have not, with what they have to say of it: and the
        one that explains the failure may still hold its results.
        """
        end = time.monotonic() + _OTHERS
        selector, mine = (
            f"{labels.MANAGED_BY}={labels.MANAGER},{labels.JOB}={job_id}",
            pod["metadata"]["name"],
        )
        path = f"/api/v1/namespaces/{self._profile.namespace}/pods"
        while time.monotonic() < end:
            there = status.newest(self._api.get(path, labelSelector=selector).get("items") or [])
            if all(status.ended(other) for other in there if other["metadata"]["name"] != mine):
                return
            time.sleep(_LOOK)

    def _fetch(self, job_id: str, pod: Object, before_taken: Callable[[], None] = lambda: None) -> None:
        def fetch() -> None:
            container = self._container(pod)
            path = self._local_state.results(job_id, _node(pod))
            if not path.exists():
                container.fetch(path)
            before_taken()
            container.say_taken()

        self._patiently(job_id, f"fetch{_node(pod)}", fetch)

    def _patiently(self, job_id: str, what: str, do: Callable[[], None]) -> None:
        """Do what a pod waits for, after whoever does it now, until it is done or the pod is gone."""
        with self._local_state.only_one(job_id, what):
            for _ in range(_TRIES):
                try:
                    do()
                    return
                except (NotFound, Invalid):
                    return  # its pod has ended
                except ClusterError:
                    time.sleep(_AGAIN)

    def _container(self, pod: Object) -> Container:
        name, namespace = pod["metadata"]["name"], self._profile.namespace
        return Container(self._api, namespace, name, self._profile.python, container_name(pod))


def _node(pod: Mapping[str, Any]) -> str:
    """Which of several nodes a pod is, as a name of files has it; empty where there is one."""
    meta = pod["metadata"]
    is_one_of_several = any(labels.INDEX in (meta.get(part) or {}) for part in ("labels", "annotations"))
    return f".{status.index(pod)}" if is_one_of_several else ""
