"""What a page is told of a target's hardware is what the client knows of it, each number with its source."""

from __future__ import annotations

from types import SimpleNamespace

from sovlab.client.conditions.hardware import Hardware
from sovlab.core.backend import Detection, Device
from sovlab.core.capacity import Capacity
from sovlab.core.energy.condition import Condition, Figure
from sovlab.jupyter.server.documents import hardware

_HOSTILE = "\x1b[31mDCGM\n<script>"


def _client(found: Hardware) -> SimpleNamespace:
    return SimpleNamespace(hardware=lambda target, *, patience: found)


def _offer(name: str, free: float | None) -> Capacity:
    devices = (Device(index=0, model="H100", memory=80 << 30),)
    return Capacity(
        detection=Detection(backend=name, devices=devices, why="seen"), total=8, free=free, queued=2, seen=5.0
    )


def test_heat_headroom_and_the_choice_are_told_with_source_and_age():
    cool = Condition(
        celsius=Figure(value=61.0, source="DCGM", seen=9.0),
        slowed=Figure(value=0.0, source="DCGM", seen=9.0),
        headroom=Figure(why="the limit is not told"),
    )
    found = Hardware(
        target="lab",
        capacities=[_offer("cuda", 3), _offer("rocm", None)],
        conditions={"cuda": cool},
        auto="cuda",
        why="cuda, because 3 of 8 GPUs are free.",
        passed={"rocm": "how many GPUs are free is not known"},
    )
    told = hardware.backends(_client(found), "lab")
    cuda, rocm = told.backends
    assert (told.auto, told.auto_why) == ("cuda", "cuda, because 3 of 8 GPUs are free.")
    assert (cuda.celsius.value, cuda.celsius.source, cuda.celsius.seen) == (61.0, "DCGM", 9.0)
    assert (cuda.slowed.value, cuda.passed, cuda.seen) == (0.0, "", 5.0)
    assert (cuda.headroom.value, cuda.headroom.why) == (None, "the limit is not told")
    assert rocm.celsius.value is None
    assert rocm.free is None
    assert rocm.passed == "how many GPUs are free is not known"


def test_words_of_a_sites_prometheus_are_one_line_without_controls():
    shown = Condition(celsius=Figure(value=61.0, source=_HOSTILE, seen=9.0), slowed=Figure(why=_HOSTILE))
    found = Hardware(
        target="lab", capacities=[_offer("cuda", 3)], conditions={"cuda": shown}, auto="cuda", why=_HOSTILE
    )
    told = hardware.backends(_client(found), "lab")
    for text in (told.auto_why, told.backends[0].celsius.source, told.backends[0].slowed.why):
        assert "DCGM" in text
        assert not set("\x1b\n") & set(text)
