"""Forecasts in files: those that sites publish are read, and what is not sure is refused with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.core.deferral.forecast import MOST
from sovlab.core.deferral.formats import read
from sovlab.core.untrusted import DamagedRecord
from tests.hostile import examples

NOON = 1_798_800_000.0
"""2027-01-01T10:40:00Z."""


def csv(*lines: str, names: str = "start,value") -> bytes:
    return "\n".join([names, *lines, ""]).encode()


def test_csv_with_times_in_any_zone() -> None:
    found = read(csv("2027-01-01T10:40Z,340", "2027-01-01T12:10+01:00,210", "1798803600,90.5"))
    assert found.times == (NOON, NOON + 1800, NOON + 3600, NOON + 5400)
    assert found.values == (340, 210, 90.5)


@pytest.mark.parametrize(
    "data",
    [
        csv("1798800000,1798801800,340", "1798801800,1798805400,210", names="from,to,value"),
        csv("1798800000;340;1798801800", "1798801800;210;1798805400", names="time; price ;end"),
        csv("1798800000\t1798801799.6\t340", "1798801800\t1798805400\t210", names="start\tend\tvalue"),
        b"\xef\xbb\xbf"
        + csv("1798800000,1798801800,340", "", "1798801800,1798805400,210", names="from,to,value"),
        csv("1798800000,1798801800,340\r", "1798801800,1798805400,210\r", names="from,to,value\r"),
        json.dumps(
            {
                "data": [
                    {"from": "2027-01-01T10:40Z", "to": "2027-01-01T11:10Z", "intensity": {"forecast": 340}},
                    {"from": "2027-01-01T11:10Z", "to": "2027-01-01T12:10Z", "intensity": {"forecast": 210}},
                ]
            }
        ).encode(),
        json.dumps(
            [
                {"start": NOON, "end": NOON + 1800, "value": 340},
                {"start": NOON + 1800, "end": NOON + 5400, "value": "210"},
            ]
        ).encode(),
    ],
)
def test_steps_with_ends_may_differ_in_length(data: bytes) -> None:
    found = read(data)
    assert found.times == pytest.approx((NOON, NOON + 1800, NOON + 5400), abs=1)
    assert found.values == (340, 210)


@pytest.mark.parametrize(
    "document",
    [
        {"zone": "DE", "forecast": [{"datetime": "2027-01-01T10:40:00.000Z", "carbonIntensity": 340},
                                    {"datetime": "2027-01-01T11:10:00.000Z", "carbonIntensity": 210}]},
        {"status": "success", "data": {"resultType": "matrix", "result": [
            {"metric": {}, "values": [[NOON, "340"], [NOON + 1800, "210"]]}]}},
        [[NOON, 340], [NOON + 1800, 210]],
    ],
)  # fmt: skip
def test_steps_without_ends_last_until_the_next(document: Any) -> None:
    found = read(json.dumps(document).encode())
    assert found.times == (NOON, NOON + 1800, NOON + 3600)
    assert found.values == (340, 210)


def test_a_step_may_be_told_by_the_settings() -> None:
    assert read(csv("1798800000,340"), 900).times == (NOON, NOON + 900)
    with pytest.raises(DamagedRecord, match="line 3: there is a gap"):
        read(csv("1798800000,340", "1798801800,210"), 900)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "line 1: it does not name the columns"),
        (b"\0" * 1000, "line 1"),
        (b"\xff\xfe", "it is not UTF-8"),
        ("start,value\n1798800000,é\n".encode("latin-1"), "it is not UTF-8"),
        (csv(), "it has no steps"),
        (csv("1798800000,1", names="when,value"), "line 1: it does not name the columns"),
        (csv("1798800000,340"), "line 2: it is not said when it ends"),
        (csv("1798800000,nan", "1798801800,1"), "line 2: 'nan' is not a number"),
        (csv("1798800000,inf", "1798801800,1"), "line 2: 'inf' is not a number"),
        (csv("1798800000,1e300", "1798801800,1"), "line 2: '1e300' is not a number"),
        (csv("1798800000,", "1798801800,1"), "line 2: '' is not a number"),
        (csv("1798800000;0,25", "1798801800;1", names="start;value"), "line 2: '0,25' is not a number"),
        (csv("2027-01-01T10:40,1", "2027-01-01T11:10,1"), "line 2: .* has no time zone"),
        (csv("2027-01-01T10:40+27:00,1"), "line 2: .* is not a time"),
        (csv("2027-13-01T10:40Z,1"), "line 2: .* is not a time"),
        (csv("0001-01-01T00:00+14:00,1"), "line 2: .* is not a time in seconds"),
        (csv("1798800000000,1"), "line 2: .* is not a time in seconds"),
        (csv("-5,1"), "line 2: .* is not a time"),
        (csv("1798800000,1,2"), "line 2: it has 3 columns, not 2"),
        (csv("1798800000,1", "1798801800,1", "1798805400,1"), "line 4: there is a gap before it"),
        (csv("1798800000,1", "1798803600,1", "1798805400,1"), "line 4: it overlaps"),
        (csv("1798800000,1", "1798800000,1"), "line 3: it begins no later than"),
        (csv("1798801800,1", "1798800000,1"), "line 3: it begins no later than"),
        (csv("1798800000,1798799999,1", names="start,end,value"), "line 2: it ends before it begins"),
        (csv("1798800000,1798801800,1", "1798801800,,1", names="start,end,value"), "line 3: it ends before"),
        (csv("1,2,1", "1.6,1.9,1", names="start,end,value"), "line 3: it ends before"),
        (csv('"1798800000,1', "1,1"), "line 3"),
        (csv("1798800000," + "1" * 200_000), "line 2"),
        (b"start,value" + b"," * 4_000_000, "no steps|columns"),
        (b"[]", "it has no steps"),
        (b"{}", "it holds no list of steps"),
        (b"[" * 100_000, "nested too deeply|not JSON"),
        (b'{"data": ' * 10 + b"[]" + b"}" * 10, "it holds no list of steps"),
        (b"[NaN]", "not JSON"),
        (b"[1]", "step 1: it is not an object"),
        (b'[{"start": 1798800000}]', "step 1: it has no value"),
        (b'[{"value": 1}]', "step 1: it has no start"),
        (
            b'[{"start": 1798800000, "value": true}]',
            "step 1: it is not a number|step 1: True is not a number",
        ),
        (b'[{"start": 1798800000, "value": {"forecast": null}}]', "step 1: it has no value"),
        (b'[{"start": 1798800000, "value": [1]}]', "step 1: it is not a number"),
        (b'[{"start": true, "value": 1}]', "step 1: True is not a number"),
        (b'{"start": 1798800000', "it is not JSON"),
        (b'[{"start": 1798800000, "value": 1' + b"0" * 5000 + b"}]", "too long|not a number"),
    ],
)
def test_what_is_not_sure_is_refused_with_its_place(data: bytes, why: str) -> None:
    with pytest.raises(DamagedRecord, match=why) as caught:
        read(data)
    assert len(str(caught.value)) < 300


def test_a_forecast_without_end_is_refused() -> None:
    lines = [f"{1_798_800_000 + n * 60},1" for n in range(MOST + 1)]
    assert len(read(csv(*lines[:-1])).values) == MOST
    with pytest.raises(DamagedRecord, match=f"more than {MOST} steps"):
        read(csv(*lines))


@examples(300)
@given(data=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")))
def test_any_file_is_a_forecast_or_refused(data: bytes) -> None:
    for each in (data, b"start,value\n" + data, b'[{"start":1,"end":2,"value":' + data + b"}]"):
        try:
            found = read(each)
        except DamagedRecord:
            continue
        assert all(begin < end for begin, end in zip(found.times, found.times[1:], strict=False))
        assert all(abs(value) < 1e14 for value in found.values)
