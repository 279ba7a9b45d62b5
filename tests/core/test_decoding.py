"""The door for what comes from jobs: what passes it is of the types and lengths that it promises."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.card.bundle import render
from sovlab.core import decoding, untrusted
from sovlab.core.decoding import DamagedRecord, ended_status, exit_record
from sovlab.core.job import JobRecord, JobState, JobStatus, Progress, Reason
from sovlab.core.untrusted import LATEST, Part, clean, moment
from tests import hostile
from tests.hostile import RECORD


def is_text(value: object, most: int = 1010) -> bool:
    if not isinstance(value, str):
        return False
    value.encode()
    return len(value) <= most


def is_number(value: object, least: float, most: float) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and least <= value <= most


def check_progress(progress: Progress) -> None:
    assert is_number(progress.step, -1e300, 1e300)
    assert progress.total is None or is_number(progress.total, -1e300, 1e300)
    assert progress.fraction is None or is_number(progress.fraction, 0, 1)
    assert is_number(progress.time, 0, LATEST)
    assert len(progress.metrics) <= 50
    for name, value in progress.metrics.items():
        assert is_text(name, 70)
        assert is_text(value, 70) or is_number(value, -1e300, 1e300)


def check(record: decoding.ExitRecord) -> None:
    for text in (record.reason, record.signal, record.kept, record.python, record.host):
        assert is_text(text, 310)
    assert is_text(record.message, 20_010)
    for time in (record.started, record.ended):
        assert time is None or is_number(time, 0, LATEST)
    assert record.exit_code is None or type(record.exit_code) is int
    assert record.max_rss is None or type(record.max_rss) is int
    assert record.cpu_seconds is None or is_number(record.cpu_seconds, 0, 1e12)
    for names in (record.unreturned, record.imported):
        assert len(names) <= 1000
        assert all(map(is_text, names))
    assert len(record.returned) <= 1000
    for name in record.returned:
        assert all(map(is_text, (name.name, name.type, name.detail, name.error)))
        assert type(name.size) is int
        assert name.size >= 0
    if record.progress is not None:
        check_progress(record.progress)
    if record.error is not None:
        assert set(record.error) == {"type", "module", "message", "traceback", "frames", "rank"}
        assert is_text(record.error["traceback"], 110_010)
        assert len(record.error["frames"]) <= 100
        assert record.error["rank"] is None or type(record.error["rank"]) is int


@given(hostile.records)
@hostile.examples(300)
def test_a_record_with_anything_in_any_place_is_refused_or_fits(values: dict[str, Any]) -> None:
    record, damage = None, ""
    try:
        record = exit_record(values)
    except DamagedRecord as error:
        damage = str(error)
    if record is None:
        assert is_text(damage, 200)
        assert damage.isprintable()
        return
    check(record)
    status = ended_status(record, hostile.NOW - 90)
    hostile.assert_can_be_shown(JobRecord(id="damaged-7k2m9x", target="local", spec=None, status=status))


@given(hostile.records)
@hostile.examples(200)
def test_a_record_says_the_same_in_its_file(values: dict[str, Any]) -> None:
    try:
        read = exit_record(json.dumps(values).encode())
    except DamagedRecord:
        return
    assert exit_record(values) == read


@given(hostile.garbage)
def test_what_is_no_record_is_refused(data: bytes) -> None:
    with pytest.raises(DamagedRecord):
        exit_record(data)
    assert decoding.frame(data) is None


@given(hostile.frames)
@hostile.examples(500)
def test_a_frame_with_anything_in_any_place_fits_or_is_none(values: dict[str, Any]) -> None:
    frame = decoding.frame(values)
    if isinstance(frame, Progress):
        check_progress(frame)
    elif isinstance(frame, decoding.RankNamed):
        assert frame.rank is None or (type(frame.rank) is int and frame.rank >= 0)
    elif isinstance(frame, decoding.LogMark):
        assert type(frame.position) is type(frame.second) is int
        assert frame.position >= 0
        assert 0 < frame.second < LATEST
    assert decoding.frame(json.dumps(values).encode()) in (frame, None)  # Infinity is not JSON


@pytest.mark.parametrize("values", [None, 7, "text", [], [1], b"\xff", {}, {"t": []}, {"t": "newer"}])
def test_what_is_no_frame_is_none(values: object) -> None:
    assert decoding.frame(values) is None


BUNDLE = {
    "data": {"image/png": "aGVsbG8=", "text/plain": "<Figure>"},
    "metadata": {"image/png": {"width": 640, "height": 480}},
}


@given(st.lists(hostile.changed(BUNDLE) | hostile.odd, max_size=3) | hostile.odd)
@hostile.examples(200)
def test_what_a_job_displayed_can_be_shown_whatever_it_is(found: object) -> None:
    shown = decoding.outputs(found)
    record = JobRecord(
        id="damaged-7k2m9x", target="local", spec=None, status=JobStatus(state=JobState.SUCCEEDED)
    )
    json.dumps(render(record, b"", [], hostile.NOW, outputs=shown), allow_nan=False).encode()
    assert decoding.outputs([BUNDLE]) == [BUNDLE]


def test_a_whole_record_is_read_whole() -> None:
    record = exit_record(json.dumps(RECORD).encode())
    assert record.reason == "user_error"
    assert record.error == RECORD["error"]
    assert [(n.name, n.type, n.size) for n in record.returned] == [("y", "int", 5)]
    assert (record.unreturned, record.imported, record.kept) == (("x",), ("torch",), "store")
    assert record.progress == Progress(**RECORD["progress"])
    status = ended_status(record, 1.0)
    assert (status.state, status.reason, status.submitted) == (JobState.FAILED, Reason.USER_ERROR, 1.0)
    for key in ("message", "exit_code", "started", "ended", "max_rss", "cpu_seconds", "python", "host"):
        assert getattr(status, key) == RECORD[key]


def test_a_record_of_an_older_runner_has_less_in_it() -> None:
    record = exit_record({"reason": "lost"})
    assert record == decoding.ExitRecord(reason="lost")
    assert ended_status(record, None).reason is Reason.LOST


def test_a_reason_of_a_newer_runner_is_a_failure() -> None:
    assert ended_status(exit_record({"reason": "evaporated"}), None).state is JobState.FAILED


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ended": "yesterday"}, "ended is text, not a number"),
        ({"exit_code": True}, "exit_code is true or false"),
        ({"started": -1}, "started is a number that is out of range"),
        ({"results": {"names": [{"name": 7}]}}, "results.names.name is a number"),
        ({"results": {"unreturned": "abc"}}, "results.unreturned is text, not a list"),
        ({"error": ["ValueError"]}, "error is a list, not an object"),
        ({"progress": {"step": 1, "metrics": {"loss": [1]}}}, "progress.metrics holds what is neither"),
        ({"reason": None}, "reason is null, not text"),
    ],
)
def test_damage_is_told_with_its_place(change: dict[str, Any], says: str) -> None:
    with pytest.raises(DamagedRecord) as caught:
        exit_record({**RECORD, **change})
    assert says in str(caught.value)


@pytest.mark.parametrize("step", ["nan", "inf", "Tensor on meta", None])
def test_progress_that_is_no_number_is_no_progress_and_no_damage(step: object) -> None:
    # `sovlab.progress(float("nan"))` is written as text.
    values = {"step": step, "total": "inf", "metrics": {}, "time": 1.0}
    assert exit_record({**RECORD, "progress": values}).progress is None
    assert decoding.frame({"t": "progress", **values}) is None
    assert decoding.frame({"t": "progress", **values, "step": 2}) == Progress(step=2, time=1.0)


def test_long_text_keeps_its_begin_and_its_end() -> None:
    traceback = "first\n" + "middle\n" * 100_000 + "ValueError: no\n"
    record = exit_record({**RECORD, "error": {**RECORD["error"], "traceback": traceback}})
    assert record.error is not None
    assert record.error["traceback"].startswith("first\n")
    assert record.error["traceback"].endswith("ValueError: no\n")
    assert len(record.error["traceback"]) < 111_000


def test_control_characters_stay_and_halves_of_characters_do_not() -> None:
    assert clean("\x1b[31m\x00\u202e") == "\x1b[31m\x00\u202e"
    assert clean("a\ud800b\udfff") == "a\ufffdb\ufffd"
    assert clean("\U0001f600") == "\U0001f600"


@pytest.mark.parametrize(
    ("value", "time"),
    [("1795648000.5", 1795648000.5), (7, 7.0), ("1e999", None), ("nan", None), (-1, None), (10**400, None)]
    + [(value, None) for value in ("", "soon", None, [], {}, LATEST, "9" * 5000)],
)
def test_a_moment_is_a_time_that_can_be_shown(value: object, time: float | None) -> None:
    assert moment(value) == time


def test_equal_texts_are_kept_once_and_not_for_ever():
    first, again = (Part("x", {"host": "".join(["node", "-1"])}).text("host") for _ in range(2))
    assert first == "node-1"
    assert first is again
    long = "a" * 301
    assert Part("x", {"m": long}).text("m") is long
    for number in range(10_000):
        untrusted.shared(f"text {number}")
    assert len(untrusted._shared) <= untrusted._SHARED
