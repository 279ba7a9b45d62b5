"""HPE Cray's counters on trees of files as nodes of several kinds show them."""

from __future__ import annotations

import pytest

from sovlab.sensors.probes import cray
from sovlab.sensors.sensor import Limits, Unavailable
from tests.sensors.processor_trees import cpus, grow, one_sentence

COUNTERS = "/sys/cray/pm_counters"
TIME = 7810213855886
ALL = ("gpu", "cpu", "memory")


def counters(**values):
    """Files of counters, with the unit that their names call for."""
    files = {f"{COUNTERS}/freshness": "60043284\n", f"{COUNTERS}/raw_scan_hz": "10\n"}
    for name, value in values.items():
        unit = "J" if name.endswith("energy") else "C" if name.endswith("temp") else "W"
        files[f"{COUNTERS}/{name}"] = f"{value} {unit} {TIME} us\n"
    return files


LUMI = counters(
    energy=12044825101,
    power=724,
    cpu_energy=1100000000,
    cpu_power=95,
    cpu_temp=41,
    memory_energy=700000000,
    memory_power=60,
    accel0_energy=2869283299,
    accel0_power=212,
    accel1_energy=2500000000,
    accel1_power=90,
    overshoot_energy=3951201,
    capped_energy=12752953,
    power_cap=2894,
    accel0_power_cap=0,
)


def opened(tmp_path, *trees):
    files = {}
    for tree in trees:
        files.update(tree)
    return {p.device.id: p for p in cray.SENSOR.open(grow(tmp_path, files))}


def nvidia(*addresses):
    return {f"/proc/driver/nvidia/gpus/{address}/information": "" for address in addresses}


def test_the_node_and_its_parts_are_devices_and_the_node_contains_them(tmp_path):
    probes = opened(tmp_path, LUMI, cpus(0, vendor="AuthenticAMD"))
    assert {
        device: (p.device.kind, p.device.scope, p.device.covers, p.read().energy, p.read().power)
        for device, p in probes.items()
    } == {
        "node": ("node", "node", ALL, 12044825101.0, 724.0),
        "package-0": ("cpu", "package", (), 1100000000.0, 95.0),
        "dram-0": ("memory", "package", (), 700000000.0, 60.0),
        "accel-0": ("gpu", "device", (), 2869283299.0, 212.0),
        "accel-1": ("gpu", "device", (), 2500000000.0, 90.0),
    }
    assert probes["package-0"].read().temperatures == {"package": 41.0}
    assert probes["package-0"].read(thorough=False).temperatures == {}
    assert {p.resolution for p in probes.values()} == {0.1}
    assert {p.wraps_at for p in probes.values()} == {None}
    for probe in probes.values():
        probe.close()


def test_two_sockets_have_one_counter_together(tmp_path):
    probes = opened(tmp_path, LUMI, cpus(0, 1))
    assert {"cpu", "memory"} < set(probes)
    assert probes["cpu"].device.scope == probes["memory"].device.scope == "node"


def test_a_limit_that_is_set_is_told_and_bounds_what_is_believed(tmp_path):
    probes = opened(tmp_path, LUMI)
    assert probes["node"].limits() == Limits(power=2894.0)
    assert probes["node"].plausible == 5788.0
    assert probes["accel-0"].limits() == Limits()
    assert probes["accel-0"].plausible == 3000.0


def test_accelerators_have_the_drivers_numbers_only_where_there_are_as_many(tmp_path):
    as_many = opened(tmp_path / "a100", LUMI, nvidia("0000:03:00.0", "0000:41:00.0"))
    assert [as_many[f"accel-{n}"].device.index for n in range(2)] == [0, 1]
    # Two dies of an MI250X have a number each, and one counter.
    halves = {f"/dev/dri/renderD{128 + n}": "" for n in range(4)}
    mi250x = opened(tmp_path / "mi250x", LUMI, halves)
    assert [mi250x[f"accel-{n}"].device.index for n in range(2)] == [None, None]


def test_a_part_that_counts_0_is_not_there(tmp_path):
    absent = counters(energy=2527, power=300, cpu_energy=758, cpu_power=90, accel0_energy=0, accel0_power=0)
    assert set(opened(tmp_path, absent, cpus(0))) == {"node", "package-0"}


def test_power_without_a_counter_of_its_own_is_missing(tmp_path):
    probe = opened(tmp_path, counters(energy=2527))["node"]
    assert probe.read().power is None
    assert probe.power_method == ""
    assert "power" in probe.missing


@pytest.mark.parametrize("content", ["", "garbage", "-22 W 1 us", "99999999 W 1 us", "0 W 1 us"])
def test_what_is_no_power_is_none(tmp_path, content):
    probe = opened(tmp_path, LUMI)["node"]
    (tmp_path / "sys/cray/pm_counters/power").write_text(content)
    assert probe.read().power is None
    assert probe.read().energy == 12044825101.0


# counters that change while they are read


class Ticking:
    """Freshness, which moves between the first reads of it as the values do."""

    def __init__(self, folder, ticks):
        self.folder, self.ticks, self.reads = folder, ticks, 0

    def read(self):
        self.reads += 1
        if self.reads % 2 == 0 and self.reads // 2 <= self.ticks:  # the second read of an attempt
            moved = self.reads // 2
            (self.folder / "energy").write_text(f"{1000 + moved} J 1 us\n")
            (self.folder / "power").write_text(f"{300 + moved} W 1 us\n")
            return float(self.reads)
        return 1.0

    def close(self):
        pass


@pytest.mark.parametrize(
    ("ticks", "attempts", "energy"), [(0, 1, 1000), (1, 2, 1001), (2, 3, 1002), (99, 4, 1003)]
)
def test_values_are_read_again_if_they_changed_meanwhile(tmp_path, ticks, attempts, energy):
    probe = opened(tmp_path, counters(energy=1000, power=300))["node"]
    probe._freshness.close()
    probe._freshness = ticking = Ticking(tmp_path / "sys/cray/pm_counters", ticks)
    sample = probe.read()
    assert ticking.reads == 2 * attempts
    assert (sample.energy, sample.power) == (energy, energy - 700)


def test_a_node_without_freshness_is_read_once(tmp_path):
    files = counters(energy=1000, power=300)
    del files[f"{COUNTERS}/freshness"]
    assert opened(tmp_path, files)["node"].read().energy == 1000


# why there is none


def test_another_machine_says_that_it_is_none(tmp_path):
    with pytest.raises(Unavailable, match="no HPE Cray node") as raised:
        opened(tmp_path, cpus(0))
    assert one_sentence(str(raised.value))


def test_counters_that_tell_nothing_are_none(tmp_path):
    with pytest.raises(Unavailable, match="cannot be read, or are all 0") as raised:
        opened(tmp_path, counters(energy=0, power=0))
    assert one_sentence(str(raised.value))
