"""Agents that a kernel with an older sovlab starts: what it tells them, told to ours."""

from __future__ import annotations

import fcntl
import json
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from sovlab.executors.kubernetes.transfers.local_state import LocalState
from sovlab.executors.kubernetes.transfers.transfer_agent import ensure_agent, read_configuration
from sovlab.executors.local import LocalExecutor
from sovlab.kube.objects.profile import ClusterProfile
from sovlab.kube.transport.connection import Login
from sovlab.payload.results import Results
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

from .conftest import DATA, SITE, THERE, WHOLE, Left, Older

AGENTS = json.loads((DATA / "agents.json").read_bytes())


def ask(path: Path, what: str) -> dict[str, int]:
    """What the older sovlab asks of an agent."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(path))
        connection.sendall(json.dumps({"op": what}).encode() + b"\n")
        return dict(json.loads(connection.makefile("rb").readline()))


def test_the_agent_of_this_machine_understands_what_an_older_kernel_starts_it_with(older: Older) -> None:
    told = json.dumps(AGENTS["local"]).replace(THERE, str(older.root))
    reading, writing = os.pipe()
    with (older.state / "agent.log").open("ab") as log:
        subprocess.run(
            [sys.executable, "-m", "sovlab.executors.local", told, str(writing)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[writing],
            cwd=older.state,
            check=True,
        )
    os.close(writing)
    assert select.select([reading], [], [], 60)[0], "it does not say that it can be reached"
    os.close(reading)
    path = older.state / "agent.sock"
    agent = psutil.Process(ask(path, "ping")["pid"])
    assert ask(path, "wake")["pid"] == agent.pid
    executor, job_id = LocalExecutor(older.state), older.job("waits").name
    older.go.touch()
    assert executor.wait(job_id, 60).status.exit_code == 0
    until(lambda: not any((older.state / "queue").iterdir()))
    ask(path, "stop")
    assert psutil.wait_procs([agent], 30)[1] == []
    assert not path.exists()


def test_the_agent_of_a_cluster_understands_what_an_older_kernel_starts_it_with(older: Older) -> None:
    with fake_cluster() as cluster:
        job = Left(cluster, "held", older.go)
        told = json.loads(json.dumps(AGENTS["kubernetes"][0]).replace(THERE, str(older.root)))
        told["login"]["kubeconfig"] = str(cluster.login.kubeconfig)
        kept = Path(told["state"]) / "clusters" / told["target"]
        (kept / "attend").mkdir(parents=True)
        (kept / "attend" / job.id).touch()
        process = subprocess.Popen(
            [sys.executable, "-m", "sovlab.executors.kubernetes", json.dumps(told)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        older.go.touch()
        said = process.communicate(timeout=90)[1]
        assert (process.returncode, said) == (0, b"")
        assert list((kept / "attend").iterdir()) == []
        found = Results(kept / job.id / "results.pack", main={})
        assert found.values() == WHOLE
        assert cluster.fake.failures == []


def test_an_agent_of_a_cluster_understands_all_that_a_target_may_say() -> None:
    plain, stored, full = (read_configuration(json.dumps(told)) for told in AGENTS["kubernetes"])
    image, cuda = "registry.site/sovlab-cpu:1", "registry.site/sovlab-cuda:1"
    assert plain.login == Login(context="admin", kubeconfig=Path(f"{THERE}/kubeconfig"))
    assert (plain.target, plain.state) == ("cluster", f"{THERE}/cluster-state")
    assert plain.profile == ClusterProfile(namespace="research", image=image)
    assert stored.profile == ClusterProfile(namespace="research", image=image, store="pvc:store")
    assert full.profile == ClusterProfile(
        namespace="research", image=image, images={"cuda": cuda}, store="s3://jobs/of/mine", **SITE
    )


def test_an_agent_of_a_cluster_that_an_older_kernel_started_is_left_to_its_work(tmp_path: Path) -> None:
    kept = LocalState(tmp_path)
    with (tmp_path / "courier.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ensure_agent(read_configuration(json.dumps(AGENTS["kubernetes"][0])), kept, "small-aaaaaa")
        assert {path.name for path in tmp_path.iterdir()} == {"courier.lock", "attend"}
    assert [path.name for path in (tmp_path / "attend").iterdir()] == ["small-aaaaaa"]
