"""What a job took: read from what jobs say, put together, and told with where it is from."""

from __future__ import annotations

import copy
from dataclasses import replace
from random import Random

import pytest

from sovlab.core import decoding
from sovlab.core.energy.decoding import DeviceDescribed, PowerSeen
from sovlab.core.energy.history import PowerHistory
from sovlab.core.energy.model import modelled
from sovlab.core.energy.nodes import together
from sovlab.core.energy.report import DeviceReport, EnergyReport, LimitReport, Phase, slowed_most
from sovlab.sensors.reading import Reading
from sovlab.views.energy import energy_rows, energy_words
from tests.hostile import NOW, RECORD


def device(number=0, kind="gpu", joules=3.6e6, source="counter", scope="device", covers=(), **more):
    energy = Reading(
        "energy", "J", joules, source if joules is not None else "unavailable", f"{kind} meter", scope,
        1.0 if joules is not None else 0.0, f"{kind}-{number}", more.pop("why", ""),
    )  # fmt: skip
    return DeviceReport(
        id=f"{kind}-{number}", kind=kind, energy=energy, index=number, scope=scope, covers=covers, **more
    )


def report(*devices, **more):
    return EnergyReport(devices=devices, seconds=3600.0, **more)


# --- groups


def test_accelerators_are_added_and_processors_are_apart():
    found = report(
        device(0, mean=700.0, peak=750.0),
        device(1, mean=300.0, peak=350.0),
        device(0, "cpu", 7200.0, scope="package"),
        cpu_job=10.0, cpu_busy=40.0, cpu_all=160.0,
    )  # fmt: skip
    first, second = found.groups()
    assert (first.name, first.energy.value, first.energy.source) == ("accelerators", 7.2e6, "counter")
    assert (first.mean, first.peak) == (1000.0, 1100.0)
    assert (second.name, second.energy.value, second.energy.source) == ("processors", 1800.0, "attributed")
    assert second.idle == 1800.0 * 0.75
    assert (second.mean, second.peak) == (None, None)
    assert found.best == first


def test_a_module_has_its_processors_joules_in_its_own():
    found = report(
        device(0, scope="module", covers=("cpu", "memory")),
        device(0, "cpu", 100.0),
        device(0, "memory", 10.0),
    )
    assert [group.name for group in found.groups()] == ["accelerators"]
    assert found.groups()[0].energy.scope == "module"


def test_a_module_that_is_not_known_covers_nothing():
    found = report(
        device(0, joules=None, covers=("cpu",)), device(0, "cpu", 100.0), cpu_job=1.0, cpu_busy=1.0
    )
    assert [group.energy.value for group in found.groups()] == [None, 100.0]
    assert found.best is not None
    assert found.best.name == "processors"


def test_a_node_is_never_added_to_its_parts():
    found = report(device(0), device(0, "node", 9e6, scope="node", covers=("gpu", "cpu", "memory")))
    assert {group.name: group.energy.value for group in found.groups()} == {
        "accelerators": 3.6e6,
        "node": 9e6,
    }


def test_a_sum_is_as_good_as_its_worst_part():
    (group,) = report(device(0), device(1, source="sampled")).groups()
    assert group.energy.source == "sampled"


def test_a_part_that_is_not_known_is_told():
    (group,) = report(device(0), device(1, joules=None)).groups()
    assert group.energy.value == 3.6e6
    assert group.energy.why == "1 of 2 devices not measured"


def test_of_a_part_of_a_board_the_whole_board_is_told():
    (group,) = report(device(0, scope="board")).groups()
    assert "whole board" in group.energy.why
    assert group.energy.scope == "board"


def test_without_cpu_time_the_processors_are_the_whole_machines():
    (group,) = report(device(0, "cpu", 100.0, scope="package")).groups()
    assert (group.energy.source, group.idle) == ("counter", None)
    assert "whole machine" in group.energy.why


def test_of_several_nodes_one_is_told():
    (group,) = report(device(0), nodes=4).groups()
    assert "of one of 4 nodes" in group.energy.why


def test_nothing_is_known_of_nothing():
    assert report().groups() == ()
    assert report().best is None


def test_the_worst_slowing_is_found():
    found = report(device(0, slowed={"heat": 0.1, "power": 0.9}), device(1, slowed={"heat": 0.2}))
    assert slowed_most(found) == (found.devices[1], "heat", 0.2)
    assert slowed_most(report(device(0, slowed={"power": 1.0, "heat": 0.0}))) is None


# --- words


def test_each_number_has_where_it_is_from():
    (group,) = report(device(0, joules=158400.0, mean=726.0, peak=811.0)).groups()
    assert energy_words(group) == "44 Wh (counted, gpu meter), mean 726 W, peak 811 W"


def test_what_is_not_known_is_a_dash_with_its_reason():
    (group,) = report(device(0, joules=None, why="its counter did not move")).groups()
    assert energy_words(group) == "— (its counter did not move)"
    rows = energy_rows(report(unavailable={"rapl": "It is masked."}))
    assert rows == [("Energy", "— not measured: It is masked. More: sovlab power", False)]


def test_coverage_below_all_is_told():
    found = device(0)
    found = DeviceReport(id="a", kind="gpu", energy=found.energy._replace(coverage=0.5))
    assert "of 50% of the time" in energy_words(report(found).groups()[0])


def test_heat_is_told_with_what_to_do():
    rows = energy_rows(
        report(device(0, hottest={"gpu": 82.0, "memory": 91.0}, margin=4.0, slowed={"heat": 0.11}))
    )
    assert rows[1] == ("Hottest", "91 °C (sampled) (memory on GPU 0), 4 °C below slowing", False)
    label, text, bad = rows[2]
    assert (label, bad) == ("Slowed", True)
    assert text.startswith("by heat for 11% of the time on GPU 0. It is too hot: ")


# --- the door


def test_an_exit_record_tells_its_energy():
    found = decoding.exit_record(RECORD).energy
    assert found is not None
    (gpu,) = found.devices
    assert gpu.energy == Reading("energy", "J", 5e5, "counter", "NVML", "device", 0.99, "GPU-1", "set back")
    assert (gpu.covers, gpu.hottest, gpu.slowed) == (("memory",), {"gpu": 71.0}, {"heat": 0.11})
    assert (found.cpu_job, found.cpu_busy, found.cpu_all) == (5.0, 50.0, 500.0)


def test_a_report_says_of_how_many_nodes_it_is_one():
    found = decoding.exit_record({**RECORD, "energy": {**RECORD["energy"], "nodes": 4}}).energy
    assert found is not None
    assert found.nodes == 4
    assert "of one of 4 nodes" in found.groups()[0].energy.why


def test_one_of_an_older_runner_has_none():
    record = {key: value for key, value in RECORD.items() if key != "energy"}
    assert decoding.exit_record(record).energy is None


@pytest.mark.parametrize(
    "energy",
    [
        {"j": 5.0},
        {"j": 5.0, "source": "unavailable"},
        {"j": None, "source": "counter"},
        {"j": 5.0, "source": "guessed"},
        {"j": -5.0, "source": "counter"},
        {"j": 1e30, "source": "counter"},
        {"j": "5", "source": "counter"},
        {"j": True, "source": "counter"},
    ],
)
def test_a_number_without_its_source_is_none(energy):
    record = copy.deepcopy(RECORD)
    record["energy"]["devices"][0]["energy"] = energy
    found = decoding.exit_record(record)
    assert found.reason == RECORD["reason"]  # a job is not lost for that
    assert found.energy is not None
    assert found.energy.devices == ()
    assert "cannot be read" in found.energy.unavailable["sampling"]


@pytest.mark.parametrize(
    "energy", [5, "5 J", [], {"devices": {}}, {"devices": [5]}, {"cpu": 5}, {"phases": [1]}]
)
def test_what_is_no_report_is_none(energy):
    found = decoding.exit_record({**RECORD, "energy": energy}).energy
    assert found is not None
    assert found.groups() == ()
    assert "cannot be read" in found.unavailable["sampling"] or energy == []


# --- history


def described(number=0, kind="gpu"):
    return DeviceDescribed(number, device(number, kind, joules=None))


def seen(time, watts, number=0, **more):
    found = decoding.frame(
        {"t": "power", "at": time, "n": number, "d": [{"w": watts, "j": 5.0, "s": "counter", **more}]}
    )
    assert isinstance(found, PowerSeen)
    return found


def test_seconds_of_the_last_ten_minutes_are_kept_each():
    history = PowerHistory()
    history.add(described())
    for at in range(0, 600, 5):
        history.add(seen(NOW + at + 5, [100.0 + at + i for i in range(5)]))
    points = history.points(0)
    assert [point.watts for point in points] == [100.0 + at for at in range(600)]
    assert [point.time for point in points] == [NOW + at for at in range(600)]


def test_a_week_is_short_and_its_joules_are_right():
    history = PowerHistory()
    history.add(described())
    joules = 0.0
    for at in range(0, 7 * 86400, 5):
        watts = [100.0 + (at // 3600) % 7] * 5
        joules += sum(watts)
        history.add(seen(NOW + at + 5, watts))
    points = history.points(0)
    assert len(points) < 2500
    assert sum(point.watts * point.seconds for point in points) == pytest.approx(joules)
    assert [point.time for point in points] == sorted(point.time for point in points)


def test_whatever_comes_when_its_joules_seconds_and_peak_are_kept():
    for number in range(20):
        random = Random(number)
        history, told, at = PowerHistory(), [], float(NOW)
        for _ in range(random.randrange(2000)):
            count = random.choice((0, 1, 4, 5, 5, 5, 6, 30))
            at += count + random.choice((0.001, 0.001, 0.3, 7.2))
            watts = [random.choice((None, *[random.uniform(1, 700)] * 20)) for _ in range(count)]
            history.add(seen(at, watts))
            told += [each for each in watts if each is not None]
        points = history.points(0)
        assert sum(point.seconds for point in points) == pytest.approx(len(told))
        assert sum(point.watts * point.seconds for point in points) == pytest.approx(sum(told))
        assert max((point.peak for point in points), default=None) == max(told, default=None)
        assert [point.time for point in points] == sorted(point.time for point in points)


def test_two_looks_in_one_second_are_one_point():
    history = PowerHistory()
    history.add(described())
    history.add(seen(NOW + 2.9, [100.0, 200.0]))
    history.add(seen(NOW + 3.1, [300.0, 400.0]))
    assert [tuple(point) for point in history.points(0)] == [
        (NOW, 1.0, 100.0, 100.0),
        (NOW + 1, 2.0, 250.0, 300.0),
        (NOW + 2, 1.0, 400.0, 400.0),
    ]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1.0, 1e6, True, "5", [5.0], 10**400])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_power_that_is_none_makes_the_frame_none(bad, place):
    watts = [1.0, 2, 3.0]
    watts[place] = bad
    told = {"w": watts, "s": "counter"}
    assert decoding.frame({"t": "power", "at": NOW, "n": 0, "d": [told]}) is None


def test_powers_may_be_whole_and_may_be_unknown():
    assert seen(NOW, [1, 2.5, 3]).devices[0].watts == (1, 2.5, 3)
    assert seen(NOW, [1, None, 3.0]).devices[0].watts == (1, None, 3.0)
    assert len(seen(NOW, [5.0] * 10_000).devices[0].watts) == 600


def test_what_is_replayed_is_not_counted_twice():
    history = PowerHistory()
    history.add(described())
    for _ in range(2):
        history.add(seen(NOW + 2, [100.0, 200.0]))
    assert [point.watts for point in history.points(0)] == [100.0, 200.0]


def test_what_is_not_known_now_is_none():
    history = PowerHistory()
    history.add(described())
    history.add(seen(NOW, [None], j=None, s="unavailable"))
    assert history.watts([0]) is None
    assert history.joules([0]) is None
    assert history.celsius([0]) is None
    assert history.slowing([0]) == ()


def test_devices_are_added_where_both_are_known():
    history = PowerHistory()
    for number in (0, 1):
        history.add(described(number))
        history.add(seen(NOW + 2, [100.0, 200.0], number, c=50.0 + number, x=["heat"] * number))
    assert history.watts([0, 1]) == 400.0
    assert history.celsius([0, 1]) == 51.0
    assert history.joules([0, 1]) == 10.0
    assert history.slowing([0, 1]) == ("heat",)
    assert history.sums([0, 1], 60) == [200.0, 400.0]
    assert history.of("gpu") == [0, 1]


# --- limits


def limited(**limits):
    return decoding.exit_record(
        {**RECORD, "energy": {"devices": [], "seconds": 9.0, "limits": limits}}
    ).energy


def test_how_far_a_budget_is_used_is_a_row():
    found = limited(energy_budget={"limit": 7.2e6, "used": 6.0e6, "source": "counter"})
    assert ("Budget", "1.67 kWh of 2 kWh, 83% (counted)", False) in energy_rows(found)


def test_of_a_budget_that_nodes_share_the_whole_is_said_and_a_nodes_part():
    found = limited(energy_budget={"limit": 3.6e6, "used": 3.0e6, "source": "counter"})
    words = "2 kWh; most on one node: 0.83 kWh of the 1 kWh that each of 2 nodes has of it, 83% (counted)"
    assert ("Budget", words, False) in energy_rows(replace(found, nodes=2))


def test_an_energy_and_its_budget_are_of_one_unit():
    found = limited(energy_budget={"limit": 6e5, "used": 5e5, "source": "sampled"})
    assert ("Budget", "139 Wh of 166.7 Wh, 83% (sampled)", False) in energy_rows(found)
    found = limited(energy_budget={"limit": 7.2e6, "used": 9e5, "source": "sampled"})
    assert ("Budget", "0.25 kWh of 2 kWh, 12% (sampled)", False) in energy_rows(found)


def test_what_a_limit_is_used_is_unknown_without_a_source():
    found = limited(energy_budget={"limit": 6e5, "used": 5e5})
    assert found.limits["energy_budget"].used is None


@pytest.mark.parametrize(
    ("name", "limit", "label", "text"),
    [
        ("energy_budget", 1800.0, "Budget", "--energy-budget 1800 J was not watched: no sensor"),
        ("max_temperature", 85.0, "Heat limit", "--max-temperature 85 °C was not watched: no sensor"),
    ],
)
def test_a_limit_that_was_not_watched_is_a_warning(name, limit, label, text):
    found = limited(**{name: {"limit": limit, "used": None, "source": "", "why": "no sensor"}})
    assert (label, text, True) in energy_rows(found)


@pytest.mark.parametrize(("why", "text"), [("", "300 W, put back"), ("not set: no", "300 W, not set: no")])
def test_what_became_of_a_cap_is_a_row(why, text):
    assert ("Power cap", text, bool(why)) in energy_rows(limited(power_cap={"limit": 300, "why": why}))


@pytest.mark.parametrize(
    "told",
    [
        {"what": "energy_budget", "state": "warned", "limit": "much"},
        {"what": "energy_budget", "state": "warned", "limit": float("nan")},
        {"what": "energy_budget", "state": "exploded", "limit": 5.0},
        {"what": "rm -rf", "state": "warned", "limit": 5.0},
        {"what": ["energy_budget"], "state": "warned", "limit": 5.0},
        {"state": "warned", "limit": 5.0},
    ],
)
def test_frames_of_limits_that_do_not_fit_are_none(told):
    assert decoding.frame({"t": "limit", **told}) is None


# --- the model


def test_without_any_sensor_cpu_time_gives_a_wide_range():
    found = report(cpu_job=100.0, cpu_busy=200.0, cpu_all=400.0)
    guess = modelled(found)
    assert guess is not None
    assert 50 < guess.low < 200 < 400 < guess.high
    (row,) = [text for _, text, _ in energy_rows(found) if "modelled" in text]
    assert row == "by its CPU time between 103 J and 1875 J (modelled: 1 to 19 W for each busy core)"
    assert found.best is None  # no sum has it


def test_of_next_to_nothing_the_table_says_no_model():
    found = report(cpu_job=2.0, cpu_busy=4.0, cpu_all=8.0)
    assert modelled(found) is not None
    assert not [text for _, text, _ in energy_rows(found) if "modelled" in text]


@pytest.mark.parametrize(
    "found",
    [
        report(),
        report(cpu_job=0.0, cpu_busy=1.0, cpu_all=2.0),
        report(device(), cpu_job=100.0, cpu_busy=200.0, cpu_all=400.0),
        report(device(0, "node"), cpu_job=100.0, cpu_busy=200.0, cpu_all=400.0),
    ],
)
def test_beside_anything_measured_or_without_cpu_time_there_is_no_model(found):
    assert modelled(found) is None
    assert not [text for _, text, _ in energy_rows(found) if "modelled" in text]


# --- several nodes


def node(*devices, **more):
    return report(*devices, nodes=2, **more)


def test_the_joules_of_several_nodes_are_added_each_with_its_own_share():
    first = node(
        device(mean=100.0, peak=150.0), device(0, "cpu", 1000.0), cpu_job=10.0, cpu_busy=10.0, cpu_all=20.0
    )
    second = node(
        device(mean=200.0, peak=250.0), device(0, "cpu", 1000.0), cpu_job=1.0, cpu_busy=10.0, cpu_all=20.0
    )
    whole = together({0: first, 1: second}, 2)
    gpus, processors = whole.groups()
    assert (gpus.energy.value, gpus.energy.source, gpus.energy.why) == (7.2e6, "counter", "")
    assert (gpus.mean, gpus.peak) == (300.0, 400.0)
    assert processors.energy.value == pytest.approx(1000.0 + 100.0)
    assert processors.energy.source == "attributed"
    assert [each.node for each in whole.devices if each.kind == "gpu"] == [0, 1]
    assert len({each.id for each in whole.devices if each.kind == "cpu"}) == 2


def test_a_node_that_left_nothing_is_told():
    whole = together({1: node(device())}, 2)
    assert whole.best.energy.value == 3.6e6
    assert "of 1 of 2 nodes" in energy_words(whole.best)


def test_a_node_that_measured_nothing_is_told():
    whole = together({0: node(device()), 1: node(device(joules=None, why="its driver is gone"))}, 2)
    assert whole.best.energy.value == 3.6e6
    assert "of 1 of 2 nodes" in whole.best.energy.why


def test_sources_of_several_nodes_are_told_by_the_worst():
    whole = together({0: node(device()), 1: node(device(source="sampled"))}, 2)
    assert whole.best.energy.source == "sampled"


def test_phases_of_several_nodes_have_the_joules_of_all_their_devices():
    each = {"epoch": Phase(count=3, seconds=5.0, joules={0: 7.0, 1: 1.0})}
    devices = (device(), device(0, "cpu", 10.0))
    whole = together({0: node(*devices, phases=each), 1: node(*devices, phases=each)}, 2)
    assert whole.phases["epoch"].joules == {0: 7.0, 1: 1.0, 2: 7.0, 3: 1.0}
    assert (whole.phases["epoch"].count, whole.phases["epoch"].seconds) == (3, 5.0)


def test_of_nothing_there_is_no_report():
    assert together({}, 2) is None


def test_of_several_nodes_limits_the_fullest_is_told():
    each = [LimitReport(limit=100.0, used=used, source="counter") for used in (50.0, 90.0)]
    whole = together({n: node(device(), limits={"energy_budget": limit}) for n, limit in enumerate(each)}, 2)
    assert whole.limits["energy_budget"].used == 90.0
