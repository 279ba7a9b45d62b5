"""Deadlines as people say them, by the clock of a place whose clocks change."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.core.deferral.clock import parse_deadline, shown
from sovlab.errors import SpecError
from tests.hostile import examples

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    if before is None:
        monkeypatch.delenv("TZ")
    else:
        monkeypatch.setenv("TZ", before)
    time.tzset()


def at(text: str, fold: int = 0) -> float:
    """A moment by the clocks of Berlin."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


@pytest.mark.parametrize(
    ("text", "now", "when"),
    [
        ("08:00", "2027-01-10T22:00", "2027-01-11T08:00"),
        ("08:00", "2027-01-11T07:59", "2027-01-11T08:00"),
        ("08:00", "2027-01-11T08:00", "2027-01-12T08:00"),
        ("8:00", "2027-01-11T07:00", "2027-01-11T08:00"),
        ("08:00:30", "2027-01-11T07:00", "2027-01-11T08:00:30"),
        ("00:00", "2027-12-31T12:00", "2028-01-01T00:00"),
        (" today  23:00 ", "2027-01-11T07:00", "2027-01-11T23:00"),
        ("tomorrow 08:00", "2027-01-11T07:00", "2027-01-12T08:00"),
        ("tomorrow 08:00", "2027-01-11T23:59", "2027-01-12T08:00"),
        ("2027-03-01T08:00", "2027-01-11T07:00", "2027-03-01T08:00"),
        ("2027-03-01 08:00", "2027-01-11T07:00", "2027-03-01T08:00"),
        ("2027-03-01T08:00Z", "2027-01-11T07:00", "2027-03-01T09:00"),
        ("2027-03-01T08:00+05:30", "2027-01-11T07:00", "2027-03-01T03:30"),
        ("+90m", "2027-01-11T07:00", "2027-01-11T08:30"),
        ("+ 1h30m", "2027-01-11T07:00", "2027-01-11T08:30"),
        # The night has 23 hours, or 25.
        ("08:00", "2027-03-27T22:00", "2027-03-28T08:00"),
        ("08:00", "2027-10-30T22:00", "2027-10-31T08:00"),
        ("tomorrow 08:00", "2027-03-27T22:00", "2027-03-28T08:00"),
        ("+9h", "2027-03-27T22:00", "2027-03-28T08:00"),
    ],
)
def test_it_is_the_next_such_moment(text: str, now: str, when: str) -> None:
    assert parse_deadline(text, at(now)) == at(when)


def test_a_time_that_clocks_show_twice_is_the_first_that_is_still_to_come() -> None:
    first, second = at("2027-10-31T02:30"), at("2027-10-31T02:30", fold=1)
    assert second - first == 3600
    for text in ("02:30", "2027-10-31T02:30"):
        assert parse_deadline(text, at("2027-10-31T01:00")) == first
        assert parse_deadline(text, first + 60) == second
    assert parse_deadline("02:30", second + 60) == at("2027-11-01T02:30")


@pytest.mark.parametrize("text", ["02:30", "tomorrow 02:30", "2027-03-28T02:30", "2027-03-28 02:30:00"])
def test_a_time_that_clocks_leave_out_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match=r"does not exist on 2027-03-28, .* go forward by 1 h"):
        parse_deadline(text, at("2027-03-27T22:00"))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "yesterday",
            "",
            " ",
            "8",
            "25:00",
            "08:60",
            "08:00:61",
            "24:00",
            "-08:00",
            "8am",
            "tomorrow",
            "noon",
        ),
        *("2027-03-01", "20270301", "2027-02-30T08:00", "2027-03-01T", "T08:00", "yesterday 08:00", "08:00Z"),
        *("next week 08:00", "2027-03-01T08:00+99:00", "\u0668\u0660:00", "08:00\0", "x" * 10_000, "+", "+x"),
        *("+-6h", "+0s", "++6h", "nan", "+nan", "1e9", "0001-01-01T00:00", "9999-12-31T23:59"),
    ],
)
def test_what_is_no_time_is_one_sentence_and_the_way_out(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_deadline(text, at("2027-01-11T07:00"))
    assert caught.value.message
    assert len(str(caught.value)) < 300
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", ["2027-01-11T06:59", "2020-01-01T00:00Z", "today 06:59", "today 07:00"])
def test_a_moment_that_is_past_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="is past"):
        parse_deadline(text, at("2027-01-11T07:00"))


@pytest.mark.parametrize("text", ["+400d", "2029-01-01T00:00"])
def test_a_moment_that_is_too_far_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="more than a year away"):
        parse_deadline(text, at("2027-01-11T07:00"))


@examples(300)
@given(text=st.text() | st.from_regex(r"\+?[0-9T:.,dhms Z+-]{1,20}", fullmatch=True), now=st.floats(0, 4e9))
def test_any_text_is_a_moment_to_come_or_refused(text: str, now: float) -> None:
    try:
        when = parse_deadline(text, now)
    except SpecError:
        return
    assert now < when <= now + 366 * 86400


@examples(300)
@given(hour=st.integers(0, 23), minute=st.integers(0, 59), now=st.floats(1e9, 4e9))
def test_a_time_of_day_is_shown_as_it_was_said(hour: int, minute: int, now: float) -> None:
    text = f"{hour:02}:{minute:02}"
    try:
        when = parse_deadline(text, now)
    except SpecError:
        assert hour == 2  # what the clocks leave out on one day
        return
    assert shown(when, when) == text
    assert when - now <= 25 * 3600
    assert text in shown(when, now)
