"""Power and heat on cards: while a job runs, and once it has ended."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from sovlab.card.bundle import MIME, render
from sovlab.card.power import running
from sovlab.core import decoding
from sovlab.core.energy.history import PowerHistory
from sovlab.core.energy.report import EnergyReport
from sovlab.core.job import JobRecord, JobState, JobStatus, Reason
from sovlab.core.spec import JobSpec, PayloadKind
from tests.hostile import CARD, NOW, RECORD

SPEC = JobSpec(name="digits", kind=PayloadKind.CELL, payload="0" * 64, backend="cuda")


def record(state=JobState.RUNNING, **status):
    times = {"submitted": NOW - 70, "started": NOW - 60}
    return JobRecord(
        id="digits-1", target="local", spec=SPEC, status=JobStatus(state=state, **{**times, **status})
    )


def history(*devices, described=({"kind": "gpu", "name": "NVIDIA H100"},)):
    made = PowerHistory()
    for number, about in enumerate(described):
        made.add(
            decoding.frame({"t": "device", "n": number, "id": f"GPU-{number}", "index": number, **about})
        )
    for second in range(20):
        told = [{"w": [watts + second], "s": "counter", "x": [], **more} for watts, more in devices]
        made.add(decoding.frame({"t": "power", "at": NOW + second, "n": 0, "d": told}))
    return made


def card(power=None, of=None):
    bundle = render(of or record(), b"", [], NOW, power=power)
    CARD.validate(bundle[MIME])
    return bundle


def shown(html):
    """The text of HTML as a reader sees it."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_a_running_job_shows_watts_degrees_and_energy():
    bundle = card(history((783.0, {"j": 97200.0, "c": 79.4})))
    assert "802 W sampled" in shown(bundle["text/html"])
    assert "79 °C sampled" in shown(bundle["text/html"])
    assert "27 Wh counted NVIDIA H100" in shown(bundle["text/html"])
    assert "802 W (sampled) · 79 °C (sampled) · 27 Wh (counted) · NVIDIA H100" in bundle["text/plain"]


def test_the_curve_is_drawn_without_a_script():
    html = card(history((300.0, {"j": 5.0})))["text/html"]
    points = re.search(r'<polyline points="([^"]*)"', html)
    assert points is not None
    heights = [float(pair.split(",")[1]) for pair in points[1].split()]
    assert heights == sorted(heights, reverse=True)  # it rises
    assert "<script" not in html
    assert 'aria-label="power over the time, 300 W to 319 W (sampled)"' in html


def test_what_is_not_known_is_a_dash():
    text = running(history((300.0, {"j": None, "c": None, "s": "unavailable"})))
    assert text is not None
    assert (text.celsius.plain, text.energy.plain) == ("— °C", "—")
    assert "counted" not in text.plain


def test_of_several_nodes_the_first_is_shown_and_said_to_be():
    first = history((300.0, {"j": 5.0}), described=({"kind": "gpu", "name": "H100", "nodes": 4},))
    assert "first of 4 nodes" in card(first)["text/plain"]


def test_several_launchers_on_one_machine_are_one_node():
    of = replace(record(), spec=replace(SPEC, nodes=4))
    assert "nodes" not in card(history((300.0, {"j": 5.0})), of=of)["text/plain"].partition("W · ")[2]


def test_several_gpus_are_one_number():
    two = ({"kind": "gpu", "name": "NVIDIA H100"},) * 2
    text = running(history((300.0, {"j": 5.0, "c": 60}), (200.0, {"j": 6.0, "c": 70}), described=two))
    assert text is not None
    assert text.plain == "538 W (sampled) · 70 °C (sampled) · 11 J (counted) · 2 × NVIDIA H100"


def test_a_part_of_a_board_is_told():
    board = ({"kind": "gpu", "name": "NVIDIA H100", "scope": "board"},)
    text = running(history((300.0, {"j": 5.0}), described=board))
    assert text is not None
    assert "whole board" in text.what


def test_processors_of_a_shared_machine_are_called_so():
    text = running(history((100.0, {"j": 5.0}), described=({"kind": "cpu", "scope": "package"},)))
    assert text is not None
    assert "whoever uses them" in text.what


@pytest.mark.parametrize(("cause", "told"), [("heat", "too hot"), ("facility", "power brake")])
def test_slowing_is_told_with_what_to_do(cause, told):
    html = shown(card(history((300.0, {"j": 5.0, "x": [cause]})))["text/html"])
    assert f"Slowed by {cause} now." in html
    assert told in html


def test_being_at_its_power_limit_is_normal():
    assert "Slowed" not in card(history((300.0, {"j": 5.0, "x": ["power"]})))["text/html"]


def test_nothing_is_shown_where_nothing_is_measured():
    assert card(None)["text/html"] == card(PowerHistory())["text/html"]


def test_a_running_job_on_a_machine_without_sensors_says_why():
    seen = PowerHistory()
    why = "This is a virtual machine, which has no energy counters."
    seen.add(decoding.frame({"t": "unseen", "at": NOW, "why": why}))
    bundle = card(seen)
    assert f"— W — °C — Wh not measured: {why}" in shown(bundle["text/html"])
    assert f"— W · — °C · — Wh · not measured: {why}" in bundle["text/plain"]


def test_a_name_of_a_device_cannot_inject():
    evil = ({"kind": "gpu", "name": "<script>alert(1)</script>"},)
    assert "<script" not in card(history((300.0, {"j": 5.0}), described=evil))["text/html"]


def test_an_ended_job_shows_its_energy_in_the_table():
    ended = record(JobState.SUCCEEDED, ended=NOW, energy=decoding.exit_record(RECORD).energy)
    bundle = card(history((300.0, {"j": 5.0})), of=ended)
    text = shown(bundle["text/html"])
    assert "Energy 139 Wh (counted, NVML), mean 300 W, peak 400 W; set back" in text
    assert "Hottest 71 °C (sampled)" in text
    assert "Slowed by heat for 11% of the time on GPU 0" in text
    assert "<svg" not in bundle["text/html"]
    assert bundle[MIME]["energy"]["devices"][0]["energy"]["source"] == "counter"


def test_a_machine_without_sensors_says_so():
    energy = EnergyReport(unavailable={"rapl": "This is a virtual machine, which has no counters."})
    text = shown(card(of=record(JobState.SUCCEEDED, ended=NOW, energy=energy))["text/html"])
    assert (
        "Energy — not measured: This is a virtual machine, which has no counters. More: sovlab power" in text
    )


def test_no_number_is_without_where_it_is_from():
    """Over states of the sensors: wherever joules are shown, their source stands beside them."""
    energy = decoding.exit_record(RECORD).energy
    assert energy is not None
    (gpu,) = energy.devices
    words = {"counter": "counted", "sampled": "sampled", "attributed": "attributed", "modelled": "modelled"}
    for source, word in words.items():
        for kind in ("gpu", "cpu", "memory", "node"):
            for scope in ("device", "board", "module", "package", "node"):
                device = replace(gpu, kind=kind, scope=scope, energy=gpu.energy._replace(source=source))
                for devices in ((device,), (device, replace(device, id="other"))):
                    report = replace(energy, devices=devices)
                    ended = record(JobState.SUCCEEDED, ended=NOW, energy=report)
                    bundle = card(of=ended)
                    for text in (shown(bundle["text/html"]), bundle["text/plain"]):
                        joules = re.findall(r"[\d.]+ (?:J|Wh|kWh) (\([^)]*\))", text)
                        assert joules, text
                        assert all(word in told or "attributed" in told for told in joules), text
                    for group in bundle[MIME]["energy"]["groups"]:
                        assert group["energy"]["source"] != "unavailable"
                        assert group["energy"]["method"]


def limit(**told):
    made = history((300.0, {"j": 97200.0, "c": 79.4}))
    made.add(decoding.frame({"t": "limit", "limit": 7.2e6, **told}))
    return made


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            {"what": "energy_budget", "state": "warned", "used": 5.8e6, "source": "counter"},
            "81% of --energy-budget 2 kWh is used (counted): when it is used up, the job is stopped.",
        ),
        (
            {"what": "energy_budget", "state": "reached", "used": 7.3e6, "source": "counter"},
            "--energy-budget 2 kWh is reached: the job is being stopped.",
        ),
        (
            {"what": "energy_budget", "state": "unwatched", "why": "no sensor <b>here</b>"},
            "--energy-budget 2 kWh is not watched: no sensor &lt;b&gt;here&lt;/b&gt;.",
        ),
        (
            {"what": "max_temperature", "state": "unwatched", "limit": 85, "why": "it tells none."},
            "--max-temperature 85 °C is not watched: it tells none.",
        ),
    ],
)
def test_what_became_of_a_limit_is_one_sentence(told, sentence):
    bundle = card(limit(**told))
    assert sentence in bundle["text/html"]
    assert sentence.replace("&lt;", "<").replace("&gt;", ">") in bundle["text/plain"]


def test_a_limit_is_told_where_nothing_is_measured():
    made = PowerHistory()
    frame = {
        "t": "limit",
        "what": "energy_budget",
        "state": "unwatched",
        "limit": 5.0,
        "why": "no sensor here",
    }
    made.add(decoding.frame(frame))
    assert "--energy-budget 5 J is not watched: no sensor here." in card(made)["text/plain"]


def test_a_job_that_was_stopped_at_its_limit_says_which():
    words = "It used 2.03 kWh of energy, and --energy-budget allows 2 kWh."
    ended = record(JobState.FAILED, reason=Reason.LIMIT, message=words, ended=NOW)
    text = card(of=ended)["text/plain"]
    assert "was stopped at its limit after 1 min" in text
    assert words in text
