"""Why a job waits, as the cluster answers: from its events, and from its queue if it is in one."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sovlab.core.untrusted import clean
from sovlab.kube import labels
from sovlab.kube.reading import explaining, kueue
from sovlab.kube.reading.pods import seconds
from sovlab.kube.reading.queue_words import UNTOLD, Wait
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ClusterError

_AGE = 1.5
"""Seconds for which an answer is kept: followers ask at each change of anything."""

Object = Mapping[str, Any]


class Reasons:
    """Asks why jobs of a namespace wait.

    Args:
        api: as a user who need not be allowed to see events or queues.
        namespace: that of the jobs.
    """

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[float, Wait]] = {}

    def of(self, job: Object, pods: Sequence[Object]) -> Wait:
        """Why a job waits, and behind how many; nothing if no more is known than its objects say."""
        name = str(job["metadata"]["name"])
        with self._lock:
            when, why = self._answers.get(name, (0.0, UNTOLD))
        if when and time.monotonic() - when < _AGE:
            return why
        try:
            why = self._ask(job, pods)
            why = why._replace(text=clean(why.text))
        except (ClusterError, ValueError, TypeError, LookupError, AttributeError):
            why = UNTOLD  # events and queues may be hidden from us, or odd; the state itself is known
        with self._lock:
            if len(self._answers) > 1000:
                self._answers.clear()
            self._answers[name] = (time.monotonic(), why)
        return why

    def _ask(self, job: Object, pods: Sequence[Object]) -> Wait:
        if labels.HELD in (job["metadata"].get("annotations") or {}):
            return UNTOLD
        queue = (job["metadata"].get("labels") or {}).get(labels.QUEUE)
        suspended = bool((job.get("spec") or {}).get("suspend"))
        if suspended and queue:
            since = seconds(job["metadata"].get("creationTimestamp"))
            age = None if since is None else time.time() - since
            return kueue.why_waiting(self._api, self._namespace, job, queue, age)
        return Wait("" if suspended else self._of_pods(job, pods))

    def _of_pods(self, job: Object, pods: Sequence[Object]) -> str:
        if not pods:
            for event in reversed(self._events(str(job["metadata"].get("uid")))):
                if event.get("reason") == "FailedCreate":
                    return explaining.not_created(str(event.get("message") or ""))
            return ""
        pod = pods[0]
        if (pod.get("spec") or {}).get("nodeName"):
            return explaining.node_problem(self._events(str(pod["metadata"].get("uid"))))
        return ""

    def _events(self, uid: str) -> list[dict[str, Any]]:
        path = f"/api/v1/namespaces/{self._namespace}/events"
        events = self._api.get(path, fieldSelector=f"involvedObject.uid={uid}").get("items") or []
        return sorted(events, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))
