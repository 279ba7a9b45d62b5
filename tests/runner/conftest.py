"""Real jobs: an order and a payload in a directory, and the shipped archive run on them."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

import sovlab
from sovlab.runner.protocol.frames import FrameReader
from sovlab.runner.protocol.order import Order
from sovlab.runner.system import processes
from sovlab.runner.values.pack import Pack, PackWriter
from sovlab.runner.values.pickling import PickleOptions, dump, load

NONCE = "0123456789abcdef"
LABEL = "In[7]"


def add_package(archive: zipfile.ZipFile, root: Path, *patterns: str) -> None:
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            archive.write(path, path.relative_to(root.parent))


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runner as it is shipped: a zip with nothing but itself and cloudpickle."""
    path = tmp_path_factory.mktemp("archive") / "runner.pyz"
    with zipfile.ZipFile(path, "w") as file:
        root = Path(sovlab.__file__).parent
        ours = ("__init__.py", "_version.py", "errors.py", "torch.py", "runner/**/*.py", "sensors/**/*.py")
        add_package(file, root, *ours)
        add_package(file, Path(cloudpickle.__file__).parent, "*.py")
        file.writestr("__main__.py", "import sys\nfrom sovlab.runner.main import main\nsys.exit(main())\n")
    return path


class RunningJob:
    """One job in a directory of its own."""

    def __init__(self, directory: Path, archive: Path, python: str) -> None:
        self.directory = directory
        self.archive = archive
        self.python = python
        self.process: subprocess.Popen[bytes] | None = None
        self.log_path = directory / "log"
        self.job_id = f"digits-{secrets.token_hex(3)}"

    def write(
        self,
        source: str = "",
        *,
        kind: str = "cell",
        variables: Mapping[str, object] | None = None,
        files: Mapping[str, str] | None = None,
        meta: Mapping[str, Any] | None = None,
        options: PickleOptions | None = None,
        **order: Any,
    ) -> None:
        data = textwrap.dedent(source).encode()
        key = hashlib.sha256(data).hexdigest()
        entry = {"cell": {"cell": key}, "call": {"call": True}, "script": {"script": "train.py"}}[kind]
        with open(self.directory / "payload.pack", "wb") as file, PackWriter(file) as writer:
            writer.add("source", data)
            if variables:
                dump(variables, writer, options=options or PickleOptions(strict=True))
            for name, text in (files or {}).items():
                writer.add(f"file/{name}", text.encode())
            writer.finish(
                {
                    "format": "sovlab-payload",
                    "version": 1,
                    "kind": kind,
                    "python": list(sys.version_info[:2]),
                    "entry": entry,
                    "definitions": [],
                    "imports": [],
                    "bytecode": [],
                    "withheld": [],
                    "files": sorted(files or {}),
                    **(meta or {}),
                }
            )
        at = {
            name: str(self.directory / file)
            for name, file in (
                ("payload", "payload.pack"),
                ("results", "results.pack"),
                ("exit", "exit.json"),
                ("run", "run.json"),
                ("cancel", "cancel"),
                ("checkpoint", "checkpoint"),
            )
        }
        workdir = self.directory / "work"
        workdir.mkdir(exist_ok=True)
        told = {
            "job_id": self.job_id,
            "nonce": NONCE,
            "workdir": str(workdir),
            "labels": {key: LABEL},
            **at,
        }
        Order(**{**told, "kind": kind, **order}).write(str(self.directory / "order.json"))

    def start(self, *, environ: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.python, str(self.archive), "run", str(self.directory / "order.json")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONWARNINGS": "default", **(environ or {})},
            )
        return self.process

    def wait(self, timeout: float = 60) -> int:
        assert self.process is not None
        return self.process.wait(timeout)

    def run(
        self, source: str = "", *, environ: Mapping[str, str] | None = None, **options: Any
    ) -> dict[str, Any]:
        self.write(source, **options)
        self.start(environ=environ)
        self.status = self.wait()
        return self.record

    def run_out_of_time(self, source: str, *, after: str = "ready", **options: Any) -> dict[str, Any]:
        """Run it with a ``timeout`` that ends it after it has printed ``after``, on a slow machine too."""
        for timeout in (1.0, 5.0, 25.0):
            self.log_path.unlink(missing_ok=True)
            shutil.rmtree(self.directory / "checkpoint", ignore_errors=True)
            record = self.run(source, timeout=timeout, **options)
            if after in self.log:
                return record
        raise AssertionError(f"{after!r} never came: {self.log!r}")

    def until(self, text: str, timeout: float = 30) -> None:
        """Wait until the log holds ``text``."""
        end = time.monotonic() + timeout
        while text not in self.log:
            assert time.monotonic() < end, f"{text!r} never came: {self.log!r}"
            time.sleep(0.01)

    @property
    def record(self) -> dict[str, Any]:
        return json.loads((self.directory / "exit.json").read_text())

    @property
    def parts(self) -> list[bytes | dict[str, Any]]:
        reader = FrameReader(NONCE)
        data = self.log_path.read_bytes() if self.log_path.exists() else b""
        return [*reader.feed(data), *reader.flush()]

    @property
    def output(self) -> bytes:
        return b"".join(p for p in self.parts if isinstance(p, bytes))

    @property
    def log(self) -> str:
        return self.output.decode(errors="replace")

    def frames(self, kind: str) -> list[dict[str, Any]]:
        return [p for p in self.parts if isinstance(p, dict) and p["t"] == kind]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return Pack(self.directory / "results.pack").meta["outputs"]

    @property
    def values(self) -> dict[str, Any]:
        pack = Pack(self.directory / "results.pack")
        return load(pack, [entry["name"] for entry in pack.meta["names"]], main={})[0]


@pytest.fixture
def job(tmp_path: Path, archive: Path) -> Iterator[RunningJob]:
    made = RunningJob(tmp_path, archive, sys.executable)
    yield made
    if made.process is not None and made.process.poll() is None:
        below = [p.pid for p in processes.descendants(made.process.pid)]
        made.process.kill()
        made.process.wait()
        processes.kill(below, signal.SIGKILL)


@pytest.fixture
def is_alive() -> Callable[[int], bool]:
    def check(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        if os.path.exists(f"/proc/{pid}/stat"):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        return True

    return check


@pytest.fixture
def gone(is_alive: Callable[[int], bool]) -> Callable[[int], None]:
    """Fails unless the process ends soon."""

    def check(pid: int) -> None:
        end = time.monotonic() + 10
        while is_alive(pid):
            if time.monotonic() > end:
                os.kill(pid, signal.SIGKILL)
                pytest.fail(f"process {pid} is still there")
            time.sleep(0.01)

    return check
