"""The section ``[targets.NAME.prometheus]``: read with its target, what is wrong said with its key."""

from __future__ import annotations

import pytest

from sovlab.client import Client
from sovlab.errors import SettingsError
from sovlab.settings import load
from sovlab.views.targets import target_table

CLUSTER = (
    '[targets.site]\nexecutor = "kubernetes"\n[targets.site.kubernetes]\ncontext = "a"\nnamespace = "ml"\n'
)


@pytest.fixture
def client_of(tmp_path, monkeypatch):
    """A client whose settings are some text."""
    monkeypatch.setenv("SOVLAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(tmp_path / "config.toml"))
    monkeypatch.chdir(tmp_path)

    def made(text):
        (tmp_path / "config.toml").write_text(text)
        return Client(load())

    return made


def test_all_that_a_section_can_hold_is_read_and_files_are_beside_the_settings(client_of, tmp_path):
    client = client_of(
        CLUSTER
        + """[targets.site.prometheus]
url = "https://thanos-querier.example:9092/"
token_file = "token"
ca_file = "/etc/ca.pem"
namespace = "team-a"
timeout = "20s"
[[targets.site.prometheus.coolant]]
query = "cdu_supply"
unit = "°C"
scale = 1
[[targets.site.prometheus.pdu]]
query = "rPDU2DeviceStatusPower"
unit = "W"
scale = 10
of = "rack 7"
[targets.site.prometheus.own.chiller]
query = "chiller_kw"
unit = "kW"
scale = 0.1
"""
    )
    profile = client.site("site").profile
    assert profile.token_file == str(tmp_path / "token")
    assert profile.ca_file == "/etc/ca.pem"
    assert profile.timeout == 20
    assert profile.pdu[0].scale == 10
    assert profile.coolant[0].unit == "°C"
    assert profile.own["chiller"].query == "chiller_kw"
    assert client.site("site") is client.site("site")
    assert "team-a" in client.site("site").prometheus.where
    assert client.site("site").detection.get  # made, and nothing was asked: there is no such server
    shown = {row[0]: row[1:] for row in target_table(client.target("site")).rows}
    assert shown["prometheus.url"] == (
        "https://thanos-querier.example:9092/",
        f"{tmp_path / 'config.toml'}, line 7",
    )
    assert shown["context"][0] == "a"


def test_a_target_without_a_section_has_none(client_of):
    client = client_of(CLUSTER)
    assert client.site("site") is None
    assert client.site("local") is None


def test_this_machine_may_have_one_by_its_url(client_of):
    client = client_of('[targets.local.prometheus]\nurl = "http://localhost:9090"\n')
    assert client.site("local").namespace is None
    assert client.executor("local").target == "local"


URL = 'url = "https://x"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'uri = "https://x"',
            ["line 7: prometheus.uri of target 'site' is not a setting", "Did you mean url?"],
        ),
        (
            "url = 5",
            ["line 7: prometheus.url of target 'site'", "expected `str`, got `int`", "Write the address"],
        ),
        ('url = "thanos:9090"', ["target 'site': url in a", "not an http:// or https://"]),
        (URL + "timeout = 0", ["line 8: prometheus.timeout", "up to 300"]),
        (URL + 'timeout = "soon"', ["line 8: prometheus.timeout", "'soon' is not a valid duration"]),
        (URL + 'timeout = "1h"', ["line 8: prometheus.timeout", "up to 300"]),
        (URL + "token_file = true", ["line 8: prometheus.token_file", "path of a file"]),
        (URL + 'namespace = "Team"', ["line 8: prometheus.namespace", "name of a namespace"]),
        (URL + "pdu = 7", ["line 8: prometheus.pdu of", "with query, unit and scale"]),
        (URL + 'pdu = [{query = "x", scale = 1}]', ["prometheus.pdu[0] of", "missing required field `unit`"]),
        (URL + 'pdu = [{query = "x", unit = "W", scale = "a"}]', ["prometheus.pdu[0].scale of", "got `str`"]),
        (URL + 'pdu = [{query = "x", unit = "W", scale = nan}]', ["pdu in a", "scale nan"]),
        (URL + 'coolant = [{query = "x", unit = "W", scale = 0}]', ["coolant in a", "scale 0"]),
        (URL + 'own = {a = "up"}', ["prometheus.own", "own.WORD"]),
        (URL + 'service = "a/b:9090"', ["url or service, one of them"]),
        ('service = "prometheus"', ["does not name a Service"]),
        ('service = "a/b:9090"\ntoken_file = "t"', ["token_file and ca_file do not go with service"]),
        ('timeout = "5s"', ["url or service, one of them"]),
        ('url = "http://far.example"\ntoken_file = "t"', ["unencrypted"]),
        ('url = "https://u:hunter2@x"', ["holds a user or a password"]),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence_with_place_and_key(client_of, tmp_path, text, words):
    with pytest.raises(SettingsError) as caught:
        client_of(f"{CLUSTER}[targets.site.prometheus]\n{text}\n")
    said = str(caught.value)
    assert said.startswith(str(tmp_path / "config.toml"))
    for word in words:
        assert word in said
    assert "hunter2" not in said
    assert "\n" not in said


def test_a_service_needs_a_cluster(client_of):
    with pytest.raises(SettingsError, match="needs a target on a cluster"):
        client_of('[targets.local.prometheus]\nservice = "monitoring/prometheus:9090"\n')
    client_of(CLUSTER + '[targets.site.prometheus]\nservice = "monitoring/prometheus:9090"\n')


@pytest.mark.parametrize("value", ["7", '"https://x"', "[1]"])
def test_a_section_that_is_no_table_is_refused(client_of, value):
    with pytest.raises(SettingsError, match=r"targets\.local\.prometheus is not a table"):
        client_of(f"[targets.local]\nprometheus = {value}\n")


def test_a_project_cannot_choose_who_is_asked_with_which_token(client_of, tmp_path):
    """A folder that somebody cloned would get a token that way."""
    (tmp_path / "sovlab.toml").write_text(
        '[targets.local.prometheus]\nurl = "https://evil.example"\ntoken_file = "~/.token"\n'
    )
    client = client_of("")
    assert client.site("local") is None
    assert any("targets.local" in said and "left aside" in said for said in client.settings.ignored)


def test_the_keys_of_the_section_are_not_taken_for_the_executors(client_of):
    client = client_of(
        '[targets.site]\nexecutor = "kubernetes"\ncontext = "a"\n[targets.site.prometheus]\nurl = "https://x"\n'
    )
    assert client.target("site").settings["context"] == "a"
    assert not any("prometheus" in said for said in client.settings.outdated)
