"""Texts are the same, or the same words around numbers that are close."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.batch.verifying.result import Verdict
from sovlab.batch.verifying.tally import first_change
from sovlab.batch.verifying.texts import as_shown, compare_html, compare_svg, compare_texts
from sovlab.batch.verifying.tolerance import Tolerance

LOOSE = Tolerance(rtol=1e-2, atol=0)


def verdict(recorded, again, options=LOOSE, how=compare_texts):
    found = how("text/plain", recorded, again, options)
    return found.verdict if found else Verdict.SAME


@pytest.mark.parametrize(
    ("recorded", "again"),
    [
        ("1.000", "1.005"),
        ("-1.000", "-1.005"),
        ("1e-7", "1.001e-07"),
        ("100", "101"),
        ("0.10", "0.1"),
        ("12.0s", "12.1s"),
        ("[1. 2. 3.]", "[1.    2.001 3.   ]"),
        ("[1. 2.\n 3. 4.]", "[1.001 2.   \n 3. 4.]"),
        ("[1. 2. 3. 4.]", "[1.001 2.\n 3. 4.]"),
        ("tensor([0.5, nan])", "tensor([0.501, nan])"),
        ("inf 1.0", "inf 1.001"),
        ("\x1b[32m0.500\x1b[0m", "\x1b[32m0.501\x1b[0m"),
        ("+1.0 %", "+1.001 %"),
        (".500", ".501"),
    ],
)
def test_numbers_that_are_close_are_within_tolerance(recorded, again):
    assert verdict(recorded, again, Tolerance(rtol=1e-2, atol=0, sanitizers=())) is Verdict.WITHIN


@pytest.mark.parametrize(
    ("recorded", "again"),
    [
        ("1.0", "1.1"),
        ("1.0", "-1.0"),
        ("nan", "1.0"),
        ("inf", "-inf"),
        ("1.0", "inf"),
        ("0", "1e-9"),
        ("1.0 a", "1.0 b"),
        ("1.0", "1.0 1.0"),
        ("layer100", "layer101"),  # a name
        ("seed 1234567890123456", "seed 1234567890123457"),  # an id
        ("1" * 60 + ".5", "1" * 60 + ".6"),
        ("a b", "ab"),
        ("  x", "x"),
        ("x\n", "x"),
        ("1,000", "999"),
        ("", "1"),
    ],
)
def test_words_that_differ_and_numbers_that_are_not_close_differ(recorded, again):
    assert verdict(recorded, again) is Verdict.DIFFERS
    assert verdict(again, recorded) is Verdict.DIFFERS


@given(st.floats(), st.floats())
def test_two_numbers_are_within_tolerance_as_math_isclose_says(one, other):
    options = Tolerance(rtol=0.1, atol=1e-3)
    want = math.isclose(one, other, rel_tol=0.1, abs_tol=1e-3) or (math.isnan(one) and math.isnan(other))
    assert (verdict(f"x = {one!r} !", f"x = {other!r} !", options) is not Verdict.DIFFERS) == want


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1), st.data())
def test_one_number_that_is_changed_is_found_wherever_it_stands(numbers, data):
    place = data.draw(st.integers(0, len(numbers) - 1))
    changed = [*numbers]
    changed[place] = 1.0 if abs(numbers[place]) < 0.5 else 0.0
    found = compare_texts("x", *(" ".join(map(repr, each)) for each in (numbers, changed)), Tolerance())
    assert found is not None
    assert found.verdict is Verdict.DIFFERS
    assert (found.numbers.changed, found.numbers.beyond) == (1, 1)
    assert found.numbers.absolute == abs(numbers[place] - changed[place])


def test_white_space_alone_differs_and_is_named():
    found = compare_texts("x", "a  b", "a b", LOOSE)
    assert found is not None
    assert (found.verdict, found.words) == (Verdict.DIFFERS, "only white space differs")


def test_numbers_of_lines_are_said_where_words_differ():
    found = compare_texts("x", "a\nb\nc", "a\nb", LOOSE)
    assert found is not None
    assert found.words == "the text differs: 3 lines in the record, 2 now"


def test_a_number_against_none_is_apart_without_end():
    found = compare_texts("x", "nan", "1.5", LOOSE)
    assert found is not None
    assert found.words == "1 number changed, 1 beyond tolerance, at worst a number against none"


def test_the_largest_numbers_have_a_relative_deviation():
    found = compare_texts("x", "1.7e308", "-1.7e308", LOOSE)
    assert found is not None
    assert found.numbers.relative == 2.0


def test_a_long_line_is_shown_around_what_differs():
    found = compare_texts("x", "a " * 500 + "left" + " b" * 500, "a " * 500 + "right" + " b" * 500, LOOSE)
    assert found is not None
    assert "left" in found.recorded
    assert "right" in found.again
    assert max(len(found.recorded), len(found.again)) < 200


TABLE = '<table id="T_{id}" class="dataframe"><tr><td id="T_{id}_row0">{value}</td></tr></table>'


def test_of_tables_texts_count_and_not_how_they_look():
    one = TABLE.format(id="3fa9c", value="0.500")
    assert verdict(one, TABLE.format(id="77777", value="0.500"), how=compare_html) is Verdict.SAME
    assert verdict(one, TABLE.format(id="77777", value="0.501"), how=compare_html) is Verdict.WITHIN
    assert verdict(one, TABLE.format(id="77777", value="0.600"), how=compare_html) is Verdict.DIFFERS
    assert verdict(one, one.replace("<td", "<th"), how=compare_html) is Verdict.DIFFERS


def test_elsewhere_in_html_attributes_count():
    assert verdict('<a href="x">1</a>', '<a href="y">1</a>', how=compare_html) is Verdict.DIFFERS


def test_random_ids_of_drawings_are_no_difference():
    one = '<path clip-path="url(#p0123456789)" d="M 1.0 2.0"/>'
    assert verdict(one, one.replace("p0123456789", "p9876543210"), how=compare_svg) is Verdict.SAME
    assert verdict(one, one.replace("2.0", "7.0"), how=compare_svg) is Verdict.DIFFERS


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("0%\r50%\r100%\n", "100%\n"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("0%\r100%\r", "100%"),
        ("abc\b\bd", "ad"),
        ("\b\b", ""),
        ("a\n\bb", "a\nb"),
        ("plain", "plain"),
    ],
)
def test_a_stream_is_what_a_terminal_shows_in_the_end(written, seen):
    assert as_shown(written) == seen


@given(st.text("ab", max_size=30), st.text("ab", max_size=30))
def test_the_first_change_is_where_a_look_at_each_character_finds_it(one, other):
    naive = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    assert first_change(one, other) == naive
    assert first_change("x" * 200_000 + one, "x" * 200_000 + other) == 200_000 + naive
