"""Heat and power of a target's devices for a choice between them: by this machine's sensors, and in time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import pytest

from sovlab.backends.choice import automatic
from sovlab.client.conditions import machine
from sovlab.client.conditions.choosing import choose_by
from sovlab.client.conditions.look import FRESH, OLD, Answer, Look
from sovlab.client.conditions.machine import answer_of, machine_look
from sovlab.core.backend import Detection
from sovlab.core.capacity import Capacity
from sovlab.core.energy.condition import Condition, Figure
from sovlab.core.untrusted import DamagedRecord
from sovlab.errors import ExecutorError
from sovlab.sensors import registry
from sovlab.sensors.__main__ import seen
from sovlab.sensors.machine import Machine
from tests.fake_nvml import FakeNvml
from tests.sensors.vendors.amd_trees import HWMON, machine_of


def offer(name, total=2, free=2, queued=0):
    found = Detection(backend=name, devices=(), why="Looked.")
    return Capacity(detection=found, total=total, free=free, queued=queued, source="test")


BOTH = [offer("cpu", 8, 8), offer("cuda"), offer("rocm")]


def state(celsius, slowed):
    now = time.time()
    return Condition(
        celsius=Figure(value=celsius, source="test", seen=now),
        slowed=Figure(value=slowed, source="test", seen=now),
    )


COOL, HOT = state(61.0, 0.0), state(92.0, 1.0)


# --- a machine of two vendors


def looked_at(tmp_path, monkeypatch, *, cuda=None, rocm=None):
    """The conditions of a machine with an NVIDIA GPU and an AMD one, read by the sensors themselves."""
    with FakeNvml(tmp_path / "nvml", [300.0], **(cuda or {})) as fake:
        for name, value in fake.environ.items():
            monkeypatch.setenv(name, value)
        hwmon = {**HWMON, **(rocm or {})}
        machine_of(
            tmp_path / "tree", 1, hwmon={name: each for name, each in hwmon.items() if each is not None}
        )
        library = str(tmp_path / "nvml" / "libnvidia-ml.so.1")
        tree = Machine(root=tmp_path / "tree", environ={}, nvml=library, hlml="none.so")
        found = registry.find(tree, added=False)
        try:
            text = json.dumps(seen(found, 0.05)).encode()
        finally:
            for probe in found.probes:
                probe.close()
    return answer_of(text, 1000.0)


def test_each_vendors_devices_tell_heat_and_headroom_with_their_source(tmp_path, monkeypatch):
    answer = looked_at(tmp_path, monkeypatch)
    cuda, rocm = answer.conditions["cuda"], answer.conditions["rocm"]
    assert (cuda.celsius.value, cuda.slowed.value) == (61, 0)
    assert cuda.headroom.value == pytest.approx(400, abs=1), "700 W that it keeps to, less 300 W"
    assert rocm.slowed.value == 0
    assert rocm.headroom.value == pytest.approx(
        (int(HWMON["power1_cap"]) - int(HWMON.get("power1_input") or HWMON["power1_average"])) / 1e6
    )
    for figure in (cuda.celsius, cuda.slowed, cuda.headroom, rocm.celsius, rocm.slowed, rocm.headroom):
        assert (figure.source, figure.seen) == ("sensors", 1000.0)


def test_one_that_is_past_its_margin_is_passed_over(tmp_path, monkeypatch):
    hot = {"temp2_input": str(int(HWMON["temp2_crit"]) + 1000)}
    conditions = looked_at(tmp_path, monkeypatch, rocm=hot).conditions
    assert conditions["rocm"].slowed.value == 1
    choice = automatic(0, [BOTH[0], BOTH[2], BOTH[1]], conditions)
    assert choice.backend.name == "cuda"
    assert "rocm was passed over: slowed by heat (101 °C)" in choice.why
    assert "61 °C" in choice.why


@pytest.mark.parametrize(
    ("reasons", "slowed", "headroom"),
    [("64", 1, 400), ("32", 1, 400), ("128", 0, 0), ("4", 0, 400)],
    ids=["hardware", "software", "power brake", "power cap"],
)
def test_what_the_driver_says_slows_a_gpu_counts(tmp_path, monkeypatch, reasons, slowed, headroom):
    more = {"nvmlDeviceGetCurrentClocksEventReasons": reasons}
    cuda = looked_at(tmp_path, monkeypatch, cuda={"more": more}).conditions["cuda"]
    assert cuda.slowed.value == slowed
    assert cuda.headroom.value == pytest.approx(headroom, abs=1)


def test_what_a_device_does_not_tell_is_not_known_and_says_why(tmp_path, monkeypatch):
    rocm = dict.fromkeys(("power1_cap", "power1_average", "power1_input"))
    answer = looked_at(tmp_path, monkeypatch, rocm=rocm)
    headroom = answer.conditions["rocm"].headroom
    assert headroom.value is None
    assert headroom.why
    assert answer.conditions["cuda"].headroom.value is not None


def test_one_device_of_several_that_is_slowed_is_enough_and_none_needs_all():
    def told(*devices):
        each = [{"id": f"d{n}", "kind": "gpu", "backend": "cuda", **d} for n, d in enumerate(devices)]
        return answer_of(json.dumps({"devices": each}).encode(), 1.0).conditions["cuda"]

    assert told({"slowing": ["heat"]}, {}).slowed.value == 1
    assert told({"slowing": []}, {}).slowed.value is None
    assert told({"slowing": []}, {}).slowed.why == "only 1 of 2 devices tell it"
    assert told({"slowing": []}, {"margin": 3.0}).slowed.value == 0
    part = told({"limit": 700.0, "now": 100.0}, {"limit": 700.0}).headroom
    assert (part.value, part.why) == (600.0, "of 1 of 2 devices")


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"devices": [{"now": "hot"}]}', b'{"devices": 1}'])
def test_a_file_that_is_damaged_is_no_answer(tmp_path, text):
    with pytest.raises(DamagedRecord):
        answer_of(text, 1.0)
    assert machine._kept(tmp_path / "none.json") is None
    (tmp_path / "now.json").write_bytes(text)
    assert machine._kept(tmp_path / "now.json") is None


def test_what_was_seen_of_a_machine_is_not_taken_for_another(tmp_path, monkeypatch):
    """A state directory in a home that several machines share, and processes that are left other devices."""

    def kept():
        return machine_look(tmp_path)._kept.args[0]

    mine = kept()
    assert kept() == mine
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert kept() != mine
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    here = os.uname()
    monkeypatch.setattr("os.uname", lambda: type("Name", (), {"nodename": f"{here.nodename}-2"}))
    assert kept() != mine


# --- in time


class Asked:
    """Something to ask, which answers once it is let."""

    def __init__(self, answer=None, error=None):
        self.count, self.gate, self.answer, self.error = 0, threading.Event(), answer, error

    def __call__(self, offers):
        self.count += 1
        assert self.gate.wait(60)
        if self.error is not None:
            raise self.error
        return Answer(time.time(), self.answer or {"cuda": HOT, "rocm": COOL})


def test_a_choice_is_made_without_what_does_not_come_in_time_and_says_so(monkeypatch):
    monkeypatch.setattr("sovlab.client.conditions.choosing.BUDGET", 0.05)
    asked = Asked()
    look = Look(asked, "Prometheus at x")
    backend, why = choose_by(look, "auto", 0, BOTH, nodes=1)
    assert backend.name == "cuda"
    assert why.endswith("heat unknown: Prometheus at x did not answer within 0.05 s.")
    choose_by(look, "auto", 0, BOTH, nodes=1)
    assert asked.count == 1, "one question at a time"
    asked.gate.set()
    monkeypatch.setattr("sovlab.client.conditions.choosing.BUDGET", 60.0)
    backend, why = choose_by(look, "auto", 0, BOTH, nodes=1)
    assert backend.name == "rocm"
    assert "cuda was passed over: slowed by heat (92 °C)" in why
    choose_by(look, "auto", 0, BOTH, nodes=1)
    assert asked.count == 1, "what is known is not asked for again"


def test_nobody_waits_where_heat_decides_nothing():
    asked = Asked()
    look = Look(asked, "x")
    for requested, offers in (("auto", BOTH[:2]), ("cuda", BOTH), ("auto", [*BOTH[:2], offer("rocm", 2, 0)])):
        backend, why = choose_by(look, requested, 0, offers, nodes=1)  # returns though nothing answers
        assert backend.name == "cuda"
        assert "unknown" not in why
    asked.gate.set()
    look.conditions(BOTH, 60)
    assert "slowed by heat (92 °C)" in choose_by(look, "cuda", 0, BOTH, nodes=1)[1], "told once it is known"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ExecutorError("The token is not right.", "Renew it."), "heat unknown: the token is not right"),
        (ValueError("odd"), "heat unknown: x failed: ValueError: odd"),
    ],
)
def test_what_fails_is_told_and_a_choice_is_made(error, says):
    asked = Asked(error=error)
    asked.gate.set()
    backend, why = choose_by(Look(asked, "x"), "auto", 0, BOTH, nodes=1)
    assert backend.name == "cuda"
    assert says in why


def test_answers_grow_old(monkeypatch):
    asked = Asked()
    asked.gate.set()
    look = Look(asked, "x")
    assert look.conditions(BOTH, 60)["rocm"] == COOL
    now = time.time()
    asked.gate.clear()
    monkeypatch.setattr("sovlab.client.conditions.look.time.time", lambda: now + FRESH + 1)
    assert look.conditions(BOTH, 0)["rocm"] == COOL, "not fresh, and better than none"
    monkeypatch.setattr("sovlab.client.conditions.look.time.time", lambda: now + OLD + 1)
    assert look.conditions(BOTH, 0)["rocm"].celsius.value is None
    asked.gate.set()


# --- whole


PROGRAM = """
import json, sys
import sovlab
from sovlab.client import default

def why(name, backend):
    job = sovlab.submit(pow, 2, 5, name=name, backend=backend)
    said = job.last.spec.backend_why
    job.wait()  # its devices are free again for the next
    return said

whys = [why(f"first-{n}", b) for n, b in enumerate(("auto", "cuda"))]
found = default().hardware()
whys += [why(f"then-{n}", b) for n, b in enumerate(("auto", "cuda", "cpu"))]
print(json.dumps({"whys": whys, "auto": found.auto, "celsius": found.conditions["cuda"].celsius.value}))
"""


def run(tmp_path, *arguments, environ):
    env = {**os.environ, **environ, "SOVLAB_STATE_DIR": str(tmp_path / "state")}
    env.pop("CUDA_VISIBLE_DEVICES", None)
    done = subprocess.run(
        [sys.executable, *arguments], env=env, capture_output=True, text=True, timeout=150, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_submits_on_this_machine_tell_heat_once_it_is_known(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    more = {"nvmlDeviceGetCurrentClocksEventReasons": "64"}
    with FakeNvml(tmp_path / "nvml", [300.0, 300.0], celsius=92, more=more) as fake:
        told = json.loads(run(tmp_path, "program.py", environ=fake.environ).splitlines()[-1])
        listed = json.loads(run(tmp_path, "-m", "sovlab", "backends", "--json", environ=fake.environ))
        shown = run(tmp_path, "-m", "sovlab", "backends", environ=fake.environ)
    assert (told["auto"], told["celsius"]) == ("cuda", 92)
    assert told["whys"][0].startswith("cuda, because 2 of 2 GPUs are free")
    assert "slowed by heat (92 °C)" in told["whys"][2]
    assert told["whys"][3].startswith("cuda, as requested; ")
    assert "slowed by heat (92 °C)" in told["whys"][3]
    assert told["whys"][4] == "cpu, as requested."
    by_name = {each["detection"]["backend"]: each for each in listed}
    assert by_name["cuda"]["celsius"]["value"] == 92
    assert by_name["cuda"]["slowed"]["value"] == 2
    assert by_name["cuda"]["headroom"] == {
        **by_name["cuda"]["headroom"],
        "value": pytest.approx(800, abs=2),
        "unit": "W",
        "source": "sensors",
        "why": "",
    }
    assert by_name["cuda"]["auto"] is True
    assert by_name["cuda"]["why"].startswith("cuda, because ")
    assert by_name["rocm"]["celsius"]["value"] is None
    row = next(line for line in shown.splitlines() if line.startswith("cuda"))
    assert "92 °C, slowed" in row
    assert "800 W" in row
    assert "sensors" in row
