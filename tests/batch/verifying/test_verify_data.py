"""JSON is compared member by member, pictures by what they show."""

from __future__ import annotations

import base64
import importlib.util
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sovlab.batch.verifying.pictures import compare_pictures
from sovlab.batch.verifying.result import Verdict
from sovlab.batch.verifying.structured import compare_json
from sovlab.batch.verifying.tolerance import Tolerance

OPTIONS = Tolerance()
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


@given(VALUES)
def test_a_value_is_the_same_as_its_copy(value):
    assert compare_json("x", value, json.loads(json.dumps(value)), OPTIONS) is None


@given(VALUES, VALUES)
def test_values_that_are_not_equal_are_not_the_same(one, other):
    found = compare_json("x", one, other, Tolerance(rtol=0, atol=0, sanitizers=()))
    assert (found is None) == (_text(one) == _text(other))


def _text(value):
    """Equal for values that are: true is not 1, 1.0 is 1, and nan is nan."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return repr(value)
    if isinstance(value, (int, float)):
        return (
            "nan"
            if value != value
            else str(int(value))
            if abs(value) < 1e308 and value == int(value)
            else str(value)
        )
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return f"{{{','.join(f'{key!r}:{_text(value[key])}' for key in sorted(value))}}}"


@pytest.mark.parametrize(
    ("one", "other", "verdict", "recorded", "again"),
    [
        ({"a": [1.0, 2.0]}, {"a": [1.0, 2.0000001]}, Verdict.WITHIN, "a.1: 2.0", "a.1: 2.0000001"),
        ({"a": [1.0, 2.0]}, {"a": [1.0, 3.0]}, Verdict.DIFFERS, "a.1: 2.0", "a.1: 3.0"),
        ({"a": "x 1.0"}, {"a": "x 1.0000001"}, Verdict.WITHIN, "a: x 1.0", "a: x 1.0000001"),
        ({"a": {"b": 1}}, {"a": {"b": True}}, Verdict.DIFFERS, "a.b: 1", "a.b: true"),
        ({"a": None}, {"a": {}}, Verdict.DIFFERS, "a: null", "a: an object"),
        ([1, 2], [1], Verdict.DIFFERS, "a list of 2", "a list of 1"),
        ({"a": 1}, {"b": 1}, Verdict.DIFFERS, '["a"]', '["b"]'),
        (10**16, 10**16 + 1, Verdict.DIFFERS, "10000000000000000", "10000000000000001"),
        (10**400, 1.5, Verdict.DIFFERS, "a number of more than 40 digits", "1.5"),
    ],
)
def test_the_first_difference_of_values_is_shown_with_its_place(one, other, verdict, recorded, again):
    found = compare_json("x", one, other, OPTIONS)
    assert found is not None
    assert (found.verdict, found.recorded, found.again) == (verdict, recorded, again)


def test_times_in_values_are_sanitised():
    found = compare_json("x", {"t": "2026-01-01T00:00:00Z"}, {"t": "2026-01-02T00:00:00Z"}, OPTIONS)
    assert found is not None
    assert found.verdict is Verdict.SAME


def picture(pixels, form="PNG", **options):
    """An array as a picture, in base64."""
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, form, **options)
    return base64.b64encode(data.getvalue()).decode()


@pytest.fixture
def curve():
    """A curve on white, as plots have it."""
    pixels = np.full((120, 160, 3), 255, np.uint8)
    for x in range(160):
        pixels[int(60 + 40 * np.sin(x / 20)), x] = 0
    return pixels


def compare(one, other, options=OPTIONS):
    return compare_pictures("image/png", one, other, options)


def test_the_same_bytes_are_the_same_however_base64_is_broken_into_lines(curve):
    text = picture(curve)
    assert compare(text, text) is None
    assert compare(text, "\n".join(text[i : i + 76] for i in range(0, len(text), 76)) + "\n") is None


def test_the_same_pixels_stored_otherwise_are_the_same(curve):
    found = compare(picture(curve), picture(curve, compress_level=1))
    assert (found.verdict, found.words) == (Verdict.SAME, "the same pixels, stored differently")


def test_a_picture_with_a_little_noise_is_alike(curve):
    noisy = curve.copy()
    noisy[::7, ::5] -= 1
    found = compare(picture(curve), picture(noisy))
    assert found.verdict is Verdict.WITHIN
    assert "alike" in found.words


def test_another_curve_is_not_alike_though_most_of_it_is_white(curve):
    found = compare(picture(curve), picture(curve[::-1].copy()))
    assert found.verdict is Verdict.DIFFERS
    assert "not alike" in found.words


def test_another_colour_is_not_alike():
    grey = np.full((20, 30, 3), 100, np.uint8)
    red = grey.copy()
    red[:, :, 0] = 200
    assert compare(picture(grey), picture(red)).verdict is Verdict.DIFFERS


def test_another_size_differs_and_is_named(curve):
    found = compare(picture(curve), picture(curve[:100].copy()))
    assert found.verdict is Verdict.DIFFERS
    assert (found.recorded, found.again) == ("160 × 120 pixels", "160 × 100 pixels")


def test_the_threshold_of_likeness_is_the_callers(curve):
    other = picture(curve[::-1].copy())
    assert compare(picture(curve), other, Tolerance(likeness=0.0)).verdict is Verdict.WITHIN


def test_what_is_transparent_is_compared_as_on_white(curve):
    clear = np.dstack([np.zeros_like(curve), np.zeros(curve.shape[:2], np.uint8)])
    white = np.full_like(curve, 255)
    assert compare(picture(clear), picture(white)).verdict is Verdict.SAME


@pytest.mark.parametrize("broken", ["", "AAAA", "§§§§", "iVBORw0KGgo=", "A"])
def test_what_is_no_picture_is_not_compared_and_never_the_same(curve, broken):
    found = compare(picture(curve), broken)
    assert found.verdict is Verdict.DIFFERS
    assert found.words.startswith("images not compared: ")


def test_a_picture_of_too_many_pixels_is_not_decoded(curve):
    huge = picture(np.zeros((1, 1), np.uint8).repeat(6000, 0).repeat(6000, 1))
    found = compare(picture(curve), huge)
    assert found.verdict is Verdict.DIFFERS
    assert "million pixels" in found.words


def test_without_pillow_images_are_not_compared_and_never_the_same(curve, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "PIL" else real(name, *rest)
    )
    found = compare(picture(curve), picture(curve, compress_level=1))
    assert found.verdict is Verdict.DIFFERS
    assert found.words == "images not compared: that takes Pillow and numpy, and one of them is not installed"
    assert compare(picture(curve), picture(curve)) is None
