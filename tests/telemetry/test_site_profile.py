"""The section of a target that says where its Prometheus is."""

from __future__ import annotations

import pytest
from prometheus_site import binary

from sovlab.errors import SettingsError
from sovlab.settings import Target
from sovlab.settings.sections import read_section
from sovlab.telemetry.exporters import promql
from sovlab.telemetry.profile import TEXTS, PrometheusProfile


def _read(**table):
    target = Target(name="site", executor="kubernetes", source="config.toml, line 3", table=table)
    return read_section(target, PrometheusProfile, texts=TEXTS)


def test_a_section_is_read_into_a_profile():
    profile = _read(
        url="https://thanos.example:9092",
        token_file="token",
        namespace="team-a",
        timeout="20s",
        pdu=[{"query": "rPDU2DeviceStatusPower", "unit": "W", "scale": 10, "of": "rack 7"}],
        own={"chiller": {"query": "chiller_kw", "unit": "kW", "scale": 1}},
    )
    profile.check()
    assert profile.timeout == 20.0
    assert (profile.pdu[0].scale, profile.pdu[0].of) == (10, "rack 7")
    assert profile.own["chiller"].unit == "kW"


@pytest.mark.parametrize(
    "table",
    [
        {"uri": "https://x"},
        {"timeout": "0s"},
        {"timeout": "1h"},
        {"namespace": 'a"} or up{x="'},
        {"pdu": [{"query": "x", "scale": 1}]},  # a unit is not guessed
        {"pdu": [{"query": "x", "unit": "W"}]},  # nor a scale
        {"pdu": [{"query": "x", "unit": "W", "scale": 1, "sacle": 2}]},
        {"own": {"a": "up"}},
    ],
)
def test_what_is_written_wrongly_is_refused_with_the_place(table):
    with pytest.raises(SettingsError, match=r"config\.toml, line 3"):
        _read(**table)


@pytest.mark.parametrize(
    ("seconds", "text"), [(8.0, "8000ms"), (0.1, "100ms"), (0.0, "1ms"), (0.0004, "1ms"), (1.0005, "1001ms")]
)
def test_durations_have_no_fractions(seconds, text):
    assert promql.duration(seconds) == text


def test_text_in_a_matcher_is_escaped():
    assert promql.equals("a", 'x"} or y{b="\\') == 'a="x\\"} or y{b=\\"\\\\"'
    assert promql.one_of("a", ["x.y", "p|q"]) == 'a=~"x\\\\.y|p\\\\|q"'


@pytest.mark.parametrize("label", ["", "a-b", 'a"', "9a", "a b", "a\n"])
def test_what_is_no_label_gets_into_no_query(label):
    with pytest.raises(ValueError, match="not the name of a label"):
        promql.equals(label, "x")


def test_where_prometheus_is_not_installed_tests_are_skipped_with_that_reason():
    with pytest.raises(pytest.skip.Exception, match="not installed"):
        binary("no-such-prometheus")
