"""Several ranks, by the real torchrun over gloo."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sovlab.runner.process.log_merging import Merger
from sovlab.runner.protocol.frames import FrameReader
from sovlab.runner.system import processes
from sovlab.runner.values.pack import Pack
from tests.runner.conftest import NONCE, RunningJob

torch = pytest.importorskip("torch")

START = """
import os, sys, time
import torch, torch.distributed as dist
from sovlab.torch import device, init_distributed
world = init_distributed()
"""


def printed(job: RunningJob) -> dict[int, str]:
    """What each rank printed."""
    found: dict[int, str] = {}
    rank = -1
    for part in job.parts:
        if isinstance(part, bytes):
            found[rank] = found.get(rank, "") + part.decode()
        elif part["t"] == "rank":
            rank = part["rank"]
    return found


SUM = (
    START
    + """
t = torch.full((1,), float(world.rank + 1), device=device())
if world.size > 1:
    dist.all_reduce(t)
total = t.item()
print(f"rank {world.rank} of {world.size}")
display(world.rank)
total
"""
)


@pytest.mark.parametrize(("nodes", "procs", "total"), [(1, 1, 1.0), (1, 2, 3.0), (2, 1, 3.0)])
def test_one_cell_runs_unchanged_with_any_number_of_ranks(
    job: RunningJob, nodes: int, procs: int, total: float
) -> None:
    record = job.run(SUM, nodes=nodes, procs=procs, outputs=["total"])
    assert record["reason"] == "succeeded", job.log
    assert job.values == {"total": total}
    size = nodes * procs
    if size > 1:
        assert printed(job) == {r: f"rank {r} of {size}\n" for r in range(size)}
    # Of the first rank only: its display and its last expression.
    assert [b["data"]["text/plain"] for b in job.outputs] == ["0", str(total)]
    assert not list(job.directory.glob("ranks-*"))


def test_the_error_is_that_of_the_rank_that_failed_first(job: RunningJob) -> None:
    record = job.run(
        START
        + """
def step():
    if world.rank == 1:
        raise ValueError("bad shard")
display("shown")
step()
dist.barrier()
time.sleep(60)
""",
        procs=2,
    )
    assert (job.status, record["reason"]) == (1, "user_error")
    assert record["message"] == "ValueError: bad shard"
    assert record["error"]["rank"] == 1
    assert record["error"]["frames"][-1]["function"] == "step"
    assert "Cell In[7], line 9, in step" in printed(job)[1]
    assert "ChildFailedError" not in job.log
    assert "torch/distributed/run" not in job.log
    meta = Pack(job.directory / "results.pack").meta
    assert meta["error_pickle"]
    assert meta["outputs"][0]["data"] == {"text/plain": "'shown'"}


def test_a_rank_that_lost_another_is_not_told_for_it_though_it_says_so_first(job: RunningJob) -> None:
    record = job.run(
        START
        + """
class Slow(ValueError):
    def __reduce__(self):  # what it takes to send an error may be much
        time.sleep(0.5)
        return ValueError, self.args

if world.rank == 1:
    raise Slow("on purpose")
time.sleep(0.2)
raise RuntimeError("Connection closed by peer [127.0.0.1]:1234")
""",
        procs=2,
    )
    assert record["message"] == "Slow: on purpose"
    assert record["error"]["rank"] == 1
    assert Pack(job.directory / "results.pack").meta["error_pickle"]


def test_a_rank_that_waits_for_a_failed_one_does_not_hold_the_job(job: RunningJob) -> None:
    record = job.run(
        """
        import os, signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.environ["RANK"] == "0":
            1 / 0
        time.sleep(100)
        """,
        procs=2,
        grace=1.0,
    )
    assert record["error"]["type"] == "ZeroDivisionError"
    assert record["error"]["rank"] == 0
    assert record["ended"] - record["started"] < 60


def test_a_killed_rank_is_named_with_its_signal(job: RunningJob) -> None:
    record = job.run(
        START
        + "time.sleep(0.3)\nif world.rank == 1:\n    os.kill(os.getpid(), 9)\ndist.barrier()\ntime.sleep(60)",
        procs=2,
    )
    assert (job.status, record["reason"], record["signal"]) == (137, "killed", "SIGKILL")
    assert "Rank 1" in record["message"]


def test_cancel_saves_on_the_first_rank_and_ends_all(job: RunningJob, gone: Callable[[int], None]) -> None:
    job.write(
        START
        + """
import sovlab
@sovlab.checkpoint
def save(directory):
    (directory / f"rank{world.rank}").write_text("saved")
print(f"pid={os.getpid()} ")
while True:
    dist.barrier()
    time.sleep(0.01)
""",
        procs=2,
    )
    process = job.start()
    while job.log.count("pid=") < 2:
        job.until("pid=")
        time.sleep(0.02)
    pids = [int(part.split()[0]) for part in job.log.split("pid=")[1:]]
    (job.directory / "cancel").touch()
    process.send_signal(signal.SIGTERM)
    assert job.wait() == 130
    assert job.record["reason"] == "cancelled"
    assert sorted(os.listdir(job.directory / "checkpoint")) == ["rank0"]
    for pid in pids:
        gone(pid)


def test_a_node_that_waits_for_the_others_ends_when_it_is_asked_to(job: RunningJob) -> None:
    """And not after its grace: nothing of the user's has begun that could want it."""
    job.write("1", nodes=2, node_rank=1, rendezvous="127.0.0.1:9", grace=3600.0)
    process = job.start()
    while not job.frames("start"):
        time.sleep(0.02)
    (job.directory / "cancel").touch()
    process.send_signal(signal.SIGTERM)
    assert job.wait() == 130
    assert job.record["reason"] == "cancelled"


def test_a_launcher_that_is_killed_is_no_fault_of_the_runner(job: RunningJob) -> None:
    job.write("1", nodes=2, node_rank=1, rendezvous="127.0.0.1:9")
    process = job.start()
    while not (launchers := processes.descendants(process.pid)):
        time.sleep(0.02)
    os.kill(launchers[0].pid, signal.SIGKILL)
    job.wait()
    assert (job.record["reason"], job.record["signal"]) == ("killed", "SIGKILL")
    assert job.record["message"] == "It was ended from outside by SIGKILL."


def test_a_node_ends_with_the_first_though_its_code_does_not_miss_it(
    job: RunningJob, tmp_path: Path, archive: Path
) -> None:
    """And not at the end of its grace."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "first").mkdir()
    first = RunningJob(tmp_path / "first", archive, sys.executable)
    first.job_id = job.job_id
    both = (first, job)
    for number, node in enumerate(both):
        node.write(
            "import time\nprint('began', flush=True)\ntime.sleep(600)",
            nodes=2,
            node_rank=number,
            rendezvous=f"127.0.0.1:{port}",
            grace=3600.0,
        )
    processes = [node.start() for node in both]
    try:
        for node in both:
            node.until("began", 60)
        for node, process in zip(both, processes, strict=True):
            (node.directory / "cancel").touch()
            process.send_signal(signal.SIGTERM)
        assert [node.wait() for node in both] == [130, 130]
        assert [node.record["reason"] for node in both] == ["cancelled", "cancelled"]
    finally:
        processes[0].kill()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system cannot do that")
def test_the_kill_of_the_supervisor_takes_all_ranks_along(
    job: RunningJob, gone: Callable[[int], None]
) -> None:
    job.write("import os, time\nprint(f'pid={os.getpid()} ')\ntime.sleep(100)", procs=2)
    process = job.start()
    while job.log.count("pid=") < 2:
        job.until("pid=")
        time.sleep(0.02)
    pids = [int(part.split()[0]) for part in job.log.split("pid=")[1:]]
    process.kill()
    for pid in pids:
        gone(pid)


def test_progress_comes_from_the_first_rank(job: RunningJob) -> None:
    record = job.run("import os, sovlab\nsovlab.progress(int(os.environ['RANK']) + 1, 10)", procs=2)
    assert [p["step"] for p in job.frames("progress")] == [1]
    assert record["progress"]["step"] == 1


def test_a_missing_torch_is_one_sentence(job: RunningJob, tmp_path: Path) -> None:
    job.python = str(tmp_path / "python")
    # Without site-packages there is no torch.
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(tmp_path / "bare")], check=True
    )
    job.python = str(tmp_path / "bare" / "bin" / "python")
    record = job.run("1", procs=2)
    assert (job.status, record["reason"]) == (70, "runner")
    assert "no torch" in record["message"]
    assert "--procs" in record["message"]


def test_lines_of_ranks_do_not_mix_and_all_bytes_are_kept() -> None:
    reading, writing = os.pipe()
    saved = os.dup(1)
    os.dup2(writing, 1)
    try:
        merger = Merger(NONCE)
        merger.feed(0, b"half", 0.0)
        merger.feed(1, b"one\ntwo", 0.0)
        merger.feed(0, b" whole\n 5%\r10%", 0.01)
        assert merger.flush(0.02) == pytest.approx(0.05)
        assert merger.flush(1.0) is None
    finally:
        os.dup2(saved, 1)
        os.close(writing)
    with open(reading, "rb") as file:
        parts = FrameReader(NONCE).feed(file.read())
    ranks = [p["rank"] if isinstance(p, dict) else p for p in parts]
    assert ranks == [1, b"one\n", 0, b"half whole\n 5%\r", 1, b"two", 0, b"10%"]
