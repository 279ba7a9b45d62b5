"""A deferral in words, and the bounds of one that comes out of a record."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab import codec
from sovlab.core.deferral.words import brought, chosen, compared, held, number
from sovlab.core.energy.report import DeviceReport, EnergyReport
from sovlab.core.job import JobState, JobStatus, Reason
from sovlab.core.spec import Deferral, JobSpec, PayloadKind
from sovlab.errors import SpecError
from sovlab.sensors.reading import COUNTER, Reading
from tests.hostile import examples

NOW, HOUR = 1_800_000_000.0, 3600.0
DEFERRAL = Deferral(
    asked=NOW,
    start=NOW + 3 * HOUR,
    duration=HOUR,
    signal="carbon intensity",
    unit="gCO2e/kWh",
    times=tuple(NOW + n * HOUR for n in range(7)),
    values=(340, 340, 340, 210, 340, 500),
)
SPEC = JobSpec(
    name="digits", kind=PayloadKind.CELL, payload="0" * 64, finish_by=NOW + 5 * HOUR, deferral=DEFERRAL
)


def ran(start: float, seconds: float) -> JobStatus:
    begin = NOW + start
    return JobStatus(state=JobState.SUCCEEDED, submitted=NOW, started=begin, ended=begin + seconds)


def of(**changes: Any) -> JobSpec:
    return replace(SPEC, deferral=replace(DEFERRAL, **changes))


def test_the_submit_says_what_was_chosen_and_what_it_is_expected_to_bring() -> None:
    said = chosen(SPEC, "1 h, as its last run")
    assert "340 gCO2e/kWh, 38 % less than at once (forecast)" in said
    assert said.startswith("It starts at ")
    assert said.endswith("It is expected to run 1 h, as its last run.")
    now = of(start=NOW, times=(), values=(), why="the settings name no [forecast]")
    assert chosen(now, "") == "It starts at once: the settings name no [forecast]."


def test_what_waiting_has_brought() -> None:
    said = brought(SPEC, ran(3 * HOUR, HOUR))
    assert said == (
        "waited 3 h for carbon intensity: 210 instead of 340 gCO2e/kWh, 38 % less than at once (forecast)"
    )
    assert compared(DEFERRAL, ran(3.5 * HOUR, HOUR)) == (3.5 * HOUR, 275, 340)


def test_where_its_energy_is_known_it_is_said_what_that_comes_to() -> None:
    energy = Reading("energy", "J", 1.8e6, COUNTER, "NVML energy counter", "device", 1.0, "GPU-1")
    report = EnergyReport(devices=(DeviceReport(id="GPU-1", kind="gpu", energy=energy),), seconds=HOUR)
    status = replace(ran(3 * HOUR, HOUR), energy=report)
    assert brought(SPEC, status).endswith("(forecast); for its 500 Wh that is 65 gCO2e less")
    assert brought(of(unit="MW"), status).endswith("(forecast)")
    assert "that is" not in brought(SPEC, ran(3 * HOUR, HOUR))


@pytest.mark.parametrize(
    ("spec", "status", "words"),
    [
        (SPEC, ran(4 * HOUR, 2 * HOUR), "420 instead of 340 gCO2e/kWh, 24 % more than at once"),
        (SPEC, ran(4 * HOUR, 2 * HOUR), "; it ended 1 h after its deadline"),
        (SPEC, ran(5 * HOUR, 2 * HOUR), "— (it ran beyond the forecast); it ended 2 h after its deadline"),
        (SPEC, ran(1 * HOUR, HOUR), "340 instead of 340 gCO2e/kWh, as much as at once"),
        (SPEC, ran(3 * HOUR, 0.0), "210 instead of 340 gCO2e/kWh"),
        (SPEC, ran(-60.0, HOUR), "as much as at once"),  # a clock that is behind
        (
            of(values=(-5, 1, 1, -20, 1, 1), unit="EUR/kWh"),
            ran(3 * HOUR, HOUR),
            "-20 instead of -5 EUR/kWh (",
        ),
        (of(values=(0, 1, 1, 0, 1, 1), unit=""), ran(3 * HOUR, HOUR), ": 0 instead of 0 ("),
        (of(values=(2, 1, 1, 6, 1, 1), most=True), ran(3 * HOUR, HOUR), "200 % more than at once"),
        (of(start=NOW, why="no earlier run"), ran(0.1, HOUR), "did not wait: no earlier run"),
    ],
)
def test_it_is_said_whatever_came(spec: JobSpec, status: JobStatus, words: str) -> None:
    assert words in brought(spec, status)


def test_of_a_job_that_never_ran_there_is_nothing_to_say() -> None:
    never = JobStatus(state=JobState.CANCELLED, submitted=NOW, ended=NOW + 5)
    assert brought(SPEC, never) == ""
    assert brought(replace(SPEC, finish_by=None, deferral=None), ran(0, 1)) == ""


def test_a_held_job_says_until_when_and_then_that_its_time_has_come() -> None:
    waits = JobStatus(state=JobState.QUEUED, submitted=NOW)
    found = held(waits, SPEC, DEFERRAL.start, NOW)
    assert (found.state, found.reason, found.due) == (JobState.PENDING, Reason.DEFERRED, DEFERRAL.start)
    assert "for the lowest carbon intensity before" in found.message
    assert "its time has come" in held(waits, SPEC, DEFERRAL.start, DEFERRAL.start).message


def test_it_is_due_until_its_start() -> None:
    assert SPEC.due(NOW) == DEFERRAL.start
    assert SPEC.due(DEFERRAL.start) is None
    assert of(why="no forecast").due(NOW) is None
    assert replace(SPEC, deferral=None).due(NOW) is None


def test_a_request_with_a_deferral_comes_back_as_it_was_sent() -> None:
    assert codec.decode(msgspec.json.encode(SPEC), JobSpec) == SPEC
    older = json.loads(msgspec.json.encode(SPEC))
    del older["deferral"], older["finish_by"]
    assert codec.decode(json.dumps(older).encode(), JobSpec).deferral is None


@pytest.mark.parametrize(
    "changes",
    [
        {"asked": -1.0},
        {"asked": float("nan")},
        {"start": float("inf")},
        {"start": NOW - 1},
        {"start": 1e15},
        {"duration": -1.0},
        {"duration": float("nan")},
        {"signal": "x" * 101},
        {"signal": "a\nb"},
        {"unit": "\x1b[31m"},
        {"unit": "u" * 41},
        {"why": "y" * 2001},
        {"values": DEFERRAL.values[1:]},
        {"values": ()},
        {"times": ()},
        {"values": (*DEFERRAL.values[1:], float("nan"))},
        {"values": (*DEFERRAL.values[1:], 1e300)},
        {"times": DEFERRAL.times[::-1]},
        {"times": (NOW, *DEFERRAL.times[:-1])},
        {"times": (*DEFERRAL.times[:-1], 1e300)},
        {"times": tuple(NOW + n for n in range(302)), "values": (1.0,) * 301},
    ],
)
def test_a_deferral_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(SpecError):
        replace(DEFERRAL, **changes)


@pytest.mark.parametrize("moment", [-1.0, float("nan"), float("inf"), 1e15, True, "08:00"])
def test_a_deadline_that_cannot_be_is_refused(moment: Any) -> None:
    with pytest.raises(SpecError, match="--finish-by is"):
        replace(SPEC, finish_by=moment)


@examples(300)
@given(
    values=st.lists(st.floats(-1e14, 1e14), min_size=1, max_size=8),
    start=st.floats(-1e5, 1e5),
    seconds=st.floats(0, 1e5),
)
def test_whatever_the_numbers_are_it_can_be_said(values: list[float], start: float, seconds: float) -> None:
    times = tuple(NOW + n * HOUR for n in range(len(values) + 1))
    said = brought(of(times=times, values=tuple(values)), ran(start, seconds))
    assert said.startswith("waited ")
    assert "nan" not in said


@pytest.mark.parametrize(
    ("value", "text"), [(0.25, "0.25"), (12345.6, "12,346"), (99.5, "99.5"), (340, "340")]
)
def test_a_value_has_three_digits_that_mean_something(value: float, text: str) -> None:
    assert number(value) == text
