import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.core.units import format_bytes, format_duration, parse_bytes, parse_duration
from sovlab.errors import SpecError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("512M", 512 * 2**20),
        ("2G", 2**31),
        ("2Gi", 2**31),
        ("1.5 GiB", 3 * 2**29),
        ("2GB", 2 * 10**9),
        ("300kB", 300_000),
        (" 7 k ", 7 * 1024),
    ],
)
def test_sizes_are_read_as_people_write_them(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "0", "0G", "-1G", "G", "1X", "1GG", "1e3", "nan", "1 2G"])
def test_what_is_no_size_is_refused_with_an_example(text):
    with pytest.raises(SpecError):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("15m", 900), ("1h30m", 5400), ("2d", 172800), ("1.5h", 5400), ("1h 5s", 3605)],
)
def test_durations_are_read_as_people_write_them(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-5", "5x", "m", "1m1h", "s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(SpecError):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.04, "40 ms"),
        (0.0999, "0.1 s"),
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (38, "38 s"),
        (59.7, "1 min"),
        (218, "3 min 38 s"),
        (7500, "2 h 5 min"),
        (86400, "1 d"),
        (-3, "0 ms"),
    ],
)
def test_durations_are_shown_in_two_units_at_most(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_240_000, "1.2 MB"),
        (999_999, "1.0 MB"),
        (123e9, "123 GB"),
    ],
)
def test_sizes_are_shown_with_three_figures_at_most(size, text):
    assert format_bytes(size) == text


@given(st.integers(min_value=1, max_value=10**7))
def test_a_shown_duration_reads_back_to_within_its_smaller_unit(seconds):
    shown = format_duration(seconds).replace("min", "m").replace(" ", "")
    assert abs(parse_duration(shown) - seconds) <= max(seconds * 0.05, 1)
