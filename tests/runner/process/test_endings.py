"""Why a job ended, told exactly."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sovlab.runner.protocol.exit_record import ExitRecord, short
from sovlab.runner.protocol.termination import decode
from tests.runner.conftest import RunningJob

LINUX = sys.platform.startswith("linux")
READY = "import time\nprint('ready')\ntime.sleep(60)"


def user_pid(job: RunningJob) -> int:
    job.until("pid=")
    return int(job.log.partition("pid=")[2].split()[0])


def test_a_user_error(job: RunningJob) -> None:
    record = job.run("x = 1\n1 / 0")
    assert (job.status, record["reason"], record["exit_code"], record["signal"]) == (1, "user_error", 1, "")
    assert record["message"] == "ZeroDivisionError: division by zero"
    assert record["error"]["frames"] == [
        {"label": "Cell In[7]", "line": 2, "function": "<module>", "source": "1 / 0"}
    ]


@pytest.mark.parametrize(
    ("call", "status", "reason"),
    [
        ("sys.exit(7)", 7, "user_error"),
        ("sys.exit('no data')", 1, "user_error"),
        ("sys.exit()", 0, "succeeded"),
        ("sys.exit(0)", 0, "succeeded"),
        ("os._exit(9)", 9, "user_error"),
        ("os._exit(0)", 1, "user_error"),
    ],
)
def test_leaving_by_exit(job: RunningJob, call: str, status: int, reason: str) -> None:
    record = job.run(f"import os, sys\nx = 1\n{call}\nx = 2", outputs=["x"])
    assert (job.status, record["reason"]) == (status, reason)
    if reason == "succeeded":
        assert job.values == {"x": 1}
    if "no data" in call:
        assert "no data" in job.log


def test_timeout(job: RunningJob) -> None:
    record = job.run(READY, timeout=0.5)
    assert (job.status, record["reason"]) == (124, "timeout")
    assert "0.5 s" in record["message"]


def test_a_job_that_ignores_its_end_is_killed_after_the_grace(job: RunningJob) -> None:
    source = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{READY}"
    record = job.run_out_of_time(source, grace=0.3)
    assert (job.status, record["reason"]) == (124, "timeout")


def test_cancelled(job: RunningJob) -> None:
    job.write(READY)
    process = job.start()
    job.until("ready")
    (job.directory / "cancel").touch()
    process.send_signal(signal.SIGTERM)
    assert job.wait() == 130
    assert job.record["reason"] == "cancelled"
    assert job.record["error"] is None


def test_a_job_that_was_cancelled_before_it_started_does_not_start(job: RunningJob) -> None:
    job.write("open('begun', 'w')")
    (job.directory / "cancel").touch()
    job.start()
    assert job.wait() == 130
    assert job.record["reason"] == "cancelled"
    assert not (job.directory / "work" / "begun").exists()


def at(event: str, named: str, *then: str) -> str:
    """A ``sitecustomize`` that does something at an audit event whose arguments tell a name."""
    done = "".join(f"        {line}\n" for line in then)
    told = f"event == {event!r} and any(str(name).endswith({named!r}) for name in given)"
    return f"import os, signal, sys\ndef hook(event, given):\n    if {told}:\n{done}sys.addaudithook(hook)\n"


def test_a_job_that_is_cancelled_as_soon_as_it_is_known_says_so(job: RunningJob, tmp_path: Path) -> None:
    path = str(job.directory / "cancel")
    hook = at("os.rename", "run.json", f"open({path!r}, 'w').close()", "os.kill(os.getpid(), signal.SIGTERM)")
    (tmp_path / "sitecustomize.py").write_text(hook)
    job.write("open('begun', 'w')")
    job.start(environ={"PYTHONPATH": str(tmp_path)})
    assert job.wait() == 130
    assert job.record["reason"] == "cancelled"
    assert not (job.directory / "work" / "begun").exists()


def test_a_pod_that_is_ended_while_it_starts_its_supervisor_says_so(job: RunningJob, tmp_path: Path) -> None:
    """The signal comes to the supervisor while it loads what it needs to heed it."""
    hook = at("import", "sovlab.runner.process.supervisor", "signal.raise_signal(signal.SIGTERM)")
    (tmp_path / "sitecustomize.py").write_text(hook)
    message = job.directory / "message"
    job.write("import time\ntime.sleep(60)", run=None)
    command = [job.python, str(job.archive), "pod", str(job.directory), str(job.directory), str(message)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=False, timeout=60)
    record, _ = decode(message.read_text())
    assert record is not None
    assert (record["reason"], record["signal"]) == ("killed", "SIGTERM")
    assert done.returncode == 137


def test_a_termination_that_nobody_here_asked_for_is_named(job: RunningJob) -> None:
    job.write(READY)
    process = job.start()
    job.until("ready")
    process.send_signal(signal.SIGTERM)
    assert job.wait() == 137
    assert (job.record["reason"], job.record["signal"]) == ("killed", "SIGTERM")


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGSEGV", "SIGUSR1", "SIGINT"])
def test_a_signal_to_the_users_process_is_named(job: RunningJob, name: str) -> None:
    job.write("import os, time\nprint(f'pid={os.getpid()} ')\ntime.sleep(60)")
    job.start()
    os.kill(user_pid(job), getattr(signal, name))
    assert job.wait() == 137
    assert (job.record["reason"], job.record["signal"]) == ("killed", name)


def test_a_crash_in_compiled_code_shows_where(job: RunningJob) -> None:
    record = job.run("import ctypes\ndef crash():\n    ctypes.string_at(0)\ncrash()")
    assert (record["reason"], record["signal"]) == ("killed", "SIGSEGV")
    assert "crashed" in record["message"]
    assert "Cell In[7]" in job.log


def test_a_memory_error_is_out_of_memory(job: RunningJob) -> None:
    record = job.run("x = bytearray(1 << 62)")
    assert (job.status, record["reason"]) == (137, "out_of_memory")
    assert record["error"]["type"] == "MemoryError"


def test_torch_without_memory_is_out_of_memory(job: RunningJob) -> None:
    pytest.importorskip("torch")
    assert job.run("import torch\ntorch.empty(1 << 60)")["reason"] == "out_of_memory"


def in_a_group() -> None:
    """Skip a test that needs a cgroup where this process may make none."""
    from sovlab.runner.system import memory_group

    if not memory_group.available():
        pytest.skip("no cgroup may be made here")


def test_a_peak_that_nobody_looks_at_ends_the_job_where_the_kernel_keeps_the_limit(job: RunningJob) -> None:
    in_a_group()
    record = job.run(
        "print('begun')\nx = bytearray(300_000_000)\nx[::4096] = b'1' * len(x[::4096])\ndel x\nprint('over')",
        memory=200 << 20,
    )
    assert (job.status, record["reason"]) == (137, "out_of_memory")
    assert record["message"] == "It used more memory than the 200 MiB that --memory allows."
    assert record["memory"]["kept_by"].startswith("cgroup")
    assert "over" not in job.log


def test_a_limit_that_the_kernel_keeps_lets_a_job_within_it_end(job: RunningJob) -> None:
    in_a_group()
    record = job.run("x = bytearray(100_000_000)\nx[::4096] = b'1' * len(x[::4096])\ny = 1", memory=200 << 20)
    assert record["reason"] == "succeeded"
    assert 100_000_000 < record["memory"]["peak"] <= 200 << 20
    groups = [entry for _, folders, _ in os.walk("/sys/fs/cgroup") for entry in folders]
    assert f"sovlab-{job.job_id}" not in groups


def test_a_worker_that_the_kernel_killed_for_memory_is_told_as_such(job: RunningJob) -> None:
    in_a_group()
    record = job.run(
        """
        import subprocess, sys, time
        code = "x = bytearray(300_000_000)\\nx[::4096] = b'1' * len(x[::4096])"
        subprocess.run([sys.executable, "-c", code], check=True)
        """,
        memory=200 << 20,
    )
    assert (job.status, record["reason"]) == (137, "out_of_memory")


def test_ranks_share_the_limit_of_their_job(job: RunningJob) -> None:
    pytest.importorskip("torch")
    source = "import time\nx = b'1' * 1_500_000_000\ntime.sleep(60)"
    record = job.run(source, memory=2_000_000_000, procs=2)
    assert record["reason"] == "out_of_memory"


def test_a_limit_that_is_kept_by_looks_says_so_and_how_much_there_was(job: RunningJob) -> None:
    """As in a container, whose system keeps the limit as well."""
    record = job.run(
        "import time\nx = b'1' * 300_000_000\ntime.sleep(60)", memory=200_000_000, contained=True
    )
    assert (job.status, record["reason"]) == (137, "out_of_memory")
    assert "--memory allows only 200 MB" in record["message"]
    assert record["memory"]["kept_by"] == "container"


def test_more_than_the_memory_it_was_given(job: RunningJob) -> None:
    record = job.run("import time\nx = b'1' * 300_000_000\ntime.sleep(60)", memory=200_000_000)
    assert (job.status, record["reason"]) == (137, "out_of_memory")
    assert "200 MB" in record["message"]
    assert "--memory allows" in record["message"]


@pytest.mark.skipif(not LINUX, reason="shared pages are counted once on Linux")
def test_memory_shared_by_forked_workers_is_counted_once(job: RunningJob) -> None:
    record = job.run(
        """
        import os, time
        x = b'1' * 150_000_000
        for _ in range(4):
            if os.fork() == 0:
                time.sleep(60)
        time.sleep(2.5)
        """,
        memory=300_000_000,
    )
    assert record["reason"] == "succeeded"


def test_killed_while_the_kernel_killed_for_memory(tmp_path: Path) -> None:
    from sovlab.runner.process.verdict import Ending, Left, describe
    from sovlab.runner.process.work import Outcome
    from sovlab.runner.protocol.order import Order

    where = {key: str(tmp_path / key) for key in ("payload", "results", "exit", "workdir")}
    order = Order(job_id="j-abc123", nonce="0" * 16, **where)
    told = describe(order, Ending(None), Outcome(None, signal.SIGKILL), Left("this container", []))
    assert told["reason"] == "out_of_memory"
    assert "this container" in told["message"]
    told = describe(order, Ending(None), Outcome(None, signal.SIGKILL), Left(None, []))
    assert told["reason"] == "killed"


def test_bytecode_of_another_python(job: RunningJob) -> None:
    record = job.run("f()", meta={"python": [3, 1], "bytecode": ["f (a lambda in variable `table`)"]})
    assert (job.status, record["reason"]) == (70, "payload")
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    for part in ("f (a lambda in variable `table`)", "Python 3.1,", f"Python {here}", "define it"):
        assert part in record["message"]


def test_another_python_is_no_matter_without_bytecode(job: RunningJob) -> None:
    assert job.run("1", meta={"python": [3, 1]})["reason"] == "succeeded"


def test_a_library_that_is_not_here(job: RunningJob) -> None:
    record = job.run("no_such_library", meta={"imports": [["nsl", "no_such_library.deep", None]]})
    assert record["reason"] == "payload"
    assert "no_such_library" in record["message"]


def test_a_damaged_payload(job: RunningJob) -> None:
    job.write("1")
    path = job.directory / "payload.pack"
    path.write_bytes(path.read_bytes()[:100])
    job.start()
    assert job.wait() == 70
    assert job.record["reason"] == "payload"


def test_a_working_directory_that_is_gone(job: RunningJob) -> None:
    job.write("1", workdir=str(job.directory / "nowhere"))
    job.start()
    assert job.wait() == 70
    assert job.record["reason"] == "runner"
    assert "nowhere" in job.record["message"]


def test_an_order_that_cannot_be_read(job: RunningJob) -> None:
    (job.directory / "order.json").write_text("{")
    job.start()
    assert job.wait() == 70
    assert "order.json" in job.log


def test_the_kill_of_the_supervisor_takes_the_users_process_along(
    job: RunningJob, gone: Callable[[int], None]
) -> None:
    if not LINUX:
        pytest.skip("the system cannot do that")
    job.write("import os, time\nprint(f'pid={os.getpid()} ')\ntime.sleep(60)")
    process = job.start()
    pid = user_pid(job)
    process.kill()
    gone(pid)


def test_the_run_file_names_the_supervisor(job: RunningJob) -> None:
    from sovlab.runner.system import processes

    job.write(READY)
    process = job.start()
    job.until("ready")
    told = json.loads((job.directory / "run.json").read_text())
    assert told["pid"] == told["sid"] == process.pid
    assert processes.is_running(told["pid"], told["start"], told["boot"])
    assert not processes.is_running(told["pid"], "another start", told["boot"])
    process.kill()
    process.wait()
    assert not processes.is_running(told["pid"], told["start"], told["boot"])


def test_a_log_on_a_full_disk_is_the_users_error_and_is_recorded(job: RunningJob) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    job.write("print('x')")
    job.log_path = Path("/dev/full")
    job.start()
    job.wait()
    assert job.record["error"]["type"] == "OSError"
    assert "No space left" in job.record["error"]["message"]


def fill(path: Path) -> None:
    full = pytest.raises(OSError, match="No space left")
    with open("/dev/zero", "rb") as zero, open(path, "wb", buffering=0) as file, full:
        shutil.copyfileobj(zero, file, 4096)


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of 4 MiB; needs the right to mount one."""
    place = tmp_path / "small"
    place.mkdir()
    if os.system(f"mount -t tmpfs -o size=4m none {place} 2>/dev/null") != 0:
        pytest.skip("may not mount a small file system")
    yield place
    os.system(f"umount -l {place}")


def test_results_on_a_full_disk(small_disk: Path, archive: Path) -> None:
    job = RunningJob(small_disk, archive, sys.executable)
    record = job.run("x = b'1' * 8_000_000\nprint('done')", outputs=["x"])
    assert (job.status, record["reason"]) == (70, "runner")
    assert "No space left" in record["message"]
    assert "done" in job.log
    assert not list(small_disk.glob("results*"))


def test_the_exit_record_is_written_on_a_full_disk(small_disk: Path, archive: Path) -> None:
    job = RunningJob(small_disk, archive, sys.executable)
    source = f"""
        try:
            with open({str(small_disk / "fill")!r}, "wb", buffering=0) as f:
                while True:
                    f.write(b"x" * 4096)
        except OSError:
            pass
        raise ValueError("mine")
    """
    record = job.run(source)
    assert (job.status, record["reason"], record["error"]["type"]) == (1, "user_error", "ValueError")
    assert record["error"]["message"] == "mine"


def test_a_record_longer_than_its_reserve_is_shortened_on_a_full_disk(small_disk: Path) -> None:
    record = ExitRecord(str(small_disk / "exit.json"))
    fill(small_disk / "fill")
    record.commit(
        {"reason": "user_error", "error": {"message": "m", "traceback": "t" * 300_000, "frames": []}}
    )
    read = json.loads((small_disk / "exit.json").read_text())
    assert read["reason"] == "user_error"
    assert 1000 < len(read["error"]["traceback"]) < 60_000


@pytest.mark.parametrize("limit", [4096, 2000, 800])
def test_the_short_form_fits(limit: int) -> None:
    error = {
        "type": "E",
        "message": "m" * 5000,
        "traceback": "t" * 5000,
        "frames": [{"line": 1}] * 50,
        "rank": None,
    }
    record = {"reason": "user_error", "message": "it failed", "error": error, "imported": ["torch"] * 30}
    data = short(record, limit)
    assert len(data) <= limit
    assert json.loads(data)["reason"] == "user_error"


def test_time_and_memory_are_measured(job: RunningJob) -> None:
    record = job.run("x = b'1' * 120_000_000\nfor i in range(10**6): i * i")
    assert record["max_rss"] > 120e6
    assert record["cpu_seconds"] > 0
    assert record["started"] <= record["ended"] <= time.time()
