"""A real cluster, where one is had: ``SOVLAB_TEST_KUBECONFIG``, its ``_CONTEXT`` and ``_IMAGE``.

Each user of it gets a namespace of its own, with the restricted Pod Security level enforced, and deletes
it in the end. The image needs Python, torch, numpy and matplotlib, and is on the nodes or can be pulled.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sovlab.executors.kubernetes import KubernetesExecutor
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.connection import Login

KUBECONFIG = "SOVLAB_TEST_KUBECONFIG"
IMAGE = "SOVLAB_TEST_IMAGE"


class Cluster:
    """A cluster and a namespace in it.

    Args:
        login: who we are there.
        namespace: that was made for this.
        image: for jobs.
    """

    def __init__(self, login: Login, namespace: str, image: str) -> None:
        self.login = login
        self.namespace = namespace
        self.image = image
        self.api = Api(login)
        self.fake: Any = None
        """The `FakeCluster`, if it is none that is real."""

    def profile(self, **changes: Any) -> ClusterProfile:
        return ClusterProfile(**{"namespace": self.namespace, "image": self.image, **changes})

    def executor(self, state: Path, *, kubeconfig: Path | None = None, **changes: Any) -> KubernetesExecutor:
        who = Login(context=self.login.context, kubeconfig=kubeconfig or self.login.kubeconfig)
        return KubernetesExecutor("cluster", who, self.profile(**changes), state, agents=False)

    def path(self, kind: str, name: str = "", group: str = "api/v1") -> str:
        """Of a collection in the namespace, or of one object in it."""
        base = f"/{group}/namespaces/{self.namespace}/{kind}"
        return f"{base}/{name}" if name else base

    def left(self, job_id: str) -> dict[str, int]:
        """How many objects of a job there are, by kind."""
        kinds = {"jobs": "apis/batch/v1", "pods": "api/v1", "secrets": "api/v1", "services": "api/v1"}
        found = {}
        for kind, group in kinds.items():
            items = self.api.get(self.path(kind, group=group), labelSelector=f"sovlab.dev/job={job_id}")
            found[kind] = len(items.get("items") or ())
        return found


def login() -> Login:
    """Who we are on the real cluster; skips the test where there is none."""
    config = os.environ.get(KUBECONFIG)
    if not config:
        pytest.skip(f"no real cluster: {KUBECONFIG} names no kubeconfig")
    path = Path(config)
    context = os.environ.get("SOVLAB_TEST_CONTEXT") or yaml.safe_load(path.read_text())["current-context"]
    return Login(context=context, kubeconfig=path)


@contextlib.contextmanager
def real_cluster() -> Iterator[Cluster]:
    """A namespace on the real cluster, deleted in the end."""
    who = login()
    name = f"sovlab-test-{secrets.token_hex(4)}"
    cluster = Cluster(who, name, os.environ.get(IMAGE, "localhost/sovlab-cpu:dev"))
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    cluster.api.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    try:
        yield cluster
    finally:
        cluster.api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with real_cluster() as found:
        yield found
