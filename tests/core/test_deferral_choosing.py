"""The best start before a deadline, beside what trying them all finds."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sovlab.core.deferral.choosing import choose
from sovlab.core.deferral.forecast import Forecast
from tests.hostile import examples

HOUR = 3600.0


def hourly(*values: float) -> Forecast:
    return Forecast([HOUR * n for n in range(len(values) + 1)], values)


def slowly(forecast: Forecast, begin: float, end: float) -> float:
    """The mean over a time, by adding up."""
    total = 0.0
    for value, (first, last) in zip(forecast.values, itertools.pairwise(forecast.times), strict=True):
        total += value * max(min(last, end) - max(first, begin), 0.0)
    return total / (end - begin)


class Case(NamedTuple):
    forecast: Forecast
    now: float
    duration: float
    latest: float


@st.composite
def cases(draw: st.DrawFn) -> Case:
    lengths = draw(st.lists(st.integers(1, 20), min_size=1, max_size=12))
    values = draw(st.lists(st.integers(-50, 500), min_size=len(lengths), max_size=len(lengths)))
    times = [0, *itertools.accumulate(lengths)]
    now = draw(st.integers(0, times[-1] - 1))
    duration = draw(st.integers(1, times[-1] - now))
    latest = draw(st.integers(now, times[-1] - duration))
    return Case(Forecast([float(t) for t in times], [float(v) for v in values]), now, duration, latest)


@examples(500)
@given(case=cases(), most=st.booleans())
def test_no_start_is_better_and_none_before_it_is_as_good(case: Case, most: bool) -> None:
    forecast, now, duration, latest = case
    found = choose(forecast, now, duration, latest, most=most)
    assert now <= found.start <= latest
    assert found.mean == pytest.approx(slowly(forecast, found.start, found.start + duration))
    assert found.at_once == pytest.approx(slowly(forecast, now, now + duration))
    sign = -1 if most else 1
    # In quarters of a second: all bounds are whole, and between them the mean changes evenly.
    for quarter in range(4 * now, 4 * latest + 1):
        start = quarter / 4
        mean = slowly(forecast, start, start + duration)
        assert sign * mean >= sign * found.mean - 1e-6
        assert start >= found.start or sign * mean > sign * found.mean + 1e-9


@examples(300)
@given(case=cases(), most=st.integers(1, 8))
def test_what_is_kept_has_the_same_mean_and_no_more_steps(case: Case, most: int) -> None:
    forecast, now, duration, _ = case
    kept = forecast.clipped(now, now + duration, most)
    assert len(kept.values) <= most
    assert (kept.begin, kept.end) == (now, now + duration)
    assert list(kept.times) == sorted(set(kept.times))
    assert kept.mean(now, now + duration) == pytest.approx(slowly(forecast, now, now + duration))
    if len(forecast.values) <= most:
        middle = now + duration / 3
        assert kept.mean(middle, now + duration) == pytest.approx(slowly(forecast, middle, now + duration))


def test_a_run_ends_before_the_deadline_and_not_only_begins_before_it() -> None:
    forecast = hourly(300, 200, 100, 10)
    assert choose(forecast, 0.0, 2 * HOUR, 2 * HOUR).start == 2 * HOUR
    assert choose(forecast, 0.0, 2 * HOUR, 1 * HOUR).start == 1 * HOUR


def test_it_may_begin_and_end_within_a_step() -> None:
    found = choose(hourly(300, 100, 300), 0.0, 1.5 * HOUR, 1.5 * HOUR)
    assert found.start == 0.5 * HOUR
    assert found.mean == pytest.approx((100 + 0.5 * 300) / 1.5)


def test_equals_begin_at_once() -> None:
    assert choose(hourly(*[0.1] * 24), 600.0, 3 * HOUR, 20 * HOUR).start == 600.0
    assert choose(hourly(*[1 / 3] * 24), 600.0, 3.3 * HOUR, 20 * HOUR, most=True).start == 600.0


def test_of_headroom_more_is_better() -> None:
    assert choose(hourly(1, 5, 2), 0.0, HOUR, 2 * HOUR, most=True).start == HOUR


def test_prices_may_be_below_zero() -> None:
    found = choose(hourly(10, -20, 30), 0.0, HOUR, 2 * HOUR)
    assert (found.start, found.mean, found.at_once) == (HOUR, -20, 10)


@examples(100)
@given(case=cases())
def test_a_forecast_covers_what_lies_in_it(case: Case) -> None:
    forecast, now, duration, _ = case
    assume(duration > 0)
    assert forecast.covers(now, now + duration)
    assert not forecast.covers(forecast.begin - 1, now)
    assert not forecast.covers(now, forecast.end + 1)
