"""The kubelets of all nodes: they start what is bound to them, and say in the API how it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.kube.apiserver.controllers.plane import Controller
from tests.kube.apiserver.objects.store import Change, Key, Object
from tests.kube.apiserver.protocol.calls import kubelet as calling
from tests.kube.apiserver.protocol.errors import ApiError
from tests.kube.apiserver.protocol.kinds import CLAIMS, PODS, Kind
from tests.kube.apiserver.verbs.events import Recorder
from tests.kube.apiserver.verbs.registry import Registry

from .containers import Site
from .pods import PodSurroundings, PodWorker
from .volumes import Volumes

_RESYNC = 0.2
"""Seconds after which it is seen anew whether a pod that nothing was said of is still to be silent."""


class Kubelets(Controller):
    """Runs pods.

    Args:
        registry: the API.
        recorder: for events.
        volumes: of the cluster.
        site: what the nodes have; the node's name is put in for each.
        root: the directory of all pods.
        start_delay: seconds from binding to the first container.
        status_delay: seconds from what happens to the status that says so.
    """

    def __init__(
        self,
        registry: Registry,
        recorder: Recorder,
        volumes: Volumes,
        site: Site,
        root: Path,
        start_delay: float,
        status_delay: float,
    ) -> None:
        self._registry = registry
        self._recorder = recorder
        self._volumes = volumes
        self._site = site
        self._root = root
        self.start_delay = start_delay
        self.status_delay = status_delay
        self._lock = threading.Lock()
        self._workers: dict[Key, PodWorker] = {}
        self._old: list[PodWorker] = []
        self.dead: set[str] = set()
        self.silent: Callable[[Object], bool] = lambda pod: False
        """Of which pods nothing is said, though they run: news of a real kubelet's come seconds late."""

    def keys(self, kind: Kind, change: Change) -> Iterable[Key]:
        entry = change.new or change.old
        assert entry is not None
        if kind is CLAIMS and change.new is None:
            self._volumes.forget_claim(*entry.key)
        if kind is PODS and (entry.obj["spec"].get("nodeName") or entry.key in self._workers):
            yield entry.key

    def worker(self, pod: Object) -> PodWorker | None:
        """What runs a pod; None if nothing does, or not any more."""
        found = self._workers.get((pod["metadata"]["namespace"], pod["metadata"]["name"]))
        return found if found is not None and found.uid == pod["metadata"]["uid"] else None

    def reconcile(self, key: Key) -> float | None:
        entry = self._registry.store.get(PODS, *key)
        worker = self._workers.get(key)
        if worker is not None and (entry is None or entry.obj["metadata"]["uid"] != worker.uid):
            # Deleted without grace: the processes go all the same.
            worker.stop(2)
            self._sweep(worker)
            del self._workers[key]
            worker = None
        if entry is None or not entry.obj["spec"].get("nodeName"):
            return None
        pod = entry.obj
        node = pod["spec"]["nodeName"]
        if node in self.dead:
            return None
        if worker is None:
            if pod["status"].get("phase") in ("Succeeded", "Failed"):
                return None
            worker = self._begin(pod, node)
            self._report(worker, pod)
            return max(self.start_delay, 0.0) or 0.0
        wait = None
        if ("deletionTimestamp" in pod["metadata"] and not worker.stopping) or "deletionTimestamp" in pod[
            "metadata"
        ]:
            worker.stop(float(pod["metadata"].get("deletionGracePeriodSeconds") or 0))
        wait = worker.sync(pod)
        done = self._report(worker, pod)
        if "deletionTimestamp" in pod["metadata"] and worker.ended:
            self._finish(worker)
        if self.silent(pod):
            return _RESYNC
        return None if done else wait

    def _begin(self, pod: Object, node: str) -> PodWorker:
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        site = Site(**{**vars(self._site), "node": node})
        place = PodSurroundings(
            site, self._volumes, self._registry.store, self._root, self.start_delay, host_address(node)
        )

        def say(word: str, reason: str, message: str, path: str) -> None:
            self._recorder.record(PODS, pod, word, reason, message, "kubelet", path=path, host=node)

        worker = PodWorker(pod, place, say, lambda: self.enqueue(key, self.status_delay))
        with self._lock:
            self._workers[key] = worker
        return worker

    def _report(self, worker: PodWorker, pod: Object) -> bool:
        """Writes the status; whether the pod is over."""
        namespace, name = worker.key
        if self.silent(pod):
            return False

        def edit(obj: Object) -> None:
            obj["status"] = worker.status(obj)

        status = worker.status(pod)
        if status != pod.get("status"):
            call = calling(pod["spec"]["nodeName"])
            entry = self._registry.change(PODS, namespace, name, call, edit, "status")
            return entry.obj["status"]["phase"] in ("Succeeded", "Failed")
        return status["phase"] in ("Succeeded", "Failed")

    def _finish(self, worker: PodWorker) -> None:
        call = calling("")
        call.grace, call.preconditions = 0, {"uid": worker.uid}
        try:
            self._registry.delete(PODS, *worker.key, call)
        except ApiError:
            return

    def _sweep(self, worker: PodWorker) -> None:
        with self._lock:
            self._old.append(worker)
        if worker.ended:
            worker.remove()

    def power_off(self, node: str) -> None:
        """The node is gone: its processes with it, and nobody says so."""
        self.dead.add(node)
        for worker in list(self._workers.values()):
            entry = self._registry.store.get(PODS, *worker.key)
            if entry is not None and entry.obj["spec"].get("nodeName") == node:
                worker.kill()

    def power_on(self, node: str) -> None:
        """The node is back; what ran on it has failed."""
        self.dead.discard(node)
        for key in list(self._workers):
            self.enqueue(key)

    def stop(self) -> None:
        """Ends all processes, and waits for them."""
        with self._lock:
            workers = [*self._workers.values(), *self._old]
        for worker in workers:
            worker.kill()
        for worker in workers:
            worker.join()


def host_address(node: str) -> str:
    """The address of a node, as objects say it."""
    # Documentation addresses: nothing is reached there, and one node has always the same.
    return f"192.0.2.{sum(node.encode()) % 250 + 1}"
