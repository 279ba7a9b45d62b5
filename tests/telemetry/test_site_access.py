"""Each way to a real Prometheus, through a proxy that checks token, path and tenancy as sites do."""

from __future__ import annotations

import logging
import traceback
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
from prometheus_site import Front

from sovlab.errors import SovlabError, SpecError
from sovlab.telemetry.access import ServiceProxyAccess, TenantAccess, UrlAccess, access_of
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.profile import PrometheusProfile, check_url, service_parts
from sovlab.telemetry.transport import failures, url_access
from sovlab.telemetry.transport.failures import PrometheusError
from tests.kube.apiserver.access.certificates import Certificates

TARGETS = 14
"""That the Prometheus scrapes."""
SECRET = "eyJhbGciOi.secret-token.x_y-z"


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{SECRET}\n")
    return path


def test_a_url_with_a_token_file(site, token_file):
    front = Front(upstream=site.port, token=SECRET)
    with front.serve() as port:
        prometheus = Prometheus(UrlAccess(f"http://127.0.0.1:{port}/", token_file))
        assert len(prometheus.query("up").samples) == TARGETS
        assert front.seen[-1][2] == f"Bearer {SECRET}"
        assert front.seen[-1][0] == "/api/v1/query"


def test_the_token_is_read_again_for_each_request(site, token_file):
    """Service accounts' tokens are renewed in place, and the old one ends."""
    front = Front(upstream=site.port, token=SECRET)
    with front.serve() as port:
        prometheus = Prometheus(UrlAccess(f"http://127.0.0.1:{port}", token_file))
        prometheus.query("up")
        front.token = "renewed"
        with pytest.raises(PrometheusError):
            prometheus.query("up")
        token_file.write_text("renewed")
        assert prometheus.query("up").samples


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_token_is_said_and_its_value_is_nowhere(site, token_file, caplog, status):
    front = Front(status=status, body=f"token {SECRET} is wrong".encode(), kind="text/plain")
    with front.serve() as port, caplog.at_level(logging.DEBUG), pytest.raises(PrometheusError) as caught:
        Prometheus(UrlAccess(f"http://127.0.0.1:{port}", token_file)).query("up")
    assert caught.value.reason == failures.ACCESS
    assert "token" in caught.value.message
    assert str(status) in caught.value.message
    everything = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(caught.value)
    assert SECRET not in everything
    assert "Bearer" not in everything


@pytest.mark.parametrize("content", ["", "two lines\nof it", "a b", "x" * 30_000, "tök"])
def test_a_token_file_that_holds_no_token_is_refused_without_showing_it(tmp_path, content):
    path = tmp_path / "token"
    path.write_text(content)
    with pytest.raises(PrometheusError) as caught:
        UrlAccess("http://127.0.0.1:9", path).get("query", {}, 1)
    assert caught.value.reason == failures.ACCESS
    assert str(path) in caught.value.message
    if content:
        assert content not in "".join(traceback.format_exception(caught.value))


def test_a_token_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(PrometheusError, match="No such file"):
        UrlAccess("http://127.0.0.1:9", tmp_path / "none").get("query", {}, 1)


def test_a_redirect_to_another_host_gets_no_request_and_so_no_token(site, token_file):
    """A login page on another host, or port, is not asked."""
    elsewhere = Front(upstream=site.port)
    with elsewhere.serve() as other:
        front = Front(redirect=f"http://127.0.0.1:{other}/oauth/authorize?x=1")
        with front.serve() as port, pytest.raises(PrometheusError) as caught:
            Prometheus(UrlAccess(f"http://127.0.0.1:{port}", token_file)).query("up")
        assert elsewhere.seen == []
    assert caught.value.reason == failures.STRANGER
    assert "redirects" in caught.value.message


def test_a_redirect_on_the_same_host_is_followed(site, token_file):
    front = Front(upstream=site.port, token=SECRET)
    with front.serve() as port:
        access = UrlAccess(f"http://127.0.0.1:{port}", token_file)
        front.redirect = f"/api/v1/query?{urlencode({'query': 'vector(7)'})}"
        got = []

        def once(request, status, body, location="", send=front._send):
            got.append(status)
            front.redirect = ""
            return send(request, status, body, location)

        front._send = once
        answer = access.get("query", {"query": "up"}, 5)
    assert got == [302, 200]
    assert b'"7"' in answer.body


def test_redirects_without_end_are_given_up():
    front = Front(redirect="/api/v1/query")
    with front.serve() as port, pytest.raises(PrometheusError, match="again and again"):
        UrlAccess(f"http://127.0.0.1:{port}").get("query", {}, 5)
    assert len(front.seen) == 4


def test_an_address_that_is_not_https_gets_no_token(tmp_path):
    with pytest.raises(SpecError, match="unencrypted"):
        UrlAccess("http://prometheus.example:9090", tmp_path / "token")
    check_url("http://prometheus.example:9090", with_token=False)
    check_url("http://localhost:9090", with_token=True)


@pytest.mark.parametrize(
    "url",
    ["", "prometheus:9090", "ftp://x", "https://", "https://u:hunter2@x", "https://x/?a=b", "http://x:99999"],
)
def test_an_address_that_cannot_be_asked_is_refused(url):
    with pytest.raises(SpecError) as caught:
        check_url(url, with_token=False)
    assert "hunter2" not in str(caught.value)


def test_certificates_of_a_site_are_trusted_and_others_are_not(site, tmp_path):
    certificates = Certificates(tmp_path / "pki")
    with Front(upstream=site.port).serve(certificates.context()) as port:
        url = f"https://127.0.0.1:{port}"
        assert Prometheus(UrlAccess(url, ca_file=certificates.ca)).query("up").samples
        with pytest.raises(PrometheusError, match="certificate is not trusted") as caught:
            Prometheus(UrlAccess(url)).query("up")
        assert caught.value.reason == failures.DOWN
        with pytest.raises(PrometheusError, match="does not exist"):
            Prometheus(UrlAccess(url, ca_file=tmp_path / "none.pem")).query("up")
        with pytest.raises(PrometheusError, match="cannot be reached"):  # and plain HTTP is not spoken there
            Prometheus(UrlAccess(f"http://127.0.0.1:{port}")).query("up")


def _cluster(port, *, error=None):
    """An authenticated GET on an API server, as a higher floor gives it."""

    def get(path, params, timeout):
        if error is not None:
            raise error
        with urlopen(f"http://127.0.0.1:{port}{path}?{urlencode(params)}", timeout=timeout) as answer:
            return answer.read()

    return get


def test_through_the_api_server_to_a_service(site):
    front = Front(upstream=site.port, service="monitoring/http:prometheus-k8s:9090")
    with front.serve() as port:
        access = ServiceProxyAccess(_cluster(port), "monitoring/http:prometheus-k8s:9090")
        prometheus = Prometheus(access)
        assert len(prometheus.query("up").samples) == TARGETS
        assert prometheus.label_values("job", "up", prometheus.now() - 60, prometheus.now())
    paths = {seen[0] for seen in front.seen}
    prefix = "/api/v1/namespaces/monitoring/services/http:prometheus-k8s:9090/proxy/api/v1"
    assert paths == {f"{prefix}/query", f"{prefix}/label/job/values"}


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (403, failures.ACCESS, "services/proxy"),
        (404, failures.STRANGER, "no such path"),
        (503, failures.BUSY, "Try again"),
        (400, failures.QUERY, "refused"),
        (0, failures.DOWN, "cannot be reached"),
    ],
)
def test_what_the_cluster_says_is_said_of_the_service(status, reason, words):
    class ApiError(SovlabError):
        def __init__(self):
            super().__init__("services prometheus-k8s is forbidden.")
            self.status = status

    access = ServiceProxyAccess(_cluster(0, error=ApiError()), "monitoring/prometheus-k8s:web")
    with pytest.raises(PrometheusError) as caught:
        Prometheus(access).query("up")
    assert caught.value.reason == reason
    assert words in str(caught.value)
    assert isinstance(caught.value.__cause__, ApiError)


@pytest.mark.parametrize(
    "service", ["prometheus", "a/b", "a/b:c:d", "../x/y:1", "a/ftp:b:1", "A/b:1", "a/b:1/.."]
)
def test_a_service_written_otherwise_is_refused(service):
    """Nothing else than a Service gets into the path at the API server."""
    with pytest.raises(SpecError):
        service_parts(service)


def test_a_tenants_port_is_told_the_namespace_with_each_request(site, tenant, token_file):
    front = Front(token=SECRET, tenants={"team-a": tenant.port})
    with front.serve() as port:
        access = UrlAccess(f"http://127.0.0.1:{port}", token_file)
        prometheus = Prometheus(TenantAccess(access, "team-a"))
        now = prometheus.now()
        assert prometheus.query("sovlab:DCGM_FI_DEV_POWER_USAGE").samples
        assert prometheus.query_range("sovlab:DCGM_FI_DEV_POWER_USAGE", now - 5, now).lines
        assert prometheus.series("sovlab:dcgm_share", now - 60, now)
        assert all(seen[1]["namespace"] == ["team-a"] for seen in front.seen)
        with pytest.raises(PrometheusError):  # what asks without, or for another, is refused there
            Prometheus(access).query("up")
        with pytest.raises(PrometheusError):
            Prometheus(TenantAccess(access, "team-b")).query("up")


def test_the_way_is_chosen_by_the_settings(site, token_file):
    front = Front(upstream=site.port, token=SECRET)
    with front.serve() as port:
        url = f"http://127.0.0.1:{port}"
        profile = PrometheusProfile(url=url, token_file=token_file.name)
        access = access_of(profile, folder=token_file.parent)
        assert isinstance(access, UrlAccess)
        assert Prometheus(access).query("up").samples
        assert access.where == url
    tenant = access_of(PrometheusProfile(url="https://thanos.example:9092", namespace="team-a"))
    assert isinstance(tenant, TenantAccess)
    assert tenant.where == "https://thanos.example:9092 (namespace team-a)"
    service = PrometheusProfile(service="monitoring/prometheus:9090")
    assert isinstance(access_of(service, cluster=_cluster(0)), ServiceProxyAccess)
    with pytest.raises(SpecError, match="needs a target on a cluster"):
        access_of(service)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"url": "https://x", "service": "a/b:1"},
        {"service": "a/b:1", "token_file": "t"},
        {"service": "a/b:1", "ca_file": "t"},
        {"service": "b:1"},
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys):
    with pytest.raises(SpecError):
        access_of(PrometheusProfile(**keys), cluster=_cluster(0))


def test_an_answer_larger_than_is_read_is_given_up(site, monkeypatch):
    monkeypatch.setattr(url_access, "MAX_BYTES", 1 << 20)
    front = Front(body=b"x" * (2 << 20))
    with front.serve() as port, pytest.raises(PrometheusError) as caught:
        UrlAccess(f"http://127.0.0.1:{port}").get("query", {}, 5)
    assert caught.value.reason == failures.TOO_MUCH
