"""Limits of energy and heat against what a sampler sees, on a clock that the test turns."""

from __future__ import annotations

import pytest

from sovlab.sensors.bounds import ENERGY, HEAT, Bounds, words
from sovlab.sensors.sampler import Sampler
from sovlab.sensors.sensor import Device, Probe, Sample, Unavailable


class Drawing(Probe):
    """A device that draws so many watts by the clock; what it tells may be changed."""

    def __init__(self, clock, device=None, watts=300.0, temperatures=None, counts=True):
        super().__init__(device or Device("GPU-1", "gpu", "H100", 0))
        self.clock, self.watts, self.temperatures = clock, watts, temperatures or {}
        self.energy_method, self.power_method = "a counter" if counts else "", "samples"
        self.counts, self.gone = counts, False

    def read(self, thorough=True):
        if self.gone:
            raise Unavailable("The GPU has fallen off the bus.")
        if self.watts is None:
            return Sample(temperatures=self.temperatures)
        energy = self.watts * self.clock[0] if self.counts else None
        return Sample(power=self.watts, energy=energy, temperatures=self.temperatures)


@pytest.fixture
def clock():
    return [1000.0]


def watched(clock, *probes, energy=None, celsius=None):
    sampler = Sampler(probes, 1.0, lambda: clock[0], longest=1.0)
    return sampler, Bounds(sampler, energy, celsius)


def run(sampler, bounds, clock, seconds):
    """What is said in so many seconds, each with the second in which it was."""
    begin, said = clock[0], []
    while clock[0] < begin + seconds:
        sampler.look()
        said += [(clock[0] - begin, message) for message in bounds.check()]
        clock[0] = sampler.due
    return said


def test_energy_is_warned_of_at_80_percent_and_reached_once(clock):
    sampler, bounds = watched(clock, Drawing(clock), energy=3000.0)
    (at, warned), (then, reached) = run(sampler, bounds, clock, 60)
    assert (at, warned["state"], warned["used"], warned["source"]) == (8.0, "warned", 2400.0, "counter")
    assert (then, reached["state"], reached["used"]) == (10.0, "reached", 3000.0)
    assert bounds.told()["limits"][ENERGY] == {"limit": 3000.0, "used": 300.0 * 59, "source": "counter"}


def test_samples_count_as_well_as_counters(clock):
    sampler, bounds = watched(clock, Drawing(clock, counts=False), energy=3000.0)
    assert [(m["state"], m["source"]) for _, m in run(sampler, bounds, clock, 20)] == [
        ("warned", "sampled"),
        ("reached", "sampled"),
    ]


def test_all_devices_of_the_job_count_and_no_others(clock):
    gpus = [Drawing(clock, Device(f"GPU-{n}", "gpu", index=n), watts=100.0) for n in range(2)]
    processor = Drawing(clock, Device("package-0", "cpu"), watts=1000.0)
    sampler, bounds = watched(clock, *gpus, processor, energy=2000.0)
    assert [at for at, m in run(sampler, bounds, clock, 30) if m["state"] == "reached"] == [10.0]


def test_one_device_that_tells_nothing_does_not_hide_what_the_others_took(clock):
    mute = Drawing(clock, Device("GPU-2", "gpu", index=1), watts=None)
    sampler, bounds = watched(clock, Drawing(clock), mute, energy=3000.0)
    assert [m["state"] for _, m in run(sampler, bounds, clock, 20)] == ["warned", "reached"]


@pytest.mark.parametrize(
    ("device", "told"),
    [
        (Device("package-0", "cpu"), "shared out"),
        (Device("node", "node"), "shared out"),
        (Device("GPU-1", "gpu", scope="board"), "whole boards"),
    ],
)
def test_what_is_not_the_jobs_alone_ends_no_job(clock, device, told):
    sampler, bounds = watched(clock, Drawing(clock, device), energy=10.0)
    ((at, message),) = run(sampler, bounds, clock, 100)
    assert (at, message["state"]) == (0.0, "unwatched")
    assert told in message["why"]
    assert bounds.told()["limits"][ENERGY]["used"] is None
    assert told in bounds.told()["limits"][ENERGY]["why"]


def test_without_any_sensor_limits_are_not_watched_and_that_is_said_once(clock):
    sampler, bounds = watched(clock, energy=10.0, celsius=85.0)
    said = run(sampler, bounds, clock, 100)
    assert [(m["what"], m["state"]) for _, m in said] == [(ENERGY, "unwatched"), (HEAT, "unwatched")]
    assert all("no sensor" in m["why"] for _, m in said)


def test_a_device_that_is_slow_to_tell_is_given_time(clock):
    probe = Drawing(clock, watts=None)
    sampler, bounds = watched(clock, probe, energy=3000.0, celsius=80.0)
    assert run(sampler, bounds, clock, 8) == []
    probe.watts, probe.temperatures = 300.0, {"gpu": 60.0}
    assert [m["state"] for _, m in run(sampler, bounds, clock, 20)] == ["warned", "reached"]
    assert "why" not in bounds.told()["limits"][ENERGY]


def test_heat_is_reached_after_three_looks_in_a_row(clock):
    probe = Drawing(clock, temperatures={"gpu": 80.0, "memory": 91.0})
    sampler, bounds = watched(clock, probe, celsius=90.0)
    ((at, message),) = run(sampler, bounds, clock, 30)
    assert (at, message["state"], message["used"], message["place"]) == (2.0, "reached", 91.0, "memory")
    assert message["device"] == "GPU 0"


def test_a_single_hot_reading_ends_nothing(clock):
    probe = Drawing(clock, temperatures={"gpu": 80.0})
    sampler, bounds = watched(clock, probe, celsius=90.0)
    for _ in range(20):
        probe.temperatures = {"gpu": 130.0}
        assert run(sampler, bounds, clock, 2) == []
        probe.temperatures = {"gpu": 80.0}
        assert run(sampler, bounds, clock, 1) == []


def test_at_the_limit_itself_nothing_is_reached(clock):
    sampler, bounds = watched(clock, Drawing(clock, temperatures={"gpu": 90.0}), celsius=90.0)
    assert run(sampler, bounds, clock, 30) == []


def test_a_device_that_is_lost_and_found_is_not_too_hot(clock):
    probe = Drawing(clock, temperatures={"gpu": 95.0})
    sampler, bounds = watched(clock, probe, celsius=90.0)
    run(sampler, bounds, clock, 2)
    probe.gone = True
    assert [m["state"] for _, m in run(sampler, bounds, clock, 5)] == []
    probe.gone = False
    assert [at for at, m in run(sampler, bounds, clock, 5) if m["state"] == "reached"] == [2.0]


def test_limits_are_looked_at_each_second_though_power_is_not_sampled(clock):
    sampler = Sampler([Drawing(clock)], 0.0, lambda: clock[0], longest=1.0)
    bounds = Bounds(sampler, 3000.0, None)
    assert [at for at, m in run(sampler, bounds, clock, 20) if m["state"] == "reached"] == [10.0]


def test_no_limits_say_nothing(clock):
    sampler, bounds = watched(clock, Drawing(clock, temperatures={"gpu": 120.0}))
    assert run(sampler, bounds, clock, 10) == []
    assert bounds.told() == {}


@pytest.mark.parametrize(
    ("message", "nodes", "sentence"),
    [
        (
            {"what": ENERGY, "used": 7.3e6, "limit": 7.2e6, "source": "counter"},
            1,
            "It used 2.03 kWh of energy (counted), and --energy-budget allows 2 kWh.",
        ),
        (
            {"what": ENERGY, "used": 1801.0, "limit": 1800.0, "source": "sampled"},
            2,
            "One of its 2 nodes used 1801 J of energy (sampled), "
            "and --energy-budget 3600 J allows each 1800 J.",
        ),
        (
            {"what": HEAT, "used": 91.0, "limit": 90.0, "place": "memory", "device": "GPU 0"},
            1,
            "GPU 0 (memory) was at 91 °C (sampled), and --max-temperature allows 90 °C.",
        ),
    ],
)
def test_the_reason_is_one_sentence(message, nodes, sentence):
    assert words(message, nodes) == sentence
