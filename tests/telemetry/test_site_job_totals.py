"""A job's joules by the site beside its own, its history, and jobs too short for either."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from prometheus_site import SPAN, wait_for

from sovlab.core.energy.report import DeviceReport, EnergyReport
from sovlab.sensors.reading import ATTRIBUTED, COUNTER, SAMPLED, UNAVAILABLE, Reading
from sovlab.telemetry.access import TenantAccess, UrlAccess
from sovlab.telemetry.client import Prometheus
from sovlab.telemetry.detection import Detection
from sovlab.telemetry.energy_of_job import JobSpan
from sovlab.telemetry.exporters.query import JobPods
from sovlab.telemetry.history import power_of_job
from sovlab.telemetry.job_totals import compare, totals_of_job

TRAIN = JobPods("team-a", "train-7f3k2m")


def _own(joules, *, device="GPU-whole", scope="device", nodes=1, kind="gpu"):
    energy = Reading("energy", "J", joules, COUNTER, "NVML energy counter", scope, 1.0, device)
    return EnergyReport(
        devices=(DeviceReport(id=device, kind=kind, energy=energy, scope=scope),), seconds=SPAN, nodes=nodes
    )


def _span(prometheus, seconds=SPAN):
    now = prometheus.now()
    return JobSpan(begin=now - seconds, end=now)


def _totals(site, pods, own=None, *, span=None, prometheus=None, tenant=False):
    prometheus = prometheus or site.prometheus
    detection = Detection(prometheus, tenant=tenant)
    totals = totals_of_job(prometheus, detection, pods, span or _span(prometheus), own)
    return {total.group: total for total in totals}


def test_the_sites_total_stands_beside_the_jobs_own_with_their_difference(older):
    own = _own(1000.0, device="GPU-old")
    total = _totals(older, TRAIN, own)["accelerators"]
    assert total.own.value == 1000
    assert total.site.value == pytest.approx(150 * SPAN, rel=0.05)
    assert (total.site.source, total.site.scope) == (COUNTER, "device")
    assert 0.7 < total.site.coverage <= 1.0
    assert total.difference.value == pytest.approx(total.site.value - 1000)
    assert total.difference.source == COUNTER
    assert "% more" in total.sentence
    assert "the job itself 1,000 J" in total.sentence or "the job itself 1000 J" in total.sentence


def test_what_several_exporters_measured_is_not_added(site):
    """DCGM, AMD, Gaudi and Kepler have series of this pod: one is the total, the rest stands beside."""
    total = _totals(site, TRAIN)["accelerators"]
    assert total.site.value == pytest.approx(400 * SPAN, rel=0.05)
    assert {each.exporter for each in total.devices} == {"dcgm"}
    assert {each.exporter for each in total.others} == {"amd", "habanalabs", "kepler"}
    assert total.own.value is None
    assert total.difference.value is None
    assert "measured nothing" in total.sentence


def test_processors_are_keplers_share_and_said_to_be_attributed(site):
    total = _totals(site, TRAIN, _own(90.0, device="package-0", kind="cpu"))["processors"]
    assert total.site.value == pytest.approx(104)
    assert total.site.source == ATTRIBUTED
    assert "idle" in total.site.why
    assert total.difference.source == ATTRIBUTED
    assert "without what the node draws idle" in total.sentence


def test_a_job_shorter_than_two_scrapes_has_no_energy_there_and_the_reason(site):
    prometheus = site.prometheus
    labels = 'UUID="GPU-short",hostname="node-7",namespace="team-a",pod="short-gg44hh-abcde"'
    begin = prometheus.now()
    _live(site, f"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{{{labels}}} 1000\n")
    wait_for(site.port, 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{UUID="GPU-short"}')
    _live(site, "")
    time.sleep(1.5)
    scrapes = wait_for(
        site.port, 'count_over_time(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{UUID="GPU-short"}[30s])'
    )
    if scrapes[0]["value"][1] != "1":
        pytest.skip("this machine was too slow to take the page away after one scrape")
    span = JobSpan(begin=begin, end=prometheus.now())
    total = _totals(site, JobPods("team-a", "short-gg44hh"), _own(50.0), span=span)["accelerators"]
    assert total.site.value is None
    assert total.site.source == UNAVAILABLE
    assert "scraped twice" in total.site.why
    assert total.difference.value is None
    assert total.own.value == 50
    assert total.sentence.startswith("The site's Prometheus has no energy of this job: The job ran")


def test_a_job_that_the_site_never_saw(site):
    total = _totals(site, JobPods("team-a", "never-jj55kk"), _own(50.0))["accelerators"]
    assert total.site.value is None
    assert "no series of this job's pods" in total.site.why


def test_the_pods_of_a_job_one_after_the_other_on_a_device_are_added(site):
    """A pod that failed and its successor: the highest of both would lose one."""
    prometheus = site.prometheus
    page = (
        'DCGM_FI_DEV_{}{{UUID="GPU-again",hostname="node-7",namespace="team-a",pod="again-mm66nn-0-{}"}} {}\n'
    )

    def pod(suffix):
        energy = page.format("TOTAL_ENERGY_CONSUMPTION", suffix, "1000 +100000")
        return energy + page.format("POWER_USAGE", suffix, "100")

    begin = prometheus.now()
    for suffix in ("aaaaa", "bbbbb"):
        _live(site, pod(suffix))
        wait_for(
            site.port, f'count_over_time(DCGM_FI_DEV_POWER_USAGE{{exported_pod=~".*{suffix}"}}[1m]) >= 5'
        )
    end = prometheus.now()
    job = JobPods("team-a", "again-mm66nn")
    total = _totals(site, job, span=JobSpan(begin=begin, end=end))["accelerators"]
    history = power_of_job(prometheus, Detection(prometheus), job, JobSpan(begin=begin, end=end))
    _live(site, "")
    assert len(total.devices) == 2
    assert {each.reading.device for each in total.devices} == {"GPU-again"}
    # Both pods were there for at least 4 s each, and one of them not for all of the time.
    assert total.site.value > 0.75 * 100 * (end - begin)
    assert total.site.value < 1.1 * 100 * (end - begin)
    (points,) = history.points.values()
    assert {point.watts for point in points} == {100}


def test_whole_boards_and_shares_of_them_are_not_compared(site):
    total = _totals(site, JobPods("team-a", "slice-aa11bb"), _own(2240.0, device="GPU-sliced", scope="board"))
    accelerators = total["accelerators"]
    assert accelerators.site.value == pytest.approx(70 * SPAN, rel=0.6)
    assert accelerators.site.source == ATTRIBUTED
    assert accelerators.difference.value is None
    assert "not compared" in accelerators.sentence


def test_one_of_several_nodes_is_compared_by_its_devices_or_not_at_all(older):
    known = _totals(older, TRAIN, _own(1000.0, device="GPU-old", nodes=2))["accelerators"]
    assert known.difference.value == pytest.approx(150 * SPAN - 1000, abs=100)
    other = _totals(older, TRAIN, _own(1000.0, device="GPU-other", nodes=2))["accelerators"]
    assert other.difference.value is None
    assert "one of its 2 nodes" in other.difference.why


def test_a_job_timed_by_a_clock_that_is_two_hours_off(older):
    """Its begin and end are this machine's, and the server's clock is another: it had seen nothing then."""
    off = 7200.0
    prometheus = Prometheus(UrlAccess(older.url), clock=lambda: time.time() - off)
    now = time.time() - off
    ours = JobSpan(begin=now - SPAN, end=now, by_our_clock=True)
    total = _totals(older, TRAIN, span=ours, prometheus=prometheus)["accelerators"]
    assert total.site.value == pytest.approx(150 * SPAN, rel=0.3)
    theirs = JobSpan(begin=now - SPAN, end=now)
    missed = _totals(older, TRAIN, span=theirs, prometheus=prometheus)["accelerators"]
    assert missed.site.value is None, "without the correction there is nothing"


def test_an_end_that_its_clock_has_not_reached_is_now(older):
    prometheus = older.prometheus
    begin, end = JobSpan(begin=prometheus.now() - 5, end=prometheus.now() + 500).by(prometheus)
    assert end - begin == pytest.approx(5, abs=1)


def test_a_tenant_gets_the_share_although_the_other_holders_are_hidden(tenant):
    """Only a row of its own of the sliced board is there; the recorded share says that it is a quarter."""
    prometheus = Prometheus(TenantAccess(UrlAccess(tenant.url), "team-a"))
    pods = JobPods("team-a", "slice-aa11bb")
    now = prometheus.now()
    span = JobSpan(begin=now - 2 - SPAN, end=now - 2)  # what was copied and fetched arrives late
    total = _totals(tenant, pods, span=span, prometheus=prometheus, tenant=True)["accelerators"]
    assert total.site.value == pytest.approx(70 * SPAN, rel=0.15)  # and not 280
    assert total.site.source == ATTRIBUTED
    history = power_of_job(prometheus, Detection(prometheus, tenant=True), pods, _span(prometheus, 4))
    assert {round(point.watts) for point in history.points["GPU-sliced"]} == {70}
    cpu = _totals(tenant, TRAIN, prometheus=prometheus, tenant=True)["processors"]
    assert cpu.site.value == pytest.approx(104)


def test_the_history_of_a_job(site):
    prometheus = site.prometheus
    history = power_of_job(prometheus, Detection(prometheus), TRAIN, _span(prometheus, 6))
    assert list(history.points) == ["GPU-whole"]
    points = history.points["GPU-whole"]
    assert {point.watts for point in points} == {400}
    assert points == sorted(points)
    assert points[-1].time - points[0].time == pytest.approx(6, abs=1.5)
    assert "DCGM" in history.method


def test_a_job_without_history_hears_why(site):
    history = power_of_job(
        site.prometheus, Detection(site.prometheus), JobPods("team-a", "x-1"), _span(site.prometheus)
    )
    assert history.points == {}
    assert history.why


@pytest.mark.parametrize(
    ("own", "site", "value"),
    [
        (Reading("energy", "J", 100.0, COUNTER), Reading("energy", "J", 90.0, SAMPLED), -10.0),
        (Reading("energy", "J", why="no sensor"), Reading("energy", "J", 90.0, SAMPLED), None),
        (Reading("energy", "J", 100.0, COUNTER), Reading("energy", "J", why="short"), None),
        (
            Reading("energy", "J", 1.0, COUNTER, "", "board"),
            Reading("energy", "J", 1.0, ATTRIBUTED, "", "job"),
            None,
        ),
    ],
)
def test_a_difference_is_a_number_only_where_both_are_of_the_same(own, site, value):
    difference = compare(own, site)
    assert difference.value == value
    if value is None:
        assert difference.why
        assert difference.source == UNAVAILABLE
    else:
        assert difference.source == SAMPLED, "the worse of both"


def test_of_several_devices_the_site_must_have_all_that_are_compared(older):
    known = DeviceReport(id="GPU-old", kind="gpu", energy=Reading("energy", "J", 600.0, COUNTER))
    other = DeviceReport(id="GPU-new", kind="gpu", energy=Reading("energy", "J", 600.0, COUNTER))
    total = _totals(older, TRAIN, EnergyReport(devices=(known, other), seconds=SPAN))["accelerators"]
    assert total.site.value == pytest.approx(150 * SPAN, rel=0.05)
    assert total.difference.value is None
    assert "1 of the 2 devices" in total.sentence


def test_an_exporter_that_knows_no_pods_is_asked_for_the_jobs_devices(site):
    """nvidia_gpu_exporter has UUIDs without `GPU-`; the job knows which are its own."""
    own = _own(5000.0, device="GPU-00000000-0000-0000-0000-00000000000a")
    total = _totals(site, JobPods("team-a", "never-jj55kk"), own)["accelerators"]
    assert total.site.value == pytest.approx(600 * SPAN, rel=0.05)
    assert (total.site.source, total.site.scope) == (COUNTER, "device")
    assert total.difference.value == pytest.approx(600 * SPAN - 5000, abs=300)
    assert {each.exporter for each in total.devices} == {"nvidia_gpu"}
    told = _totals(site, TRAIN, own)["accelerators"]  # by its pods, where there are some
    assert {each.exporter for each in told.devices} == {"dcgm"}
    assert [each.exporter for each in told.others][-1] == "kepler", "what is attributed comes last"


def test_a_pci_address_is_a_device_only_with_its_node(site):
    """Each node has a 0000:03:00.0."""
    prometheus, own = site.prometheus, _own(1000.0, device="0000:03:00.0")
    never = JobPods("team-a", "never-jj55kk")
    (alone, *_) = totals_of_job(prometheus, Detection(prometheus), never, _span(prometheus), own)
    assert alone.site.value is None
    assert "on which of its nodes" in alone.site.why
    (there, *_) = totals_of_job(
        prometheus, Detection(prometheus), never, _span(prometheus), own, nodes=["node-4"]
    )
    assert there.site.value == pytest.approx(130 * SPAN, rel=0.05)
    assert {each.reading.device for each in there.devices} == {"node-4/0000:03:00.0"}


def test_labels_that_came_with_the_job_are_found_though_older_ones_are_kept(site):
    prometheus = site.prometheus
    detection = Detection(prometheus)
    detected = detection.get()
    for found in detected.exporters.values():  # as before any pod had a device
        object.__setattr__(found, "labels", replace(found.labels, namespace="", pod=""))
    assert not any(found.names_pods for found in detection.get().there())
    (total, *_) = totals_of_job(prometheus, detection, TRAIN, _span(prometheus), None)
    assert total.site.value == pytest.approx(400 * SPAN, rel=0.05)
    assert power_of_job(prometheus, detection, TRAIN, _span(prometheus)).points


def test_a_tenant_without_rules_hears_that_others_may_be_on_its_boards(site):
    """With honor_labels its own rows are there, and those of others are not."""
    prometheus = site.prometheus
    total = _totals(site, TRAIN, prometheus=prometheus, tenant=False)["accelerators"]
    assert "hidden" not in total.site.why
    detection = Detection(prometheus, tenant=True)
    found = detection.get().exporters["dcgm"]
    object.__setattr__(found, "labels", replace(found.labels, recorded=False, hidden=True, prefix=""))
    object.__setattr__(found.labels, "namespace", "exported_namespace")
    object.__setattr__(found.labels, "pod", "exported_pod")
    (total, *_) = totals_of_job(prometheus, detection, TRAIN, _span(prometheus), None)
    assert "hidden from this tenant" in total.site.why


def _live(site, page):
    site.exporters.pages["live"] = page
