"""What a real Prometheus has: exporters, labels, nodes; looked at once, and told with reasons."""

from __future__ import annotations

import pytest
from prometheus_site import Front

from sovlab.telemetry.access import TenantAccess, UrlAccess
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.detection import KEPT, Detected, Detection, detect
from sovlab.telemetry.devices import of_backend, of_nodes, summed
from sovlab.telemetry.exporters.query import Labels
from sovlab.telemetry.profile import PrometheusProfile, SiteQuery
from sovlab.telemetry.site import scale_note, site_answers
from sovlab.telemetry.transport.failures import PrometheusError


def test_what_is_there_and_why_what_is_not(site):
    detected = site.detected
    there = {found.exporter.name for found in detected.there()}
    assert there == {
        "dcgm",
        "nvidia_gpu",
        "amd",
        "xpumd",
        "habanalabs",
        "kepler",
        "node_exporter",
        "ipmi",
        "idrac",
        "redfish",
    }
    assert "XPU Manager" in detected.exporters["xpum"].why
    assert all(found.why.endswith(".") for found in detected.exporters.values() if not found.there)


def test_a_site_without_kepler_hears_that_and_no_error(older):
    """On a VM there is no series of it at all."""
    found = older.detected.exporters["kepler"]
    assert not found.there
    assert "VM" in found.why


def test_whose_pod_it_is_stands_in_the_exported_label_first(site, older, honored):
    """`pod` is dcgm-exporter's own where a site scrapes without honor_labels."""
    labels = site.detected.exporters["dcgm"].labels
    assert (labels.namespace, labels.pod) == ("exported_namespace", "exported_pod")
    assert not labels.own
    old = older.detected.exporters["dcgm"].labels
    assert (old.namespace, old.pod, old.device) == ("pod_namespace", "pod_name", "uuid")
    plain = honored.detected.exporters["dcgm"].labels
    assert (plain.namespace, plain.pod, plain.own) == ("namespace", "pod", True)
    assert not site.detected.exporters["nvidia_gpu"].names_pods


def test_labels_of_nodes_and_devices_are_those_in_use(site, honored):
    assert site.detected.exporters["dcgm"].labels.host == "hostname"
    assert honored.detected.exporters["dcgm"].labels.host == "Hostname"
    assert site.detected.exporters["amd"].labels.device == "serial_number"
    assert site.detected.exporters["xpumd"].labels.board == ("node", "pci_bdf")
    assert Labels(host="instance", device="UUID").board == ("UUID",)


@pytest.mark.parametrize(
    ("exporter", "names", "matchers"),
    [
        ("dcgm", ["node-2"], 'hostname=~"node-2"'),
        ("dcgm", ["node-2.example.org"], 'hostname=~"node-2"'),
        ("dcgm", ["node-22"], None),
        ("dcgm", ["10.0.0.1"], 'instance=~"10\\\\.0\\\\.0\\\\.1:9400"'),
        ("nvidia_gpu", ["node-8"], 'instance=~"node-8:9835"'),
        ("node_exporter", ["node-5"], 'instance=~"10\\\\.0\\\\.0\\\\.5:9100"'),  # by node_uname_info
        ("ipmi", ["node-1"], 'instance=~"node-1-bmc"'),
        ("idrac", ["node-2"], 'instance=~"https://idrac-node-2"'),
        ("kepler", ["node-9"], None),
        ("kepler", [], None),
        ("kepler", [""], None),
    ],
)
def test_a_node_is_found_by_any_of_its_names(site, exporter, names, matchers):
    found = site.detected.exporters[exporter].where(names)
    assert found == (matchers if matchers is None else matchers.replace("-", "\\\\-"))


def test_it_is_looked_at_once_and_again_when_that_is_old(site):
    front = Front(upstream=site.port)
    clock = [0.0]
    with front.serve() as port:
        detection = Detection(Prometheus(UrlAccess(f"http://127.0.0.1:{port}")), clock=lambda: clock[0])
        first = detection.get()
        asked = len(front.seen)
        clock[0] = KEPT
        assert detection.get() is first
        assert len(front.seen) == asked
        clock[0] = KEPT + 1
        assert detection.get() is not first
        assert len(front.seen) > asked
        detection.forget()
        asked = len(front.seen)
        detection.get()
        assert len(front.seen) > asked


def test_what_failed_is_not_kept():
    front = Front(status=503, body=b"{}")
    with front.serve() as port:
        detection = Detection(Prometheus(UrlAccess(f"http://127.0.0.1:{port}")))
        for _ in range(2):
            with pytest.raises(PrometheusError):
                detection.get()
    assert len(front.seen) == 2


def test_names_are_asked_for_by_a_query_where_only_queries_are_let_through(site):
    front = Front(upstream=site.port, refused_paths=("/values",))
    with front.serve() as port:
        detected = detect(Prometheus(UrlAccess(f"http://127.0.0.1:{port}")))
    assert {f.exporter.name for f in detected.there()} == {f.exporter.name for f in site.detected.there()}
    assert detected.exporters["dcgm"].names == site.detected.exporters["dcgm"].names


def test_names_are_asked_for_of_what_the_catalogue_knows_only(site):
    names = {name for found in site.detected.exporters.values() for name in found.names}
    assert "rPDU2DeviceStatusPower" not in names
    assert "habanalabs_temperature_threshold_memory" not in names
    assert "kepler_pod_cpu_watts" in names


def test_a_tenant_has_the_copies_and_hears_why_the_rest_is_hidden(tenant):
    prometheus = Prometheus(TenantAccess(UrlAccess(tenant.url), "team-a"))
    detected = detect(prometheus, tenant=True)
    dcgm = detected.exporters["dcgm"]
    assert dcgm.there
    assert (dcgm.labels.prefix, dcgm.labels.namespace, dcgm.labels.pod) == ("sovlab:", "namespace", "pod")
    assert dcgm.labels.recorded
    assert "one namespace only" in detected.exporters["nvidia_gpu"].why


def test_the_devices_of_a_node(site):
    numbers = of_nodes(site.prometheus, site.detected, ["node-1"], "power")
    total = numbers.total("gpu")
    assert total.value == pytest.approx(400 + 280)
    assert total.source == "sampled"
    assert {each.exporter for each in numbers.first("gpu")} == {"dcgm"}
    assert numbers.total("cpu").value == pytest.approx(31.427 + 40 + 12)
    assert numbers.total("node").value == pytest.approx(245)
    assert {each.exporter for each in numbers.readings if each.kind == "gpu"} == {"dcgm", "kepler"}
    assert "none of these nodes" in numbers.why["nvidia_gpu_exporter"]
    heat = of_nodes(site.prometheus, site.detected, ["node-1"], "temperature")
    assert {(each.place, each.reading.value) for each in heat.first("gpu")} == {("chip", 61), ("memory", 71)}


def test_a_node_that_nobody_knows_has_no_number_and_a_reason(site):
    numbers = of_nodes(site.prometheus, site.detected, ["node-99"], "power")
    assert numbers.readings == ()
    total = numbers.total("gpu")
    assert (total.value, total.source, total.quantity) == (None, "unavailable", "power")
    assert "none of these nodes" in total.why


@pytest.mark.parametrize(
    ("backend", "kind", "watts"),
    [
        ("cuda", "gpu", 400 + 280 + 52.746 + 10),
        ("rocm", "gpu", 600 + 512),
        ("xpu", "gpu", 130 + 29.5),
        ("hpu", "gpu", 412),
        ("cpu", "cpu", 12 + 31.427 + 40),  # of Kepler, and of a Grace that only DCGM sees
    ],
)
def test_the_power_of_a_backend_is_that_of_one_exporter(site, backend, kind, watts):
    """Of two that measure the same devices, one."""
    numbers = of_backend(site.prometheus, site.detected, backend, "power")
    assert numbers.total(kind).value == pytest.approx(watts, rel=0.02)
    assert len({each.exporter for each in numbers.first(kind) if not each.apart}) == 1


def test_gpus_of_a_site_without_their_vendors_exporter_are_those_of_hwmon(site):
    """node_exporter has AMD's and Intel's; where the vendor's exporter is there too, that is the one."""
    prometheus, whole = site.prometheus, site.detected
    both = of_backend(prometheus, whole, "rocm", "power")
    assert {each.exporter for each in both.readings} == {"amd", "node_exporter"}
    assert {each.exporter for each in both.first("gpu")} == {"amd"}
    less = Detected({"node_exporter": whole.exporters["node_exporter"]})
    assert of_backend(prometheus, less, "rocm", "power").total("gpu").value == 512 + 300
    assert of_backend(prometheus, less, "xpu", "power").total("gpu").value == pytest.approx(75, rel=0.03)
    assert of_backend(prometheus, less, "cuda", "power").total("gpu").value is None


def test_gpus_of_two_vendors_on_a_node_are_both_in_its_power(site):
    numbers = of_nodes(site.prometheus, site.detected, ["node-1", "node-3"], "power")
    assert numbers.total("gpu").value == pytest.approx(400 + 280 + 600 + 512)


def test_hundreds_of_nodes_are_asked_for_in_parts(site):
    nodes = [f"a-rather-long-name-of-a-node-{n}.rack.example.org" for n in range(300)]
    numbers = of_nodes(site.prometheus, site.detected, [*nodes, "node-1", "node-2"], "power")
    assert numbers.total("gpu").value == pytest.approx(400 + 280 + 52.746 + 10)


def test_a_backend_on_some_nodes(site):
    numbers = of_backend(site.prometheus, site.detected, "cuda", "power", nodes=["node-2"])
    assert numbers.total("gpu").value == pytest.approx(52.746 + 10)


def test_a_quantity_that_an_exporter_lacks_is_told(older):
    numbers = of_backend(older.prometheus, older.detected, "cuda", "throttled")
    assert numbers.readings == ()
    assert numbers.why["dcgm-exporter"] == "dcgm-exporter has no throttling here."


def test_nothing_added_up_is_no_number():
    assert summed("energy", [], "because").value is None
    assert summed("energy", [], "because").why == "because"


def test_a_sites_own_queries_have_its_unit_and_scale(site):
    profile = PrometheusProfile(
        url=site.url,
        pdu=[SiteQuery(query="rPDU2DeviceStatusPower", unit="W", scale=10, of="rack 7")],
        coolant=[SiteQuery(query="site_coolant_supply_celsius", unit="°C", scale=1)],
        own={
            "wrong": SiteQuery(query="sum(", unit="W", scale=1),
            "none": SiteQuery(query="x", unit="W", scale=1),
        },
    )
    pdu, coolant, wrong, none = site_answers(site.prometheus, profile)
    assert (pdu.name, pdu.of) == ("pdu", "rack 7")
    (reading,) = pdu.readings
    assert (reading.value, reading.unit, reading.quantity, reading.why) == (3720, "W", "power", "")
    assert "rPDU2DeviceStatusIndex=1" in reading.device
    assert coolant.readings[0].value == 31.5
    assert wrong.readings[0].value is None
    assert "parse error" in wrong.readings[0].why
    assert none.readings[0].value is None
    assert none.readings[0].why


@pytest.mark.parametrize(
    ("query", "unit", "scale", "right"),
    [
        ("sum(rPDU2DeviceStatusPower)", "W", 1, "10"),
        ("rPDU2DeviceStatusPower", "kW", 0.01, ""),
        ("ePDU2DeviceStatusPowerLoad", "W", 10, "1"),
        ("st4OutletActivePower", "W", 1, ""),
        ("raritan_power", "W", 0.1, ""),
    ],
)
def test_a_scale_that_is_not_the_mibs_is_noted(query, unit, scale, right):
    note = scale_note(SiteQuery(query=query, unit=unit, scale=scale))
    assert bool(note) == bool(right)
    assert f"scale = {right}" in note or not right
