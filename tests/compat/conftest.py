"""What an older sovlab left, put where its owner has it now."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sovlab.core.names import new_job_id
from tests.cluster.conftest import Cluster

DATA = Path(__file__).parent / "data-daf2775"
THERE = "/var/tmp/lab"
"""What paths in the data begin with."""
WHOLE = {"answer": 42, "large": random.Random(7).randbytes(20_000)}
"""What jobs return that wait and are large."""
SITE = {
    "python": "python3.11",
    "queue": "batch",
    "priority": "low",
    "workload": "jobset",
    "training_runtime": "TrainingRuntime/own",
    "resources": {"cuda": "nvidia.com/mig-1g.10gb"},
    "runtime_class": {"cuda": "nvidia"},
    "node_selector": {"pool": "gpu"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "service_account": "jobs",
    "pull_secrets": ["registry"],
    "user": 1000,
    "fs_group": 2000,
    "cpu": 2.0,
}
"""What a target said of its cluster besides, as `make_data` has it."""


class Older:
    """A state directory that the older sovlab left.

    Args:
        root: a short path; paths that began with that of the data begin with it here.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = root / "state"
        self.runner = root / "state" / "runner" / "older.pyz"
        self.go = root / "go"
        """The file that jobs which wait wait for."""
        self.started: list[subprocess.Popen[bytes]] = []
        shutil.copytree(DATA / "state", self.state)
        self.runner.parent.mkdir()
        shutil.copyfile(DATA / "runner.pyz", self.runner)
        for job in (self.state / "jobs").iterdir():
            self._rewrite(job)

    def _rewrite(self, job: Path) -> None:
        for name in ("order.json", "spec.json"):
            (job / name).write_text((job / name).read_text().replace(THERE, str(self.root)))
        command = json.loads((job / "command.json").read_bytes())
        here = {"python": sys.executable, "runner": str(self.runner)}
        (job / "command.json").write_text(json.dumps({**command, **here}))

    def again(self, name: str, job_id: str) -> str:
        """A job like one that was in the queue, put into it now; its id."""
        (left,) = (DATA / "state" / "jobs").glob(f"{name}-??????")
        job = self.state / "jobs" / job_id
        shutil.copytree(left, job)
        (job / "order.json").write_text((job / "order.json").read_text().replace(left.name, job_id))
        self._rewrite(job)
        (self.state / "queue" / f"{time.time_ns():020d}.{job_id}").touch(0o600)
        return job_id

    def start(self, name: str) -> subprocess.Popen[bytes]:
        """Start the job in the queue as the older agent does when it has room for it."""
        job = self.job(name)
        command = json.loads((job / "command.json").read_bytes())
        (job / "held.json").write_text('{"devices":[]}')
        with (job / "log").open("ab") as log:
            process = subprocess.Popen(
                [command["python"], command["runner"], "run", str(job / "order.json")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **json.loads((job / "environ.json").read_bytes())},
                start_new_session=True,
            )
        (job / "environ.json").unlink()
        self.started.append(process)
        return process

    def close(self) -> None:
        """End what was started."""
        for process in self.started:
            process.kill()
            process.wait()

    def job(self, name: str) -> Path:
        """The directory of the job of this name."""
        (found,) = (self.state / "jobs").glob(f"{name}-??????")
        return found

    def order(self, name: str) -> dict[str, object]:
        """What the runner of a job was told."""
        return dict(json.loads((self.job(name) / "order.json").read_bytes()))


class Left:
    """A job that the older sovlab submits to a cluster.

    Args:
        cluster: where to.
        name: of the job.
        go: the file that it waits for.
    """

    def __init__(self, cluster: Cluster, name: str, go: Path) -> None:
        (path,) = (DATA / "cluster").glob(f"{name}-??????.json")
        self.id, self.go = new_job_id(name), go
        uid = ""
        for request in json.loads(path.read_text().replace(path.stem, self.id)):
            body = request["body"]
            if request["method"] == "patch":
                cluster.api.patch(request["path"], body)
                continue
            for owner in body["metadata"].get("ownerReferences", ()):
                owner["uid"] = uid
            if "order" in request:
                order = json.dumps(request["order"]).replace(THERE, str(go.parent))
                body["data"]["order.json"] = base64.b64encode(order.encode()).decode()
                body["data"]["runner.pyz"] = base64.b64encode((DATA / "runner.pyz").read_bytes()).decode()
            made = cluster.api.create(request["path"], body)
            uid = uid or made["metadata"]["uid"]


@pytest.fixture
def older() -> Iterator[Older]:
    with tempfile.TemporaryDirectory(prefix="sov-", ignore_cleanup_errors=True) as directory:
        found = Older(Path(directory).resolve())
        yield found
        found.close()
