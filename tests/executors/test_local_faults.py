"""The local executor when things break: processes killed, files damaged, disks full, everybody at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sovlab.core.event import LogChunk
from sovlab.core.job import JobState, Reason
from sovlab.core.spec import Resources
from sovlab.errors import SovlabError

from .conftest import Harness, local, local_harness

SLEEP = "import time\nprint('began')\ntime.sleep(600)"


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    yield from local_harness()


def directory(harness: Harness, job_id: str) -> Path:
    return harness.executor._store.jobs / job_id


def supervisor(harness: Harness, job_id: str) -> int:
    return json.loads((directory(harness, job_id) / "run.json").read_bytes())["pid"]


def agent(harness: Harness) -> int:
    return harness.executor._agent.wake()


def until_released(harness: Harness, job_id: str) -> None:
    """Wait until the agent has seen the job's end and looks at its files no more."""
    end = time.monotonic() + 30
    while any(job.id == job_id for job in harness.executor._store.active()):
        assert time.monotonic() < end, "the agent still holds the job"
        time.sleep(0.01)


def until_gone(pid: int) -> None:
    try:
        psutil.Process(pid).wait(30)
    except psutil.NoSuchProcess:
        pass


def test_a_killed_runner_takes_its_processes_with_it_and_the_job_is_lost(fresh):
    job_id = fresh.submit("import os, time\nprint('pid', os.getpid(), 'end')\ntime.sleep(600)")
    fresh.until_printed(job_id, b"end")
    user = int(fresh.log(job_id).split()[1])
    os.kill(supervisor(fresh, job_id), signal.SIGKILL)
    status = fresh.executor.wait(job_id, 30).status
    assert (status.state, status.reason) == (JobState.FAILED, Reason.LOST)
    assert "Submit it again" in status.message
    until_gone(user)


def test_a_killed_agent_takes_no_job_with_it_and_the_next_one_goes_on(fresh):
    job_id = fresh.submit(
        "import os, time\nprint('began')\nwhile not os.path.exists('/nowhere'): time.sleep(0.05)"
    )
    fresh.until_printed(job_id, b"began")
    first = agent(fresh)
    os.kill(first, signal.SIGKILL)
    until_gone(first)
    assert fresh.executor.record(job_id).status.state is JobState.RUNNING
    other = fresh.submit("print('other')")
    assert agent(fresh) != first
    assert fresh.executor.wait(other, 60).status.state is JobState.SUCCEEDED
    fresh.executor.cancel(job_id)
    assert fresh.executor.wait(job_id, 60).status.state is JobState.CANCELLED


def test_after_everything_was_killed_queued_jobs_run_and_running_ones_are_lost(fresh):
    running = [fresh.submit(SLEEP, resources=Resources(cpu=fresh.executor._budget.cores))]
    fresh.until_printed(running[0], b"began")
    queued = [fresh.submit(f"print({i})") for i in range(3)]
    assert fresh.executor.record(queued[2]).status.ahead == 2
    first = fresh.executor.record(queued[0]).status
    assert first.message == f"waiting for 1 of {fresh.executor._budget.cores:g} cores"
    old = agent(fresh)
    pids = [
        old,
        *(p.pid for p in psutil.Process(old).children(recursive=True)),
        supervisor(fresh, running[0]),
    ]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    until_gone(old)
    again = local(fresh.executor._store.state)
    assert again.record(running[0]).status.reason is Reason.LOST
    again.submit(*_again(fresh, "print('new')"))
    for job_id in queued:
        assert again.wait(job_id, 60).status.state is JobState.SUCCEEDED
    again.stop_agent()


def _again(harness: Harness, source: str):
    from sovlab.core.names import new_job_id

    spec, path = harness.spec(source)
    return new_job_id("new"), spec, path, dict(os.environ)


def test_a_job_outlives_the_process_that_submitted_it(fresh, tmp_path):
    code = textwrap.dedent(
        f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        import sovlab, time
        job = sovlab.submit(time.sleep, 1.0, name="orphan")
        print(job.id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    env = {**os.environ, "SOVLAB_STATE_DIR": str(fresh.executor._store.state)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert fresh.executor.wait(done.stdout.strip(), 60).status.state is JobState.SUCCEEDED


@pytest.mark.parametrize("name", ["spec.json", "run.json", "exit.json"])
@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"version": 1', b"[]", b"\xff\xfe\x00", b"null", b'{"reason": 3}']
)
def test_a_damaged_file_makes_one_job_unknown_and_hides_no_other(harness, name, content):
    whole, broken = harness.submit("1"), harness.submit("1")
    for job_id in (whole, broken):
        harness.executor.wait(job_id, 60)
        until_released(harness, job_id)
    if name == "run.json":
        (directory(harness, broken) / "exit.json").unlink()
    (directory(harness, broken) / name).write_bytes(content)
    states = {r.id: r.status for r in harness.executor.records()}
    assert states[whole].state is JobState.SUCCEEDED
    assert states[broken].state is JobState.UNKNOWN
    assert states[broken].reason is Reason.UNREADABLE
    assert "cannot be read" in states[broken].message
    harness.executor.delete(broken)


def test_a_reused_pid_is_not_taken_for_the_runner(fresh):
    job_id = fresh.submit(SLEEP)
    fresh.until_printed(job_id, b"began")
    run = directory(fresh, job_id) / "run.json"
    told = json.loads(run.read_bytes())
    true_pid = told["pid"]
    run.write_text(json.dumps({**told, "pid": os.getpid()}))
    assert fresh.executor.record(job_id).status.reason is Reason.LOST
    run.write_text(json.dumps({**told, "boot": "another"}))
    assert fresh.executor.record(job_id).status.reason is Reason.LOST
    os.kill(true_pid, signal.SIGTERM)
    until_gone(true_pid)


@pytest.mark.parametrize("boot", [None, "another"])
def test_a_session_that_has_the_number_of_a_lost_runners_is_left_alone(fresh, boot):
    """Its pid may have been used again since, and after a start of the machine it most likely has."""
    job_id = fresh.submit(SLEEP)
    fresh.until_printed(job_id, b"began")
    pids = [agent(fresh), supervisor(fresh, job_id)]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        until_gone(pid)
    stranger = subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True)
    try:
        run = directory(fresh, job_id) / "run.json"
        told = json.loads(run.read_bytes())
        run.write_text(json.dumps({**told, "sid": stranger.pid, "boot": boot or told["boot"]}))
        fresh.executor.wait(fresh.submit("1"), 60)
        assert (directory(fresh, job_id) / "exit.json").exists()  # the next agent has seen to it
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_two_hundred_jobs_at_once_all_run_and_never_more_than_there_is_room_for(fresh, tmp_path):
    cores = int(fresh.executor._budget.cores)
    source = (
        "import os, time\nopen(os.path.join(where, f'{os.getpid()}'), 'w').close()\n"
        "n = len(os.listdir(where))\ntime.sleep(0.01)\nos.unlink(os.path.join(where, f'{os.getpid()}'))"
    )
    where = tmp_path / "running"
    where.mkdir()
    ids: list[str] = []
    lock = threading.Lock()

    def submit_some() -> None:
        for _ in range(50):
            job_id = fresh.submit(source, namespace={"where": str(where)}, outputs=("n",))
            with lock:
                ids.append(job_id)

    threads = [threading.Thread(target=submit_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    from sovlab.payload.results import Results

    assert len(set(ids)) == 200
    for job_id in ids:
        assert fresh.executor.wait(job_id, 170).status.state is JobState.SUCCEEDED, fresh.log(job_id)
    most = max(Results(fresh.executor.results(job_id), main={}).value("n") for job_id in ids)
    assert 1 <= most <= cores


def test_two_processes_may_submit_the_same_name(fresh):
    ids = {fresh.submit("1", name="same name") for _ in range(2)}
    assert len(ids) == 2
    for job_id in ids:
        assert fresh.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    assert [r.name for r in fresh.executor.records()] == ["same name"] * 2


@pytest.mark.parametrize(
    "name", ["Häuser über allem", "a b  c", "../../etc/passwd", "日本", "-rf", "$(touch x)", "."]
)
def test_any_name_stays_a_name(harness, name):
    job_id = harness.submit("1", name=name)
    assert harness.executor.wait(job_id, 60).name == name
    assert (harness.executor._store.jobs / job_id).parent == harness.executor._store.jobs


def test_a_gigabyte_of_output_is_read_in_little_memory(fresh):
    source = "line = 'x' * 1023\nblock = (line + '\\n') * 1024\nfor i in range(1024): print(block, end='')"
    job_id = fresh.submit(source)
    process, size, peak = psutil.Process(), 0, 0
    before = process.memory_info().rss
    for event in fresh.executor.events(job_id):
        if isinstance(event, LogChunk):
            size += len(event.data)
            peak = max(peak, process.memory_info().rss) if size % (64 << 20) < len(event.data) else peak
    assert size == 1 << 30
    assert peak - before < 64 << 20
    assert fresh.executor.record(job_id).status.max_rss < 200 << 20
    fresh.executor.delete(job_id)


def test_an_error_in_a_local_module_shows_its_own_line(fresh, tmp_path, monkeypatch):
    (tmp_path / "mymodule.py").write_text("def fail():\n    x = 1\n    raise RuntimeError('inside')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    import mymodule  # type: ignore[import-not-found]

    job_id = fresh.submit("mymodule.fail()", namespace={"mymodule": mymodule})
    status = fresh.executor.wait(job_id, 60).status
    assert "mymodule.py, line 3, in fail" in status.error["traceback"]
    del sys.modules["mymodule"]


@pytest.fixture
def small_disk(tmp_path):
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("mounting a small file system takes root on Linux")
    mounted = tmp_path / "disk"
    mounted.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(mounted)], check=False)
    if made.returncode:
        pytest.skip("this system does not let root mount a file system")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


def test_on_a_full_disk_a_running_job_fails_and_says_so_and_none_is_accepted(small_disk):
    executor = local(small_disk / "state")
    harness = Harness(executor, small_disk / "state" / "objects")
    job_id = harness.submit(
        "import time\nprint('began')\nwhile True:\n    print('x' * 65536)\n    time.sleep(0.001)"
    )
    status = executor.wait(job_id, 60).status
    assert status.state is JobState.FAILED
    assert "No space left" in status.message
    try:
        with (small_disk / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 4096)
    except OSError:
        pass
    before = sorted(p.name for p in (small_disk / "state" / "jobs").iterdir())
    with pytest.raises((SovlabError, OSError), match=r"(?i)no space|room|full"):
        harness.submit("print('y' * 5000)")
    assert sorted(p.name for p in (small_disk / "state" / "jobs").iterdir()) == before
    executor.stop_agent()


def test_a_job_that_cannot_be_started_holds_nothing_back_from_the_next():
    for made in local_harness(cores=1):
        first = made.submit(SLEEP)
        made.until_printed(first, b"began")
        broken, after = made.submit("1"), made.submit("1")
        assert made.executor.record(broken).status.state is JobState.QUEUED
        command = directory(made, broken) / "command.json"
        told = json.loads(command.read_bytes())
        command.write_text(json.dumps({**told, "python": "/no/such/python"}))
        made.executor.cancel(first)
        status = made.executor.wait(broken, 60).status
        assert (status.state, status.reason) == (JobState.FAILED, Reason.RUNNER)
        assert status.message.startswith("It could not be started: ")
        assert made.executor.wait(after, 60).status.state is JobState.SUCCEEDED


def test_what_a_cell_leaves_running_ends_with_it(fresh):
    source = (
        "import os, signal, sys, time\n"
        "if os.fork() == 0:\n    os.setsid()\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    if os.fork() == 0:\n        time.sleep(600)\n    time.sleep(600)\n"
        "print('left')"
    )
    job_id = fresh.submit(source)
    assert fresh.executor.wait(job_id, 60).status.state is JobState.SUCCEEDED
    mark = f"SOVLAB_JOB_ID={job_id}".encode()
    end = time.monotonic() + 20
    while time.monotonic() < end:
        left = [p for p in Path("/proc").glob("[0-9]*/environ") if _holds(p, mark)]
        if not left:
            return
    raise AssertionError(f"still there: {left}")


def _holds(path: Path, mark: bytes) -> bool:
    try:
        return mark in path.read_bytes().split(b"\0")
    except OSError:
        return False


def test_a_submit_that_fails_leaves_nothing(fresh, monkeypatch):
    shutil.rmtree(fresh.executor._store.state / "runner", ignore_errors=True)
    (fresh.executor._store.state / "runner").write_text("in the way")
    before = list(fresh.executor._store.jobs.iterdir())
    with pytest.raises(SovlabError):
        fresh.submit("1")
    assert list(fresh.executor._store.jobs.iterdir()) == before
