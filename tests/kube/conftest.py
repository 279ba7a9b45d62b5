"""Clusters to test against: the fake API server, and a real one where one is named."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import Cluster, real_cluster
from tests.executors.conftest import Harness


@contextlib.contextmanager
def fake_cluster(**settings: Any) -> Iterator[Cluster]:
    """A namespace on a fake API server of its own."""
    from sovlab.kube.transport.connection import Login
    from tests.kube.apiserver.cluster import FakeCluster

    with (
        tempfile.TemporaryDirectory(prefix="sov-", ignore_cleanup_errors=True) as directory,
        FakeCluster(Path(directory), **settings) as fake,
    ):
        who = Login(context="admin", kubeconfig=fake.kubeconfig)
        found = Cluster(who, "research", "registry.site/sovlab-cpu:1")
        found.fake = fake
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        found.api.create("/api/v1/namespaces", {"metadata": {"name": "research", "labels": labels}})
        yield found


CLUSTERS: dict[str, Callable[[], contextlib.AbstractContextManager[Cluster]]] = {
    "fake": fake_cluster,
    "real": real_cluster,
}


@pytest.fixture(scope="module", params=sorted(CLUSTERS))
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A namespace of its own on each kind of cluster."""
    with CLUSTERS[request.param]() as found:
        yield found


@pytest.fixture
def state() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sov-", ignore_cleanup_errors=True) as directory:
        yield Path(directory)


@pytest.fixture
def harness(cluster: Cluster, state: Path) -> Harness:
    """An executor on a cluster, and what is needed to submit to it."""
    return Harness(cluster.executor(state), state / "objects")
