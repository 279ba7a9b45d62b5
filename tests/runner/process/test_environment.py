"""What an environment variable does in a job: it is heeded as ``NAME=value python s.py`` heeds it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sovlab.runner.system import launchers, variables
from tests.runner.conftest import RunningJob
from tests.runner.process.test_forkserver import Forkserver, run

HEEDED = {
    "PYTHONHASHSEED": ("0", "[hash('sovlab'), list({'a', 'b', 'c', 'd', 'e'})]"),
    "PYTHONOPTIMIZE": ("1", "[sys.flags.optimize, __debug__]"),
    "PYTHONWARNINGS": ("error", "[sys.warnoptions, warnings.filters[0][0]]"),
    "PYTHONDEVMODE": ("1", "[sys.flags.dev_mode]"),
    "PYTHONUTF8": ("1", "[sys.flags.utf8_mode, locale.getpreferredencoding(False)]"),
    "PYTHONIOENCODING": ("latin-1", "[sys.stdout.encoding, sys.stderr.encoding]"),
    "PYTHONINTMAXSTRDIGITS": ("700", "[sys.get_int_max_str_digits()]"),
    "PYTHONTRACEMALLOC": ("3", "[tracemalloc.is_tracing(), tracemalloc.get_traceback_limit()]"),
    "PYTHONDONTWRITEBYTECODE": ("1", "[sys.dont_write_bytecode]"),
    "PYTHONPATH": ("/nowhere/at/all", "['/nowhere/at/all' in sys.path, os.environ['PYTHONPATH']]"),
    "TZ": ("Asia/Tokyo", "[time.tzname, time.timezone, time.localtime(0).tm_hour]"),
    "LC_ALL": ("C.UTF-8", "[locale.setlocale(locale.LC_CTYPE)]"),
    "HOME": ("/nowhere", "[site.getuserbase(), os.path.expanduser('~')]"),
    "GREETING": ("hello", "[os.environ['GREETING']]"),
}
IMPORTS = "import json, locale, os, site, sys, time, tracemalloc, warnings\n"


def plainly(source: str, **environ: str) -> object:
    program = f"{source}\nprint(json.dumps(x))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"], **environ},
    )
    return json.loads(done.stdout)


def as_json(value: object) -> object:
    return json.loads(json.dumps(value))


@pytest.fixture(scope="module")
def bare(archive: Path) -> Iterator[Forkserver]:
    made = Forkserver(archive, "json")
    made.answer()
    yield made
    made.socket.close()
    made.process.wait(10)


@pytest.mark.parametrize("name", HEEDED)
def test_a_job_heeds_a_variable_as_python_does(bare: Forkserver, job: RunningJob, name: str) -> None:
    value, seen = HEEDED[name]
    source = f"{IMPORTS}x = {seen}"
    wanted = plainly(source, **{name: value})
    job.write(source, outputs=["x"], env={name: value})
    assert run(bare, job) == 0, job.log
    assert as_json(job.values["x"]) == wanted
    assert job.log == ""
    # And where no forkserver is: in a pod, or for a first job.
    assert job.run(source, outputs=["x"], env={name: value}, environ={"PYTHONWARNINGS": ""})
    assert as_json(job.values["x"]) == wanted


def test_a_job_with_such_a_variable_is_as_any_other(bare: Forkserver, job: RunningJob) -> None:
    source = """
        import os, signal, sys
        import sovlab
        from beside import helper
        sovlab.progress(1, 2)
        print(sorted(int(fd) for fd in os.listdir("/dev/fd")))
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, os.getpgid(0) == os.getpid())
        print(os.getcwd() == os.environ["WANTED"], "PYTHONPATH" in os.environ, sys.argv)
        x = helper()
        1 / 0
        """
    job.write(
        source,
        outputs=["x"],
        env={"PYTHONHASHSEED": "7", "WANTED": str((job.directory / "work").resolve())},
        files={"beside.py": "def helper():\n    return 5\n"},
    )
    (job.directory / "work" / "random.py").write_text("raise SystemError('not this one')")
    assert run(bare, job) == 1
    lines = job.log.splitlines()
    assert len(json.loads(lines[0])) <= 6
    assert lines[1:3] == ["True True", "True False ['']"]
    assert "Cell In[7], line 10" in job.log
    assert job.record["reason"] == "user_error"
    assert job.record["progress"]["step"] == 1


def test_cancelling_and_timeouts_reach_it(job: RunningJob) -> None:
    record = job.run("import time\ntime.sleep(600)", env={"PYTHONHASHSEED": "0"}, timeout=0.5, grace=1.0)
    assert record["reason"] == "timeout"


def test_an_interpreter_that_cannot_start_ends_the_job(job: RunningJob) -> None:
    record = job.run("1", env={"PYTHONHOME": "/nowhere"})
    assert record["reason"] != "succeeded"
    assert "encodings" in job.log


@pytest.fixture
def with_torch(archive: Path) -> Iterator[Forkserver]:
    pytest.importorskip("torch")
    made = Forkserver(archive, "torch")
    made.answer()
    yield made
    made.socket.close()
    made.process.wait(10)


def test_a_variable_of_a_library_that_is_loaded_is_heeded(job: RunningJob, with_torch: Forkserver) -> None:
    source = (
        "import sys\nwarm = 'torch' in sys.modules\nimport json, torch\n"
        "x = [torch.get_num_threads(), torch._logging._internal.log_state.is_artifact_enabled('guards')]"
    )
    env = {"OMP_NUM_THREADS": "1", "TORCH_LOGS": "guards"}
    job.write(source, outputs=["x", "warm"], env=env)
    assert run(with_torch, job, OMP_NUM_THREADS="2") == 0, job.log
    assert job.values["x"] == plainly(source, **env) == [1, True]
    assert job.values["warm"] is False
    job.write(source, outputs=["x", "warm"], env={"GREETING": "hello"})
    assert run(with_torch, job, OMP_NUM_THREADS="2") == 0, job.log
    assert job.values["warm"] is True


def test_whatever_torch_and_numpy_read_when_they_are_loaded_is_in_the_table() -> None:
    pytest.importorskip("torch")
    program = """
import collections.abc, json, os
class Recording(type(os.environ)):
    def __getitem__(self, name):
        read.add(name)
        return super().__getitem__(name)
    def __contains__(self, name):
        read.add(name)
        return super().__contains__(name)
    def __iter__(self):
        return iter(list(super().__iter__()))
    def copy(self):
        return dict(self.items())
    def items(self):
        return [(name, os.fsdecode(self._data[self.encodekey(name)])) for name in self]
read = set()
os.environ.__class__ = Recording
import numpy, torch
print(json.dumps(sorted(read)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    late = {"PATH"}  # looked at for programs, again whenever one is sought
    unknown = [n for n in json.loads(done.stdout) if not variables.heeded_once(n) and n not in late]
    assert unknown == []


LAUNCHED = {
    "WORLD_SIZE": "4",
    "RANK": "0",
    "LOCAL_RANK": "0",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29999",
    "GROUP_RANK": "0",
    "TORCHELASTIC_RUN_ID": "theirs",
    "PET_NNODES": "4",
    "SLURM_PROCID": "1",
    "SLURM_JOB_ID": "77",
    "PMI_RANK": "1",
    "PMIX_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "4",
    "MV2_COMM_WORLD_RANK": "1",
    "MPI_LOCALRANKID": "1",
    "ACCELERATE_MIXED_PRECISION": "fp16",
    "CROSS_SIZE": "2",
}


def test_no_variable_of_a_launcher_reaches_a_job_unless_it_was_asked_for(job: RunningJob) -> None:
    source = "import os\nx = sorted(set(os.environ) & set(names))\nrank = os.environ.get('RANK')"
    variables_ = {"names": list(LAUNCHED)}
    job.run(source, environ=LAUNCHED, variables=variables_, outputs=["x"])
    assert job.values["x"] == []
    job.run(source, environ=LAUNCHED, variables=variables_, outputs=["x", "rank"], env={"RANK": "3"})
    assert job.values == {"x": ["RANK"], "rank": "3"}


def test_a_job_of_one_process_joins_nobody_where_the_submitter_is_a_rank(job: RunningJob) -> None:
    pytest.importorskip("torch")
    source = """
        import sovlab.torch
        world = sovlab.torch.init_distributed()
        x = (world.rank, world.size)
        import torch.distributed as dist
        try:
            dist.init_process_group("gloo", init_method="env://")
        except ValueError as error:
            said = str(error)
        """
    job.run(source, environ=LAUNCHED, outputs=["x", "said"])
    assert job.values["x"] == (0, 1)
    assert "RANK expected, but not set" in job.values["said"]


def test_ranks_have_the_variables_of_their_own_launcher(job: RunningJob) -> None:
    pytest.importorskip("torch")
    source = """
        import os, sovlab.torch, torch
        world = sovlab.torch.init_distributed()
        t = torch.ones(1)
        torch.distributed.all_reduce(t)
        ours = os.environ["TORCHELASTIC_RUN_ID"] != "theirs"
        x = (world.size, t.item(), ours, "SLURM_PROCID" in os.environ)
        """
    job.run(source, environ=LAUNCHED, outputs=["x"], procs=2)
    assert job.values["x"] == (2, 2.0, True, False), job.log


@pytest.mark.parametrize(
    "name", ["CUDA_VISIBLE_DEVICES", "RANKING", "SOVLAB_DEVICE", "MPI_HOME", "PMIC", "SLACK"]
)
def test_other_variables_are_no_launchers(name: str) -> None:
    assert launchers.of_launchers({name: "1"}) == []
