"""Temperatures and throttling of processors on trees of files as hwmon and thermal_throttle show them."""

from __future__ import annotations

import time

import pytest

from sovlab.sensors.probes import processor_heat, rapl
from sovlab.sensors.sensor import Limits, Sample, Unavailable
from tests.sensors.processor_trees import cpus, grow, one_sentence


def chip(number, driver, place, sensors):
    """Files and links of one hwmon: ``place`` is its device in /sys/devices, ``sensors`` its files."""
    folder = f"/sys/devices/{place}/hwmon/hwmon{number}"
    files = {
        f"{folder}/name": f"{driver}\n",
        **{f"{folder}/{name}": f"{text}\n" for name, text in sensors.items()},
    }
    links = {
        f"/sys/class/hwmon/hwmon{number}": f"../..{folder[len('/sys') :]}",
        f"{folder}/device": f"../../../{place.rpartition('/')[2]}",
    }
    return files, links


def coretemp(number, die, degrees, crit="100000"):
    sensors = {
        "temp1_label": f"Package id {die}",
        "temp1_input": degrees,
        "temp1_max": "84000",
        "temp1_crit": crit,
        "temp2_label": "Core 0",
        "temp2_input": "99000",
    }
    return chip(number, "coretemp", f"platform/coretemp.{die}", sensors)


def k10temp(number, slot, sensors):
    return chip(number, "k10temp", f"pci0000:00/0000:00:{slot}.3", sensors)


def throttle(cpu, milliseconds):
    folder = f"/sys/devices/system/cpu/cpu{cpu}/thermal_throttle"
    return {f"{folder}/package_throttle_total_time_ms": f"{milliseconds}\n"}


def opened(tmp_path, processors, *chips, more=None):
    files, links = {**processors, **(more or {})}, {}
    for each in chips:
        files.update(each[0])
        links.update(each[1])
    return {p.device.id: p for p in processor_heat.SENSOR.open(grow(tmp_path, files, links))}


def temperatures(probes):
    return {device: probe.read().temperatures.get("package") for device, probe in probes.items()}


# Intel


def test_each_package_has_its_temperature_its_limit_and_what_is_left(tmp_path):
    probes = opened(tmp_path, cpus(0, 1), coretemp(0, 0, "61000"), coretemp(3, 1, "45500"))
    assert temperatures(probes) == {"package-0": 61.0, "package-1": 45.5}
    probe = probes["package-1"]
    assert (probe.device.kind, probe.device.scope, probe.device.covers) == ("cpu", "package", ())
    assert probe.device.name == "Intel(R) Xeon(R) Platinum 8480+"
    assert probe.read().margin == pytest.approx(54.5)
    assert probe.limits() == Limits(slowdown=100.0)
    probe.close()


def test_max_is_the_fans_target_and_no_limit(tmp_path):
    files, links = coretemp(0, 0, "61000")
    del files["/sys/devices/platform/coretemp.0/hwmon/hwmon0/temp1_crit"]
    probe = opened(tmp_path, cpus(0), (files, links))["package-0"]
    assert probe.limits() == Limits()
    assert probe.read().margin is None
    assert "slowdown" in probe.missing


def test_devices_are_named_as_rapls_are_where_sockets_are_not_numbered_from_0(tmp_path):
    probes = opened(tmp_path, cpus(0, 3), coretemp(0, 0, "61000"), coretemp(1, 1, "50000"))
    assert temperatures(probes) == {"package-0": 61.0, "package-3": 50.0}
    zone = "/sys/devices/virtual/powercap/intel-rapl/intel-rapl:1"
    machine = grow(
        tmp_path,
        {f"{zone}/name": "package-3\n", f"{zone}/energy_uj": "5\n"},
        {"/sys/class/powercap/intel-rapl:1": f"../..{zone[len('/sys') :]}"},
    )
    assert [p.device.id for p in rapl.SENSOR.open(machine)] == ["package-3"]


def test_a_label_of_an_older_kernel_is_the_packages_own_number(tmp_path):
    probes = opened(tmp_path, cpus(0, 2), coretemp(0, 0, "61000"), coretemp(1, 2, "50000"))
    assert temperatures(probes) == {"package-0": 61.0, "package-2": 50.0}


def test_a_package_of_several_dies_is_as_hot_as_its_hottest(tmp_path):
    chips = [coretemp(die, die, degrees) for die, degrees in enumerate(("50000", "55000", "70000", "60000"))]
    assert temperatures(opened(tmp_path, cpus(0, 1, dies=2), *chips)) == {
        "package-0": 55.0,
        "package-1": 70.0,
    }


def test_a_kernel_that_knows_no_dies_still_has_packages(tmp_path):
    processors = {path: text for path, text in cpus(0, 2).items() if not path.endswith("die_id")}
    probes = opened(
        tmp_path, processors, coretemp(0, 0, "61000"), coretemp(1, 1, "50000"), more=throttle(2, 40)
    )
    assert temperatures(probes) == {"package-0": 61.0, "package-2": 50.0}
    assert probes["package-2"].read().slowed["heat"][0] == pytest.approx(0.04)


@pytest.mark.parametrize("degrees", ["0", "255000", "-1000", ""])
def test_a_temperature_that_no_chip_has_is_none(tmp_path, degrees):
    probe = opened(tmp_path, cpus(0), coretemp(0, 0, degrees))["package-0"]
    assert probe.read() == Sample()


# AMD


def test_the_die_counts_rather_than_what_steers_the_fans(tmp_path):
    both = {"temp1_label": "Tctl", "temp1_input": "77000", "temp2_label": "Tdie", "temp2_input": "50000"}
    other = {"temp1_label": "Tdie", "temp1_input": "51000", "temp2_label": "Tctl", "temp2_input": "78000"}
    processors = cpus(0, 1, vendor="AuthenticAMD")
    probes = opened(tmp_path, processors, k10temp(1, "18", both), k10temp(2, "19", other))
    assert temperatures(probes) == {"package-0": 50.0, "package-1": 51.0}


def test_a_processor_with_tctl_alone_is_read_by_it_and_not_by_one_of_its_chiplets(tmp_path):
    sensors = {"temp3_label": "Tccd1", "temp3_input": "40000", "temp1_label": "Tctl", "temp1_input": "62500"}
    probe = opened(tmp_path, cpus(0, vendor="AuthenticAMD"), k10temp(0, "18", sensors))["package-0"]
    assert probe.read() == Sample(temperatures={"package": 62.5})
    assert "slowdown" in probe.missing


def test_seventy_degrees_that_the_driver_says_of_all_are_no_limit(tmp_path):
    old = {"temp1_input": "42000", "temp1_max": "70000"}
    probe = opened(tmp_path, cpus(0, vendor="AuthenticAMD"), k10temp(0, "18", old))["package-0"]
    assert probe.read().temperatures == {"package": 42.0}
    assert probe.limits() == Limits()


def test_four_chips_a_socket_are_shared_out_in_the_order_of_their_addresses(tmp_path):
    slots = ("18", "19", "1a", "1b", "1c", "1d", "1e", "1f")
    # The numbers of hwmon follow the order in which the drivers were bound.
    chips = [
        k10temp(7 - index, slot, {"temp1_label": "Tdie", "temp1_input": f"{40 + index}000"})
        for index, slot in enumerate(slots)
    ]
    probes = opened(tmp_path, cpus(0, 1, vendor="AuthenticAMD"), *chips)
    assert temperatures(probes) == {"package-0": 43.0, "package-1": 47.0}


def test_chips_that_cannot_be_shared_out_are_nobodys(tmp_path):
    chips = [k10temp(i, f"1{8 + i}", {"temp1_input": "40000"}) for i in range(2)]
    probes = opened(tmp_path, cpus(0, 1, 2, vendor="AuthenticAMD"), *chips)
    assert temperatures(probes) == {"processor-sensor-0": 40.0, "processor-sensor-1": 40.0}


# throttling


def test_throttling_counts_once_for_a_package_though_each_cpu_shows_it(tmp_path):
    counts = {**throttle(0, 1500), **throttle(1, 1500), **throttle(2, 0), **throttle(3, 0)}
    probes = opened(tmp_path, cpus(0, 1), coretemp(0, 0, "61000"), more=counts)
    before = time.monotonic()
    slowed, clock = probes["package-0"].read().slowed["heat"]
    assert slowed == pytest.approx(1.5)
    assert before <= clock <= time.monotonic()
    assert probes["package-1"].read().slowed["heat"][0] == 0
    assert probes["package-1"].read().temperatures == {}
    assert "coretemp" in probes["package-1"].missing["temperature"]
    (tmp_path / "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_total_time_ms").write_text(
        "1750\n"
    )
    assert probes["package-0"].read().slowed["heat"][0] == pytest.approx(1.75)


def test_throttling_that_is_not_shown_is_missing_and_never_0(tmp_path):
    amd = opened(
        tmp_path / "amd", cpus(0, vendor="AuthenticAMD"), k10temp(0, "18", {"temp1_input": "40000"})
    )["package-0"]
    assert amd.read().slowed == {}
    assert "Intel" in amd.missing["slowed"]
    (tmp_path / "masked/sys/devices/system/cpu/cpu0/thermal_throttle").mkdir(parents=True)
    masked = opened(tmp_path / "masked", cpus(0), coretemp(0, 0, "61000"))["package-0"]
    assert masked.read().slowed == {}
    assert "masked" in masked.missing["slowed"]
    core = {"/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_total_time_ms": "7\n"}
    old = opened(tmp_path / "old", cpus(0), coretemp(0, 0, "61000"), more=core)["package-0"]
    assert old.read().slowed == {}
    assert "cores only" in old.missing["slowed"]


def test_a_cpu_that_went_offline_tells_nothing(tmp_path):
    probe = opened(tmp_path, cpus(0), coretemp(0, 0, "61000"), more=throttle(0, 1500))["package-0"]
    (tmp_path / "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_total_time_ms").write_text("")
    assert probe.read().slowed == {}


def test_a_quick_look_reads_nothing_of_it(tmp_path):
    probe = opened(tmp_path, cpus(0), coretemp(0, 0, "61000"), more=throttle(0, 1500))["package-0"]
    assert probe.read(thorough=False) == Sample()


# why there is none


def test_a_machine_without_sensors_says_why(tmp_path):
    nvme = chip(0, "nvme", "pci0000:00/0000:01:00.0/nvme/nvme0", {"temp1_input": "38850"})
    with pytest.raises(Unavailable, match="coretemp for Intel") as raised:
        opened(tmp_path / "none", cpus(0), nvme)
    assert one_sentence(str(raised.value))
    with pytest.raises(Unavailable, match="virtual machine") as raised:
        opened(tmp_path / "virtual", cpus(0, flags="fpu hypervisor"))
    assert one_sentence(str(raised.value))
