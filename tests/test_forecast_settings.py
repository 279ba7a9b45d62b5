"""What the settings say of a forecast: off until it is set, and wrong values are one sentence."""

from __future__ import annotations

import pytest

from sovlab.errors import SettingsError
from sovlab.settings import Forecast, load, trusting


@pytest.fixture
def place(tmp_path):
    """Reads settings from a text and variables."""

    def read(text="", **environ):
        (tmp_path / "config.toml").write_text(text)
        return load(tmp_path / "work", {"SOVLAB_CONFIG_FILE": str(tmp_path / "config.toml"), **environ})

    (tmp_path / "work").mkdir()
    read.path = tmp_path / "config.toml"
    read.work = tmp_path / "work"
    return read


def test_there_is_no_forecast_until_it_is_set(place):
    assert place().forecast is None
    assert place("[forecast]\n").forecast is None


def test_a_file_is_beside_the_settings_that_name_it(place):
    settings = place("[forecast]\nfile = 'grid.csv'\nstep = '30m'\n")
    assert settings.forecast == Forecast(file=str(place.path.parent / "grid.csv"), step=1800)
    assert settings.source("forecast.file") == f"{place.path}, line 2"
    assert place("[forecast]\nfile = '/srv/grid.csv'\n").forecast.file == "/srv/grid.csv"
    named = place(SOVLAB_FORECAST_FILE="grid.csv")
    assert named.forecast.file == str(place.work / "grid.csv")


def test_a_query_is_asked_by_a_step(place):
    text = (
        "[forecast]\nquery = 'grid offset 1w'\nstep = 900\nkind = 'price'\nname = 'day-ahead'\nunit = 'ct'\n"
    )
    found = Forecast(query="grid offset 1w", step=900, kind="price", name="day-ahead", unit="ct")
    assert place(text).forecast == found


@pytest.mark.parametrize(
    ("text", "says", "advice"),
    [
        ("kind = 'carbon'", "line 2: [forecast] names neither file nor query", "Set one of them"),
        ("file = 'a'\nquery = 'b'\nstep = 60", "names both file and query", "Set one of them"),
        ("query = 'b'", "has a query and no step", 'step = "30m"'),
        ("file = ''", "line 2: forecast.file is ''", "CSV or JSON"),
        ("file = 3", "line 2: forecast.file is 3", "CSV or JSON"),
        ("file = 'a'\nkind = 'heat'", "line 3: forecast.kind is 'heat'", "carbon, price, headroom"),
        ("file = 'a'\nname = ''", "line 3: forecast.name is ''", "at most 40 letters"),
        (f"file = 'a'\nname = '{'x' * 41}'", "line 3: forecast.name is", "at most 40 letters"),
        ('file = "a"\nunit = "\\u001b[31m"', "line 3: forecast.unit is", "at most 40 letters"),
        ("file = 'a'\nstep = '0s'", "line 3: forecast.step is '0s'", "30m"),
        ("file = 'a'\nstep = nan", "line 3: forecast.step is nan", "30m"),
        ("file = 'a'\nstep = -1", "line 3: forecast.step is -1", "30m"),
        ("files = 'a'", "there is no setting 'forecast.files'", "Did you mean forecast.file?"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_file_line_and_key(place, text, says, advice):
    with pytest.raises(SettingsError) as caught:
        place(f"[forecast]\n{text}\n")
    assert says in str(caught.value)
    assert advice in str(caught.value)
    assert str(place.path) in str(caught.value)


def test_a_variable_that_does_not_go_with_the_others_is_named(place):
    with pytest.raises(SettingsError, match=r"Environment variable SOVLAB_FORECAST_QUERY: .* no step"):
        place(SOVLAB_FORECAST_QUERY="up")


def test_a_projects_file_names_no_forecast_unless_it_is_trusted(place, monkeypatch):
    """It may be in a folder that somebody cloned: no file to read, and no query with the user's token."""
    (place.work / "sovlab.toml").write_text("[forecast]\nfile = '/etc/shadow'\n[site]\npue = 1.3\n")
    settings = place("[forecast]\nquery = 'mine'\nstep = 60\n")
    assert settings.forecast == Forecast(query="mine", step=60)
    (sentence,) = settings.ignored
    assert f"{place.work / 'sovlab.toml'} sets forecast.file, site.pue, which was left aside" in sentence
    assert settings.source("forecast.query") == f"{place.path}, line 2"
    path = place.work / "sovlab.toml"
    path.write_text("[forecast]\nfiles = 1\n")
    place()
    monkeypatch.setattr(trusting, "is_trusted", lambda *_: True)
    with pytest.raises(SettingsError, match=r"there is no setting 'forecast\.files'"):
        place()
