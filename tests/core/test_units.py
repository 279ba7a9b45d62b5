import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.core.units import (
    format_bytes,
    format_carbon,
    format_cost,
    format_duration,
    format_energy,
    format_power,
    parse_bytes,
    parse_duration,
)
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


@pytest.mark.parametrize(
    ("grams", "shown"),
    [
        (0, "0 g CO2e"),
        (1e-9, "< 0.000001 g CO2e"),
        (0.00041, "0.00041 g CO2e"),
        (4.1, "4.1 g CO2e"),
        (63.19, "63 g CO2e"),
        (999.4, "999 g CO2e"),
        (1234, "1.2 kg CO2e"),
        (12_345_678, "12 t CO2e"),
        (5e9, "5,000 t CO2e"),
    ],
)
def test_carbon_is_shown_with_digits_that_mean_something(grams, shown):
    assert format_carbon(grams) == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "0 EUR"),
        (0.01, "0.01 EUR"),
        (0.0034, "0.0034 EUR"),
        (0.5, "0.50 EUR"),
        (1, "1.00 EUR"),
        (1204.5, "1,204.50 EUR"),
    ],
)
def test_costs_are_shown_in_hundredths_or_smaller(amount, shown):
    assert format_cost(amount, "EUR") == shown


@given(st.floats(0, 1e12))
def test_costs_and_carbon_have_no_exponent_and_are_zero_only_if_they_are(value):
    for text in (format_cost(value, "EUR"), format_carbon(value)):
        number = text.split(" ")[0 if not text.startswith("<") else 1]
        assert set(number) <= set("0123456789.,")
        assert (float(number.replace(",", "")) == 0) == (value == 0)


@pytest.mark.parametrize(
    ("joules", "beside", "shown"),
    [
        (0.0, 0.0, "0 J"),
        (0.04, 0.0, "0.04 J"),
        (1e-7, 0.0, "< 0.001 J"),
        (85.2, 0.0, "85 J"),
        (3500.0, 0.0, "3500 J"),
        (3600.0, 0.0, "1.0 Wh"),
        (43_200.0, 0.0, "12 Wh"),
        (500_000.0, 0.0, "139 Wh"),
        (3_599_999.0, 0.0, "1.00 kWh"),
        (6e6, 0.0, "1.67 kWh"),
        (4.4e7, 0.0, "12.2 kWh"),
        (1e11, 0.0, "27,778 kWh"),
        (500_000.0, 7.2e6, "0.14 kWh"),
        (2400.0, 4000.0, "0.67 Wh"),
        (7.2e6, 500_000.0, "2.00 kWh"),
    ],
)
def test_energies_are_shown_in_a_unit_that_can_be_read(joules, beside, shown):
    assert format_energy(joules, beside) == shown


@given(*[st.floats(0, 1e15, allow_subnormal=False)] * 2)
def test_energies_of_a_sentence_have_one_unit_and_are_zero_only_if_they_are(one, other):
    shown = [format_energy(one, other), format_energy(other, one)]
    assert len({each.rpartition(" ")[2] for each in shown}) == 1
    for value, text in zip((one, other), shown, strict=True):
        number = text.rpartition(" ")[0].removeprefix("< ").replace(",", "")
        assert (float(number) == 0) == (value == 0)


@pytest.mark.parametrize(
    ("watts", "shown"), [(0.04, "0.04 W"), (7.44, "7.4 W"), (802, "802 W"), (2100, "2.1 kW")]
)
def test_a_small_power_is_not_shown_as_none(watts, shown):
    assert format_power(watts) == shown
