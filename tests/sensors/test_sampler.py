"""Looks at devices over days, on a clock that the test turns."""

from __future__ import annotations

import gc
import itertools
import json
import tracemalloc

import pytest

from sovlab.sensors.sampler import Sampler
from sovlab.sensors.sensor import Device, Limits, Probe, Sample, Unavailable


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Drawing(Probe):
    """A GPU that draws so many watts by the clock."""

    def __init__(self, clock, watts=300.0, **sample):
        super().__init__(Device("GPU-1", "gpu", "H100", 0))
        self.energy_method, self.power_method = "a counter", "samples"
        self.clock, self.watts, self.sample, self.gone = clock, watts, sample, False
        self.looks = []

    def read(self, thorough=True):
        self.looks.append((self.clock.now, thorough))
        if self.gone:
            raise Unavailable("The GPU has fallen off the bus.")
        sample = Sample(power=self.watts, energy=self.watts * self.clock.now)
        if not thorough:
            return sample
        told = {key: value() if callable(value) else value for key, value in self.sample.items()}
        return sample._replace(**told)

    def limits(self):
        return Limits(power=700.0, slowdown=89.0)


@pytest.fixture
def clock():
    return Clock()


def run(sampler, clock, seconds):
    """Look whenever it is due, for so long."""
    end = clock.now + seconds
    while sampler.due <= end:
        clock.now = max(sampler.due, clock.now)
        sampler.look()
    clock.now = end


def test_an_hour_at_one_hertz(clock):
    probe = Drawing(clock, temperatures={"gpu": 61.0}, margin=20.0, slowing=frozenset())
    sampler = Sampler([probe], 1.0, clock)
    run(sampler, clock, 3600)
    (total,) = sampler.totals()
    assert total["energy"]["j"] == pytest.approx(300 * 3600)
    assert total["energy"] == {
        "j": total["energy"]["j"],
        "source": "counter",
        "method": "a counter",
        "coverage": 1.0,
    }
    assert (total["mean"], total["peak"], total["margin"]) == (300.0, 300.0, 20.0)
    assert total["hottest"] == {"gpu": 61.0}
    assert total["slowed"] == {"heat": 0.0, "power": 0.0, "facility": 0.0}
    assert (total["limit"], total["slowdown"]) == (700.0, 89.0)
    assert len(probe.looks) == pytest.approx(3601, abs=2)


def test_looks_stay_on_their_grid_and_are_not_made_up_for(clock):
    probe = Drawing(clock)
    sampler = Sampler([probe], 1.0, clock)
    sampler.look()
    clock.now += 0.3
    assert sampler.due == 1001.0
    clock.now = 1017.4
    sampler.look()
    assert sampler.due == 1018.0
    assert len(probe.looks) == 2


def test_at_ten_hertz_temperatures_are_asked_for_once_a_second(clock):
    probe = Drawing(clock)
    run(Sampler([probe], 0.1, clock), clock, 60)
    assert len(probe.looks) == pytest.approx(600, abs=3)
    assert sum(thorough for _, thorough in probe.looks) == pytest.approx(60, abs=3)


@pytest.mark.parametrize(
    ("period", "own", "pause"), [(0.0, 30.0, 30.0), (120.0, 30.0, 30.0), (60.0, 10.0, 10.0)]
)
def test_counters_are_read_at_least_every_30_seconds(clock, period, own, pause):
    probe = Drawing(clock)
    probe.period = own
    run(Sampler([probe], period, clock), clock, 300)
    times = [at for at, _ in probe.looks]
    assert {b - a for a, b in itertools.pairwise(times)} == {pause}


def test_without_power_the_counter_tells_it(clock):
    sampler = Sampler([Drawing(clock)], 0.0, clock)
    run(sampler, clock, 300)
    (total,) = sampler.totals()
    assert total["energy"]["source"] == "counter"
    assert total["mean"] == pytest.approx(300)


def test_a_device_that_goes_away_is_covered_in_part(clock):
    probe = Drawing(clock)
    sampler = Sampler([probe], 1.0, clock)
    run(sampler, clock, 60)
    probe.gone = True
    run(sampler, clock, 60)
    (total,) = sampler.totals()
    assert total["energy"]["j"] == pytest.approx(300 * 60, rel=0.02)
    assert total["energy"]["coverage"] == pytest.approx(0.5, abs=0.01)


def test_a_device_that_never_answers_says_why(clock):
    probe = Drawing(clock)
    probe.gone = True
    sampler = Sampler([probe], 1.0, clock)
    run(sampler, clock, 10)
    (total,) = sampler.totals()
    assert total["energy"] == {
        "source": "unavailable",
        "why": "The GPU has fallen off the bus.",
        "coverage": 0.0,
    }
    assert "mean" not in total


def test_time_slowed_is_what_its_counters_say(clock):
    counts = {"heat": (0.0, 0.0)}
    probe = Drawing(clock, slowed=lambda: dict(counts), slowing=lambda: frozenset({"power"}))
    sampler = Sampler([probe], 1.0, clock)
    run(sampler, clock, 5)
    before = clock.now
    counts["heat"] = (3.0, 30.0)
    run(sampler, clock, 5)
    counts["heat"] = (1.0, 31.0)  # set back: begins anew
    run(sampler, clock, 5)
    counts["heat"] = (1.5, 41.0)
    run(sampler, clock, 5)
    assert before > 1000
    (total,) = sampler.totals()
    assert total["slowed"] == {"heat": pytest.approx(3.5 / 40.0, abs=1e-3), "power": 1.0, "facility": 0.0}


def test_slowing_seen_at_looks_is_a_share_of_them(clock):
    hot = []
    probe = Drawing(clock, slowing=lambda: frozenset({"heat"}) if hot else frozenset())
    sampler = Sampler([probe], 1.0, clock)
    run(sampler, clock, 75)
    hot.append(True)
    run(sampler, clock, 25)
    (total,) = sampler.totals()
    assert total["slowed"]["heat"] == pytest.approx(0.25, abs=0.02)


def test_a_device_that_tells_no_slowing_has_none_of_its_shares(clock):
    sampler = Sampler([Drawing(clock)], 1.0, clock)
    run(sampler, clock, 10)
    assert sampler.totals()[0]["slowed"] == {}


def test_seconds_are_means_and_are_told_once(clock):
    probe = Drawing(clock, temperatures={"gpu": 61.0, "memory": 71.0})
    sampler = Sampler([probe], 0.1, clock)
    run(sampler, clock, 5.5)
    (seen,) = sampler.seconds()
    assert seen["w"] == [300.0] * 5
    assert (seen["c"], seen["s"]) == (71.0, "counter")
    assert seen["j"] == pytest.approx(300 * 5.5, rel=0.05)
    assert sampler.seconds()[0]["w"] == []


def test_all_that_is_told_is_json(clock):
    sampler = Sampler([Drawing(clock), Drawing(clock, watts=1e9)], 1.0, clock)
    run(sampler, clock, 10)
    json.dumps([sampler.totals(), sampler.seconds()], allow_nan=False)


def test_after_a_week_nothing_has_grown(clock):
    probes = [Drawing(clock, temperatures={"gpu": 61.0}, slowing=frozenset()) for _ in range(2)]
    sampler = Sampler(probes, 30.0, clock)
    run(sampler, clock, 3600)
    for probe in probes:
        probe.looks = type("Nowhere", (list,), {"append": lambda self, item: None})()
    gc.collect()
    tracemalloc.start()
    for _ in range(24):
        run(sampler, clock, 7 * 3600)
    # Not what threads of other tests of this process take meanwhile.
    kept = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/sovlab/sensors/*")])
    tracemalloc.stop()
    assert 0 < sum(trace.size for trace in kept.traces) < 200_000
