"""Power and heat of real jobs: on a machine with GPUs of a library made here, and on this one as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import textwrap
import time
from pathlib import Path

import pytest

from tests.fake_nvml import UUID, FakeNvml
from tests.runner.conftest import RunningJob

GPU = {"backend": "cuda", "device": "cuda"}
LOOKED_AT = """
import os, time
while not os.path.exists('enough'):
    time.sleep(0.01)
"""


def run_until_seen(
    job: RunningJob,
    fake: FakeNvml,
    frames: int = 3,
    then: str = "",
    environ: dict | None = None,
    **order: object,
) -> dict:
    """Run a job until so many frames have come of its power, and what it does then; its exit record."""
    job.write(f"{LOOKED_AT}\n{textwrap.dedent(then)}", **{**GPU, **order})
    process = job.start(environ={**fake.environ, **(environ or {})})
    end = time.monotonic() + 60
    while len(job.frames("power")) < frames:
        assert time.monotonic() < end, job.log
        assert process.poll() is None, job.log
        time.sleep(0.02)
    (job.directory / "work" / "enough").touch()
    assert job.wait(150) == 0, job.log
    return job.record


def test_a_gpus_joules_are_counted(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0, 250.0]) as fake:
        record = run_until_seen(job, fake)
    assert record["energy"]["nodes"] == 1
    first, second = record["energy"]["devices"]
    assert (first["id"], first["kind"], first["index"]) == (UUID.format(0), "gpu", 0)
    assert first["energy"]["source"] == "counter"
    assert first["energy"]["method"] == "NVML energy counter"
    assert first["mean"] == pytest.approx(300, rel=0.1)
    assert second["mean"] == pytest.approx(250, rel=0.1)
    assert first["energy"]["j"] / record["energy"]["seconds"] == pytest.approx(300, rel=0.25)
    assert first["hottest"] == {"gpu": 61, "memory": 54}
    assert first["margin"] == 26
    assert first["slowed"] == {"heat": 0, "power": 0, "facility": 0}


def test_what_is_seen_comes_as_frames_and_leaves_the_log_alone(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        run_until_seen(job, fake)
    assert job.output == b""
    (described,) = job.frames("device")
    assert (described["n"], described["id"], described["limit"]) == (0, UUID.format(0), 700)
    seen = [frame["d"][0] for frame in job.frames("power")]
    assert {watts for each in seen for watts in each["w"]} == {300.0}
    assert [each["c"] for each in seen] == [61] * len(seen)
    joules = [each["j"] for each in seen if each["s"] == "counter"]
    assert joules == sorted(joules)
    assert joules


def test_without_a_counter_samples_are_added(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0], counts=False) as fake:
        record = run_until_seen(job, fake)
    (device,) = record["energy"]["devices"]
    assert device["energy"]["source"] == "sampled"
    assert device["energy"]["method"] == "NVML power, mean of 1 s"
    assert device["mean"] == pytest.approx(300)
    assert device["missing"]["energy"]


def test_slowing_by_heat_is_told(job: RunningJob, tmp_path: Path) -> None:
    more = {"nvmlDeviceGetCurrentClocksEventReasons": str(0x40)}
    with FakeNvml(tmp_path / "nvml", [300.0], celsius=91, more=more) as fake:
        record = run_until_seen(job, fake)
    assert record["energy"]["devices"][0]["slowed"]["heat"] == 1.0
    assert job.frames("power")[-1]["d"][0]["x"] == ["heat"]


def test_devices_that_the_job_does_not_see_are_not_its(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0, 250.0]) as fake:
        record = run_until_seen(job, fake, env={"CUDA_VISIBLE_DEVICES": "1"})
    assert [device["index"] for device in record["energy"]["devices"]] == [1]


def test_ranks_of_one_node_are_measured_once(job: RunningJob, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with FakeNvml(tmp_path / "nvml", [300.0, 250.0]) as fake:
        record = run_until_seen(job, fake, procs=2)
    assert [device["id"] for device in record["energy"]["devices"]] == [UUID.format(0), UUID.format(1)]
    assert record["energy"]["devices"][0]["mean"] == pytest.approx(300, rel=0.1)


def test_a_job_without_accelerators_has_none_of_their_joules(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        record = job.run("import time; time.sleep(1)", environ=fake.environ)
    assert [device for device in record["energy"]["devices"] if device["kind"] == "gpu"] == []


def test_without_sensors_each_reason_is_told(job: RunningJob) -> None:
    record = run_until_told(job, "nvml", {"LD_LIBRARY_PATH": ""})
    told = record["energy"]["unavailable"]
    if not Path("/dev/nvidiactl").exists():
        assert "NVIDIA" in told["nvml"]
    assert all(reason.endswith(".") for reason in told.values())
    if not record["energy"]["devices"]:  # else there is a sensor here
        (said,) = job.frames("unseen")
        assert said["why"] in told.values()
    cpu = record["energy"]["cpu"]
    assert 0 <= cpu["job"] <= cpu["busy"] <= cpu["all"]


def test_the_jobs_share_of_the_processors_is_its_own(job: RunningJob) -> None:
    burn = "import os, time\nwhile os.times().user < 1.5: pass"
    record = job.run(burn)
    assert record["energy"]["cpu"]["job"] == pytest.approx(record["cpu_seconds"], abs=1)


def test_a_job_that_is_over_at_once_is_not_measured(job: RunningJob) -> None:
    assert job.run("x = 1")["reason"] == "succeeded"
    energy = job.record.get("energy")
    assert energy is None or energy["devices"] == []


# --- phases

PHASES = """
import os, sovlab, time
for _ in range(2):
    with sovlab.measure("train"):
        time.sleep(0.6)
        with sovlab.measure("inner"):
            time.sleep(0.2)
@sovlab.measure("evaluate")
def evaluate():
    time.sleep(0.4)
evaluate()
"""


def test_phases_have_their_own_joules(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        record = run_until_seen(job, fake, then=PHASES)  # what came before the sampler is in no phase
    phases = record["energy"]["phases"]
    assert {name: phase["count"] for name, phase in phases.items()} == {"train": 2, "inner": 2, "evaluate": 1}
    for phase in phases.values():
        assert phase["j"]["0"] / phase["seconds"] == pytest.approx(300, rel=0.3)
    assert phases["train"]["seconds"] == pytest.approx(1.6, abs=0.4)


def test_phases_of_a_job_without_a_sampler_cost_nothing(job: RunningJob) -> None:
    record = job.run(PHASES.replace("time.sleep", "(lambda _: None)"))
    assert record["reason"] == "succeeded", job.log
    assert not (job.directory / "phases").exists()


def test_what_is_written_into_the_pipe_is_bounded(job: RunningJob, tmp_path: Path) -> None:
    flood = """
    import os, time
    pipe = os.open(os.path.join(os.path.dirname(os.environ["HERE"]), "phases"), os.O_WRONLY | os.O_NONBLOCK)
    for n in range(20000):
        try:
            os.write(pipe, b'["begin", "p%d", 1]\\n["end", "p%d", NaN]\\n{"x": \\n' % (n, n))
        except BlockingIOError:
            time.sleep(0.001)
    """
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        record = run_until_seen(job, fake, then=flood, environ={"HERE": str(job.directory / "work")})
    assert record["reason"] == "succeeded", job.log
    assert len(record["energy"].get("phases", {})) <= 50


# --- whatever happens to the sampler, the job does not notice


def run_until_told(job: RunningJob, told: str, environ: dict[str, str], **order: object) -> dict:
    """Run a job that ends after the sampler has been found to say ``told``, on a slow machine too."""
    for seconds in (1.5, 6, 24):
        source = f"import time; time.sleep({seconds}); x = 41"
        record = job.run(source, environ=environ, outputs=["x"], **order)
        if told in str(record["energy"]["unavailable"]):
            break
    return record


def broken_library(folder: Path, code: str) -> dict[str, str]:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder.mkdir()
    source = folder / "nvml.c"
    source.write_text(
        "#include <unistd.h>\n#include <stdlib.h>\n"
        'const char *nvmlErrorString(int code) { return "error"; }\n'
        f"int nvmlInit_v2(void) {{ {code} return 0; }}\n"
    )
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(source)]
    subprocess.run(command, check=True, timeout=120)
    return {"LD_LIBRARY_PATH": str(folder)}


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("*(volatile int *)0 = 1;", "SIGSEGV"),
        ("abort();", "SIGABRT"),
        ("_exit(3);", "status 3"),
        ("for (;;) sleep(1);", "had not answered"),
    ],
)
def test_a_library_that_breaks_or_hangs(job: RunningJob, tmp_path: Path, code: str, told: str) -> None:
    environ = broken_library(tmp_path / "nvml", code)
    record = run_until_told(job, told, environ, **GPU)
    assert record["reason"] == "succeeded"
    assert job.values == {"x": 41}
    assert record["energy"]["devices"] == []
    assert told in record["energy"]["unavailable"]["sampling"]
    assert job.output == b""


def test_a_hanging_library_keeps_nobody_waiting(job: RunningJob, tmp_path: Path) -> None:
    environ = broken_library(tmp_path / "nvml", "for (;;) sleep(1);")
    record = job.run("import time; time.sleep(1)", environ=environ, **GPU)
    assert record["ended"] - record["started"] < 30
    assert job.process is not None
    assert not Path(f"/proc/{job.process.pid}").exists()


def test_the_sampler_ends_with_a_supervisor_that_is_killed(job: RunningJob, tmp_path: Path, is_alive) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        job.write(LOOKED_AT, **GPU)
        process = job.start(environ=fake.environ)
        end = time.monotonic() + 60
        while not job.frames("power"):
            assert time.monotonic() < end
            time.sleep(0.02)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        process.wait()
        (job.directory / "work" / "enough").touch()
        while any(is_alive(int(pid)) for pid in children):
            assert time.monotonic() < end
            time.sleep(0.02)


def test_a_sampler_that_is_killed_is_told(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        job.write(LOOKED_AT, **GPU)
        process = job.start(environ=fake.environ)
        end = time.monotonic() + 60
        while not job.frames("power"):
            assert time.monotonic() < end
            time.sleep(0.02)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (sampler,) = [pid for pid in children if "libnvidia-ml" in Path(f"/proc/{pid}/maps").read_text()]
        os.kill(int(sampler), 9)
        while not job.frames("unseen"):
            assert time.monotonic() < end
            time.sleep(0.02)
        (job.directory / "work" / "enough").touch()
        assert job.wait() == 0
    (said,) = job.frames("unseen")
    energy = job.record["energy"]
    assert energy["unavailable"]["sampling"] == said["why"]
    assert "SIGKILL" in said["why"]
    (device,) = energy["devices"]
    assert device["id"] == UUID.format(0)
    assert device["energy"]["coverage"] < 1  # of the time after its end nothing is known
    assert energy["seconds"] > 0


def test_a_rate_of_zero_reads_counters_only(job: RunningJob, tmp_path: Path) -> None:
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        record = run_until_seen(job, fake, frames=2, power_rate=0.0)
    (device,) = record["energy"]["devices"]
    assert device["energy"]["source"] == "counter"
    assert device["mean"] == pytest.approx(300, rel=0.1)
