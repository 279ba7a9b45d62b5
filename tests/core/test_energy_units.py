"""Energies, powers and temperatures are read as people write them, and never guessed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.core.energy.budget import parse_celsius, parse_energy, parse_power
from sovlab.errors import SpecError


@pytest.mark.parametrize(
    ("text", "joules"),
    [
        ("2kWh", 7.2e6),
        ("500 Wh", 1.8e6),
        ("3.6MJ", 3.6e6),
        ("1e6 J", 1e6),
        ("1E-3MWh", 3.6e6),
        (" 0.312 kWh ", 0.312 * 3.6e6),
        ("2 KWH", 7.2e6),
        ("2kwh", 7.2e6),
        ("10 gj", 1e10),
        (".5kJ", 500.0),
        ("+5J", 5.0),
    ],
)
def test_energies_are_read_as_people_write_them(text, joules):
    assert parse_energy(text) == pytest.approx(joules, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2", "'2' has no unit."),
        ("0", "'0' has no unit."),
        ("-5W", "'-5W' is a power, not an energy."),
        ("2kW", "'2kW' is a power, not an energy."),
        ("NaN", "'NaN' is not a valid energy."),
        ("nan J", "'nan J' is not a valid energy."),
        ("inf", "'inf' is not a valid energy."),
        ("", "'' is not a valid energy."),
        ("J", "'J' is not a valid energy."),
        ("0kWh", "An energy must be greater than zero, not '0kWh'."),
        ("-1kWh", "An energy must be greater than zero, not '-1kWh'."),
        ("1e-999J", "An energy must be greater than zero, not '1e-999J'."),
        ("1e999J", "'1e999J' is more than any job could take."),
        ("1e300 J", "'1e300 J' is more than any job could take."),
        ("2,5kWh", "'2,5kWh' is not a valid energy."),
        ("1 000J", "'1 000J' is not a valid energy."),
        ("٢kWh", "'٢kWh' is not a valid energy."),
        ("3eV", "'3eV' has the unit 'eV', which is not known."),
        ("3 kWh/day", "'3 kWh/day' has the unit 'kWh/day', which is not known."),
        ("1e99999J", "'1e99999J' is more than any job could take."),
    ],
)
def test_what_is_no_energy_is_refused_with_how_to_write_it(text, message):
    with pytest.raises(SpecError) as caught:
        parse_energy(text)
    assert caught.value.message == message
    assert caught.value.hint == "Write an energy like 2kWh, 500Wh or 3.6MJ."


@pytest.mark.parametrize("text", ["3mWh", "3mwh", "3mJ", "3mj"])
def test_milli_is_not_taken_for_mega(text):
    with pytest.raises(SpecError, match="not known"):
        parse_energy(text)


@pytest.mark.parametrize(
    ("text", "watts"), [("300W", 300.0), ("0.3 kW", 300.0), ("300 w", 300.0), ("1MW", 1e6), ("2 KW", 2000.0)]
)
def test_powers_are_read_as_people_write_them(text, watts):
    assert parse_power(text) == pytest.approx(watts, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("300", "'300' has no unit."),
        ("2kWh", "'2kWh' is an energy, not a power."),
        ("5J", "'5J' is an energy, not a power."),
        ("-5W", "A power must be greater than zero, not '-5W'."),
        ("0W", "A power must be greater than zero, not '0W'."),
        ("inf W", "'inf W' is not a valid power."),
        ("", "'' is not a valid power."),
        ("300mW", "'300mW' has the unit 'mW', which is not known."),
        ("85C", "'85C' has the unit 'C', which is not known."),
    ],
)
def test_what_is_no_power_is_refused_with_how_to_write_it(text, message):
    with pytest.raises(SpecError) as caught:
        parse_power(text)
    assert caught.value.message == message
    assert caught.value.hint == "Write a power like 300W or 0.3kW."


@pytest.mark.parametrize(
    "text", ["85", "85C", "85c", "85 °C", "85°C", "85° C", "85 ℃", "85ºC", " 85.0 C", "8.5e1"]
)
def test_temperatures_are_read_as_people_write_them(text):
    assert parse_celsius(text) == 85.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("185F", "'185F' is in Fahrenheit, not in degrees Celsius."),
        ("185 °f", "'185 °f' is in Fahrenheit, not in degrees Celsius."),
        ("185 ℉", "'185 ℉' is in Fahrenheit, not in degrees Celsius."),
        ("358K", "'358K' is in kelvin, not in degrees Celsius."),
        ("358", "A limit of temperature must be above 0 and at most 150 °C, not '358'."),
        ("0", "A limit of temperature must be above 0 and at most 150 °C, not '0'."),
        ("-5C", "A limit of temperature must be above 0 and at most 150 °C, not '-5C'."),
        ("1e999", "A limit of temperature must be above 0 and at most 150 °C, not '1e999'."),
        ("NaN", "'NaN' is not a valid temperature."),
        ("", "'' is not a valid temperature."),
        ("C", "'C' is not a valid temperature."),
        ("85W", "'85W' is not a valid temperature."),
        ("85°", "'85°' is not a valid temperature."),
        ("85,5", "'85,5' is not a valid temperature."),
    ],
)
def test_what_is_no_temperature_is_refused_with_how_to_write_it(text, message):
    with pytest.raises(SpecError) as caught:
        parse_celsius(text)
    assert caught.value.message == message
    assert caught.value.hint == "Write degrees Celsius like 85, 85C or 85°C."


@pytest.mark.parametrize("parse", [parse_energy, parse_power, parse_celsius])
@given(text=st.text(max_size=30) | st.from_regex(r"[0-9eE+.\- ]{0,9}(k?W?h?|M?J|C|°)", fullmatch=True))
def test_any_text_is_a_finite_number_above_zero_or_refused(parse, text):
    try:
        value = parse(text)
    except SpecError:
        return
    assert value > 0
    assert math.isfinite(value)


def test_long_text_is_not_repeated_in_full():
    with pytest.raises(SpecError) as caught:
        parse_energy("x" * 100_000)
    assert len(caught.value.message) < 200
