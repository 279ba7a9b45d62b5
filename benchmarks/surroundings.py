"""Where a run takes place: a scratch directory, a state directory of its own, and the drivers."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.cluster import Cluster, Server
from benchmarks.driving import Driver

_ROOM = 8 << 30
"""Bytes that must be free in memory for files of 1 GiB: an original, copies, payload and results."""


class Surroundings:
    """One run's surroundings. Use it as a context manager: at its end nothing of the run is left.

    Args:
        peers: Python of the peers' environment, None if there is none.
        quick: fewer repeats and smaller data, to see that everything works.
        server: the real cluster to measure on; None is the fake API server of the tests.

    Attributes:
        scratch: a directory of this run on the disk.
        memory: one in a file system in memory; None where there is none with enough room.
    """

    def __init__(self, peers: Path | None, *, quick: bool, server: Server | None = None) -> None:
        self.python = sys.executable
        self.peers = str(peers) if peers is not None else None
        self.quick = quick
        self._server = server
        self._cluster: Cluster | None = None
        self.scratch = Path(tempfile.mkdtemp(prefix="sovlab-bench-"))
        self.memory = _in_memory()
        self.state = self.scratch / "state"
        # The user's own settings, startup files and warnings must not be part of what is measured.
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SOVLAB_", "PYTHON"))},
            "SOVLAB_STATE_DIR": str(self.state),
            "XDG_CONFIG_HOME": str(self.scratch / "config"),
            "IPYTHONDIR": str(self.scratch / "ipython"),
        }

    def __enter__(self) -> Surroundings:
        return self

    def __exit__(self, *_: object) -> None:
        if self._cluster is not None:
            self._cluster.close()
        _end(self.ours())
        for directory in (self.scratch, self.memory):
            if directory is not None:
                shutil.rmtree(directory, ignore_errors=True)

    @property
    def cluster(self) -> Cluster:
        """The cluster of the run, started when it is first asked for."""
        if self._cluster is None:
            self._cluster = Cluster(self, self._server)
        return self._cluster

    def repeats(self, usual: int) -> int:
        return 3 if self.quick else usual

    @contextlib.contextmanager
    def driver(
        self, name: str, *, peer: bool = False, state: Path | None = None, **environ: str
    ) -> Iterator[Driver]:
        """A driver of sovlab, or of a peer, for a while.

        Args:
            name: of the program in ``drivers/``.
            peer: run it in the peers' environment.
            state: another state directory than that of the run.
            environ: variables that it has besides.
        """
        environ = {**self.environ, **({"SOVLAB_STATE_DIR": str(state)} if state else {}), **environ}
        driver = Driver(self.peers if peer else self.python, name, self.scratch, environ)
        try:
            yield driver
        finally:
            driver.close()

    def ours(self, state: Path | None = None) -> list[psutil.Process]:
        """The processes of sovlab in this run, by their state directory: clients, agent, nurseries, jobs."""
        found = []
        places = tuple(str(path) for path in (self.scratch, self.memory) if path is not None)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                directory = process.environ().get("SOVLAB_STATE_DIR", "")
                if directory == str(state) if state else directory.startswith(places):
                    found.append(process)
        return found

    def stop_agent(self, state: Path, *, keep: int | None = None) -> None:
        """End all that runs on a state directory but the client ``keep``, if there is one."""
        _end([process for process in self.ours(state) if process.pid != keep])

    def bare(self, code: str) -> float:
        """Seconds that a bare ``python -c code`` takes, start to end."""
        begun = time.perf_counter()
        subprocess.run([self.python, "-c", code], check=True, cwd=self.scratch, env=self.environ)
        return time.perf_counter() - begun


def _in_memory() -> Path | None:
    shared = Path("/dev/shm")
    if not shared.is_dir() or shutil.disk_usage(shared).free < _ROOM:
        return None
    return Path(tempfile.mkdtemp(prefix="sovlab-bench-", dir=shared))


def _end(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, alive = psutil.wait_procs(processes, timeout=10)
    for process in alive:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(alive, timeout=10)
