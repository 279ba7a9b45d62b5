"""What the settings say of the site: off until it is set, and wrong values are one sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.errors import SettingsError
from sovlab.settings import Site, load
from tests.hostile import examples

KEYS = ("carbon_intensity", "pue", "tariff", "currency", "embodied")


@pytest.fixture
def place(tmp_path):
    """Reads settings from a text and variables."""

    def read(text="", **environ):
        (tmp_path / "config.toml").write_text(text)
        return load(tmp_path, {"SOVLAB_CONFIG_FILE": str(tmp_path / "config.toml"), **environ})

    read.path = tmp_path / "config.toml"
    return read


def test_a_site_says_nothing_until_it_is_set(place):
    assert place().site == Site()
    assert all(getattr(Site(), key) in (None, "") for key in KEYS)


def test_a_site_is_read_with_where_each_value_is_from(place):
    settings = place(
        "[site]\ncarbon_intensity = 350\npue = 1.3\ntariff = 0.25\ncurrency = 'EUR'\nembodied = 20.5\n"
    )
    assert settings.site == Site(carbon_intensity=350, pue=1.3, tariff=0.25, currency="EUR", embodied=20.5)
    assert settings.source("site.pue") == f"{place.path}, line 3"
    assert settings.source("site.currency") == f"{place.path}, line 5"


def test_variables_win(place):
    settings = place("[site]\npue = 1.3\n", SOVLAB_SITE_PUE="1.1", SOVLAB_SITE_CARBON_INTENSITY="12")
    assert (settings.site.pue, settings.site.carbon_intensity) == (1.1, 12)
    assert settings.source("site.pue") == "SOVLAB_SITE_PUE"


def test_zero_is_a_value(place):
    site = place("[site]\ncarbon_intensity = 0\ntariff = 0\ncurrency = '€'\n").site
    assert (site.carbon_intensity, site.tariff, site.currency) == (0, 0, "€")


@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [
        ("carbon_intensity", "nan", "gCO2e for each kWh"),
        ("carbon_intensity", "-1", "gCO2e for each kWh"),
        ("carbon_intensity", "inf", "gCO2e for each kWh"),
        ("carbon_intensity", "'low'", "gCO2e for each kWh"),
        ("carbon_intensity", "true", "gCO2e for each kWh"),
        ("pue", "0.5", "from 1 to 5"),
        ("pue", "nan", "from 1 to 5"),
        ("pue", "13", "from 1 to 5"),
        ("pue", "[1.3]", "from 1 to 5"),
        ("tariff", "-0.1", "what a kWh costs"),
        ("tariff", "nan", "what a kWh costs"),
        ("currency", "1", "EUR"),
        ("currency", "''", "EUR"),
        ("currency", "'EUR per kWh'", "EUR"),
        ("currency", '"\\u202eEUR"', "EUR"),
        ("currency", '"<b>"', "EUR"),
        ("embodied", "-3", "zero or more"),
        ("embodied", "nan", "zero or more"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_file_line_and_key(place, key, value, advice):
    with pytest.raises(SettingsError) as caught:
        place(f"[site]\n{key} = {value}\n")
    text = str(caught.value)
    assert f"{place.path}, line 2: site.{key} is " in text
    assert advice in text


@pytest.mark.parametrize("value", ["nan", "0.5", "high", "-inf"])
def test_a_wrong_variable_is_named(place, value):
    with pytest.raises(SettingsError, match=r"Environment variable SOVLAB_SITE_PUE: site\.pue is "):
        place(SOVLAB_SITE_PUE=value)


def test_a_price_needs_its_currency(place):
    with pytest.raises(SettingsError) as caught:
        place("[site]\npue = 1.3\ntariff = 0.25\n")
    assert f"{place.path}, line 3: site.tariff is 0.25, and site.currency is not set." in str(caught.value)
    with pytest.raises(SettingsError, match=r"variable SOVLAB_SITE_TARIFF: site\.tariff is 0\.3"):
        place(SOVLAB_SITE_TARIFF="0.3")
    assert place("[site]\ntariff = 0.25\n", SOVLAB_SITE_CURRENCY="EUR").site.tariff == 0.25


def test_a_slip_of_the_pen_is_refused(place):
    with pytest.raises(SettingsError, match=r"there is no setting 'site\.puee'"):
        place("[site]\npuee = 1.3\n")
    with pytest.raises(SettingsError, match="SOVLAB_SITE_PUEE is not a setting"):
        place(SOVLAB_SITE_PUEE="1.3")
    with pytest.raises(SettingsError, match="'site'"):
        place("site = 'here'\n")


@examples(100)
@given(st.floats())
def test_of_all_numbers_only_those_of_a_facility_are_a_pue(tmp_path_factory, value):
    folder = tmp_path_factory.getbasetemp()
    environ = {"SOVLAB_CONFIG_FILE": str(folder / "no.toml"), "SOVLAB_SITE_PUE": repr(value)}
    if 1 <= value <= 5:
        assert load(folder, environ).site.pue == value
    else:
        with pytest.raises(SettingsError):
            load(folder, environ)
