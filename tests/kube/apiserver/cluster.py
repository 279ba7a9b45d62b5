"""A whole cluster in this process: the composition root of the fake, and what tests hold."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from . import kinds as known
from . import kubeconfig
from .auth import EVERYTHING, Rule, Users
from .calls import Call
from .certificates import Certificates
from .controllers import jobsets, trainjobs
from .controllers.garbage import GarbageCollector
from .controllers.jobs import Jobs
from .controllers.kueue import Kueue, suspend
from .controllers.namespaces import Claims, Namespaces, Quotas
from .controllers.nodes import Evictions, NodeLifecycle, new_node
from .controllers.plane import Plane
from .controllers.scheduler import Scheduler
from .events import Recorder
from .faults import Faults
from .front.server import Front
from .kinds import CORE, JOBSETS, KUEUE, NAMESPACES, NODES, PODS, SERVICES, STORAGECLASSES, Kind, Kinds
from .kubelet.containers import Site
from .kubelet.environment import Environment
from .kubelet.images import Images
from .kubelet.kubelet import Kubelets
from .kubelet.network import Network
from .kubelet.volumes import Volumes
from .registry import Registry
from .rules.table import ruleset
from .store import Object, Store
from .values import now


@dataclass
class Node:
    """A node to start with.

    Attributes:
        name: of the node.
        resources: what it has, e.g. `{"cpu": 4, "memory": "8Gi", "nvidia.com/gpu": 2}`.
        labels: beside the host name.
        taints: as in its spec.
    """

    name: str = "node-1"
    resources: Mapping[str, Any] = field(default_factory=lambda: {"cpu": "8", "memory": "16Gi"})
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Object] = ()


@dataclass
class Record:
    """A request that was made.

    Attributes:
        time: when, in seconds since the epoch.
        method: of HTTP.
        path: without the query.
        query: its parameters.
        user: who asked, empty if nobody known.
        status: of the answer; 0 while there is none.
        took: seconds until the answer began.
    """

    time: float
    method: str
    path: str
    query: dict[str, str]
    user: str
    status: int = 0
    took: float = 0.0


class FakeCluster:
    """A Kubernetes cluster on this machine: an API over HTTPS, controllers, nodes that run real processes.

    Use it as a context; leaving it ends every process that it started.

    Args:
        directory: for everything it writes: certificates, tokens, the kubeconfig, volumes.
        nodes: to start with; names, or Nodes; the default is one with 8 CPUs and 16 GiB.
        users: name → rules, beside `admin`, who may do anything.
        namespaces: beside the four that every cluster has.
        namespace: of the contexts in the kubeconfig.
        images: patterns of the images that exist; by default all whose name does not have `missing` in it.
        storage_classes: the first is the default.
        kueue: whether Kueue is installed.
        jobset: whether JobSet is.
        trainer: whether Kubeflow Trainer is, with its runtime torch-distributed, and JobSet.
        port: to listen on; 0 takes a free one.
        history: how many changes of each kind watches can go back.
        bookmark_seconds: between the bookmarks of a watch.
        pod_start_delay: seconds from binding to the first container.
        status_delay: seconds from what happens in a pod to the status that says so.
        job_delay: seconds that the Job controller gathers changes of pods for (real: 1).
        job_backoff: seconds before the first failed pod is replaced (real: 10).
        image_backoff: seconds before the first failed pull is tried again (real: 10).
        restart_backoff: seconds before the second restart of a container (real: 10).
        log_rotate_bytes: size of a log file (real: 10 MiB).
        enforce_memory: whether a container that uses more than its limit is killed.
        node_grace: seconds until a silent node is unreachable (real: 50).
        toleration_hurry: by what the 300 seconds are divided that pods stay on an unreachable node.
    """

    def __init__(
        self,
        directory: Path,
        nodes: Iterable[Node | str] | None = None,
        *,
        users: Mapping[str, Sequence[Rule]] | None = None,
        namespaces: Iterable[str] = (),
        namespace: str = "default",
        images: Iterable[str] | None = None,
        storage_classes: Sequence[str] = ("standard",),
        kueue: bool = False,
        jobset: bool = False,
        trainer: bool = False,
        port: int = 0,
        history: int = 10_000,
        bookmark_seconds: float = 60.0,
        pod_start_delay: float = 0.02,
        status_delay: float = 0.02,
        job_delay: float = 0.02,
        job_backoff: float = 0.2,
        image_backoff: float = 1.0,
        restart_backoff: float = 1.0,
        log_rotate_bytes: int = 10 * 1024 * 1024,
        enforce_memory: bool = True,
        node_grace: float = 0.2,
        toleration_hurry: float = 600.0,
    ) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.namespace = namespace
        self._nodes = [Node()] if nodes is None else [Node(n) if isinstance(n, str) else n for n in nodes]
        self._namespaces = tuple(
            dict.fromkeys(("default", "kube-system", "kube-public", namespace, *namespaces))
        )
        self._storage_classes = storage_classes
        self._port = port
        self.anonymous = True
        self.bookmark_seconds = bookmark_seconds
        chosen = [*CORE, *(KUEUE if kueue else ()), *((JOBSETS,) if jobset or trainer else ())]
        if trainer:
            chosen += [known.TRAINJOBS, known.RUNTIMES, known.NAMESPACED_RUNTIMES]
        self.kinds = Kinds(chosen)
        self.store = Store(history)
        self.registry = Registry(self.store, self.kinds, ruleset())
        self.faults = Faults()
        self.requests: list[Record] = []
        self.images = Images(images)
        self.users = Users(directory / "tokens")
        self._certificates = Certificates(directory / "pki")
        self.users.add("admin", EVERYTHING, ("system:masters",))
        for name, rules in (users or {}).items():
            self.users.add(name, tuple(rules))
        self._front = Front(self, self._certificates.context())
        self._failures: list[str] = []
        self._plane = Plane(self.store, self._failures)
        recorder = Recorder(self.registry)
        network = Network(self.store)
        self.volumes = Volumes(self.store, directory / "claims", self._service_token)
        self._site = Site(
            self.images,
            Environment(self.store),
            network,
            "",
            ("127.0.0.1", "0"),
            log_rotate_bytes,
            image_backoff,
            restart_backoff,
            enforce_memory,
        )
        self.kubelets = Kubelets(
            self.registry,
            recorder,
            self.volumes,
            self._site,
            directory / "pods",
            pod_start_delay,
            status_delay,
        )
        self.evictions = Evictions(self.registry)
        self._furnisher = Namespaces(self.registry, self._certificates.ca.read_text())
        self._lifecycle = NodeLifecycle(self.registry, self.kubelets, node_grace, toleration_hurry)
        for controller in (
            Scheduler(self.registry, recorder),
            self.kubelets,
            Jobs(self.registry, recorder, job_delay, job_backoff),
            GarbageCollector(self.registry),
            self._furnisher,
            Claims(self.registry),
            Quotas(self.registry),
            self._lifecycle,
        ):
            self._plane.add(controller)
        self.kueue: Kueue | None = None
        if kueue:
            self.kueue = Kueue(self.registry, recorder)
            self.registry.webhooks.append(suspend)
            self._plane.add(self.kueue)
        if jobset or trainer:
            self.registry.webhooks.append(jobsets.default)
            self._plane.add(jobsets.JobSets(self.registry, recorder))
        if trainer:
            self.registry.webhooks.append(trainjobs.Admission(self.store))
            self._plane.add(trainjobs.TrainJobs(self.registry, recorder))
        self._lock = threading.Lock()

    def __enter__(self) -> FakeCluster:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> FakeCluster:
        """Starts everything."""
        self._furnish()
        self.start_api()
        self._plane.start()
        return self

    def stop(self) -> None:
        """Ends everything: the API, the controllers, and all processes of all pods."""
        self._front.stop()
        self._plane.stop()
        self.kubelets.stop()

    def start_api(self) -> None:
        """The API serves (again), on the same port; the controllers go on."""
        self._front.start(self._port)
        self._site.api = ("127.0.0.1", str(self._front.port))
        self._plane.pause(False)

    def stop_api(self) -> None:
        """The API is gone: connections are cut and refused, controllers rest, processes go on."""
        self._plane.pause(True)
        self._front.stop()

    @property
    def port(self) -> int:
        """Of the API."""
        return self._front.port

    @property
    def url(self) -> str:
        """Of the API."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path:
        """The certificate authority of the API."""
        return self._certificates.ca

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig whose current context is the admin's, with a context for each other user."""
        return self.kubeconfig_for("admin")

    @property
    def failures(self) -> list[str]:
        """What went wrong in the fake itself, as tracebacks; a test should find none."""
        return self._failures

    def kubeconfig_for(self, user: str, namespace: str | None = None) -> Path:
        """A kubeconfig whose current context is a user's."""
        path = self.directory / f"{user}.conf"
        files = {name: self.users.called(name).token_file for name in self.users.names()}
        return kubeconfig.write(path, self.url, self.ca, files, user, namespace or self.namespace)

    def client_certificate(self, user: str, groups: Sequence[str] = ()) -> tuple[Path, Path]:
        """A certificate and a key by which a user may ask instead of a token."""
        return self._certificates.client(user, tuple(groups))

    def token(self, user: str = "admin") -> str:
        """The token of a user, as its file has it."""
        return self.users.called(user).token_file.read_text()

    def rotate_token(self, user: str) -> str:
        """A new token for a user, in the file that the kubeconfig names; the old one is refused."""
        return self.users.rotate(user)

    def revoke_token(self, user: str) -> None:
        """The token of a user is refused from now on."""
        self.users.revoke(user)

    def failed(self, trace: str) -> None:
        """Notes that the fake itself went wrong."""
        self._failures.append(trace)

    def note(self, method: str, path: str, query: dict[str, str], user: str) -> Record:
        """Adds to the log of requests."""
        record = Record(time.time(), method, path, query, user)
        with self._lock:
            self.requests.append(record)
        return record

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """An object as it is now, with kind and apiVersion; None if there is none."""
        found = self.kinds.called(kind)
        entry = self.store.get(found, (namespace or self.namespace) if found.namespaced else "", name)
        return self._whole(found, entry.copy()) if entry else None

    def list(self, kind: str, namespace: str | None = None) -> list[Object]:
        """The objects of a kind, of all namespaces if none is given."""
        found = self.kinds.called(kind)
        return [self._whole(found, entry.copy()) for entry in self.store.all(found, namespace or "")]

    def create(self, obj: Object, namespace: str | None = None) -> Object:
        """Creates an object as the admin, past HTTP and its faults."""
        kind = self.kinds.of(obj["apiVersion"], obj["kind"])
        assert kind is not None, obj["kind"]
        place = obj["metadata"].get("namespace") or namespace or self.namespace
        entry = self.registry.create(kind, place if kind.namespaced else "", obj, Call())
        return self._whole(kind, entry.copy())

    def update(
        self, kind: str, name: str, edit: Callable[[Object], Any], namespace: str | None = None, sub: str = ""
    ) -> None:
        """Changes an object as the admin, past HTTP and its faults."""
        found = self.kinds.called(kind)
        self.registry.change(
            found, (namespace or self.namespace) if found.namespaced else "", name, Call(), edit, sub
        )

    def delete(self, kind: str, name: str, namespace: str | None = None, **options: Any) -> None:
        """Deletes an object as the admin, past HTTP and its faults; options are those of Call."""
        found = self.kinds.called(kind)
        self.registry.delete(
            found, (namespace or self.namespace) if found.namespaced else "", name, Call(**options)
        )

    def fill(self, kind: str, objects: Iterable[Object]) -> None:
        """Puts many objects into the store as they are; controllers do not act on them until they change."""
        found = self.kinds.called(kind)
        whole = [_complete(obj, self.namespace, found) for obj in objects]
        with self._plane.deaf():
            self.store.fill(found, whole)

    def compact(self) -> None:
        """Forgets the history: every resourceVersion that a client has is too old from now on."""
        self.store.compact()

    def evict(self, pod: str, namespace: str | None = None, grace: int | None = None) -> None:
        """Evicts a pod, as a drain does."""
        self.evictions.post(namespace or self.namespace, pod, Call(grace=grace))

    def drain(self, node: str, grace: int | None = None) -> None:
        """Cordons a node and evicts its pods."""
        self.cordon(node)
        for pod in self.list("pods"):
            if pod["spec"].get("nodeName") == node and pod["status"]["phase"] not in ("Succeeded", "Failed"):
                self.evict(pod["metadata"]["name"], pod["metadata"]["namespace"], grace)

    def cordon(self, node: str, on: bool = True) -> None:
        """Marks a node as unschedulable, or as schedulable again."""

        def edit(obj: Object) -> None:
            obj["spec"]["unschedulable"] = on

        self.update("nodes", node, edit)

    def add_node(self, node: Node) -> None:
        """A further node registers."""
        obj = new_node(node.name, dict(node.resources), dict(node.labels), list(node.taints))
        self.registry.create(NODES, "", obj, Call("system:node:" + node.name, manager="kubelet"))

    def kill_node(self, node: str, *, remove: bool = False) -> None:
        """A node loses its power: its processes are gone, and its kubelet says nothing any more.

        Args:
            node: its name.
            remove: the Node object is deleted too, as a cloud's controller does; else pods stay Terminating.
        """
        self.kubelets.power_off(node)
        self._plane.enqueue(self._lifecycle, ("", node))
        if remove:
            self.delete("nodes", node)

    def revive_node(self, node: str) -> None:
        """The node is back; what ran on it has failed."""
        self.kubelets.power_on(node)
        self._plane.enqueue(self._lifecycle, ("", node))

    def add_queue(
        self,
        name: str,
        quotas: Mapping[str, Any],
        *,
        namespace: str | None = None,
        cluster_queue: str | None = None,
        preempt: bool = False,
        strict: bool = False,
        node_labels: Mapping[str, str] | None = None,
    ) -> None:
        """A LocalQueue with a ClusterQueue behind it, and a flavor of its name.

        Args:
            name: of the LocalQueue.
            quotas: resource → how much all its Jobs may use.
            namespace: of the LocalQueue.
            cluster_queue: its name, by default that of the LocalQueue with `-all`.
            preempt: whether a higher priority class ends what has a lower one.
            strict: whether the first in the queue holds back those behind it.
            node_labels: of the flavor.
        """
        behind = cluster_queue or f"{name}-all"
        version = known.CLUSTERQUEUES.api_version
        resources = [{"name": key, "nominalQuota": str(value)} for key, value in quotas.items()]
        flavors = [{"name": behind, "resources": resources}]
        spec = {
            "namespaceSelector": {},
            "queueingStrategy": "StrictFIFO" if strict else "BestEffortFIFO",
            "preemption": {"withinClusterQueue": "LowerPriority" if preempt else "Never"},
            "resourceGroups": [{"coveredResources": list(quotas), "flavors": flavors}],
        }
        labels = {"nodeLabels": dict(node_labels)} if node_labels else {}
        self.create(
            {"apiVersion": version, "kind": "ResourceFlavor", "metadata": {"name": behind}, "spec": labels}
        )
        self.create(
            {"apiVersion": version, "kind": "ClusterQueue", "metadata": {"name": behind}, "spec": spec}
        )
        local = {"apiVersion": version, "kind": "LocalQueue", "metadata": {"name": name}}
        self.create({**local, "spec": {"clusterQueue": behind}}, namespace)

    def pod_directory(self, pod: str, namespace: str | None = None) -> Path:
        """Where a pod's files are on this machine."""
        found = self.get("pods", pod, namespace)
        assert found is not None
        return self.directory / "pods" / found["metadata"]["uid"]

    def wait(self, check: Callable[[], Any], timeout: float = 30.0) -> Any:
        """Waits until a function returns something true, and returns that."""
        deadline = time.monotonic() + timeout
        while True:
            found = check()
            if found:
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout} s")
            time.sleep(0.01)

    def _whole(self, kind: Kind, obj: Object) -> Object:
        return {"kind": kind.kind, "apiVersion": kind.api_version, **obj}

    def _furnish(self) -> None:
        for name in self._namespaces:
            if self.store.get(NAMESPACES, "", name) is None:
                self.registry.create(NAMESPACES, "", {"metadata": {"name": name}}, Call())
            self._furnisher.furnish(name)
        if self.store.get(SERVICES, "default", "kubernetes") is None:
            ports = [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]
            spec = {"clusterIP": "10.96.0.1", "ports": ports}
            labels = {"component": "apiserver", "provider": "kubernetes"}
            service = {"metadata": {"name": "kubernetes", "labels": labels}, "spec": spec}
            self.registry.create(SERVICES, "default", service, Call())
        for index, name in enumerate(self._storage_classes):
            default = {"storageclass.kubernetes.io/is-default-class": "true"} if index == 0 else {}
            metadata = {"name": name, "annotations": default}
            obj = {"metadata": metadata, "provisioner": "fake.example/directory", "reclaimPolicy": "Delete",
                   "volumeBindingMode": "Immediate"}  # fmt: skip
            self.registry.create(STORAGECLASSES, "", obj, Call())
        if self.kinds.of(known.RUNTIMES.api_version, known.RUNTIMES.kind):
            self.create(trainjobs.TORCH_RUNTIME)
        for node in self._nodes:
            if self.store.get(NODES, "", node.name) is None:
                self.add_node(node)

    def _service_token(self, namespace: str, name: str) -> str:
        user = f"system:serviceaccount:{namespace}:{name}"
        if user not in self.users.names():
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
            self.users.add(user, (), groups)
        return self.token(user)


def _complete(obj: Object, namespace: str, kind: Kind) -> Object:
    """An object for the store, with what every stored object has."""
    metadata = {"uid": str(uuid.uuid4()), "creationTimestamp": now(), **obj["metadata"]}
    if kind.namespaced:
        metadata.setdefault("namespace", namespace)
    return {**obj, "metadata": metadata}


__all__ = ["PODS", "FakeCluster", "Node", "Record"]
