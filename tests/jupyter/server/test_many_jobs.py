"""Ten thousand jobs on a cluster, and a server of its own: what it answers, and what it takes for that."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import websocket

from benchmarks.rows.kube.kube_list import _clone
from sovlab.client import Cell, Client
from sovlab.options.job import from_keywords
from sovlab.settings import load
from tests.kube.apiserver.access.auth import edit
from tests.kube.apiserver.cluster import FakeCluster

JOBS = 10_000
TOKEN = "of-this-test"
MOST = 85e6
"""Bytes that the jobs may take; a Jupyter server without them has some 100 MB."""


class Server:
    """A Jupyter server in a process of its own, with the extension alone."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.port = taken.getsockname()[1]
        extensions = {"sovlab.jupyter.server": True}
        command = [sys.executable, "-m", "jupyter_server", "--no-browser", f"--port={self.port}"]
        command += ["--ServerApp.port_retries=0", "--allow-root", f"--IdentityProvider.token={TOKEN}"]
        command += [f"--ServerApp.root_dir={folder}", f"--ServerApp.jpserver_extensions={extensions}"]
        scratch = {
            name: str(folder / name)
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        }
        self._log = (folder / "server.log").open("wb")
        self._process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **environ, **scratch}, stdout=self._log, stderr=self._log
        )
        while True:
            assert self._process.poll() is None, (folder / "server.log").read_text()
            with contextlib.suppress(OSError):
                self.get("version")
                return
            time.sleep(0.1)

    def get(self, path: str) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/sovlab/api/{path}", headers={"Authorization": f"token {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def page(self) -> websocket.WebSocket:
        url = f"ws://127.0.0.1:{self.port}/sovlab/api/stream?token={TOKEN}"
        return websocket.create_connection(url, timeout=120)

    @property
    def resident(self) -> int:
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(60)
        self._log.close()


@pytest.fixture
def many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[FakeCluster, list[str], dict[str, str]]]:
    """A cluster with ten thousand jobs that have ended, their ids, and the environment to see them."""
    monkeypatch.setattr("sovlab.executors.kubernetes.executor.ensure_agent", lambda *_: None)
    with FakeCluster(tmp_path / "fake", users={"me": edit("research")}, namespace="research") as fake:
        config = tmp_path / "config.toml"
        lines = ['target = "lab"', "[targets.lab]", 'executor = "kubernetes"', "[targets.lab.kubernetes]"]
        lines += ['context = "me"', 'namespace = "research"', f'kubeconfig = "{fake.kubeconfig}"']
        config.write_text("\n".join([*lines, 'image = "registry.site/sovlab-cpu:1"', "user = 1000", ""]))
        environ = {"SOVLAB_CONFIG_FILE": str(config), "SOVLAB_STATE_DIR": str(tmp_path / "state")}
        client = Client(load(tmp_path, environ))
        job = client.submit(Cell("pass", {}), from_keywords({"name": "model"})).job
        job.wait()
        model: Any = None
        while model is None or "Complete" not in str(model["status"].get("conditions")):
            model = fake.get("jobs", job.id)
            time.sleep(0.05)
        clones = [_clone(model, number) for number in range(1, JOBS)]
        fake.fill("jobs", clones)
        yield fake, [job.id, *(clone["metadata"]["name"] for clone in clones)], environ


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_thousand_jobs_are_paged_watched_and_held_in_little_room(many, tmp_path):
    fake, ids, environ = many
    folder = tmp_path / "root"
    folder.mkdir()
    server = Server(folder, environ)
    bare = server.resident
    page = server.page()
    try:
        assert json.loads(page.recv())["type"] == "hello"
        page.send(json.dumps({"type": "watch", "targets": ["lab"]}))
        told: dict[str, Any] = {}
        while told.get("type") != "snapshot":
            told = json.loads(page.recv())
        assert (told["total"], len(told["jobs"])) == (JOBS, 200)
        assert told["counts"] == {"succeeded": JOBS}
        seen, number = set(), 0
        while True:
            part = server.get(f"jobs?page={number}&size=500")
            assert part["total"] == JOBS
            if not part["jobs"]:
                break
            seen |= {row["id"] for row in part["jobs"]}
            number += 1
        assert seen == set(ids)
        # Others go on meanwhile: the loop is free.
        pages = [threading.Thread(target=server.get, args=("jobs?size=500&sort=name",)) for _ in range(4)]
        for each in pages:
            each.start()
        server.get("version")
        for each in pages:
            each.join()

        def later(obj: Any) -> None:
            obj["metadata"]["annotations"]["sovlab.dev/submitted"] = repr(time.time() + 1e6)

        fake.update("jobs", ids[77], later)
        while ids[77] not in [row["id"] for row in told.get("jobs", ())] or told["type"] != "records":
            told = json.loads(page.recv())
        assert len(told["jobs"]) == 1
        assert server.get("jobs?size=1")["jobs"][0]["id"] == ids[77]
        grown = server.resident - bare
        assert grown < MOST, f"{grown / 1e6:.0f} MB more than the {bare / 1e6:.0f} MB before"
    finally:
        page.close()
        server.close()
