"""The store of a target that is a volume: jobs' pods write it, and a small pod reads it for the client."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sovlab.errors import ExecutorError
from sovlab.kube.mounts import STORE
from sovlab.kube.objects import manifests
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.reading import status
from sovlab.kube.transport.api import Api
from sovlab.kube.transport.errors import ClusterError
from sovlab.kube.transport.exec_files import Container

_READER = 600
"""Seconds that a reading pod lives at most."""
_START = 180.0
_AT_ONCE = 100
"""Jobs named in one exec command: all of it is in the URL of a request."""


class Volume:
    """A PersistentVolumeClaim, reached through pods.

    Args:
        api: as a user who may create pods and exec into them.
        profile: of the target; it names the claim.
    """

    def __init__(self, api: Api, profile: ClusterProfile) -> None:
        self._api = api
        self._profile = profile

    def fetch(self, job: dict[str, Any], backend: str, target: Path) -> None:
        """Download the results of a job.

        Args:
            job: its workload, which will own the pod that reads.
            backend: name of the backend whose image the pod gets.
            target: path of the results here.
        """
        job_id = str(job["metadata"]["name"])
        with self._reader(job, backend) as container:
            container.fetch(target, f"{STORE}/results/{job_id}.pack")

    def forget(self, ids: Sequence[str], job: dict[str, Any], backend: str) -> None:
        """Delete results and checkpoints of jobs.

        Args:
            ids: of the jobs.
            job: a workload, which will own the pod that does it.
            backend: name of the backend whose image the pod gets.
        """
        with self._reader(job, backend) as container:
            for start in range(0, len(ids), _AT_ONCE):
                container.run("forget", STORE, *ids[start : start + _AT_ONCE])

    @contextlib.contextmanager
    def _reader(self, job: dict[str, Any], backend: str) -> Iterator[Container]:
        name = f"{job['metadata']['name']}-r{secrets.token_hex(3)}"
        pods = f"/api/v1/namespaces/{self._profile.namespace}/pods"
        pod = manifests.reader(name, job, self._profile, backend, seconds=_READER)
        self._api.create(pods, pod)
        try:
            self._await(f"{pods}/{name}")
            yield Container(self._api, self._profile.namespace, name, self._profile.python)
        finally:
            with contextlib.suppress(ClusterError):
                self._api.delete(f"{pods}/{name}")

    def _await(self, path: str) -> None:
        """Wait until the pod runs: seldom more than two seconds, so that looking is cheaper than a watch."""
        end, pause = time.monotonic() + _START, 0.1
        while True:
            pod = self._api.get(path)
            if status.running_since(pod) is not None:
                return
            problem = status.pod_problem(pod)
            if status.ended(pod) is not None or time.monotonic() > end:
                why = problem or "it ended at once"
                raise ExecutorError(
                    f"A pod to read the store {self._profile.claim} did not start: {why}.",
                    "The results stay in the store; try again.",
                )
            time.sleep(pause)
            pause = min(pause * 1.2, 2.0)
