"""Executors to test, and payloads for them."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sovlab.core.names import new_job_id
from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.executors.executor import Executor
from sovlab.executors.local import LocalExecutor
from sovlab.payload.code import Cell


class Harness:
    """An executor and what is needed to submit to it.

    Args:
        executor: under test.
        objects: where payloads are built.
    """

    keeps_checkpoints = False
    """Whether what a job has saved outlives its pod."""

    def __init__(self, executor: Executor, objects: Path) -> None:
        self.executor = executor
        self.objects = objects

    def spec(self, source: str, **changes: Any) -> tuple[JobSpec, Path]:
        outputs = tuple(changes.get("outputs", ()))
        namespace = changes.pop("namespace", {})
        packed = Cell(source, namespace, label="In[1]").pack(self.objects, outputs=outputs)
        spec = JobSpec(
            name="test",
            kind=PayloadKind.CELL,
            payload=packed.digest,
            labels=packed.labels,
            grace=2.0,
            code=packed.code,
        )
        return replace(spec, **changes), packed.path

    def submit(self, source: str, **changes: Any) -> str:
        """Submit a cell and return the job's id."""
        spec, path = self.spec(source, **changes)
        job_id = new_job_id(spec.name)
        self.executor.submit(job_id, spec, path, dict(os.environ))
        return job_id

    def log(self, job_id: str) -> bytes:
        return b"".join(e.data for e in self.executor.events(job_id, follow=False) if hasattr(e, "data"))

    def until_printed(self, job_id: str, *texts: bytes) -> None:
        """Wait until the job has printed all of ``texts``; one that never does fails the test."""
        seen = b""
        late = threading.Timer(150, self.executor.cancel, [job_id])
        late.start()
        try:
            for event in self.executor.events(job_id):
                seen += getattr(event, "data", b"")
                if all(text in seen for text in texts):
                    return
        finally:
            late.cancel()
        raise AssertionError(f"the job ended, or was too late, without printing {texts!r}: {seen!r}")


def local(state: Path, **limits: Any) -> LocalExecutor:
    return LocalExecutor(state, idle=60, **limits)


def local_harness(**limits: Any) -> Iterator[Harness]:
    with tempfile.TemporaryDirectory(prefix="sov-", ignore_cleanup_errors=True) as directory:
        state = Path(directory) / "state"
        executor = local(state, **limits)
        harness = Harness(executor, state / "objects")
        harness.keeps_checkpoints = True
        yield harness
        for record in executor.records():
            executor.cancel(record.id)
        executor.stop_agent()


def _cluster_harness() -> Iterator[Harness]:
    """A namespace of its own on the real cluster that ``SOVLAB_TEST_KUBECONFIG`` names."""
    from tests.cluster.conftest import real_cluster

    with real_cluster() as cluster, tempfile.TemporaryDirectory(prefix="sov-") as directory:
        yield Harness(cluster.executor(Path(directory)), Path(directory) / "objects")


def _fake_harness() -> Iterator[Harness]:
    """A namespace of the fake API server, with a volume as the store."""
    from tests.kube.conftest import fake_cluster

    with fake_cluster() as cluster, tempfile.TemporaryDirectory(prefix="sov-") as directory:
        claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
        meta = {"name": "store"}
        cluster.api.create(
            cluster.path("persistentvolumeclaims"),
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": claim},
        )
        harness = Harness(cluster.executor(Path(directory), store="pvc:store"), Path(directory) / "objects")
        harness.keeps_checkpoints = True
        yield harness
        assert cluster.fake.failures == []


def _target_harness() -> Iterator[Harness]:
    """The target that ``SOVLAB_TEST_TARGET`` names, in the settings file ``SOVLAB_TEST_CONFIG``."""
    from sovlab.executors.registry import configure, executor_of
    from sovlab.settings import load

    with tempfile.TemporaryDirectory(prefix="sov-", ignore_cleanup_errors=True) as directory:
        environ = {
            "SOVLAB_CONFIG_FILE": os.environ["SOVLAB_TEST_CONFIG"],
            "SOVLAB_STATE_DIR": f"{directory}/state",
        }
        settings = load(Path(directory), environ)
        target = settings.target_named(os.environ["SOVLAB_TEST_TARGET"])
        executor = executor_of(configure(target, settings))
        harness = Harness(executor, Path(directory) / "objects")
        harness.keeps_checkpoints = True
        yield harness
        for record in executor.records():
            executor.cancel(record.id)
        if isinstance(executor, LocalExecutor):
            executor.stop_agent()


EXECUTORS: dict[str, Callable[[], Iterator[Harness]]] = {
    "local": local_harness,
    "fake": _fake_harness,
    "cluster": _cluster_harness,
}
"""Every executor that there is; the contract tests run with each."""
if "SOVLAB_TEST_TARGET" in os.environ:
    EXECUTORS["target"] = _target_harness


@pytest.fixture(scope="module", params=sorted(EXECUTORS))
def harness(request: pytest.FixtureRequest) -> Iterator[Harness]:
    yield from EXECUTORS[request.param]()


@pytest.fixture
def fresh() -> Iterator[Harness]:
    """A local harness of its own, for tests that break it."""
    yield from local_harness()
