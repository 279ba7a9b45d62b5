"""What a job's energy means at its site: computed apart, only from what the site says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.core import decoding
from sovlab.core.energy.footprint import footprint, footprint_of_report, steps_of
from sovlab.core.energy.report import J_PER_KWH, EnergyReport
from sovlab.core.job import JobState, JobStatus, Progress
from sovlab.sensors.reading import SOURCES, Reading
from sovlab.settings import Site
from sovlab.views.energy import footprint_words
from tests.hostile import RECORD, examples

WH_12 = Reading("energy", "J", 12 * 3600.0, "counter", "NVML energy counter", "device", 1.0)
ALL = Site(carbon_intensity=350, pue=1.3, tariff=0.25, currency="EUR", embodied=24)


def test_nothing_where_the_site_says_nothing():
    assert footprint(WH_12, None) is None
    for site in (Site(), Site(currency="EUR"), Site(embodied=20)):
        assert not site.says_something
        assert footprint(WH_12, site) is None
        assert footprint_words(footprint(WH_12, site)) == ""


def test_each_number_is_there_where_its_factors_are():
    only = footprint(WH_12, Site(pue=1.5))
    assert only is not None
    assert only.energy is not None
    assert only.energy.value == pytest.approx(18 * 3600)
    assert only.carbon is only.cost is only.per_step is only.embodied is None
    only = footprint(WH_12, Site(carbon_intensity=100))
    assert only is not None
    assert only.carbon is not None
    assert only.carbon.value == pytest.approx(1.2)
    assert only.energy is only.cost is only.embodied is None
    only = footprint(WH_12, Site(tariff=0.5, currency="CHF"))
    assert only is not None
    assert only.cost is not None
    assert (only.cost.value, only.cost.unit) == (pytest.approx(0.006), "CHF")
    assert only.energy is only.carbon is None


def test_the_software_carbon_intensity_is_operation_and_making_for_each_unit_of_work():
    found = footprint(WH_12, ALL, accelerators=2, seconds=1800, steps=10)
    assert found is not None
    assert found.carbon is not None
    assert found.embodied is not None
    assert found.per_step is not None
    operated, made = 0.012 * 1.3 * 350, 24 * 2 * 0.5
    assert found.embodied.value == pytest.approx(made)
    assert found.carbon.value == pytest.approx(operated + made)
    assert found.per_step.value == pytest.approx((operated + made) / 10)
    method = "IT energy (counted) × PUE 1.3 × 350 gCO2e/kWh + embodied 2 × 24 gCO2e an hour"
    assert found.carbon.method == method
    assert found.per_step.method == f"SCI, for each step: {method}"


def test_it_says_what_it_is_modelled_from():
    assert footprint_words(
        footprint(WH_12, Site(carbon_intensity=263, pue=1.3, tariff=0.7, currency="EUR"))
    ) == ("with the site's PUE 1.3: 16 Wh · 4.1 g CO2e · 0.011 EUR (modelled from 12 Wh counted)")
    assert footprint_words(footprint(WH_12, Site(carbon_intensity=350))) == (
        "of the IT energy alone: 4.2 g CO2e (modelled from 12 Wh counted)"
    )
    with_all = footprint_words(footprint(WH_12, ALL, accelerators=1, seconds=3600, steps=100))
    assert "29 g CO2e, 24 g CO2e of it embodied · 0.29 g CO2e per step" in with_all


def test_a_part_of_the_time_is_said():
    part = WH_12._replace(coverage=0.6, source="sampled")
    assert footprint_words(footprint(part, Site(pue=2))).endswith(
        "(modelled from 12 Wh sampled, of 60% of the time)"
    )


def test_of_an_energy_that_is_not_known_nothing_is():
    found = footprint(Reading("energy", "J", why="It is masked."), ALL, accelerators=1, seconds=60, steps=3)
    assert found is not None
    assert found.energy is not None
    assert found.carbon is not None
    assert found.cost is not None
    assert found.per_step is None
    for each in (found.energy, found.carbon, found.cost):
        assert (each.value, each.source, each.why) == (None, "unavailable", "It is masked.")
    assert footprint_words(found) == ""
    nothing = footprint_of_report(None, ALL, why="It was short.")
    assert nothing is not None
    assert nothing.it.why == "It was short."
    assert footprint_of_report(EnergyReport(), ALL) is not None


def test_a_report_gives_its_accelerators_and_its_time():
    report = decoding.exit_record(RECORD).energy
    assert report is not None
    found = footprint_of_report(report, ALL, steps=3)
    assert found is not None
    assert found.embodied is not None
    assert found.it == report.best.energy
    assert found.embodied.value == pytest.approx(24 * 55 / 3600)
    assert found.energy is not None
    assert found.energy.value == pytest.approx(5e5 * 1.3)
    assert report.best.energy.value == 5e5  # what was measured stays what it is


def test_steps_are_what_the_job_reported():
    status = JobStatus(state=JobState.RUNNING)
    assert steps_of(status) is None
    assert steps_of(JobStatus(state=JobState.RUNNING, progress=Progress(step=0))) is None
    assert steps_of(JobStatus(state=JobState.RUNNING, progress=Progress(step=7))) == 7


maybe = st.none()
readings = st.builds(
    Reading,
    st.just("energy"),
    st.just("J"),
    st.none() | st.floats(0, 1.7e308),
    st.sampled_from(SOURCES),
    coverage=st.floats(0, 1),
)
sites = st.builds(
    Site,
    carbon_intensity=maybe | st.floats(0, 1e5),
    pue=maybe | st.floats(1, 5),
    tariff=maybe | st.floats(0, 1e9),
    currency=st.just("EUR"),
    embodied=maybe | st.floats(0, 1e5),
)
works = st.none() | st.floats(0, 1e308) | st.sampled_from([10**400, 5e-324])


@examples(300)
@given(readings, sites, st.integers(0, 1000), st.floats(0, 1e12), works)
def test_whatever_comes_all_of_it_is_modelled_finite_or_unknown(it, site, accelerators, seconds, steps):
    found = footprint(it, site, accelerators=accelerators, seconds=seconds, steps=steps)
    if found is None:
        assert not site.says_something
        return
    assert found.it is it
    for each in (found.energy, found.carbon, found.embodied, found.per_step, found.cost):
        if each is not None:
            assert each.source == ("modelled" if each.value is not None else "unavailable")
            assert each.value is None or (math.isfinite(each.value) and each.value >= 0)
            assert each.value is not None or each.why
    if found.energy is not None and found.energy.value is not None and it.value is not None:
        assert found.energy.value >= it.value
    if found.carbon is not None and found.carbon.value is not None and it.value is not None:
        assert found.carbon.value >= it.value / J_PER_KWH * site.carbon_intensity
    words = footprint_words(found)
    assert (words == "") or "modelled from" in words
    assert "inf" not in words
    assert "nan" not in words
