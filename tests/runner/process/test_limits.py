"""Limits of energy and heat that real jobs are given, on GPUs of a library made here."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.fake_nvml import FakeNvml
from tests.runner.conftest import RunningJob

GPU = {"backend": "cuda", "device": "cuda"}
FOR_EVER = """
import sovlab, time
@sovlab.checkpoint
def save(directory):
    (directory / "saved").write_text("here")
print("began", flush=True)
while True:
    time.sleep(0.05)
"""


def test_a_job_ends_by_its_checkpoint_when_its_energy_is_used_up(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        record = job.run(FOR_EVER, environ=fake.environ, energy_budget=900.0, **GPU)
    assert (record["reason"], job.status) == ("limit", 124)
    assert record["message"].startswith("It used ")
    assert record["message"].endswith(" J of energy (counted), and --energy-budget allows 900 J.")
    assert record["error"] is None
    assert (job.directory / "checkpoint" / "saved").read_text() == "here"
    limit = record["energy"]["limits"]["energy_budget"]
    assert limit["limit"] == 900.0
    assert limit["used"] >= 900.0
    assert limit["source"] in ("counter", "sampled")
    assert [frame["state"] for frame in job.frames("limit")][-1] == "reached"


def test_a_job_ends_when_a_device_is_too_hot(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0], celsius=93) as fake:
        record = job.run(FOR_EVER, environ=fake.environ, max_temperature=90.0, **GPU)
    assert (record["reason"], job.status) == ("limit", 124)
    assert record["message"] == "GPU 0 (gpu) was at 93 °C (sampled), and --max-temperature allows 90 °C."
    assert (job.directory / "checkpoint" / "saved").read_text() == "here"


def test_all_ranks_end_by_a_limit(job: RunningJob, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with FakeNvml(tmp_path / "nvml", [300.0, 250.0]) as fake:
        record = job.run(FOR_EVER, environ=fake.environ, energy_budget=500.0, procs=2, **GPU)
    assert (record["reason"], job.status) == ("limit", 124)


def test_a_job_within_its_limits_is_left_alone(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        record = job.run(
            "import time; time.sleep(3)",
            environ=fake.environ,
            energy_budget=1e9,
            max_temperature=90.0,
            **GPU,
        )
    assert record["reason"] == "succeeded"
    assert record["energy"]["limits"]["energy_budget"]["used"] > 0
    assert job.frames("limit") == []


def test_what_cannot_be_watched_is_said_and_ends_nothing(job: RunningJob) -> None:
    job.write("import os, time\nwhile not os.path.exists('enough'): time.sleep(0.02)", energy_budget=1.0)
    process = job.start()
    end = time.monotonic() + 90
    while not job.frames("limit"):
        assert time.monotonic() < end, job.log
        assert process.poll() is None, job.log
        time.sleep(0.02)
    (job.directory / "work" / "enough").touch()
    assert job.wait(150) == 0, job.log
    (said,) = job.frames("limit")
    assert (said["what"], said["state"]) == ("energy_budget", "unwatched")
    assert job.record["energy"]["limits"]["energy_budget"]["why"] == said["why"]


def test_a_code_that_ends_as_it_reaches_its_limit_keeps_its_own_end(job: RunningJob, tmp_path: Path) -> None:
    source = """
import signal, time
done = []
signal.signal(signal.SIGTERM, lambda *_: done.append(1))
while not done:
    time.sleep(0.02)
x = 5
"""
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        record = job.run(source, environ=fake.environ, energy_budget=300.0, outputs=["x"], **GPU)
    assert record["reason"] == "succeeded"
    assert record["energy"]["limits"]["energy_budget"]["used"] >= 300.0


def test_a_limit_whose_sampler_dies_is_said_to_be_watched_no_more(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        source = "import os, time\nwhile not os.path.exists('enough'): time.sleep(0.02)"
        job.write(source, energy_budget=1e6, **GPU)
        process = job.start(environ=fake.environ)
        end = time.monotonic() + 90
        while not job.frames("power"):
            assert time.monotonic() < end, job.log
            time.sleep(0.02)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (sampler,) = [pid for pid in children if "libnvidia-ml" in Path(f"/proc/{pid}/maps").read_text()]
        os.kill(int(sampler), signal.SIGKILL)
        while not job.frames("limit"):
            assert time.monotonic() < end, job.log
            time.sleep(0.02)
        (job.directory / "work" / "enough").touch()
        assert job.wait(150) == 0, job.log
    (said,) = job.frames("limit")
    assert (said["state"], said["limit"]) == ("unwatched", 1e6)
    assert "SIGKILL" in said["why"]
    assert "SIGKILL" in job.record["energy"]["limits"]["energy_budget"]["why"]
