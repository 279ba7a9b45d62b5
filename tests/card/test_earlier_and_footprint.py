"""On cards: what earlier runs took, until the job has ended, and what its energy means at its site."""

from __future__ import annotations

from dataclasses import replace
from html import unescape

import pytest

from sovlab.card.bundle import MIME, render
from sovlab.core import decoding
from sovlab.core.energy.earlier import EarlierRuns
from sovlab.core.energy.history import PowerHistory
from sovlab.core.job import JobState, Progress
from sovlab.sensors.reading import Reading
from sovlab.settings import Site
from tests.card.test_power import history, record, shown
from tests.hostile import CARD, NOW, RECORD

EARLIER = EarlierRuns(3, 240.0, Reading("energy", "J", 32_400.0, "counter", "NVML", "device", 1.0), 3, "gpu")
WORDS = "last 3 runs: 4 min, 9.0 Wh (counted)"
SITE = Site(carbon_intensity=350, pue=1.3, tariff=0.25, currency="EUR")
BEFORE = [JobState.PENDING, JobState.QUEUED, JobState.SUSPENDED, JobState.RUNNING]


def card(of, **more):
    bundle = render(of, b"", [], NOW, **more)
    CARD.validate(bundle[MIME])
    return bundle


def text_of(bundle):
    """The text of its HTML as a reader sees it."""
    return unescape(shown(bundle["text/html"]))


@pytest.mark.parametrize("state", BEFORE)
def test_what_earlier_runs_took_is_one_quiet_line(state):
    bundle = card(record(state), earlier=EARLIER)
    assert WORDS in text_of(bundle)
    assert bundle["text/plain"].splitlines()[1] == WORDS
    told = bundle[MIME]["earlier"]
    assert (told["count"], told["seconds"], told["words"]) == (3, 240, WORDS)
    assert (told["energy"]["value"], told["energy"]["source"]) == (32_400, "counter")


@pytest.mark.parametrize("state", sorted(set(JobState) - set(BEFORE)))
def test_once_it_has_ended_its_own_numbers_count(state):
    bundle = card(record(state, ended=NOW), earlier=EARLIER)
    assert "last 3 runs" not in bundle["text/html"] + bundle["text/plain"]
    assert "earlier" not in bundle[MIME]


def test_without_earlier_runs_the_card_is_as_it_was():
    assert card(record(), earlier=None) == card(record())
    assert "earlier" not in card(record())[MIME]


def test_what_was_said_of_a_measurement_cannot_inject():
    evil = replace(EARLIER, energy=EARLIER.energy._replace(why="<script>alert(1)</script>\x1b[31m"))
    bundle = card(record(), earlier=evil)
    assert "<script" not in bundle["text/html"]
    assert "\x1b" not in bundle["text/plain"] + bundle[MIME]["earlier"]["words"]


def ended(**more):
    return record(JobState.SUCCEEDED, ended=NOW, energy=decoding.exit_record(RECORD).energy, **more)


def test_a_footprint_is_a_line_of_its_own_under_the_energy():
    bundle = card(ended(), site=SITE)
    text = text_of(bundle)
    assert "Energy 139 Wh (counted, NVML)" in text
    line = "Footprint with the site's PUE 1.3: 181 Wh · 63 g CO2e · 0.045 EUR"
    assert f"{line} (modelled from 139 Wh counted; set back)" in text
    told = bundle[MIME]["footprint"]
    assert told["pue"] == 1.3
    assert told["energy"]["value"] == pytest.approx(5e5 * 1.3)
    assert {told[name]["source"] for name in ("energy", "carbon", "cost")} == {"modelled"}
    assert (told["cost"]["unit"], told["embodied"], told["per_step"]) == ("EUR", None, None)
    assert bundle[MIME]["energy"] == card(ended())[MIME]["energy"]  # what was measured is the same


def test_with_steps_it_is_for_each():
    bundle = card(ended(progress=Progress(step=100, total=100)), site=SITE)
    assert "0.63 g CO2e per step" in text_of(bundle)


@pytest.mark.parametrize("site", [None, Site(), Site(currency="EUR"), Site(embodied=3)])
def test_off_until_the_site_says_something(site):
    live = history((300.0, {"j": 50_000.0}))
    for of in (record(), ended()):
        assert card(of, power=live, site=site) == card(of, power=live)
        assert "footprint" not in card(of, power=live, site=site)[MIME]


def test_a_running_job_has_the_line_under_its_row():
    live = history((300.0, {"j": 50_000.0}))
    bundle = card(record(progress=Progress(step=10)), power=live, site=SITE)
    line = "with the site's PUE 1.3: 18 Wh · 6.3 g CO2e · 0.63 g CO2e per step · 0.0045 EUR"
    line += " (modelled from 14 Wh counted)"
    assert line in text_of(bundle)
    assert line in bundle["text/plain"].splitlines()
    assert bundle[MIME]["footprint"] is None  # the document tells it once the job has ended
    live.nodes = 4
    assert "14 Wh counted; first of 4 nodes)" in text_of(card(record(), power=live, site=SITE))
    assert "PUE" not in card(record(), power=PowerHistory(), site=SITE)["text/html"]


def test_where_nothing_was_measured_nothing_is_modelled():
    energy = decoding.exit_record({**RECORD, "energy": {"unavailable": {"rapl": "It is masked."}}}).energy
    bundle = card(record(JobState.SUCCEEDED, ended=NOW, energy=energy), site=SITE)
    assert "Footprint" not in bundle["text/html"]
    told = bundle[MIME]["footprint"]
    assert (told["carbon"]["value"], told["carbon"]["source"]) == (None, "unavailable")
    assert told["carbon"]["why"]
