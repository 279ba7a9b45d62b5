"""A target whose settings name a Prometheus: what its jobs took by both, and what is missing."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import yaml
from prometheus_site import Exporters, Front, job, prometheus, wait_for

from sovlab import cli
from sovlab.card.bundle import MIME, render
from sovlab.client import Call, Client, default
from sovlab.client.site import job_energy
from sovlab.client.site.examining import site_findings
from sovlab.client.site.job_energy import energy_at_site
from sovlab.client.site.job_power import power_at_site
from sovlab.core.energy.report import DeviceReport, EnergyReport
from sovlab.core.job import JobRecord, JobState, JobStatus
from sovlab.core.spec import JobSpec, PayloadKind
from sovlab.errors import SpecError, UsageError
from sovlab.jupyter.commands import Commands
from sovlab.jupyter.live_cards import LiveCard
from sovlab.options.job import from_keywords
from sovlab.sensors.reading import COUNTER, Reading
from sovlab.settings import load
from sovlab.telemetry.transport.failures import PrometheusError
from sovlab.views.site import totals_document
from tests.hostile import CARD
from tests.kube.apiserver.access.auth import Rule
from tests.kube.apiserver.cluster import FakeCluster
from tests.kube.apiserver.handles import Node
from tests.provenance import checker

SPAN = 6.0
"""Seconds that a job is said to have run."""


@dataclass
class Lone:
    """A Prometheus that scrapes one node's exporter, twice as some sites do, and a page that a test fills."""

    port: int
    exporters: Exporters


@pytest.fixture(scope="module")
def lone(tmp_path_factory):
    exporters = Exporters()
    exporters.pages["again"] = exporters.pages["dcgm_v1"]
    exporters.pages["live"] = "rack_watts 1200\n"
    folder = tmp_path_factory.mktemp("lone")
    with exporters.serve() as pages:
        jobs = [
            job("dcgm_v1", pages, instance="10.0.1.1:9400"),
            job("again", pages, instance="10.0.1.99:9400"),
            job("live", pages, instance="rack-7"),
        ]
        with prometheus(folder, jobs) as port:
            aged = f"count_over_time(dcgm_power_usage[{SPAN + 2:g}s]) >= {SPAN:g}"
            wait_for(port, f"count({aged}) >= 2", seconds=120)
            yield Lone(port, exporters)


@pytest.fixture
def client_of(tmp_path, monkeypatch):
    """A client whose settings are some text; commands of the shell have the same."""
    monkeypatch.setenv("SOVLAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(tmp_path / "config.toml"))
    monkeypatch.chdir(tmp_path)

    def made(text):
        (tmp_path / "config.toml").write_text(text)
        default.cache_clear()
        return Client(load())

    yield made
    default.cache_clear()


def _local(port, more=""):
    return f'[targets.local.prometheus]\nurl = "http://127.0.0.1:{port}"\n{more}'


def _cluster(port, more="", kubeconfig=""):
    named = f'kubeconfig = "{kubeconfig}"\n' if kubeconfig else ""
    url = f'url = "http://127.0.0.1:{port}"\n' if port else ""
    return (
        f'[targets.site]\nexecutor = "kubernetes"\n[targets.site.kubernetes]\ncontext = "admin"\n{named}'
        f'namespace = "team-a"\n[targets.site.prometheus]\n{url}{more}'
    )


def _record(*, joules=500.0, ended=None, seconds=SPAN, backend="cuda", target="local"):
    """A job that has ended, with what it measured."""
    end = time.time() if ended is None else ended
    energy = Reading("energy", "J", joules, COUNTER, "NVML energy counter", "device", 1.0, "GPU-old")
    report = EnergyReport(devices=(DeviceReport(id="GPU-old", kind="gpu", energy=energy),), seconds=seconds)
    return JobRecord(
        id="train-7f3k2m",
        target=target,
        spec=JobSpec(name="train", kind=PayloadKind.CALL, payload="", backend=backend),
        status=JobStatus(
            state=JobState.SUCCEEDED, started=end - seconds, ended=end, host="node-11", energy=report
        ),
    )


def _asked(client, record, target="local"):
    return energy_at_site(record, lambda: client.site(target))


def test_the_two_totals_stand_side_by_side_with_their_difference(lone, client_of):
    """On this machine by the devices that the job used; what is scraped twice counts once."""
    said = _asked(client_of(_local(lone.port)), _record())
    assert said.joules == pytest.approx(150 * SPAN, rel=0.5)
    assert said.reading.source == COUNTER
    assert said.difference.value == pytest.approx(said.joules - 500)
    assert said.best.own.value == 500
    assert "more than measured in the job" in said.words
    assert "counted, dcgm-exporter" in said.words
    assert "last scrapes" in said.words, "it was asked before they may all have come"
    assert not said.settled


def test_on_a_cluster_it_is_by_the_pods(lone, client_of):
    client = client_of(_cluster(lone.port))
    said = _asked(client, _record(target="site"), "site")
    assert said.joules == pytest.approx(150 * SPAN, rel=0.5)
    other = _asked(client, _called(_record(target="site"), "train-9x9x9x"), "site")
    assert other.joules is None
    assert "no series of this job's pods" in other.words


def _called(record, job_id):
    return JobRecord(id=job_id, target=record.target, spec=record.spec, status=record.status)


def test_a_minute_after_the_end_the_answer_stays(lone, client_of, monkeypatch):
    monkeypatch.setattr(job_energy, "SETTLED", 0.0)
    said = _asked(client_of(_local(lone.port)), _record())
    assert said.settled
    assert "last scrapes" not in said.words


def test_a_job_shorter_than_a_scrape_has_none_and_it_is_said_why(lone, client_of):
    said = _asked(client_of(_local(lone.port)), _record(seconds=0.05))
    assert said.joules is None
    assert said.best.own.value == 500
    assert "scraped twice" in said.words or "no series of this job's devices" in said.words
    assert said.words.startswith("— (")


def test_a_clock_that_is_five_minutes_off_is_minded(lone, client_of):
    """Times of a job here are by this machine's clock, and the server's is another."""
    client = client_of(_local(lone.port))
    client.site("local").prometheus._clock = lambda: time.time() - 300
    said = _asked(client, _record(ended=time.time() - 300))
    assert said.joules == pytest.approx(150 * SPAN, rel=0.5)


def test_a_job_that_has_not_ended_is_not_asked_for(client_of):
    record = JobRecord(id="a-1", target="local", spec=None, status=JobStatus(state=JobState.RUNNING))
    said = energy_at_site(record, lambda: pytest.fail("nobody asks"))
    assert said.joules is None
    assert "not ended" in said.why


def test_a_target_that_names_none_says_so(client_of):
    client = client_of("")
    said = _asked(client, _record())
    assert "[targets.local.prometheus]" in said.words
    with pytest.raises(SpecError, match="Target local names no Prometheus"):
        client.site_power("local")


def _many():
    rows = [{"metric": {"gpu": str(n)}, "value": [1.0, "5"]} for n in range(10_001)]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": rows}}).encode()


class Many(Front):
    """A server whose every query has more series than are read."""

    def answer(self, request):
        self.body = (
            _many() if "/query" in request.path else b'{"status":"success","data":["dcgm_power_usage"]}'
        )
        super().answer(request)


class Hidden(Front):
    """A server that shows a namespace without anything in it."""

    def answer(self, request):
        empty = b'{"resultType":"vector","result":[]}' if "/query" in request.path else b"[]"
        self.body = b'{"status":"success","data":' + empty + b"}"
        super().answer(request)


FAULTS = {
    "slow": (Front(delay=3.0, body=b"{}"), "did not answer within"),
    "dripping": (Front(drip=0.2, body=b'{"status": "success", "data": []}'), "did not answer within"),
    "wrong token": (Front(token="other"), "does not accept the token (HTTP 401)"),
    "not allowed": (Front(status=403, body=b"no"), "does not let this token read it (HTTP 403)"),
    "a login page": (Front(body=b"<html>", kind="text/html"), "is not Prometheus"),
    "10,001 series": (Many(), "has more than 10000 series"),
    "an error of its own": (
        Front(status=503, body=b'{"status":"error","errorType":"timeout","error":"query timed out"}'),
        "query timed out",
    ),
}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_what_goes_wrong_there_is_said_in_a_sentence_and_nothing_is_raised(client_of, fault):
    front, words = FAULTS[fault]
    with front.serve() as port:
        timeout = 0.5 if "answer within" in words else 60
        said = _asked(client_of(_local(port, f"timeout = {timeout}\n")), _record())
    assert words in said.words
    assert words in said.why
    assert said.advice or fault == "an error of its own"
    assert said.joules is None
    assert said.totals == ()
    assert not said.settled, "and it is asked again"


def test_a_server_that_is_down_is_said_and_not_asked_again_at_once(client_of):
    with Front().serve() as port:
        pass
    client = client_of(_local(port))
    assert "nothing listens there" in _asked(client, _record()).words
    front = Front(body=b'{"status": "success", "data": []}')
    client.site("local").prometheus._access = SimpleNamespace(get=lambda *_: pytest.fail("asked"), where="x")
    assert "nothing listens there" in _asked(client, _record()).words
    assert front.seen == []


def test_where_exporters_are_hidden_it_is_said_what_would_show_them(client_of):
    front = Hidden()
    with front.serve() as port:
        client = client_of(_cluster(port, 'namespace = "team-a"\n'))
        said = _asked(client, _record(target="site"), "site")
        shown = {finding.what: finding for finding in site_findings(client.site("site"))}
    assert "sovlab manifests telemetry" in said.words
    assert "one namespace" in said.words
    assert all(seen[1]["namespace"] == ["team-a"] for seen in front.seen)
    assert "sovlab manifests telemetry" in shown["exporters"].advice
    assert "sovlab manifests telemetry" in shown["energy of a job's GPUs"].advice


# --- the card


class Gate(Front):
    """Answers only once it is opened."""

    def answer(self, request):
        self.asked.set()
        assert self.opened.wait(60)
        super().answer(request)


class Display:
    """What a card displays."""

    def __init__(self):
        self.bundles = []

    def update(self, bundle, raw):
        self.bundles.append(bundle)


def shown_in(card):
    card.display = Display()
    card._send = lambda bundle: card.display.update(bundle, raw=True)


def test_the_card_is_final_before_the_site_has_answered_and_gets_a_line_when_it_has(
    lone, client_of, monkeypatch
):
    monkeypatch.setattr(job_energy, "SETTLED", 0.0)
    front = Gate(upstream=lone.port)
    front.asked, front.opened = threading.Event(), threading.Event()
    with front.serve() as port:
        client = client_of(_local(port, "timeout = 60\n"))
        handle = client.submit(Call(pow, (2, 5)), from_keywords({"name": "quick", "backend": "cpu"})).job
        card = LiveCard(handle)
        shown_in(card)
        painting = threading.Thread(target=card._paint, daemon=True)
        painting.start()
        assert handle.result() == 32
        assert front.asked.wait(60)
        assert card.final.is_set(), "nobody waits for the site"
        assert "Prometheus" not in card.display.bundles[-1]["text/plain"]
        assert "succeeded" in card.display.bundles[-1]["text/plain"]
        front.opened.set()
        painting.join(60)
        assert not painting.is_alive()
    for kind in ("text/plain", "text/html"):
        assert "Prometheus: — (" in card.display.bundles[-1][kind]
        assert "Kepler" in card.display.bundles[-1][kind], "of a job on processors"
    handle.delete()


def test_a_card_of_a_target_without_prometheus_ends_as_ever(client_of):
    client = client_of("")
    handle = client.submit(Call(pow, (2, 5)), from_keywords({"name": "quick", "backend": "cpu"})).job
    card = LiveCard(handle)
    shown_in(card)
    card._paint()
    assert "Prometheus" not in card.display.bundles[-1]["text/plain"]
    assert not handle.has_prometheus
    handle.delete()


# --- the shell, the magic, the doctor


def _run(capsys, *words):
    capsys.readouterr()
    status = cli.main(words)
    return (status, *capsys.readouterr())


def test_the_shell_shows_what_the_devices_of_a_target_draw_each_with_its_source(lone, client_of, capsys):
    own = '[[targets.site.prometheus.pdu]]\nquery = "rack_watts"\nunit = "W"\nscale = 1\nof = "rack 7"\n'
    client = client_of(_cluster(lone.port, own))
    status, out, err = _run(capsys, "power", "--target", "site")
    assert status == 0, err
    row = next(line for line in out.splitlines() if line.startswith("GPU-old"))
    assert "150 W" in row
    assert "66 °C" in row
    assert "sampled" in row
    assert "dcgm-exporter" in row
    assert f"http://127.0.0.1:{lone.port}" in err
    assert any(line.startswith("pdu") and "rack 7" in line and "1200 W" in line for line in out.splitlines())
    status, out, _ = _run(capsys, "power", "--target", "site", "--json")
    document = json.loads(out)
    assert document["power"]["readings"][0]["value"] == 150
    assert document["power"]["readings"][0]["source"] == "sampled"
    assert document["own"][0]["readings"][0]["value"] == 1200
    Commands(SimpleNamespace(user_ns={}), client).power("--target site")
    assert "GPU-old" in capsys.readouterr().out


def test_the_shell_shows_a_job_by_both(lone, client_of, capsys):
    client = client_of(_local(lone.port))
    handle = client.submit(Call(pow, (2, 5)), from_keywords({"name": "quick", "backend": "cpu"})).job
    handle.wait()
    status, out, err = _run(capsys, "power", "quick")
    assert status == 0, err
    assert "processors" in out
    assert "the site's Prometheus" in out
    status, out, _ = _run(capsys, "power", "quick", "--json")
    document = json.loads(out)
    assert document["job"] == handle.id
    assert document["site"]["totals"][0]["site"]["value"] is None
    assert "Kepler" in document["site"]["totals"][0]["site"]["why"]
    assert handle.energy_at_site().best.site.why == document["site"]["totals"][0]["site"]["why"]
    handle.delete()


def test_the_doctor_says_what_the_prometheus_of_a_target_has_and_lacks(lone, client_of):
    found = {finding.what: finding for finding in client_of(_local(lone.port)).examine("local")}
    assert "answers" in found["prometheus"].found
    assert "power, energy, temperature" in found["exporter dcgm-exporter"].found
    assert found["power"].level == "ok"
    assert "dcgm-exporter" in found["energy of a job's GPUs"].found
    assert found["throttling"].level == "degraded"
    with Front(upstream=lone.port, ahead=330).serve() as port:
        found = {finding.what: finding for finding in client_of(_local(port)).examine("local")}
    assert "5 min" in found["prometheus"].found
    with Front().serve() as port:
        pass
    found = {finding.what: finding for finding in client_of(_local(port)).examine("local")}
    assert found["prometheus"].level == "degraded", "jobs run without it"
    assert "cannot be reached" in found["prometheus"].found
    assert found["memory limits"].level == "ok", "and the rest is told"


def test_the_shell_prints_recording_rules_and_a_job_of_that_name_is_still_meant(client_of, capsys):
    client_of("")
    status, out, err = _run(capsys, "manifests", "telemetry")
    assert status == 0, err
    assert out.startswith("# Recording rules")
    assert "kubectl apply" in " ".join(out.splitlines()[:6])
    (rule,) = yaml.safe_load_all(out)
    assert rule["kind"] == "PrometheusRule"
    assert {group["name"] for group in rule["spec"]["groups"]} >= {"sovlab-dcgm", "sovlab-kepler"}
    status, out, _ = _run(capsys, "manifests", "telemetry", "--json")
    assert json.loads(out) == [rule]
    status, _, err = _run(capsys, "manifests", "--", "telemetry")
    assert status == 2
    assert "no job 'telemetry'" in err
    status, _, err = _run(capsys, "manifests")
    assert status == 2
    assert "Job is missing" in err
    status, _, err = _run(capsys, "manifests", "telemetry", "--target", "local")
    assert status == 2
    assert "Target local names no Prometheus" in err


def test_rules_for_a_target_are_for_the_labels_there(lone, client_of, capsys):
    client_of(_cluster(lone.port))
    status, out, err = _run(capsys, "manifests", "telemetry", "--target", "site")
    assert status == 0, err
    (rule,) = yaml.safe_load_all(out)
    (group,) = rule["spec"]["groups"]
    assert 'pod_name!=""' in group["rules"][0]["expr"]


# --- through a cluster's API server


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    may = Rule(("get",), ("services/proxy",), ("",), ("monitoring",))
    with FakeCluster(
        tmp_path_factory.mktemp("fake"),
        [Node(resources={"cpu": "8", "memory": "16Gi", "nvidia.com/gpu": "1"})],
        users={"reader": (may,), "other": ()},
        namespaces=["monitoring", "team-a"],
    ) as found:
        yield found


SERVICE = 'service = "monitoring/prometheus-k8s:web"\n'


def test_a_prometheus_in_the_cluster_is_asked_through_its_api_server(lone, fake, client_of):
    fake.forwarded["monitoring/prometheus-k8s:web"] = lone.port
    client = client_of(_cluster(0, SERVICE, fake.kubeconfig))
    said = _asked(client, _record(target="site"), "site")
    assert said.joules == pytest.approx(150 * SPAN, rel=0.5)
    assert client.site_power("site").numbers["power"].readings
    with pytest.raises(PrometheusError, match="parse error") as caught:
        client.site("site").prometheus.query("up{")
    assert "The cluster refused" not in str(caught.value), "it is Prometheus that refused"


def test_what_the_api_server_itself_refuses_is_said_with_the_right_that_is_missing(lone, fake, client_of):
    text = _cluster(0, SERVICE, fake.kubeconfig)
    fake.forwarded["monitoring/prometheus-k8s:web"] = lone.port
    said = _asked(client_of(text.replace('"admin"', '"other"')), _record(target="site"), "site")
    assert "services/proxy" in said.words
    fake.forwarded.clear()
    said = _asked(client_of(text), _record(target="site"), "site")
    assert "no endpoints available" in said.words


def test_a_job_on_a_cluster_has_what_the_exporter_counted_for_its_pod(
    lone, fake, client_of, tmp_path, monkeypatch
):
    """All of it: a pod with a GPU, an exporter that names the pod, and the way through the API server."""
    monkeypatch.setattr("sovlab.executors.kubernetes.executor.ensure_agent", lambda *_: None)
    monkeypatch.setattr(job_energy, "SETTLED", 0.0)
    fake.forwarded["monitoring/prometheus-k8s:web"] = lone.port
    image = 'image = "registry.site/sovlab-cuda:1"\n'
    client = client_of(
        _cluster(0, SERVICE, fake.kubeconfig).replace(
            'namespace = "team-a"\n', f'namespace = "team-a"\n{image}', 1
        )
    )
    ready = tmp_path / "ready"
    held = Call(os.system, (f"until test -e {ready}; do sleep 0.1; done",))
    options = from_keywords({"name": "train", "backend": "cuda", "gpus": 1, "target": "site"})
    handle = client.submit(held, options).job
    pod = fake.wait(lambda: next(iter(fake.list("pods", "team-a")), None))["metadata"]["name"]
    labels = f'{{gpu="1",uuid="GPU-live",pod_namespace="team-a",pod_name="{pod}"}}'
    kept = lone.exporters.pages["live"]
    lone.exporters.pages["live"] = (
        f"{kept}dcgm_power_usage{labels} 100\ndcgm_total_energy_consumption{labels} 1000 +100000\n"
    )
    try:
        wait_for(
            lone.port, 'count_over_time(dcgm_total_energy_consumption{uuid="GPU-live"}[1h]) >= 5', seconds=90
        )
        ready.touch()
        assert handle.result(timeout=90) == 0
        said = handle.energy_at_site()
    finally:
        ready.touch()
        lone.exporters.pages["live"] = kept
    ran = handle.status.elapsed(time.time())
    assert said.joules == pytest.approx(100 * ran * said.reading.coverage, rel=0.6), said
    assert {each.reading.device for each in said.best.devices} == {"GPU-live"}
    assert said.reading.source == COUNTER
    assert handle.energy_at_site() is said, "what is settled is not asked for again"
    assert client.job(handle.id, "site").energy_at_site().joules == pytest.approx(said.joules, rel=0.2)
    handle.delete()


def test_what_a_server_says_cannot_move_the_cursor_nor_break_a_line(client_of):
    said = json.dumps({"status": "error", "error": "no\x1b[2J\r\n\tway\x9b1A" + "x" * 999}).encode()
    with Front(status=422, body=said).serve() as port:
        words = _asked(client_of(_local(port)), _record()).words
    assert "no [2J way" in words
    assert words.isprintable()
    assert len(words) < 500


# --- power over time


def _power(client, record, target="local"):
    ids = [device.id for device in record.status.energy.devices] if record.status.energy else ["GPU-old"]
    return power_at_site(record, lambda: client.site(target), ids)


def test_the_power_of_a_job_here_is_that_of_its_devices(lone, client_of):
    curves = _power(client_of(_local(lone.port)), _record())
    assert list(curves) == ["GPU-old"]
    assert curves.sources == {"GPU-old": "sampled"}
    assert curves.method == "the site's Prometheus: DCGM power samples (dcgm-exporter)"
    points = curves["GPU-old"]
    assert {point.watts for point in points} == {150.0}
    assert [point.time for point in points] == sorted(point.time for point in points)
    assert SPAN - 2 <= len(points) <= SPAN + 2
    assert "150 W to 150 W (sampled)" in repr(curves)


def test_the_power_of_a_job_on_a_cluster_is_that_of_its_pods(lone, client_of):
    client = client_of(_cluster(lone.port))
    curves = _power(client, _record(target="site"), "site")
    assert {point.watts for point in curves["GPU-old"]} == {150.0}
    # By its pods, not by its devices: of another job's it has none, though the device is the same.
    other = power_at_site(_called(_record(target="site"), "train-9x9x9x"), lambda: client.site("site"))
    assert not other
    assert "has none" in other.why


def test_the_power_of_a_job_that_runs_is_that_so_far(lone, client_of):
    ended = _record()
    status = JobStatus(state=JobState.RUNNING, started=time.time() - SPAN, host="node-11")
    runs = JobRecord(id=ended.id, target="local", spec=ended.spec, status=status)
    points = _power(client_of(_local(lone.port)), runs)["GPU-old"]
    assert SPAN - 3 <= len(points) <= SPAN + 3
    assert points[-1].time <= time.time() + 2


def test_of_a_long_job_means_are_asked_for_and_their_highest_samples(lone, client_of):
    points = _power(client_of(_local(lone.port)), _record(seconds=20_000.0))["GPU-old"]
    begin, *rest = points[-1]
    assert begin == pytest.approx(time.time() - 50, abs=30)
    assert rest == [50, 150, 150]


def test_a_week_is_some_hundred_points(lone, client_of):
    front = Front(upstream=lone.port)
    with front.serve() as port:
        _power(client_of(_local(port)), _record(seconds=7 * 86_400.0))
    asked = [parameters for path, parameters, _ in front.seen if path.endswith("/query_range")]
    assert asked
    for each in asked:
        begin, end, step = (float(each[name][0]) for name in ("start", "end", "step"))
        assert 300 <= (end - begin) / step < 400


def test_another_device_than_the_jobs_is_not_shown(lone, client_of):
    curves = power_at_site(_record(), lambda: client_of(_local(lone.port)).site("local"), ["GPU-other"])
    assert not curves
    assert "no power of it" in curves.why


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_power_that_cannot_be_had_is_a_sentence(client_of, fault):
    front, words = FAULTS[fault]
    with front.serve() as port:
        timeout = 0.5 if "answer within" in words else 60
        curves = _power(client_of(_local(port, f"timeout = {timeout}\n")), _record())
    assert curves == {}
    assert words in curves.why


def test_a_power_without_a_server_is_a_sentence(client_of):
    with Front().serve() as port:
        pass
    assert "nothing listens there" in _power(client_of(_local(port)), _record()).why
    assert "[targets.local.prometheus]" in _power(client_of(""), _record()).why
    never = JobRecord(id="a-1", target="local", spec=None, status=JobStatus(state=JobState.QUEUED))
    assert "not known when" in _power(client_of(""), never).why


def test_the_handle_of_a_job_asks_its_site(lone, client_of):
    pytest.importorskip("matplotlib")
    job = client_of(_local(lone.port)).handle(_record())
    curves = job.power_history("site")
    assert {point.watts for point in curves["GPU-old"]} == {150.0}
    (axes,) = job.plot("site").axes
    assert [line.get_label() for line in axes.lines] == ["GPU-old, sampled"]
    with pytest.raises(UsageError, match="'job' or 'site'"):
        job.power_history("sun")


def test_the_cards_data_has_the_sites_totals_with_where_they_are_from(lone, client_of):
    client = client_of(_local(lone.port))
    said = _asked(client, _record())
    document = {**totals_document(said.totals, said.why), "settled": said.settled}
    bundle = render(_record(), b"", [], time.time(), at_site=said.words, site_energy=document)
    CARD.validate(bundle[MIME])
    (total,) = bundle[MIME]["site_energy"]["totals"]
    assert (total["site"]["source"], total["own"]["value"]) == ("counter", 500)
    assert total["devices"][0]["exporter"] == "dcgm"
    assert not checker.in_json(bundle[MIME])
    assert not checker.in_html(bundle["text/html"])
    assert not checker.in_text(bundle["text/plain"])
