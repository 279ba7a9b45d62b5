"""ACPI power meters on trees of files as older and newer kernels show them."""

from __future__ import annotations

import pytest

from sovlab.sensors.probes import power_meter
from sovlab.sensors.sensor import Unavailable
from tests.sensors.processor_trees import grow, one_sentence

BROKEN = 4294967295000


def meter(number, microwatts, label="", *, old=True, name="power1_average", **more):
    """Files and links of one meter; on older kernels all but the link stands in the ACPI device."""
    device = f"/sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI000D:{number:02x}"
    hwmon = f"{device}/hwmon/hwmon{number}"
    folder = device if old else hwmon
    files = {
        f"{folder}/name": "power_meter\n",
        f"{folder}/{name}": f"{microwatts}\n",
        f"{folder}/power1_oem_info": f"{label}\n",
        f"{folder}/power1_is_battery": "0\n",
        f"{hwmon}/uevent": "",
        **{f"{folder}/{key}": f"{value}\n" for key, value in more.items()},
    }
    links = {
        f"/sys/class/hwmon/hwmon{number}": f"../..{hwmon[len('/sys') :]}",
        f"{hwmon}/device": f"../../../ACPI000D:{number:02x}",
    }
    return files, links


def opened(tmp_path, *meters):
    files, links = {}, {}
    for each in meters:
        files.update(each[0])
        links.update(each[1])
    probes = power_meter.SENSOR.open(grow(tmp_path, files, links))
    return {p.device.id: p for p in probes}


def found(probes):
    return {
        device: (p.device.kind, p.device.scope, p.device.covers, p.read().power)
        for device, p in probes.items()
    }


def reason(tmp_path, *meters):
    with pytest.raises(Unavailable) as raised:
        opened(tmp_path, *meters)
    assert one_sentence(str(raised.value))
    return str(raised.value)


ALL = ("gpu", "cpu", "memory")


@pytest.mark.parametrize("old", [True, False])
def test_a_meter_that_says_nothing_is_of_the_whole_machine(tmp_path, old):
    probes = opened(tmp_path, meter(0, 412000000, old=old, power1_average_interval=1000))
    assert found(probes) == {"node": ("node", "node", ALL, 412.0)}
    probe = probes["node"]
    assert probe.power_method == "ACPI power meter, mean of 1 s"
    assert probe.read().energy is None
    assert "energy" in probe.missing
    probe.close()


def test_a_meter_without_a_mean_is_read_by_its_input(tmp_path):
    assert found(opened(tmp_path, meter(0, 98500000, name="power1_input"))) == {
        "node": ("node", "node", ALL, 98.5)
    }


GRACE = (
    meter(1, 650000000, "Module Power Socket 0"),
    meter(2, 180000000, "Grace Power Socket 0"),
    meter(3, 120000000, "CPU Power Socket 0"),
    meter(4, 25000000, "SysIO Power Socket 0"),
    meter(5, 190000000, "Grace Power Socket 1"),
)


def test_of_meters_that_contain_each_other_graces_is_read_and_the_module_is_not_added(tmp_path):
    assert found(opened(tmp_path, *GRACE)) == {
        "package-0": ("cpu", "socket", ("memory",), 180.0),
        "package-1": ("cpu", "socket", ("memory",), 190.0),
    }


def test_without_graces_the_parts_of_the_chip_are_added_and_its_memory_is_not_in_them(tmp_path):
    assert found(opened(tmp_path, GRACE[0], GRACE[2], GRACE[3])) == {
        "package-0": ("cpu", "package", (), 145.0)
    }


def test_a_module_alone_is_read_with_all_that_it_contains(tmp_path):
    assert found(opened(tmp_path, GRACE[0])) == {"module-0": ("node", "module", ALL, 650.0)}


def test_the_labels_of_newer_firmware_are_known(tmp_path):
    newer = (
        meter(1, 104000000, "Total Power in uW socket 0", old=False),
        meter(2, 40000000, "CPU Rail Input Power in uW socket 0", old=False),
        meter(3, 44000000, "CPU Rail Input Power in uW socket 1", old=False),
        meter(4, 15000000, "SoC Rail Input Power in uW socket 1", old=False),
    )
    assert found(opened(tmp_path, *newer)) == {
        "package-0": ("cpu", "socket", ("memory",), 104.0),
        "package-1": ("cpu", "package", (), 59.0),
    }


def test_a_part_that_is_not_known_is_no_machine(tmp_path):
    assert set(opened(tmp_path, GRACE[1], meter(7, 9000000, "NVSwitch Power Socket 0"))) == {"package-0"}
    assert set(opened(tmp_path / "both", GRACE[1], meter(7, 900000000))) == {"package-0", "node"}


# values that are none


def test_all_ones_in_milliwatts_are_no_power(tmp_path):
    assert "no value that can be true" in reason(tmp_path, meter(0, BROKEN))
    assert "no value that can be true" in reason(
        tmp_path / "socket", meter(0, BROKEN, "Grace Power Socket 0")
    )


@pytest.mark.parametrize("content", [str(BROKEN), "4294967274", "0", "", "unknown"])
def test_a_meter_that_breaks_tells_nothing_and_may_come_back(tmp_path, content):
    probe = opened(tmp_path, meter(0, 180000000, "Grace Power Socket 0"))["package-0"]
    file = tmp_path / "sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI000D:00/power1_average"
    file.write_text(content)
    assert probe.read(thorough=False).power is None
    file.write_text("181000000\n")
    assert probe.read(thorough=False).power == 181.0


def test_a_part_that_breaks_leaves_no_sum(tmp_path):
    probe = opened(tmp_path, GRACE[2], GRACE[3])["package-0"]
    assert probe.read().power == 145.0
    (tmp_path / "sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI000D:04/power1_average").write_text(f"{BROKEN}\n")
    assert probe.read().power is None


def test_where_graces_is_broken_the_next_one_is_read(tmp_path):
    broken = meter(2, BROKEN, "Grace Power Socket 0")
    assert found(opened(tmp_path, GRACE[0], broken, GRACE[2])) == {"package-0": ("cpu", "package", (), 120.0)}


def test_of_several_that_say_nothing_the_only_one_that_works_is_read(tmp_path):
    assert found(opened(tmp_path, meter(0, BROKEN), meter(1, 300000000))) == {
        "node": ("node", "node", ALL, 300.0)
    }
    assert "2 power meters" in reason(tmp_path / "two", meter(0, 300000000), meter(1, 310000000))


def test_a_battery_is_no_machine(tmp_path):
    assert "no power meter" in reason(tmp_path, meter(0, 20000000, power1_is_battery=1))


def test_a_machine_without_a_meter_says_so(tmp_path):
    assert "no power meter" in reason(tmp_path)
    files = {
        "/sys/class/hwmon/hwmon0/name": "amdgpu\n",
        "/sys/class/hwmon/hwmon0/power1_average": "90000000\n",
    }
    assert "no power meter" in reason(tmp_path / "gpu", (files, {}))
