"""Joules from counters and power, on traces whose joules are known."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.sensors.meter import Meter
from sovlab.sensors.sensor import Device, Probe, Sample

U64 = 2**64


def metered(looks, *, limit=None, wraps_at=None, resolution=0.1, plausible=2000.0, settling=0, period=1.0):
    """A meter after looks of (seconds, W or None, J or None)."""
    probe = Probe(Device(id="GPU-1", kind="gpu"))
    probe.wraps_at, probe.resolution, probe.plausible = wraps_at, resolution, plausible
    probe.settling = settling
    if limit is not None:
        probe.plausible = 2 * limit
    meter = Meter(probe, period)
    for at, power, energy in looks:
        meter.add(at, Sample(power=power, energy=energy))
    return meter


def steady(watts, seconds, *, step=1.0, start=0.0, at=0.0, power=True):
    """Looks at a device that draws so many watts all the time."""
    count = round(seconds / step)
    return [(at + i * step, watts if power else None, start + watts * i * step) for i in range(count + 1)]


# --- what is plain


def test_the_counter_is_what_counts():
    found = metered([(t, 199.0, 200.0 * t) for t in range(61)]).joules()
    assert found == (12000.0, 60, 0.0, "")


def test_without_a_counter_the_power_over_time_counts():
    found = metered([(t, 200.0, None) for t in range(11)]).joules()
    assert found == (2000.0, 0.0, 10.0, "")


def test_power_that_is_read_every_15_seconds_stands_for_15_seconds():
    found = metered([(t, 100.0, None) for t in range(0, 61, 15)], period=15.0).joules()
    assert found.joules == pytest.approx(6000.0)


def test_312_watts_for_an_hour():
    assert metered(steady(312.0, 3600)).joules().joules / 3.6e6 == pytest.approx(0.312)


def test_a_counter_alone_tells_power_too():
    meter = metered(steady(150.0, 10, power=False))
    assert meter.power == pytest.approx(150.0)
    assert meter.peak == pytest.approx(150.0)
    assert meter.joules().joules == pytest.approx(1500.0)


# --- what is no number


def test_nothing_is_known_after_one_look():
    assert metered([(0.0, 100.0, 5.0)]).joules().joules is None


def test_30_ms_are_too_short_for_a_counter_that_moves_every_100_ms():
    found = metered([(0.0, None, 777.0), (0.03, None, 777.0)]).joules()
    assert found.joules is None
    assert "too short" in found.why


def test_a_short_job_with_samples_of_power_has_a_number():
    found = metered([(0.0, 100.0, 777.0), (0.1, 100.0, 777.0), (0.2, 100.0, 777.0)]).joules()
    assert found.joules == pytest.approx(20.0)
    assert found.counted == 0.0


def test_a_counter_that_never_moves_is_no_zero():
    found = metered([(t, None, 42.0) for t in range(30)]).joules()
    assert found.joules is None
    assert "did not move" in found.why


@pytest.mark.parametrize("power", [0.0, -5.0, 4294.967274, 4_294_967.295, math.nan, math.inf])
def test_watts_that_are_none_are_left_out(power):
    meter = metered([(t, power if t == 5 else 300.0, None) for t in range(11)], limit=700.0)
    assert meter.peak == 300.0
    found = meter.joules()
    assert found.joules == pytest.approx(300.0 * 8)
    assert found.covered == 8.0  # both seconds beside that sample are not covered


@pytest.mark.parametrize("energy", [9223372036854775.794, U64 / 1000, math.nan, math.inf, -1.0, 0.0])
def test_one_bad_count_costs_nothing(energy):
    looks = [(t, 300.0, energy if t == 5 else 1000.0 + 300.0 * t) for t in range(21)]
    found = metered(looks, limit=700.0).joules()
    assert found.joules == pytest.approx(6000.0)
    assert found.counted == 20


def test_a_first_count_that_is_nonsense_is_not_believed():
    looks = [(t, None, 9.2e15 if t == 0 else 300.0 * t) for t in range(21)]
    found = metered(looks, limit=700.0).joules()
    assert found.joules == pytest.approx(300.0 * 19)


def test_first_steps_of_a_driver_that_settles_are_left_out():
    looks = [(0, None, 0.0), *((t, None, 500.0 + 100.0 * t) for t in range(1, 12))]
    assert metered(looks, settling=1).joules().joules == pytest.approx(1000.0)


# --- wraps, resets, steps back


def test_a_counter_wraps_at_its_range():
    wraps_at = 65532.610987
    looks = [(t, None, (60000.0 + 240.0 * t) % wraps_at) for t in range(0, 301, 30)]
    found = metered(looks, wraps_at=wraps_at, plausible=1000.0).joules()
    assert found.joules == pytest.approx(72000.0)
    assert found.covered == 300


def test_looks_further_apart_than_a_wrap_are_no_number():
    wraps_at = 65532.610987
    looks = [(t, None, (400.0 * t) % wraps_at) for t in (0, 300, 600)]
    found = metered(looks, wraps_at=wraps_at, plausible=1000.0).joules()
    assert found.joules is None
    looks += [(600 + t, None, (400.0 * (600 + t)) % wraps_at) for t in (30, 60)]
    found = metered(looks, wraps_at=wraps_at, plausible=1000.0).joules()
    assert found.joules == pytest.approx(24000.0)
    assert found.covered == 60
    assert "more than once (600 s)" in found.why


def test_a_counter_that_forgets_what_nobody_read_is_not_believed_after_a_pause():
    probe = Probe(Device(id="card0", kind="gpu"))
    probe.forgets_at, probe.plausible = 262144.0, 600.0
    meter = Meter(probe)
    for at, energy in ((0, 0.0), (30, 3000.0), (630, 5000.0), (660, 8000.0)):
        meter.add(at, Sample(energy=energy))
    assert meter.joules().joules == 6000.0
    assert meter.joules().covered == 60


def test_a_counter_that_falls_without_a_known_range_loses_one_step():
    looks = [(0, None, 3990.0), (1, None, 4000.0), (2, None, 0.01), (3, None, 10.01), (4, None, 20.01)]
    found = metered(looks, plausible=1000.0).joules()
    assert found.joules == pytest.approx(30.0)
    assert found.covered == 3


def test_a_counter_that_is_set_back_makes_no_terawatts():
    looks = [(0, None, 22e6 - 200), (1, None, 22e6), (2, None, 200.0), (3, None, 400.0), (4, None, 600.0)]
    meter = metered(looks)
    assert meter.joules().joules == pytest.approx(600.0)
    assert meter.peak == pytest.approx(200.0)


def test_power_fills_the_step_that_a_reset_loses():
    looks = [(t, 200.0, 200.0 * t + (1e6 if t < 30 else -5900.0)) for t in range(61)]
    found = metered(looks).joules()
    assert found.joules == pytest.approx(12000.0)
    assert found.sampled == pytest.approx(1.0)


@pytest.mark.parametrize("power", [True, False])
def test_a_counter_that_steps_back_in_the_middle_is_not_used_where_there_is_power(power):
    watts, unit = 250.0, 2**-16
    first, second = 4750896266 * unit, 4736943791 * unit
    looks = [(t, watts if power else None, first + watts * t) for t in range(10)]
    looks += [(10 + t, watts if power else None, second + watts * t) for t in range(11)]
    found = metered(looks, plausible=300.0).joules()
    if power:
        assert found.joules == pytest.approx(watts * 20)
        assert found.counted == 0.0
        assert "backwards" in found.why
    else:
        assert found.joules == pytest.approx(watts * 19)
        assert found.covered == 19


def test_a_counter_that_stands_still_under_load_is_not_used():
    found = metered([(t, 200.0, 5e5) for t in range(11)]).joules()
    assert found.joules == pytest.approx(2000.0)
    assert found.counted == 0.0
    assert "stands still" in found.why


def test_a_counter_that_stops_later_is_given_up():
    found = metered([(t, 200.0, 200.0 * min(t, 300)) for t in range(601)]).joules()
    assert found.joules == pytest.approx(120000.0)


def test_a_counter_in_the_wrong_unit_is_not_used():
    found = metered([(t, 20.0, 20.0 * 15.3 * t) for t in range(31)]).joules()
    assert found.joules == pytest.approx(600.0)
    assert "more than its power allows" in found.why


# --- whatever the clock and the counter do


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32),
    watts=st.floats(50.0, 600.0),
    start=st.floats(0.0, 262143.0),
    glitches=st.sets(st.integers(2, 38), max_size=3),
    reset=st.none() | st.integers(50, 350),
    jump=st.none() | st.integers(20, 350),
    gap=st.none() | st.integers(20, 350),
)
def test_joules_are_within_half_a_percent(seed, watts, start, glitches, reset, jump, gap):
    """Jitter, a wrap, bad counts, a reset, a minute without looks, a clock that goes back for one."""
    random, wraps_at = Random(seed), 262143.328850
    looks, at, joules, offset = [], 0.0, 0.0, start
    for number in range(401):
        power = watts * (1.3 if number % 7 < 3 else 0.9)
        seconds = 60.0 if number == gap else random.uniform(0.5, 1.5)
        at, joules = at + seconds, joules + power * seconds
        # Just before its end a reset cannot be told from a wrap.
        if number == reset != gap and wraps_at - (offset + joules) % wraps_at > 5000:
            offset = -joules
        energy = 1e12 if number % 10 == 5 and number // 10 in glitches else (offset + joules) % wraps_at
        looks.append((at - 30.0 if number == jump else at, power, energy))
        if number == 0:
            before = joules, at
    found = metered(looks, wraps_at=wraps_at, plausible=1000.0).joules()
    assert found.joules == pytest.approx(joules - before[0], rel=0.005)
    assert found.covered <= at - before[1] + 1e-6
    assert found.covered > 0.98 * (at - before[1])


@settings(deadline=None)
@given(
    energies=st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), min_size=2, max_size=60),
    powers=st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), min_size=60, max_size=60),
    times=st.lists(st.floats(0, 1e6), min_size=60, max_size=60),
)
def test_whatever_is_read_the_joules_are_possible(energies, powers, times):
    looks = list(zip(times, powers, energies, strict=False))
    meter = metered(looks, limit=300.0)
    found = meter.joules()
    assert found.joules is None or 0 < found.joules <= 600.0 * (max(times) - min(times) + 0.1 * 60)
    assert meter.peak is None or 0 < meter.peak <= 600.0 * 2
    assert 0 <= found.covered <= max(times) - min(times) + 1e-6
