"""Power and heat of a whole local job, on a machine with GPUs of a library made here."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.fake_nvml import UUID, FakeNvml

PROGRAM = """
import json, sys, time
import sovlab
from sovlab.core.event import PowerChanged

def train():
    import time
    import sovlab
    time.sleep(1)
    with sovlab.measure("epoch"):
        time.sleep(1)
    for step in range(1, 5):
        sovlab.progress(step, 4)
        time.sleep(0.3)
    return 41

job = sovlab.submit(train, backend="cuda", gpus=2, name="digits", procs=1)
live = 0
for event in job.events():
    if isinstance(event, PowerChanged) and not live:
        live = job.energy.joules or 0
assert job.result() == 41
energy, thermal = job.energy, job.thermal
again = sovlab.job("digits").energy
print(json.dumps({
    "joules": energy.joules, "kwh": energy.kwh, "mean": energy.mean, "source": energy.source,
    "method": energy.reading.method, "coverage": energy.reading.coverage, "shown": repr(energy),
    "by_device": {key: reading.source for key, reading in energy.by_device.items()},
    "by_phase": {
        name: [p.count, p.energy.value / p.seconds, p.energy.source] for name, p in energy.by_phase.items()
    },
    "per_step": energy.per_step, "again": again.joules, "live": live,
    "hottest": thermal.hottest, "place": thermal.place, "margin": thermal.margin,
    "slowed": dict(thermal.slowed),
    "points": {key: [p.watts for p in points] for key, points in job.power_history().items()},
    "document": sovlab.jobs()[0].energy.joules,
}))
if "plot" in sys.argv:
    job.plot().savefig(sys.argv[-1])
    assert "matplotlib.pyplot" not in sys.modules
    from IPython.core.formatters import DisplayFormatter  # as in a notebook without pyplot
    assert DisplayFormatter().format(job.plot())[0]["image/png"][1:4] == b"PNG"
"""


@pytest.fixture
def home(tmp_path):
    def run(*arguments, environ):
        env = {
            **os.environ,
            **environ,
            "SOVLAB_STATE_DIR": str(tmp_path / "state"),
            "SOVLAB_CONFIG": str(tmp_path / "c"),
        }
        env.pop("CUDA_VISIBLE_DEVICES", None)
        done = subprocess.run(
            [sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=150, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_jobs_energy_and_heat(home, tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "power.png"
    (tmp_path / "program.py").write_text(PROGRAM)
    with FakeNvml(tmp_path / "nvml", [300.0, 200.0]) as fake:
        told = json.loads(home("program.py", "plot", str(picture), environ=fake.environ).splitlines()[-1])
    assert told["mean"] == pytest.approx(500, rel=0.1)
    assert (told["source"], told["method"]) == ("counter", "NVML energy counter")
    assert told["kwh"] == pytest.approx(told["joules"] / 3.6e6)
    assert told["joules"] == told["again"] == told["document"]
    assert told["by_device"] == {UUID.format(0): "counter", UUID.format(1): "counter"}
    assert told["by_phase"]["epoch"] == [1, pytest.approx(500, rel=0.3), "counter"]
    assert told["per_step"] == pytest.approx(told["joules"] / 4)
    assert (told["hottest"], told["place"], told["margin"]) == (61, "gpu", 26)
    assert told["slowed"] == {"heat": 0, "power": 0, "facility": 0}
    assert set(told["points"][UUID.format(0)]) == {300.0}
    assert set(told["points"][UUID.format(1)]) == {200.0}
    assert told["shown"].startswith("<Energy ")
    assert "(counted, NVML energy counter), mean 5" in told["shown"]
    assert picture.stat().st_size > 1000


def test_this_machine_now(home, tmp_path):
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        text = home("-m", "sovlab", "power", environ=fake.environ)
        data = json.loads(home("-m", "sovlab", "power", "--json", environ=fake.environ))
    assert "NVIDIA H100 80GB HBM3" in text
    assert "300 W" in text
    assert "sampled: NVML power, mean of 1 s" in text  # a second is short for a counter
    (gpu,) = [device for device in data["devices"] if device["kind"] == "gpu"]
    assert gpu["mean"] == pytest.approx(300, rel=0.2)
    assert gpu["energy"]["source"] == "sampled"
    assert "amdgpu" in data["unavailable"]


def test_a_library_that_crashes_is_one_sentence(home, tmp_path):
    import shutil

    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    folder = tmp_path / "nvml"
    folder.mkdir()
    code = "int nvmlInit_v2(void) { *(volatile int *)0 = 1; return 0; }\n"
    code += "const char *nvmlErrorString(int code) { return 0; }\n"
    (folder / "nvml.c").write_text(code)
    command = ["cc", "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(folder / "nvml.c")]
    subprocess.run(command, check=True, timeout=120)
    env = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-m", "sovlab", "power"], env=env, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 3
    assert "Reading the sensors of this machine failed: status -11." in done.stderr
    assert "Traceback" not in done.stderr
