"""Power and heat of a whole local job, on a machine with GPUs of a library made here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from sovlab.client import Call
from sovlab.options.job import Options
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
    assert re.search(r"\(counted, NVML energy counter\), mean [45]\d\d W", told["shown"])
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


LIMITED = """
import sovlab
from sovlab.errors import JobOverLimit

def train():
    import time
    import sovlab
    @sovlab.checkpoint
    def save(directory):
        (directory / "saved").write_text("here")
    for _ in range(3000):
        time.sleep(0.1)

job = sovlab.submit(train, backend="cuda", gpus=1, name="digits", energy_budget="{budget}")
try:
    job.result()
except JobOverLimit as error:
    print(error)
print(job.status.reason, job.energy.joules)
"""


def test_a_job_over_its_energy_budget_is_an_error_of_its_own(home, tmp_path):
    (tmp_path / "program.py").write_text(LIMITED.format(budget="600J"))
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        first, last = home("program.py", environ=fake.environ).splitlines()[-2:]
    assert "--energy-budget allows 600 J" in first
    reason, joules = last.split()
    assert reason == "limit"
    assert float(joules) >= 600


CAPPED = """
import sovlab
from sovlab.errors import SpecError

for watts in ("900W", "100W"):
    try:
        sovlab.submit(len, "", backend="cuda", gpus=1, power_cap=watts)
    except SpecError as error:
        print(error)
print(len(sovlab.jobs()))
"""


def test_a_cap_that_the_gpu_does_not_keep_to_is_refused_before_anything_is_submitted(home, tmp_path):
    (tmp_path / "program.py").write_text(CAPPED)
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        high, low, count = home("program.py", environ=fake.environ).splitlines()[-3:]
    told = "GPU 0 (NVIDIA H100 80GB HBM3) keeps to 200 to 700 W."
    assert high.startswith(f"--power-cap is 900 W, and {told}")
    assert low.startswith(f"--power-cap is 100 W, and {told}")
    assert count == "0"


TWICE = """
import json
import sovlab

def work():
    import time
    import sovlab
    time.sleep(2)
    sovlab.progress(4, 4)

runs = [sovlab.submit(work, backend="cuda", gpus=1, procs=1) for _ in range(2)]
for job in runs:
    job.result()
first, second = runs
earlier, told = second.earlier_runs(), second.energy.footprint
print(json.dumps({
    "words": earlier.words, "count": earlier.count, "joules": earlier.energy.value,
    "source": earlier.energy.source, "first": first.energy.joules, "second": second.energy.joules,
    "none": first.earlier_runs(), "facility": told.energy.value, "carbon": told.carbon.value,
    "per_step": told.per_step.value, "cost": [told.cost.value, told.cost.unit, told.cost.source],
}))
"""


def test_a_second_run_knows_what_the_first_took_and_what_it_means_at_the_site(home, tmp_path):
    (tmp_path / "program.py").write_text(TWICE)
    site = {"CARBON_INTENSITY": "350", "PUE": "1.5", "TARIFF": "0.25", "CURRENCY": "EUR"}
    with FakeNvml(tmp_path / "nvml", [300.0]) as fake:
        environ = {**fake.environ, **{f"SOVLAB_SITE_{name}": value for name, value in site.items()}}
        told = json.loads(home("program.py", environ=environ).splitlines()[-1])
        listed = json.loads(home("-m", "sovlab", "jobs", "--json", environ=environ))
        plain = json.loads(home("-m", "sovlab", "jobs", "--json", environ=fake.environ))
    assert (told["count"], told["source"], told["none"]) == (1, "counter", None)
    assert told["joules"] == told["first"]
    assert told["words"].startswith("last run: ")
    assert told["words"].endswith("J (counted)")
    assert told["facility"] == pytest.approx(told["second"] * 1.5)
    assert told["carbon"] == pytest.approx(told["second"] * 1.5 / 3.6e6 * 350)
    assert told["per_step"] == pytest.approx(told["carbon"] / 4)
    assert told["cost"] == [pytest.approx(told["second"] * 1.5 / 3.6e6 * 0.25), "EUR", "modelled"]
    newest = listed[0]
    assert newest["footprint"]["carbon"]["value"] == pytest.approx(told["carbon"])
    assert newest["energy"]["groups"][0]["energy"]["value"] == told["second"]
    assert [{k: v for k, v in job.items() if k != "footprint"} for job in listed] == plain


def test_why_no_temperature_is_known_is_the_reason_of_a_sensor_of_heat(client):
    from dataclasses import replace

    from sovlab.core.energy.report import EnergyReport

    job = client.submit(Call(abs, (-42,)), Options(name="cool")).job
    assert job.result() == 42
    why = {"rapl": "Its energy counters are hidden.", "hwmon": "No chip tells a temperature."}
    known = replace(job.last, status=replace(job.last.status, energy=EnergyReport(unavailable=why)))
    thermal, energy = client.handle(known).thermal, client.handle(known).energy
    assert (thermal.hottest, thermal.source) == (None, "unavailable")
    assert thermal.why.startswith("No chip tells a temperature.")
    assert energy.reading.why.startswith("Its energy counters are hidden.")
