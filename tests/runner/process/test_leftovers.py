"""Nothing of a job outlives it, and nothing blocks its end."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable

import pytest

from sovlab.runner.system import processes
from tests.runner.conftest import RunningJob

LINUX = sys.platform.startswith("linux")

STUBBORN = """
import os, signal, subprocess, sys, time
def leave(session):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if session:
            os.setsid()
            if os.fork():
                os._exit(0)
        print(f"left={os.getpid()} ")
        time.sleep(120)
        os._exit(0)
leave(False)
leave(True)
p = subprocess.Popen(["sleep", "120"], start_new_session=True)
print(f"left={p.pid} ")
"""


def left(job: RunningJob, count: int = 3) -> list[int]:
    job.until("left=")
    # Once it has failed the log has lines of its source, too.
    while len(found := re.findall(r"left=(\d+) ", job.log)) < count:
        job.until("left=" * 0)
    return [int(pid) for pid in found]


@pytest.mark.parametrize(
    "ending", ["time.sleep(0.5)", "time.sleep(0.5); 1 / 0", "time.sleep(0.5); os._exit(3)"]
)
def test_processes_that_refuse_to_end_are_ended_with_the_job(
    job: RunningJob, gone: Callable[[int], None], ending: str
) -> None:
    job.write(STUBBORN + ending)
    job.start()
    pids = left(job)
    job.wait(20)
    for pid in pids:
        gone(pid)
    assert job.record["reason"] in ("succeeded", "user_error")


def test_cancel_ends_the_whole_tree(job: RunningJob, gone: Callable[[int], None]) -> None:
    job.write(STUBBORN + "time.sleep(100)", grace=0.5)
    process = job.start()
    pids = left(job)
    (job.directory / "cancel").touch()
    process.send_signal(signal.SIGTERM)
    assert job.wait(20) == 130
    for pid in pids:
        gone(pid)


def test_a_user_who_signals_his_process_group_does_not_hit_the_supervisor(job: RunningJob) -> None:
    record = job.run("import os, signal\nos.killpg(0, signal.SIGKILL)")
    assert (record["reason"], record["signal"]) == ("killed", "SIGKILL")


def test_what_is_left_when_the_supervisor_was_killed_can_be_swept(
    job: RunningJob, gone: Callable[[int], None], is_alive: Callable[[int], bool]
) -> None:
    job.write(STUBBORN + "time.sleep(100)")
    process = job.start(environ={"SOVLAB_JOB_ID": job.job_id})
    pids = left(job)
    process.kill()
    process.wait()
    assert any(is_alive(pid) for pid in pids)
    processes.sweep(job.job_id, process.pid)
    for pid in pids:
        gone(pid)


def test_a_sweep_leaves_other_jobs_alone(job: RunningJob, is_alive: Callable[[int], bool]) -> None:
    job.write("import time\nprint('ready')\ntime.sleep(60)")
    process = job.start(environ={"SOVLAB_JOB_ID": job.job_id})
    job.until("ready")
    assert processes.sweep(job.job_id[:-1], None) == []
    assert processes.sweep("digits-zzzzzz", None) == []
    assert is_alive(process.pid)


def test_descendants_are_found_however_far_they_went(job: RunningJob) -> None:
    job.write(STUBBORN + "time.sleep(100)")
    process = job.start()
    pids = set(left(job))
    if LINUX:
        assert pids <= {p.pid for p in processes.descendants(process.pid)}


def test_ps_says_the_same_as_proc(job: RunningJob) -> None:
    if not LINUX:
        pytest.skip("compares two ways that only Linux has both")
    job.write("import time\nprint('ready')\ntime.sleep(60)")
    process = job.start()
    job.until("ready")
    everything = processes._from_ps(["-ax"])
    by_ps = next((p for p in everything if p.pid == process.pid), None)
    if not everything:
        pytest.skip("no ps here")
    by_proc = processes.process(process.pid)
    assert by_ps is not None
    assert by_proc is not None
    assert by_ps[:4] == by_proc[:4]
