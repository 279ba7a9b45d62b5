"""Questions to a real Prometheus, its clock, and each way in which it fails to answer."""

from __future__ import annotations

import json
import time

import pytest
from prometheus_site import Front

from sovlab.telemetry.access import UrlAccess
from sovlab.telemetry.client import MAX_POINTS, Prometheus, step_of
from sovlab.telemetry.transport import failures
from sovlab.telemetry.transport.failures import PrometheusError
from sovlab.telemetry.transport.results import MAX_SERIES


def _failed(front, *, timeout=5.0, query="up", answer=None):
    with front.serve() as port, pytest.raises(PrometheusError) as caught:
        Prometheus(UrlAccess(f"http://127.0.0.1:{port}"), timeout=timeout).query(query, time.time())
    text = str(caught.value)
    assert f"http://127.0.0.1:{port}" in caught.value.message
    assert "\n" not in text
    return caught.value


def _answering(result, kind="vector", **more):
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode()


def _asked(front, query="up"):
    with front.serve() as port:
        return Prometheus(UrlAccess(f"http://127.0.0.1:{port}")).query(query, time.time())


def test_a_vector_a_scalar_and_a_matrix(site):
    prometheus = site.prometheus
    now = prometheus.now()
    (sample,) = prometheus.query('up{job="dcgm"}').samples
    assert sample.value == 1
    assert sample.labels["instance"] == "10.0.0.1:9400"
    assert sample.time == pytest.approx(now, abs=5)
    assert [s.value for s in prometheus.query("42").samples] == [42]
    (line,) = prometheus.query_range('up{job="dcgm"}', now - 6, now, 1).lines
    assert len(line.points) == 7
    assert {value for _, value in line.points} == {1}


def test_names_values_and_series(site):
    prometheus = site.prometheus
    now = prometheus.now()
    names = prometheus.label_values("__name__", '{__name__=~"kepler_.*"}', now - 60, now)
    assert "kepler_pod_cpu_watts" in names
    assert "up" not in names
    assert "zone" in prometheus.label_names("kepler_node_cpu_watts", now - 60, now)
    assert len(prometheus.series("kepler_node_cpu_watts", now - 60, now)) == 2


def test_what_is_no_number_is_left_out(site):
    assert site.prometheus.query("vector(0) / 0").samples == ()
    assert site.prometheus.query("vector(1) / 0").samples == ()
    values = site.prometheus.query('ipmi_temperature_celsius{name="Ambient 2"}').samples
    assert values == ()
    now = site.prometheus.now()
    assert site.prometheus.query_range("vector(0) / 0", now - 5, now, 1).lines == ()


def test_a_series_that_ended_is_gone_and_not_its_last_value(site):
    site.exporters.pages["live"] = "sovlab_test_gauge 5\n"
    end = time.monotonic() + 20
    while not site.prometheus.query("sovlab_test_gauge").samples:
        assert time.monotonic() < end
        time.sleep(0.2)
    site.exporters.pages["live"] = ""
    end = time.monotonic() + 20
    while site.prometheus.query("sovlab_test_gauge").samples:
        assert time.monotonic() < end, "it would be there for five minutes"
        time.sleep(0.2)


def test_series_that_come_twice_with_the_same_labels_are_one():
    """Two servers of one site that both scrape, before which nothing takes one of them out."""
    twice = [
        {"metric": {"gpu": "0"}, "value": [1.0, "280"]},
        {"metric": {"gpu": "0"}, "value": [1.0, "281"]},
        {"metric": {"gpu": "1"}, "value": [1.0, "NaN"]},
        {"metric": {"gpu": "2"}, "histogram": [1.0, {}]},
    ]
    (sample,) = _asked(Front(body=_answering(twice))).samples
    assert (dict(sample.labels), sample.value) == ({"gpu": "0"}, 281)


def test_a_join_with_duplicates_is_the_servers_error_in_its_own_words(site):
    with pytest.raises(PrometheusError, match="many-to-many matching not allowed") as caught:
        site.prometheus.query("kepler_node_cpu_watts * on (node_name) kepler_node_cpu_watts")
    assert caught.value.reason == failures.QUERY


def test_what_the_server_remarks_is_kept(site):
    answer = _asked(Front(body=_answering([], warnings=["store gateway 3:\n no answer"])))
    assert answer.notes == ("store gateway 3: no answer",)
    assert site.prometheus.query("up").notes == ()


def test_a_query_that_is_wrong_is_refused_with_what_is_wrong(site):
    with pytest.raises(PrometheusError, match="parse error") as caught:
        site.prometheus.query("sum(up")
    assert caught.value.reason == failures.QUERY


def test_nothing_listens_there():
    with Front().serve() as port:
        pass
    with pytest.raises(PrometheusError, match="nothing listens there") as caught:
        Prometheus(UrlAccess(f"http://127.0.0.1:{port}")).query("up")
    assert caught.value.reason == failures.DOWN


def test_a_name_that_nobody_knows():
    with pytest.raises(PrometheusError, match="its name is not known"):
        Prometheus(UrlAccess("http://prometheus.invalid:9090")).query("up")


def test_a_server_that_does_not_answer_in_time(site):
    error = _failed(Front(upstream=site.port, delay=3), timeout=0.5)
    assert error.reason == failures.SLOW
    assert "within 0.5 s" in error.message


def test_a_server_that_answers_a_byte_now_and_then_is_slow_too(site):
    """Each byte comes within the time-out of the socket."""
    begin = time.monotonic()
    error = _failed(Front(upstream=site.port, drip=0.2), timeout=1)
    assert error.reason == failures.SLOW
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("status", [200, 302, 500])
def test_a_login_page_is_no_answer(status):
    page = b"<!DOCTYPE html><html><script>alert(1)</script>Log in</html>"
    error = _failed(Front(body=page, kind="text/html; charset=utf-8", status=status))
    assert error.reason == failures.STRANGER
    assert "<" not in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"ok",
        b"[1]",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"status": "success"}',
        b'{"status": "success", "data": {"resultType": "vector", "result": 5}}',
        b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {"a": 5}}]}}',
        b'{"status": "success", "data": {"resultType": "matrix", "result": []}}',
        b'{"status": "success", "data": {"resultType": "vector", "result": [{"value": [1e300, "1"]}]}}',
        b'{"status": "success", "data": {"resultType": "vector", "result": [{"value": [-5, "1"]}]}}',
    ],
)
def test_what_is_not_its_json_is_no_answer(body):
    assert _failed(Front(body=body)).reason == failures.STRANGER


def test_what_it_says_is_one_line_and_bounded():
    said = json.dumps({"status": "error", "errorType": "bad_data", "error": "bad\n\n" + "x" * 5000}).encode()
    error = _failed(Front(body=said, status=400))
    assert error.reason == failures.QUERY
    assert len(error.message) < 500


@pytest.mark.parametrize(
    ("status", "reason"), [(429, failures.BUSY), (503, failures.BUSY), (500, failures.BUSY)]
)
def test_a_server_that_cannot_just_now(status, reason):
    said = json.dumps({"status": "error", "error": "query timed out in expression evaluation"}).encode()
    error = _failed(Front(body=said, status=status))
    assert error.reason == reason
    assert "timed out" in error.message


def test_ten_thousand_series_are_read_and_one_more_is_not(site):
    """A part of them would be added up to a wrong sum."""
    site.exporters.pages["live"] = "".join(f'sovlab_test_many{{n="{n}"}} 1\n' for n in range(MAX_SERIES + 1))
    end = time.monotonic() + 30
    while [s.value for s in site.prometheus.query("count(sovlab_test_many)").samples] != [MAX_SERIES + 1]:
        assert time.monotonic() < end
        time.sleep(0.3)
    assert len(site.prometheus.query('sovlab_test_many{n!="0"}').samples) == MAX_SERIES
    with pytest.raises(PrometheusError) as caught:
        site.prometheus.query("sovlab_test_many")
    assert caught.value.reason == failures.TOO_MUCH
    assert str(MAX_SERIES) in caught.value.message
    site.exporters.pages["live"] = ""


def test_a_query_longer_than_a_url_takes_is_not_sent():
    front = Front(body=b"")
    error = _failed(front, query=f'up{{x="{"y" * 8000}"}}')
    assert error.reason == failures.TOO_MUCH
    assert front.seen == []


@pytest.mark.parametrize("ahead", [300.0, -300.0])
def test_five_minutes_between_the_clocks_are_found_and_evened_out(site, ahead):
    """This machine's clock is five minutes off: by it, a question would be of the past or of the future."""
    prometheus = Prometheus(UrlAccess(site.url), clock=lambda: time.time() - ahead)
    assert prometheus.skew == pytest.approx(ahead, abs=1.5)
    assert prometheus.now() == pytest.approx(time.time(), abs=1.5)
    assert len(prometheus.query("up").samples) > 10
    assert prometheus.by_its_clock(time.time() - ahead) == pytest.approx(time.time(), abs=1.5)
    if ahead > 0:
        # Without the correction there would be nothing, or what was so long ago.
        uncorrected = prometheus.query("timestamp(up)", time.time() - ahead).samples
        assert all(sample.value <= time.time() - ahead for sample in uncorrected)
        assert all(sample.value > time.time() - ahead for sample in prometheus.query("timestamp(up)").samples)


def test_clocks_that_agree_to_a_second_are_left_alone(site):
    assert site.prometheus.skew == 0.0
    assert Prometheus(UrlAccess(site.url), clock=lambda: time.time() - 1.2).skew == 0.0


def test_a_server_without_a_date_is_asked_for_its_time(site):
    front = Front(upstream=site.port, ahead=None)
    with front.serve() as port:
        prometheus = Prometheus(UrlAccess(f"http://127.0.0.1:{port}"), clock=lambda: time.time() - 300)
        assert prometheus.skew == pytest.approx(300, abs=1.5)
        assert prometheus.query("up").samples
    assert [seen[1]["query"] for seen in front.seen] == [["time()"], ["up"]]


def test_a_history_of_any_length_has_at_most_2000_points(site):
    prometheus = site.prometheus
    now = prometheus.now()
    for seconds in (1.0, 10.0, 3600.0, 86400.0, 30 * 86400.0):
        assert seconds / step_of(now - seconds, now) + 1 <= MAX_POINTS
    (line,) = prometheus.query_range("vector(1)", now - 7 * 86400, now, 1.0).lines
    assert 1000 < len(line.points) <= MAX_POINTS
