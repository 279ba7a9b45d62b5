"""Agents that a kernel with an older sovlab starts: what it tells them, told to ours."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
from pathlib import Path

import psutil

from sovlab.executors.local import LocalExecutor
from sovlab.payload.results import Results
from tests.kube.conftest import fake_cluster
from tests.kube.proxy import until

from .conftest import DATA, THERE, WHOLE, Left, Older

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
        told = json.loads(json.dumps(AGENTS["kubernetes"]).replace(THERE, str(older.root)))
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
