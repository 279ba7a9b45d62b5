"""Caps of power that real jobs are given, on GPUs of a library made here."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fake_nvml import FakeNvml
from tests.runner.conftest import RunningJob

GPU = {"backend": "cuda", "device": "cuda"}
UNTIL_ENOUGH = "import os, time\nwhile not os.path.exists('enough'): time.sleep(0.02)"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Notes of the caps go where no other test's are."""
    (tmp_path / "notes").mkdir()
    return {"TMPDIR": str(tmp_path / "notes")}


def until(found: Callable[[], object], job: RunningJob) -> None:
    end = time.monotonic() + 90
    while not found():
        assert time.monotonic() < end, job.log
        time.sleep(0.02)


def keeper(job: RunningJob, folder: Path) -> int:
    """The process that keeps the cap: the child of the supervisor's that holds a note open."""
    assert job.process is not None
    children = Path(f"/proc/{job.process.pid}/task/{job.process.pid}/children").read_text().split()
    for pid in children:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            if "sovlab-cap-" in os.readlink(descriptor):
                return int(pid)
    raise AssertionError(f"nobody of {children} keeps a cap")


def test_a_cap_is_kept_while_the_job_runs_and_put_back(
    job: RunningJob, tmp_path: Path, environ: dict[str, str]
) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0, 250.0]) as fake:
        job.write(UNTIL_ENOUGH, power_cap=350.0, **GPU)
        job.start(environ={**fake.environ, **environ})
        until(lambda: fake.caps() == [350.0, 350.0], job)
        (job.directory / "work" / "enough").touch()
        assert job.wait(150) == 0, job.log
        assert fake.caps() == [700.0, 700.0]
    assert job.record["energy"]["limits"]["power_cap"] == {"limit": 350.0}
    assert job.frames("limit") == []


def test_only_devices_that_the_job_sees_are_capped(
    job: RunningJob, tmp_path: Path, environ: dict[str, str]
) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0, 250.0]) as fake:
        job.write(UNTIL_ENOUGH, power_cap=350.0, env={"CUDA_VISIBLE_DEVICES": "1"}, **GPU)
        job.start(environ={**fake.environ, **environ})
        until(lambda: fake.caps() == [None, 350.0], job)
        (job.directory / "work" / "enough").touch()
        assert job.wait(150) == 0, job.log
        assert fake.caps() == [None, 700.0]


def test_a_cap_that_may_not_be_set_is_told_and_the_job_runs(
    job: RunningJob, tmp_path: Path, environ: dict[str, str]
) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0], more={"nvmlDeviceSetPowerManagementLimit": "!4"}) as fake:
        job.write(UNTIL_ENOUGH, power_cap=350.0, **GPU)
        job.start(environ={**fake.environ, **environ})
        until(lambda: job.frames("limit"), job)
        (job.directory / "work" / "enough").touch()
        assert job.wait(150) == 0, job.log
    (said,) = job.frames("limit")
    assert said["why"] == "not set on GPU 0: only the machine's administrators may set it"
    assert job.record["energy"]["limits"]["power_cap"]["why"] == said["why"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_cap_is_put_back_though_the_process_that_keeps_it_is_ended(
    job: RunningJob, tmp_path: Path, environ: dict[str, str], number: int
) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        job.write(UNTIL_ENOUGH, power_cap=350.0, **GPU)
        job.start(environ={**fake.environ, **environ})
        until(lambda: fake.caps() == [350.0], job)
        os.kill(keeper(job, tmp_path), number)
        (job.directory / "work" / "enough").touch()
        assert job.wait(150) == 0, job.log
        assert fake.caps() == [700.0]


def test_a_cap_is_put_back_though_the_supervisor_is_killed(
    job: RunningJob, tmp_path: Path, environ: dict[str, str]
) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        job.write(UNTIL_ENOUGH, power_cap=350.0, **GPU)
        process = job.start(environ={**fake.environ, **environ})
        until(lambda: fake.caps() == [350.0], job)
        process.kill()
        process.wait()
        until(lambda: fake.caps() == [700.0], job)
    (job.directory / "work" / "enough").touch()


def test_a_cap_is_put_back_when_the_job_must_be_killed(
    job: RunningJob, tmp_path: Path, environ: dict[str, str]
) -> None:
    stubborn = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + UNTIL_ENOUGH
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        job.write(stubborn, power_cap=350.0, grace=0.5, **GPU)
        process = job.start(environ={**fake.environ, **environ})
        until(lambda: fake.caps() == [350.0], job)
        process.terminate()
        assert job.wait(150) == 137, job.log
        assert fake.caps() == [700.0]


def test_a_job_that_is_over_at_once_caps_nothing(
    job: RunningJob, tmp_path: Path, environ: dict[str, str]
) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        record = job.run("x = 1", environ={**fake.environ, **environ}, power_cap=350.0, **GPU)
        assert record["reason"] == "succeeded"
        assert fake.caps() in ([None], [700.0])
