"""Real servers: a site's Prometheus, those of older sites, and what a tenant is shown of the first."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import pytest
from prometheus_site import SPAN, Exporters, job, prometheus, wait_for

from sovlab.telemetry.access import UrlAccess
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.detection import Detection
from sovlab.telemetry.rules import recording_rules


@dataclass
class Site:
    """A running Prometheus, and what asks it."""

    port: int
    exporters: Exporters

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def prometheus(self):
        return Prometheus(UrlAccess(self.url))

    @property
    def detected(self):
        return Detection(self.prometheus).get()


@pytest.fixture(scope="session")
def exporters():
    return Exporters()


@pytest.fixture(scope="session")
def pages(exporters):
    with exporters.serve() as port:
        yield port


@pytest.fixture(scope="session")
def servers(exporters, pages, tmp_path_factory):
    """All of them, once they have a history of more than `SPAN` seconds."""
    folder = tmp_path_factory.mktemp("prometheus")
    own = {"namespace": "monitoring"}
    jobs = {
        "site": [
            job("dcgm", pages, instance="10.0.0.1:9400", pod="dcgm-exporter-x1", **own),
            job("dcgm_again", pages, instance="10.0.0.99:9400", pod="dcgm-exporter-x99", **own),
            job("nvidia_gpu", pages, instance="node-8:9835"),
            job("amd", pages, honor=True, instance="10.0.0.3:5000", pod="metrics-exporter-x3", **own),
            job("xpumd", pages, instance="10.0.0.4:8080", pod="xpumd-x4", **own),
            job("habanalabs", pages, instance="10.0.0.6:41611", pod="habana-x6", **own),
            job("kepler", pages, instance="10.0.0.1:28282", pod="kepler-x1", **own),
            job("node_exporter", pages, instance="10.0.0.5:9100"),
            job("node_again", pages, instance="10.0.0.5:9100"),
            job("ipmi", pages, instance="node-1-bmc"),
            job("idrac", pages, instance="https://idrac-node-2"),
            job("redfish", pages, instance="10.9.0.3"),
            job("pdu", pages, instance="rack-7"),
            job("live", pages, instance="10.0.0.7:9400", pod="dcgm-exporter-x7", **own),
        ],
        "older": [
            job("dcgm_v1", pages, instance="10.0.1.1:9400"),
            job("amd_prefixed", pages, honor=True, instance="10.0.1.3:5000"),
            job("xpum", pages, instance="10.0.1.4:29999"),
            job("node_zones", pages, instance="node-11:9100"),
        ],
        "honored": [
            job("dcgm_honored", pages, honor=True, instance="10.0.2.1:9400", pod="dcgm-exporter-x9", **own),
        ],
    }
    with contextlib.ExitStack() as stack:
        ports = {
            name: stack.enter_context(
                prometheus(folder / name, each, recording_rules(interval="1s") if name == "site" else "")
            )
            for name, each in jobs.items()
        }
        federated = {
            "job_name": "federate",
            "honor_labels": True,
            "metrics_path": "/federate",
            "params": {"match[]": ['{namespace="team-a"}']},
            "static_configs": [{"targets": [f"127.0.0.1:{ports['site']}"]}],
        }
        ports["tenant"] = stack.enter_context(prometheus(folder / "tenant", [federated]))
        for name, each in jobs.items():
            aged = f"count_over_time(up[{SPAN + 4:g}s]) >= {SPAN + 2:g}"
            wait_for(ports[name], f"count({aged}) >= {len(each)}", seconds=60)
        aged = f"count_over_time(sovlab:dcgm_share[{SPAN + 4:g}s]) >= {SPAN + 2:g}"
        wait_for(ports["tenant"], f"count({aged}) >= 3", seconds=60)
        yield {name: Site(port, exporters) for name, port in ports.items()}


@pytest.fixture(scope="session")
def site(servers):
    """Without honor_labels, as most sites: whose pod it is stands in ``exported_pod``."""
    return servers["site"]


@pytest.fixture(scope="session")
def older(servers):
    """Names and labels of older versions, a prefix, and zones as labels."""
    return servers["older"]


@pytest.fixture(scope="session")
def honored(servers):
    """With honor_labels: a device that nobody has gets the exporter's own pod as label."""
    return servers["honored"]


@pytest.fixture(scope="session")
def tenant(servers):
    """What a tenant of namespace ``team-a`` is shown of `site`: its series, and what rules copied there."""
    return servers["tenant"]
