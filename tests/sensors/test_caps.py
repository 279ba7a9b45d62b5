"""Limits of power that are set for a job, and put back."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from sovlab.sensors.caps import Caps
from sovlab.sensors.sensor import Device, Limits, Probe, Unavailable, write_watts


class Capped(Probe):
    def __init__(self, index=0, now=700.0, refuses=""):
        super().__init__(Device(f"GPU/{index}", "gpu", "H100", index))
        self.now, self.refuses, self.sets = now, refuses, []

    def limits(self):
        return Limits(power=self.now, lowest=200.0, highest=700.0)

    def cap_now(self):
        return self.now

    def cap(self, watts):
        if self.refuses:
            raise Unavailable(self.refuses)
        self.sets.append(watts)
        self.now = watts


def caps(tmp_path, *probes, watts=300.0):
    return Caps(probes, watts, str(tmp_path))


def notes(tmp_path):
    return {path.name: path.read_text() for path in tmp_path.iterdir()}


def test_what_was_there_is_put_back(tmp_path):
    one, two = Capped(0, 700.0), Capped(1, 650.0)
    kept = caps(tmp_path, one, two)
    assert kept.set() == []
    assert (one.now, two.now) == (300.0, 300.0)
    assert json.loads(notes(tmp_path)["sovlab-cap-GPU_1.json"]) == {"before": 650.0, "set": 300.0}
    assert kept.put_back() == []
    assert (one.now, two.now) == (700.0, 650.0)
    assert set(notes(tmp_path).values()) == {""}


def test_what_somebody_else_has_set_meanwhile_stays(tmp_path):
    gpu = Capped()
    kept = caps(tmp_path, gpu)
    kept.set()
    gpu.now = 450.0
    assert kept.put_back() == []
    assert gpu.now == 450.0


def test_no_two_jobs_cap_one_device(tmp_path):
    gpu = Capped()
    first, second = caps(tmp_path, gpu), caps(tmp_path, gpu, watts=400.0)
    assert first.set() == []
    assert second.set() == ["not set on GPU 0: another job has capped it"]
    assert second.put_back() == []
    assert gpu.now == 300.0
    first.put_back()
    assert gpu.now == 700.0
    assert second.set() == []
    second.put_back()
    assert gpu.now == 700.0


def test_what_a_killed_job_has_left_is_put_back_by_the_next(tmp_path):
    gpu = Capped(now=300.0)
    (tmp_path / "sovlab-cap-GPU_0.json").write_text('{"before": 700.0, "set": 300.0}')
    kept = caps(tmp_path, gpu, watts=250.0)
    assert kept.set() == []
    assert gpu.now == 250.0
    kept.put_back()
    assert gpu.now == 700.0


def test_an_old_note_counts_only_while_its_cap_stands(tmp_path):
    gpu = Capped(now=500.0)  # set by an administrator since
    (tmp_path / "sovlab-cap-GPU_0.json").write_text('{"before": 700.0, "set": 300.0}')
    kept = caps(tmp_path, gpu)
    kept.set()
    kept.put_back()
    assert gpu.now == 500.0


def test_another_process_takes_over(tmp_path):
    gpu = Capped(now=300.0)
    (tmp_path / "sovlab-cap-GPU_0.json").write_text('{"before": 700.0, "set": 300.0}')
    kept = caps(tmp_path, gpu)
    kept.take_over()
    assert gpu.sets == []
    assert kept.put_back() == []
    assert gpu.now == 700.0


@pytest.mark.parametrize("note", ["", "{", '{"before": null, "set": 1}', "[]", '{"before": "x", "set": 3}'])
def test_a_note_that_cannot_be_read_is_none(tmp_path, note):
    (tmp_path / "sovlab-cap-GPU_0.json").write_text(note)
    gpu = Capped()
    kept = caps(tmp_path, gpu)
    kept.take_over()
    assert kept.put_back() == []
    assert gpu.sets == []
    assert kept.set() == []
    kept.put_back()
    assert gpu.now == 700.0


@pytest.mark.parametrize("watts", [100.0, 900.0])
def test_a_cap_out_of_range_is_refused_and_leaves_nothing(tmp_path, watts):
    gpu = Capped()
    kept = caps(tmp_path, gpu, watts=watts)
    assert kept.set() == ["not set on GPU 0: it keeps only to 200 to 700 W"]
    assert kept.put_back() == []
    assert gpu.sets == []
    assert notes(tmp_path) == {}


def test_one_device_that_refuses_does_not_hinder_the_others(tmp_path):
    one, two = Capped(0, refuses="only the machine's administrators may set it"), Capped(1)
    kept = caps(tmp_path, one, two)
    assert kept.set() == ["not set on GPU 0: only the machine's administrators may set it"]
    kept.put_back()
    assert (one.now, two.sets) == (700.0, [300.0, 700.0])


def test_a_device_that_is_gone_at_the_end_is_told_and_keeps_its_note(tmp_path):
    gpu = Capped()
    kept = caps(tmp_path, gpu)
    kept.set()
    gpu.refuses = "the GPU has fallen off the bus"
    assert kept.put_back() == ["not put back on GPU 0: the GPU has fallen off the bus"]
    assert json.loads(notes(tmp_path)["sovlab-cap-GPU_0.json"])["before"] == 700.0


def test_without_a_device_that_is_said(tmp_path):
    (why,) = caps(tmp_path).set()
    assert "no sensor here" in why


def test_a_link_in_the_place_of_a_note_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "sovlab-cap-GPU_0.json").symlink_to(victim)
    gpu = Capped()
    (why,) = caps(tmp_path, gpu).set()
    assert why.startswith("not set on GPU 0")
    assert (victim.read_text(), gpu.sets) == ("precious", [])


def test_a_lock_ends_with_its_process(tmp_path):
    code = (
        "import sys, os; sys.path.insert(0, sys.argv[2]);"
        "from tests.sensors.test_caps import Capped, caps; import pathlib;"
        "kept = caps(pathlib.Path(sys.argv[1]), Capped()); assert kept.set() == []; os._exit(0)"
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    subprocess.run([sys.executable, "-c", code, str(tmp_path), root], check=True, timeout=60)
    gpu = Capped(now=300.0)
    kept = caps(tmp_path, gpu)
    assert kept.set() == []
    kept.put_back()
    assert gpu.now == 700.0


def test_watts_are_written_as_microwatts(tmp_path):
    file = tmp_path / "power1_cap"
    file.write_text("0")
    write_watts(file, 287.5)
    assert file.read_text() == "287500000\n"
    with pytest.raises(Unavailable, match="refuses 5 W"):
        write_watts(tmp_path / "gone" / "power1_cap", 5)
