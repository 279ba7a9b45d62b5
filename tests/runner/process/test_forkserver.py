from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sovlab.runner.system import processes
from tests.runner.conftest import RunningJob


class Forkserver:
    def __init__(self, archive: Path, preload: str) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(60)
        self.process = subprocess.Popen(
            [
                sys.executable,
                str(archive),
                "nursery",
                "--socket-fd",
                str(theirs.fileno()),
                "--preload",
                preload,
            ],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "SOVLAB_JOB_ID": "-" * 50, "ONLY_THE_NURSERYS": "1"},
        )
        theirs.close()

    def ask(self, job: RunningJob, **environ: str) -> None:
        request = {
            "order": str(job.directory / "order.json"),
            "log": str(job.log_path),
            "environ": {"PATH": os.environ["PATH"], **environ},
        }
        data = json.dumps(request).encode()
        self.socket.sendall(len(data).to_bytes(4, "big") + data)

    def answer(self) -> dict[str, Any]:
        size = int.from_bytes(self._read(4), "big")
        return json.loads(self._read(size))

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            assert piece, "the forkserver has gone"
            data += piece
        return data


@pytest.fixture
def forkserver(archive: Path) -> Iterator[Forkserver]:
    made = Forkserver(archive, "json,no_such_module")
    assert made.answer() == {"ready": ["json"]}
    yield made
    made.socket.close()
    made.process.wait(10)


def run(forkserver: Forkserver, job: RunningJob, **environ: str) -> int:
    forkserver.ask(job, **environ)
    forked = forkserver.answer()
    assert (forked["job_id"], forked["status"]) == (job.job_id, None)
    ended = forkserver.answer()
    assert ended["pid"] == forked["pid"]
    return ended["status"]


def test_a_forked_job_is_as_one_that_was_started(forkserver: Forkserver, job: RunningJob) -> None:
    job.write(
        """
        import os, signal, sys
        print(sorted(k for k in os.environ if not k.startswith("SOVLAB")))
        print(os.getcwd() == os.environ["PWD_WANTED"], "beside" in sys.path)
        print(os.readlink("/proc/self/fd/0") if os.path.exists("/proc") else "/dev/null")
        print(sorted(int(fd) for fd in os.listdir("/dev/fd")))
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        print(os.getsid(0) == os.getppid())
        x = 5
        """,
        outputs=["x"],
    )
    work = str((job.directory / "work").resolve())
    assert run(forkserver, job, PWD_WANTED=work, PYTHONPATH="beside") == 0
    lines = job.log.splitlines()
    assert "PATH" in lines[0]
    assert "ONLY_THE_NURSERYS" not in lines[0]
    assert lines[1:3] == ["True True", "/dev/null"]
    # Standard ones, the pipe for the report, the mapped payload, and the one that lists them.
    assert len(json.loads(lines[3])) <= 6
    assert lines[4:] == ["True", "True"]
    assert job.values == {"x": 5}
    assert job.log_path.stat().st_mode & 0o777 == 0o600


def test_the_status_of_a_failure_is_told(forkserver: Forkserver, job: RunningJob) -> None:
    job.write("1 / 0")
    assert run(forkserver, job) == 1
    assert job.record["reason"] == "user_error"
    assert "Cell In[7], line 1" in job.log
    assert "forkserver" not in job.log
    assert "nursery" not in job.log


def test_an_order_that_is_not_there_is_answered_and_the_next_one_served(
    forkserver: Forkserver, job: RunningJob
) -> None:
    forkserver.ask(job)
    answer = forkserver.answer()
    assert answer["pid"] is None
    assert "order.json" in answer["error"]
    job.write("1")
    assert run(forkserver, job) == 0


def test_random_numbers_differ_between_forks(job: RunningJob, archive: Path) -> None:
    pytest.importorskip("numpy")
    forkserver = Forkserver(archive, "numpy,random")
    forkserver.answer()
    drawn = set()
    for _ in range(2):
        job.write("import random, numpy\nx = (random.random(), numpy.random.rand())", outputs=["x"])
        assert run(forkserver, job) == 0
        drawn |= set(job.values["x"])
    assert len(drawn) == 4
    forkserver.socket.close()
    forkserver.process.wait(10)


def test_torch_is_there_already(job: RunningJob, archive: Path) -> None:
    pytest.importorskip("torch")
    forkserver = Forkserver(archive, "torch")
    assert forkserver.answer() == {"ready": ["torch"]}
    job.write(
        "import sys\nwarm = 'torch' in sys.modules\nimport torch\nt = torch.ones(3) @ torch.ones(3)\n"
        "n = torch.get_num_threads()",
        outputs=["warm", "t", "n"],
    )
    assert run(forkserver, job, OMP_NUM_THREADS="1") == 0, job.log
    assert job.values["warm"] is True
    assert float(job.values["t"]) == 3
    assert job.values["n"] == 1
    assert job.log == ""
    forkserver.socket.close()
    forkserver.process.wait(10)


def test_jobs_go_on_when_the_forkserver_ends_and_can_be_found(
    forkserver: Forkserver, job: RunningJob, gone: Callable[[int], None]
) -> None:
    job.write("import time\nprint('ready')\ntime.sleep(60)")
    forkserver.ask(job)
    pid = forkserver.answer()["pid"]
    job.until("ready")
    forkserver.socket.close()
    assert forkserver.process.wait(10) == 0
    told = json.loads((job.directory / "run.json").read_text())
    assert told["pid"] == pid
    assert processes.is_running(pid, told["start"], told["boot"])
    if sys.platform.startswith("linux"):
        # By its environment alone, though it was forked and never executed.
        assert pid in {p.pid for p in processes.of_job(job.job_id)}
    assert pid in processes.sweep(job.job_id, told["sid"])
    gone(pid)


def test_many_at_once(forkserver: Forkserver, tmp_path: Path, archive: Path) -> None:
    jobs = []
    for number in range(20):
        directory = tmp_path / str(number)
        directory.mkdir()
        made = RunningJob(directory, archive, sys.executable)
        made.write(f"x = {number}", outputs=["x"], job_id=f"many-{number:06d}")
        forkserver.ask(made)
        jobs.append(made)
    ended = 0
    end = time.monotonic() + 60
    while ended < len(jobs) and time.monotonic() < end:
        ended += forkserver.answer()["status"] == 0
    assert [made.values["x"] for made in jobs] == list(range(20))


MODULE = """
import random
import numpy

class Holder:
    theirs = random.Random()

free, fixed = random.Random(), random.Random(7)
numpy_free, numpy_fixed = numpy.random.default_rng(), numpy.random.default_rng(7)
old_free, old_fixed = numpy.random.RandomState(), numpy.random.RandomState(7)
"""
DRAW = """
import {module} as m
x = {{
    "free": [
        m.free.random(), m.Holder.theirs.random(), float(m.numpy_free.random()), float(m.old_free.rand())
    ],
    "fixed": [m.fixed.random(), float(m.numpy_fixed.random()), float(m.old_fixed.rand())],
}}
"""


def test_generators_that_a_library_holds_are_renewed_unless_it_has_seeded_them(
    job: RunningJob, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numpy")
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "holds_generators.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(beside))
    forkserver = Forkserver(archive, "numpy,holds_generators")
    assert forkserver.answer() == {"ready": ["numpy", "holds_generators"]}
    source = DRAW.format(module="holds_generators")
    answers = []
    for _ in range(2):
        job.write(source, outputs=["x"])
        assert run(forkserver, job, PYTHONPATH=str(beside)) == 0, job.log
        answers.append(job.values["x"])
    program = f"{source}\nimport json\nprint(json.dumps(x))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    answers.append(json.loads(done.stdout))
    assert answers[0]["fixed"] == answers[1]["fixed"] == answers[2]["fixed"]
    assert len({value for answer in answers for value in answer["free"]}) == 12
    forkserver.socket.close()
    forkserver.process.wait(10)


def test_torch_and_numpy_hold_no_generator_that_is_not_renewed(archive: Path) -> None:
    pytest.importorskip("torch")
    program = """
import gc, random, sys
sys.path.insert(0, sys.argv[1])
from sovlab.runner.process import forkserver
for name in ("torch", "numpy", *forkserver._RUNNERS):
    assert forkserver._preload(name), name
import numpy, torch
kinds = (random.Random, torch.Generator, numpy.random.Generator, numpy.random.RandomState)
held = {id(r): r for o in gc.get_objects() for r in gc.get_referents(o) if issubclass(type(r), kinds)}
known = [random._inst, torch.default_generator, numpy.random.mtrand._rand]
print([r for r in held.values() if not any(r is k for k in known) and type(r) is not random.SystemRandom])
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(archive)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_numpy_computes_with_the_threads_that_the_job_was_given(job: RunningJob, archive: Path) -> None:
    pytest.importorskip("numpy")
    source = """
import ctypes
import numpy
try:
    from numpy._core import _multiarray_umath as library
    x = ctypes.CDLL(library.__file__).scipy_openblas_get_num_threads64_()
except (ImportError, AttributeError):
    x = None
"""
    plain = subprocess.run(
        [sys.executable, "-c", f"{source}\nprint(x)"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    if plain.stdout == "None\n":
        pytest.skip("this numpy computes with another library")
    forkserver = Forkserver(archive, "numpy")
    forkserver.answer()
    job.write(source, outputs=["x"])
    assert run(forkserver, job, OMP_NUM_THREADS="1") == 0, job.log
    assert job.values["x"] == int(plain.stdout) == 1
    forkserver.socket.close()
    forkserver.process.wait(10)
