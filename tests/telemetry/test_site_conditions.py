"""The choice between two vendors' nodes by a real Prometheus: heat, headroom, and no answer."""

from __future__ import annotations

import json
import threading
from types import SimpleNamespace

import pytest
from prometheus_site import Exporters, Front, job, prometheus, wait_for

from sovlab import cli
from sovlab.client import Call, Client, default
from sovlab.jupyter.commands import Commands
from sovlab.options.job import from_keywords
from sovlab.settings import load
from tests.kube.apiserver.cluster import FakeCluster
from tests.kube.apiserver.handles import Node

G = '{gpu="0",UUID="GPU-%s",Hostname="%s"}'
R = '{gpu_id="0",gpu_partition_id="0",hostname="red-1",serial_number="R0"}'
GREEN = f"""
DCGM_FI_DEV_GPU_TEMP{G % ("g0", "green-1")} 61
DCGM_FI_DEV_POWER_USAGE{G % ("g0", "green-1")} 300
DCGM_FI_DEV_ENFORCED_POWER_LIMIT{G % ("g0", "green-1")} 700
DCGM_FI_DEV_THERMAL_VIOLATION{G % ("g0", "green-1")} 5
DCGM_FI_DEV_GPU_TEMP{G % ("x9", "elsewhere")} 99
DCGM_FI_DEV_POWER_USAGE{G % ("x9", "elsewhere")} 10
DCGM_FI_DEV_ENFORCED_POWER_LIMIT{G % ("x9", "elsewhere")} 700
DCGM_FI_DEV_THERMAL_VIOLATION{G % ("x9", "elsewhere")} 5 +100000000
"""
RED = f"""
gpu_package_power{R} 600
gpu_junction_temperature{R} 92
gpu_memory_temperature{R} 88
gpu_violation_current_accumulated_counter{R} 1000 +1000
gpu_violation_hbm_thermal_residency_accumulated{R} 10 +200
gpu_violation_socket_thermal_residency_accumulated{R} 10
gpu_violation_vr_thermal_residency_accumulated{R} 10
gpu_violation_processor_hot_residency_accumulated{R} 10
"""
OWN = '[targets.site.prometheus.own.headroom]\nquery = "%s"\nunit = "kW"\nscale = 1\n'
NODES = [
    Node("green-1", {"cpu": "8", "memory": "16Gi", "nvidia.com/gpu": "8"}),
    Node("red-1", {"cpu": "8", "memory": "16Gi", "amd.com/gpu": "8"}),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A Prometheus that scrapes both nodes, and one of another cluster."""
    exporters = Exporters()
    exporters.pages |= {"green": GREEN, "red": RED, "rack": 'rack_left{backend="cuda"} 0.25\nrack_all 0.1\n'}
    with exporters.serve() as pages:
        jobs = [
            job("green", pages, instance="10.0.0.1:9400"),
            job("red", pages, honor=True, instance="10.0.0.3:5000"),
            job("rack", pages, instance="rack-7"),
        ]
        with prometheus(tmp_path_factory.mktemp("server"), jobs) as port:
            for name in ("DCGM_FI_DEV_THERMAL_VIOLATION", "gpu_violation_hbm_thermal_residency_accumulated"):
                wait_for(port, f"count_over_time({name}[1m]) >= 3", seconds=90)
            wait_for(port, "rack_all")
            yield SimpleNamespace(port=port)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with FakeCluster(tmp_path_factory.mktemp("fake"), NODES, namespaces=["team-a"]) as found:
        yield found


@pytest.fixture
def client_of(cluster, tmp_path, monkeypatch):
    """A client of the cluster; what is told of its Prometheus is given."""
    monkeypatch.setenv("SOVLAB_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("SOVLAB_CONFIG_FILE", str(tmp_path / "config.toml"))
    monkeypatch.chdir(tmp_path)

    def made(port=None, more=""):
        section = (
            "" if port is None else f'[targets.site.prometheus]\nurl = "http://127.0.0.1:{port}"\n{more}'
        )
        (tmp_path / "config.toml").write_text(
            f'[targets.site]\nexecutor = "kubernetes"\n[targets.site.kubernetes]\ncontext = "admin"\n'
            f'kubeconfig = "{cluster.kubeconfig}"\nnamespace = "team-a"\nimage = "i"\n{section}'
        )
        default.cache_clear()
        return Client(load())

    yield made
    default.cache_clear()


def why(client, **options):
    """How the backend of a job is chosen."""
    chosen = from_keywords({"target": "site", **options})
    return client.plan(Call(pow, (2, 5)), chosen).spec.backend_why


def test_each_backends_devices_on_the_nodes_of_the_target_tell_heat_and_headroom(server, client_of):
    found = client_of(server.port).hardware("site")
    cuda, rocm = found.conditions["cuda"], found.conditions["rocm"]
    assert (cuda.celsius.value, cuda.slowed.value, cuda.headroom.value) == (61, 0, 400)
    assert cuda.headroom.source == cuda.celsius.source == "dcgm-exporter"
    assert cuda.celsius.seen is not None
    assert (rocm.celsius.value, rocm.slowed.value) == (92, 1)
    assert rocm.headroom.value is None, "AMD's exporter tells no limit"
    assert "has no power limit" in rocm.headroom.why
    assert found.auto == "cuda"


def test_the_choice_goes_by_it_and_says_why(server, client_of):
    client = client_of(server.port)
    assert why(client) == (
        "cuda, because 8 of 8 GPUs are free, nobody waits, 61 °C; "
        "rocm was passed over: slowed by heat (92 °C)."
    )
    assert why(client, backend="rocm") == "rocm, as requested; 8 of 8 GPUs are free, slowed by heat (92 °C)."
    assert why(client, backend="cuda") == "cuda, as requested; 8 of 8 GPUs are free."
    assert why(client, backend="cpu") == "cpu, as requested."


@pytest.mark.parametrize(
    ("query", "cuda", "rocm"),
    [("rack_left", 250, None), ("rack_all", 100, 100), ("rack_none", 400, None), ("rack_all * 9", 400, 900)],
)
def test_the_sites_own_headroom_bounds_that_of_the_devices(server, client_of, query, cuda, rocm):
    found = client_of(server.port, OWN % query).hardware("site")
    assert found.conditions["cuda"].headroom.value == pytest.approx(cuda)
    if rocm is None:
        assert found.conditions["rocm"].headroom.value is None
    else:
        assert found.conditions["rocm"].headroom.value == pytest.approx(rocm)
        assert found.conditions["rocm"].headroom.source == "the site's own query"


def test_tables_and_json_show_it(server, client_of, capsys):
    client = client_of(server.port)
    assert cli.main(["backends", "--target", "site"]) == 0
    out, err = capsys.readouterr()
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert "61 °C" in rows["cuda"]
    assert "400 W" in rows["cuda"]
    assert "dcgm-exporter" in rows["cuda"]
    assert "92 °C, slowed" in rows["rocm"]
    assert "headroom not known: " in rows["rocm"]
    assert "auto takes cuda, because" in err
    assert "rocm was passed over: slowed by heat (92 °C)" in err
    assert cli.main(["backends", "--target", "site", "--json"]) == 0
    by_name = {each["detection"]["backend"]: each for each in json.loads(capsys.readouterr().out)}
    assert by_name["rocm"]["slowed"] == {**by_name["rocm"]["slowed"], "value": 1, "unit": "devices"}
    assert by_name["rocm"]["headroom"]["value"] is None
    assert by_name["rocm"]["why"] == "slowed by heat (92 °C)"
    assert [name for name, each in by_name.items() if each["auto"]] == ["cuda"]
    Commands(SimpleNamespace(user_ns={}), client).backends("--target site")
    out = capsys.readouterr().out
    assert "92 °C, slowed" in out
    assert "auto takes cuda, because" in out


def test_all_targets_are_shown_and_one_that_does_not_answer_hides_no_other(server, client_of, capsys):
    gone = '[targets.gone]\nexecutor = "kubernetes"\n[targets.gone.kubernetes]\ncontext = "nobody"\n'
    client = client_of(server.port, gone)
    found = {each.target: each for each in client.hardware_everywhere()}
    assert list(found) == ["gone", "local", "site"]
    assert (found["gone"].auto, found["site"].auto) == ("", "cuda")
    assert found["gone"].why
    assert cli.main(["backends", "--all", "--json"]) == 0
    documents = {each["target"]: each for each in json.loads(capsys.readouterr().out)}
    assert documents["gone"]["backends"] == []
    assert any(each["auto"] for each in documents["local"]["backends"])
    assert cli.main(["backends", "--all"]) == 0
    out, err = capsys.readouterr()
    assert [line for line in out.splitlines() if line.startswith("Target ")] == [
        "Target gone",
        "Target local",
        "Target site",
    ]
    assert found["gone"].why.split(".")[0] in err
    Commands(SimpleNamespace(user_ns={}), client).backends("--all")
    assert "92 °C, slowed" in capsys.readouterr().out
    assert cli.main(["backends", "--all", "--target", "site"]) == 2


def test_without_a_prometheus_nothing_is_asked_and_nothing_said_of_heat(client_of, cluster):
    client = client_of()
    assert client.look("site") is None
    assert why(client) == (
        "cuda, because 8 of 8 GPUs are free, nobody waits; "
        "rocm was passed over: all else is even, and cuda is first."
    )
    assert client.hardware("site").conditions == {}


def test_one_that_is_down_or_refuses_is_told_and_the_choice_is_made(client_of, tmp_path, server):
    with Front().serve() as port:
        pass
    text = why(client_of(port))
    assert text.startswith("cuda, because 8 of 8 GPUs are free")
    assert "heat unknown: prometheus at" in text
    assert "nothing listens there" in text
    (tmp_path / "token").write_text("wrong")
    front = Front(upstream=server.port, token="right")
    with front.serve() as port:
        text = why(client_of(port, f'token_file = "{tmp_path / "token"}"\n'))
    assert text.startswith("cuda, because 8 of 8 GPUs are free")
    assert "heat unknown: " in text
    assert "token" in text
    assert "wrong" not in text
    assert front.seen


class Gate(Front):
    """Answers only once it is opened."""

    opened = threading.Event()

    def answer(self, request):
        assert self.opened.wait(60)
        super().answer(request)


def test_one_that_is_slow_is_not_waited_for_and_what_it_said_is_there_the_next_time(client_of, server):
    with Gate(upstream=server.port).serve() as port:
        client = client_of(port, "timeout = 30\n")
        text = why(client)  # returns, though nothing answers
        assert text.startswith("cuda, because 8 of 8 GPUs are free")
        assert "heat unknown: the Prometheus of target site did not answer within 1 s" in text
        Gate.opened.set()
        assert client.hardware("site").conditions["rocm"].slowed.value == 1
        assert "rocm was passed over: slowed by heat (92 °C)" in why(client)
