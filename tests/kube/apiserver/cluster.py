"""A whole cluster in this process: the composition root of the fake, and what tests hold."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from .access import kubeconfig
from .access.auth import EVERYTHING, Rule, Users
from .access.certificates import Certificates
from .controllers import jobsets, trainjobs
from .controllers.garbage import GarbageCollector
from .controllers.jobs import Jobs
from .controllers.kueue import Kueue
from .controllers.namespaces import Claims, Namespaces, Quotas
from .controllers.nodes import Evictions, NodeLifecycle
from .controllers.plane import Plane
from .controllers.scheduler import Scheduler
from .faults import Faults
from .front.server import Front
from .handles import Handles, Node
from .kubelet.containers import Site
from .kubelet.environment import Environment
from .kubelet.images import Images
from .kubelet.kubelet import Kubelets
from .kubelet.network import Network
from .kubelet.volumes import Volumes
from .objects.store import Store
from .protocol import kinds as known
from .protocol.calls import Call
from .protocol.kinds import CORE, JOBSETS, KUEUE, NAMESPACES, NODES, SERVICES, STORAGECLASSES, Kinds
from .rules.table import ruleset
from .verbs.events import Recorder
from .verbs.registry import Registry


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


class FakeCluster(Handles):
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
        self.forwarded: dict[str, int] = {}
        """Ports here of what stands behind a Service, by ``NAMESPACE/NAME:PORT``, for the proxy."""
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
        self.plane = Plane(self.store, self._failures)
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
        self.lifecycle = NodeLifecycle(self.registry, self.kubelets, node_grace, toleration_hurry)
        for controller in (
            Scheduler(self.registry, recorder),
            self.kubelets,
            Jobs(self.registry, recorder, job_delay, job_backoff),
            GarbageCollector(self.registry),
            self._furnisher,
            Claims(self.registry),
            Quotas(self.registry),
            self.lifecycle,
        ):
            self.plane.add(controller)
        self.kueue: Kueue | None = None
        if kueue:
            self.kueue = Kueue(self.registry, recorder)
            self.registry.webhooks.append(self.kueue.default)
            self.plane.add(self.kueue)
        if jobset or trainer:
            self.registry.webhooks.append(jobsets.default)
            self.plane.add(jobsets.JobSets(self.registry, recorder))
        if trainer:
            self.registry.webhooks.append(trainjobs.Admission(self.store))
            self.plane.add(trainjobs.TrainJobs(self.registry, recorder))
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
        self.plane.start()
        return self

    def stop(self) -> None:
        """Ends everything: the API, the controllers, and all processes of all pods."""
        self._front.stop()
        self.plane.stop()
        self.kubelets.stop()

    def start_api(self) -> None:
        """The API serves (again), on the same port; the controllers go on."""
        self._front.start(self._port)
        self._site.api = ("127.0.0.1", str(self._front.port))
        self.plane.pause(False)

    def stop_api(self) -> None:
        """The API is gone: connections are cut and refused, controllers rest, processes go on."""
        self.plane.pause(True)
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
