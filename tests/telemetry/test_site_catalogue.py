"""Every query of the catalogue, asked of a real Prometheus that scrapes pages with known values."""

from __future__ import annotations

import pytest
from known_values import ALONE, CHIPS, KNOWN, METERS
from prometheus_site import SPAN, wait_for
from prometheus_site import ask as plainly

from sovlab.sensors.reading import ATTRIBUTED, COUNTER, SAMPLED, SOURCES
from sovlab.telemetry.asking import ask
from sovlab.telemetry.catalogue import EXPORTERS, exporter, usable
from sovlab.telemetry.exporters.query import DEVICES, ENERGY, JOB, JobPods

TRAIN = JobPods("team-a", "train-7f3k2m")


def _known(exporter, query):
    if query.scope == "meter":
        return METERS[query.needs[0]]
    if query.variant in CHIPS:
        return CHIPS[query.variant]
    if query.needs in ALONE:
        return ALONE[query.needs]
    return KNOWN[exporter.name, query.of, query.quantity, query.needs[0], query.place]


QUERIES = [(each, query) for each in EXPORTERS for query in each.queries]


def _ids(value):
    if isinstance(value, tuple):
        exporter, query = value
        return "-".join(filter(None, (exporter.name, query.of, query.quantity, query.needs[0], query.place)))
    return None


@pytest.mark.parametrize("which", QUERIES, ids=_ids)
def test_each_query_gives_the_known_value_of_each_device(which, site, older):
    exporter, query = which
    known = _known(exporter, query)
    place = next(s for s in (site, older) if set(query.needs) <= s.detected.exporters[exporter.name].names)
    prometheus = place.prometheus
    found = place.detected.exporters[exporter.name]

    readings = ask(
        prometheus, found, query, at=prometheus.now(), span=SPAN, job=TRAIN if query.of == JOB else None
    )

    assert {each.reading.device for each in readings} == set(known)
    for each in readings:
        reading = each.reading
        assert reading.value == pytest.approx(known[reading.device], rel=0.05, abs=0.01)
        assert (reading.quantity, reading.unit) == (query.quantity, query.unit)
        assert reading.source in SOURCES
        assert reading.method.endswith(f"({exporter.title})")
        assert (each.kind, each.place, each.exporter) == (query.kind, query.place, exporter.name)


def test_nothing_of_the_table_is_of_a_query_that_there_is_not():
    asked = {(e.name, q.of, q.quantity, q.needs[0], q.place) for e, q in QUERIES}
    assert set(KNOWN) <= asked


def test_a_job_gets_its_time_slice_of_a_board_and_not_the_whole_of_it(site):
    """Four pods have a row with 280 W of the same board: 70 W each."""
    readings = _job(site, "dcgm", "power", JobPods("team-a", "slice-aa11bb"))
    assert [each.reading.value for each in readings] == [pytest.approx(70)]
    assert readings[0].reading.source == ATTRIBUTED
    assert readings[0].reading.scope == "job"
    assert "25%" in readings[0].reading.why


def test_a_slice_that_two_exporters_tell_of_counts_once(site):
    """`other-1` has two rows, and still a quarter, as the others."""
    rows = plainly(site.port, 'DCGM_FI_DEV_POWER_USAGE{exported_pod="other-1"}')
    assert len(rows) == 2, "the trap is not there"
    values = [each.reading.value for each in _job(site, "dcgm", "power", JobPods("team-b", "", ("other-1",)))]
    assert values == [pytest.approx(70)]


def test_the_slices_of_all_pods_of_a_board_are_the_board(site):
    """Each of them gets a quarter, so nothing of 280 W is lost or counted twice."""
    pods = (JobPods("team-a", "slice-aa11bb"), *(JobPods("team-b", "", (f"other-{n}",)) for n in (1, 2, 3)))
    values = [each.reading.value for job in pods for each in _job(site, "dcgm", "power", job)]
    assert sum(values) == pytest.approx(280)


def test_a_mig_slice_counts_by_its_size_and_one_that_nobody_holds_not_at_all(site):
    """1g of 1g and 2g that are held, of 52.636 W: a third."""
    readings = _job(site, "dcgm", "power", JobPods("team-a", "mig-cc22dd"))
    assert [each.reading.value for each in readings] == [pytest.approx(52.636 / 3)]
    energy = _job(site, "dcgm", "energy", JobPods("team-a", "mig-cc22dd"))
    assert [each.reading.value for each in energy] == [pytest.approx(60 * SPAN / 3, rel=0.05)]
    assert energy[0].reading.source == ATTRIBUTED


def test_a_partition_of_an_amd_gpu_gets_its_share_of_what_partition_0_shows(site):
    """It shows 0 W and no energy itself; the 512 W stand with partition 0, which another holds."""
    part = JobPods("team-a", "part-ee33ff")
    power, energy = _job(site, "amd", "power", part), _job(site, "amd", "energy", part)
    assert [each.reading.value for each in power] == [pytest.approx(256)]
    assert [each.reading.value for each in energy] == [pytest.approx(256 * SPAN, rel=0.05)]
    assert power[0].reading.source == energy[0].reading.source == ATTRIBUTED
    heat = _job(site, "amd", "temperature", part)
    assert [each.reading.value for each in heat] == [80]


def test_a_mark_of_a_missing_value_hides_no_temperature_before_or_after_it(site):
    """A job's hottest is looked for in all samples, and 9223372036854775794 °C is higher than any."""
    page = 'DCGM_FI_DEV_MEMORY_TEMP{{UUID="GPU-odd",namespace="team-a",pod="odd-qq77rr-abcde"}} {}\n'
    series = 'DCGM_FI_DEV_MEMORY_TEMP{UUID="GPU-odd"}'
    for value, seen in (("65", f"{series} == 65"), ("9223372036854775794", f"{series} > 1e18")):
        site.exporters.pages["live"] = page.format(value)
        wait_for(site.port, seen)
    site.exporters.pages["live"] = ""
    prometheus, found = site.prometheus, site.detected.exporters["dcgm"]
    memory = next(q for q in usable(found.exporter, found.names, "temperature", JOB) if q.place == "memory")
    job = JobPods("team-a", "odd-qq77rr")
    (reading,) = ask(prometheus, found, memory, at=prometheus.now(), span=SPAN, job=job)
    assert reading.reading.value == 65


def test_a_whole_device_is_counted_and_not_attributed(site):
    energy = _job(site, "dcgm", "energy", TRAIN)
    assert [(each.reading.source, each.reading.scope) for each in energy] == [(COUNTER, "device")]
    power = _job(site, "dcgm", "power", TRAIN)
    assert [each.reading.source for each in power] == [SAMPLED]


def test_amd_gpus_without_serial_numbers_are_told_apart_by_number_and_node(older):
    found = older.detected.exporters["amd"]
    assert (found.labels.prefix, found.labels.device) == ("amd_", "gpu_id")
    readings = _devices(older, "amd", "power")
    assert {each.reading.device: each.reading.value for each in readings} == {
        "node-3/0": 600,
        "node-3/1": 512,
    }


def test_where_nobody_has_a_slice_the_exporters_own_pod_is_no_holder(honored):
    """With honor_labels the idle slice's label `pod` is dcgm-exporter's: the job holds all that is held."""
    assert honored.detected.exporters["dcgm"].labels.own
    rows = plainly(honored.port, 'DCGM_FI_DEV_POWER_USAGE{pod="dcgm-exporter-x9"}')
    assert len(rows) == 1, "the trap is not there"
    readings = _job(honored, "dcgm", "power", TRAIN)
    assert [each.reading.value for each in readings] == [pytest.approx(100)]


def test_a_job_whose_name_begins_like_anothers_gets_nothing_of_it(site):
    """`train-7f3k2m` has pods; `train-7f3k` and `train` have none."""
    for job_id in ("train", "train-7f3k", "trai.*", "train-7f3k2m-0"):
        assert JobPods("team-a", job_id).matchers(site.detected.exporters["dcgm"].labels)
    assert _job(site, "dcgm", "power", JobPods("team-a", "train")) == []
    assert _job(site, "dcgm", "power", JobPods("team-a", "trai.*")) == []
    assert _job(site, "dcgm", "power", JobPods("team-b", "train-7f3k2m")) == []


@pytest.mark.parametrize("text", ['x"} or vector(1) #', "back\\slash", "new\nline", "ünï", "\ud800", "a|b.*"])
def test_what_people_named_cannot_leave_its_matcher(site, text):
    assert _job(site, "dcgm", "power", JobPods(text, text)) == []
    assert _job(site, "dcgm", "power", JobPods("team-a", "x", (text,))) == []


def test_queries_for_one_device_are_alternatives_of_which_one_is_asked(site):
    """Power samples are not added up where there is a counter of energy."""
    found = site.detected.exporters["dcgm"]
    chosen = usable(found.exporter, found.names, ENERGY, JOB)
    assert [query.needs for query in chosen] == [("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",)]
    without = found.names - {"DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"}
    assert [q.needs for q in usable(found.exporter, without, ENERGY, JOB)] == [("DCGM_FI_DEV_POWER_USAGE",)]


def test_an_exporter_that_there_is_not_has_no_name():
    with pytest.raises(KeyError):
        exporter("cray")


def _job(site, name, quantity, pods):
    prometheus, found = site.prometheus, site.detected.exporters[name]
    (query, *_) = usable(found.exporter, found.names, quantity, JOB)
    return ask(prometheus, found, query, at=prometheus.now(), span=SPAN, job=pods)


def _devices(site, name, quantity):
    prometheus, found = site.prometheus, site.detected.exporters[name]
    (query, *_) = usable(found.exporter, found.names, quantity, DEVICES)
    return ask(prometheus, found, query, at=prometheus.now(), span=SPAN)
