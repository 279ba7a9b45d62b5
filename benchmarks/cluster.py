"""The cluster of a run: a real one where one is named, else the fake API server of the tests."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.driving import Driver
from benchmarks.measuring import CaseFailed

if TYPE_CHECKING:
    from benchmarks.surroundings import Surroundings

_TESTS = Path(__file__).parents[1]
_LABELS = {"pod-security.kubernetes.io/enforce": "restricted"}
_AT_ONCE = 500
"""Objects that are told to a driver at a time."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A real cluster.

    Attributes:
        kubeconfig: its file.
        context: of the kubeconfig; None is the current one.
        image: for pods: it has Python, and is on the nodes or can be pulled.
    """

    kubeconfig: Path
    context: str | None = None
    image: str = "localhost/sovlab-cpu:dev"


class Cluster:
    """A cluster to measure on.

    Args:
        surroundings: of the run.
        server: the real one; None starts the fake.

    Attributes:
        name: which it is, for titles: the numbers of one say nothing of another.
        told: the same with its address.
        is_real: whether it is one.
        login: kubeconfig and context.
        image: for pods.
        connecting: seconds that each fresh process of sovlab took until it could ask for something.
    """

    def __init__(self, surroundings: Surroundings, server: Server | None) -> None:
        self._surroundings = surroundings
        self._fake: Driver | None = None
        self.is_real = server is not None
        if server is None:
            environ = {**surroundings.environ, "PYTHONPATH": str(_TESTS)}
            self._fake = Driver(surroundings.python, "fake_apiserver", surroundings.scratch, environ)
            kubeconfig = Path(self._fake.call("kubeconfig")["path"])
            server = Server(kubeconfig=kubeconfig, image="registry.site/sovlab-cpu:1")
        path = server.kubeconfig.absolute()
        context = server.context or yaml.safe_load(path.read_text())["current-context"]
        self.login = {"kubeconfig": str(path), "context": str(context)}
        self.image = server.image
        self.connecting: list[float] = []
        self._bare = Driver(surroundings.python, "kube_bare", surroundings.scratch, surroundings.environ)
        told = self._bare.call("connect", **self.login)
        self.name = f"Kubernetes {told['version']}" if self.is_real else "the fake API server"
        self.told = f"the server is {self.name}{'' if self.is_real else ' of the tests'} at {told['server']}"

    def close(self) -> None:
        """End what was started for it."""
        self._bare.close()
        if self._fake is not None:
            self._fake.close()

    @property
    def kubectl(self) -> list[str] | None:
        """How kubectl is called with this cluster; None if there is none."""
        found = shutil.which("kubectl")
        return [found, *(f"--{key}={value}" for key, value in self.login.items())] if found else None

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """One call of the API; its answer."""
        return self._bare.call("send", method=method, path=path, body=body)["answer"]

    def patch(self, path: str, change: Any) -> float:
        """Change an object; when that was sent, in seconds since the epoch."""
        told = self._bare.call(
            "send", method="PATCH", path=path, body=change, content="application/merge-patch+json"
        )
        return float(told["sent"]) / 1e9

    @contextlib.contextmanager
    def namespace(self) -> Iterator[str]:
        """A namespace of its own, deleted in the end."""
        name = f"sovlab-bench-{secrets.token_hex(4)}"
        self.send("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": _LABELS}})
        try:
            yield name
        finally:
            self.send("DELETE", f"/api/v1/namespaces/{name}")

    @contextlib.contextmanager
    def sovlab(self, namespace: str, *, state: Path | None = None, **target: Any) -> Iterator[Driver]:
        """A process that uses sovlab with a target in a namespace.

        Args:
            namespace: where jobs go.
            state: another state directory than that of the run.
            target: what it says besides.
        """
        told = {"namespace": namespace, "image": self.image, "cpu": 0.05, "memory": 64 << 20, **target}
        with self._surroundings.driver("kube_client", state=state) as driver:
            self.connecting.append(driver.seconds("connect", **self.login, **told))
            yield driver

    @contextlib.contextmanager
    def other(self, name: str, *, peer: bool = False) -> Iterator[Driver]:
        """A process that uses something else: a driver, connected."""
        with self._surroundings.driver(name, peer=peer) as driver:
            with contextlib.suppress(CaseFailed):
                driver.call("connect", **self.login)
            yield driver

    def pod(self, code: str) -> dict[str, Any]:
        """The spec of a pod that runs ``python3 -u -c code``, of the shape that sovlab's have."""
        mounts = {"given": "/sovlab/in", "work": "/sovlab/work", "shm": "/dev/shm"}
        optional = {"secret": {"name": "none", "optional": True}}
        return {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "job",
                    "image": self.image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": ["python3", "-u", "-c", code],
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
                    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
                    "volumeMounts": [{"name": n, "mountPath": path} for n, path in mounts.items()],
                }
            ],
            "volumes": [
                {"name": "given", "projected": {"sources": [optional]}},
                {"name": "work", "emptyDir": {}},
                {"name": "shm", "emptyDir": {"medium": "Memory"}},
            ],
        }

    def fill(self, namespace: str, jobs: Sequence[dict[str, Any]]) -> None:
        """Put finished Jobs there, as quickly as the server allows."""
        path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        for start in range(0, len(jobs), _AT_ONCE):
            objects = jobs[start : start + _AT_ONCE]
            if self._fake is not None:
                self._fake.call("fill", namespace=namespace, objects=objects)
            else:
                self._bare.call("fill", path=path, objects=[_by_the_server(job) for job in objects])


def _by_the_server(job: dict[str, Any]) -> dict[str, Any]:
    """A Job without what the server sets for a new one."""
    meta, spec = job["metadata"], job["spec"]
    uid, template = meta["uid"], spec["template"]
    labels = {k: v for k, v in template["metadata"]["labels"].items() if uid != v and "job-name" not in k}
    return {
        **job,
        "metadata": {k: v for k, v in meta.items() if k != "uid"},
        "spec": {
            **{k: v for k, v in spec.items() if k != "selector"},
            "template": {**template, "metadata": {**template["metadata"], "labels": labels}},
        },
    }
