"""Intel's discrete GPUs, on trees of files as the xe and i915 drivers show them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from sovlab.backends import xpu
from sovlab.sensors.machine import Machine
from sovlab.sensors.probes import intel
from sovlab.sensors.sensor import Limits, Unavailable

B580 = {
    "energy1_input": "22000000000000",
    "energy1_label": "card",
    "energy2_input": "15000000000000",
    "energy2_label": "pkg",
    "power1_cap": "190000000",
    "power1_rated_max": "190000000",
    "power1_label": "card",
    "power2_max": "120000000",
    "power2_label": "pkg",
    "temp2_input": "52000",
    "temp2_label": "pkg",
    "temp3_input": "54000",
    "temp3_label": "vram",
    "temp4_input": "40000",
    "temp4_label": "mctrl",
    "temp6_input": "99000",
    "temp6_label": "vram_ch_0",
    "in1_input": "1010",
}
"""hwmon of xe for Battlemage since Linux 6.15: both counters, temperatures with labels, no power1_input."""


def card(root, number, address, *, driver="xe", tiles=1, hwmon=None, node=True, vendor="0x8086", gts=1):
    """One card as in sysfs: everything is below its PCI device, and /sys/class/drm has links to it."""
    pci = root / "sys/devices/pci0000:00/0000:00:01.0" / address
    drm, minor = pci / "drm" / f"card{number}", 128 + number
    files = {
        pci / "vendor": vendor,
        pci / "device": "0xe20b",
        pci / f"drm/renderD{minor}/dev": f"226:{minor}",
        drm / "dev": f"226:{number}",
        pci / f"hwmon/hwmon{number + 3}/name": driver,
    }
    for name, content in (hwmon or {}).items():
        files[pci / f"hwmon/hwmon{number + 3}/{name}"] = content
    if driver == "xe":
        files.update({pci / f"tile{tile}/physical_vram_size_bytes": "1" for tile in range(tiles)})
    else:
        files.update({drm / f"gt/gt{gt}/rps_max_freq_mhz": "2400" for gt in range(gts)})
    if node:
        files[root / f"dev/dri/renderD{minor}"] = ""
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    (drm / "device").symlink_to("../..")
    bound = root / "sys/bus/pci/drivers" / driver
    bound.mkdir(parents=True, exist_ok=True)
    (pci / "driver").symlink_to(bound)
    link = root / f"sys/class/drm/card{number}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(drm, link.parent))
    return pci


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content + "\n")


def probes(root, **environ):
    return intel.SENSOR.open(Machine(root=root, environ=environ))


def probe(root, **environ):
    (found,) = probes(root, **environ)
    return found


# which devices


def test_nothing_is_one_sentence(tmp_path):
    with pytest.raises(Unavailable, match=r"^No discrete Intel GPU .*\.$"):
        probes(tmp_path)


def test_an_integrated_gpu_is_not_measured_but_counts_in_the_numbering(tmp_path):
    card(tmp_path, 0, "0000:00:02.0", driver="i915", hwmon={"energy1_input": "1"})
    card(tmp_path, 10, "0000:03:00.0", hwmon=B580)
    card(tmp_path, 2, "0000:8d:00.0", hwmon=B580)
    card(tmp_path, 1, "0000:01:00.0", vendor="0x10de", driver="nvidia")
    devices = [each.device for each in probes(tmp_path)]
    assert [(d.id, d.index) for d in devices] == [("0000:03:00.0", 1), ("0000:8d:00.0", 2)]
    assert [(d.kind, d.name, d.scope) for d in devices] == [("gpu", "Intel GPU e20b", "device")] * 2


def test_numbers_are_those_of_the_backend(tmp_path):
    card(tmp_path, 0, "0000:00:02.0", driver="i915", gts=2)
    card(tmp_path, 1, "0000:03:00.0", tiles=2, hwmon=B580)
    card(tmp_path, 2, "0000:18:00.0", driver="i915", gts=2, hwmon={"energy1_input": "1"})
    card(tmp_path, 3, "0000:8d:00.0", hwmon=B580)
    offered = {device.index for device in xpu.look(Machine(root=tmp_path, environ={})).devices}
    assert offered == {1, 2, 3, 4, 5}
    assert [each.device.index for each in probes(tmp_path)] == [1, 3, 5]


def test_only_an_integrated_gpu_is_none(tmp_path):
    card(tmp_path, 0, "0000:00:02.0", driver="i915", hwmon={"energy1_input": "1"})
    with pytest.raises(Unavailable, match="No discrete Intel GPU"):
        probes(tmp_path)


def test_a_card_whose_render_node_is_kept_from_a_container_is_not_its_own(tmp_path):
    card(tmp_path, 0, "0000:03:00.0", hwmon=B580, node=False)
    with pytest.raises(Unavailable, match="render node is not in /dev/dri"):
        probes(tmp_path)
    card(tmp_path, 1, "0000:8d:00.0", hwmon=B580)
    assert probe(tmp_path).device.id == "0000:8d:00.0"


@pytest.mark.parametrize(
    ("mask", "left"),
    [
        ("0,1,2", [(0, "device"), (2, "device")]),
        ("2", [(2, "device")]),
        ("1", [(1, "board")]),
        ("0,7,2", [(0, "board")]),
        ("0.1", None),
        ("", None),
    ],
)
def test_a_mask_hides_cards_and_a_card_that_is_had_in_part_says_so(tmp_path, mask, left):
    card(tmp_path, 0, "0000:18:00.0", tiles=2, hwmon=B580)
    card(tmp_path, 1, "0000:9a:00.0", hwmon=B580)
    if left is None:
        with pytest.raises(Unavailable, match=rf"^ZE_AFFINITY_MASK={mask} leaves none of 2 Intel GPUs\.$"):
            probes(tmp_path, ZE_AFFINITY_MASK=mask)
        return
    found = probes(tmp_path, ZE_AFFINITY_MASK=mask)
    assert [(each.device.index, each.device.scope) for each in found] == left


# energy


def test_the_energy_is_the_cards_in_joules_and_the_package_is_not_added(tmp_path):
    card(tmp_path, 0, "0000:03:00.0", hwmon=B580)
    found = probe(tmp_path)
    assert found.read(thorough=False).energy == pytest.approx(22e6)
    assert found.energy_method == "xe energy counter"
    assert found.missing == {
        "power": "this driver counts energy only",
        "busy": "this driver tells no load in sysfs",
        "slowing": "not told by this driver for this GPU",
    }
    assert found.power_method == ""
    assert found.read().power is None


def test_a_card_with_the_packages_counter_only_says_that_it_is_the_packages(tmp_path):
    # DG2 with xe: Linux shows channel 2, and limits of the same channel.
    hwmon = {"energy2_input": "5000000", "power2_max": "150000000", "power1_max": "999000000"}
    card(tmp_path, 0, "0000:03:00.0", hwmon=hwmon)
    found = probe(tmp_path)
    assert found.read(thorough=False).energy == 5.0
    assert found.device.scope == "package"
    assert found.limits().power == 150.0
    assert found.plausible == 300.0


def test_i915_counts_the_package_unless_it_has_counters_of_tiles_which_are_not_read(tmp_path):
    pci = card(tmp_path, 0, "0000:03:00.0", driver="i915", hwmon={"energy1_input": "7000000"})
    assert probe(tmp_path).device.scope == "package"
    for tile in range(2):
        write(pci / f"hwmon/hwmon{tile}", name=f"i915_gt{tile}", energy1_input="3000000")
    found = probe(tmp_path)
    assert found.device.scope == "device"
    assert found.read(thorough=False).energy == 7.0


def test_the_first_step_is_not_believed_and_the_counter_is_read_before_its_register_turns(tmp_path):
    card(tmp_path, 0, "0000:03:00.0", hwmon=B580)
    found = probe(tmp_path)
    assert found.settling == 1
    assert found.wraps_at is None
    turn = 2**32 / 2**14
    assert found.period * 1000 < turn / 4


def test_a_counter_that_falls_is_passed_on_as_it_is(tmp_path):
    # intel/xpumanager#130: 22 MJ, then 200 J. That it is no 3.69e12 W is for the meter to see.
    pci = card(tmp_path, 0, "0000:03:00.0", hwmon=B580)
    found = probe(tmp_path)
    first = found.read(thorough=False).energy
    write(pci / "hwmon/hwmon3", energy1_input="200000000")
    assert (first, found.read(thorough=False).energy) == (pytest.approx(22e6), pytest.approx(200.0))
    assert found.plausible == 380.0


def test_a_negative_counter_is_none(tmp_path):
    card(tmp_path, 0, "0000:03:00.0", hwmon={**B580, "energy1_input": "-100000000000"})
    found = probe(tmp_path)
    assert found.read(thorough=False).energy is None
    assert "energy" in found.missing


def test_a_counter_that_refuses_for_a_while_comes_back(tmp_path):
    pci = card(tmp_path, 0, "0000:03:00.0", hwmon=B580)
    found = probe(tmp_path)
    write(pci / "hwmon/hwmon3", energy1_input="")
    assert found.read(thorough=False).energy is None
    assert found.missing["energy"] == "refused by the driver for the moment"
    write(pci / "hwmon/hwmon3", energy1_input="23000000")
    assert found.read(thorough=False).energy == 23.0
    assert "energy" not in found.missing


def test_a_gpu_that_goes_away_is_said_to_be_gone(tmp_path):
    pci = card(tmp_path, 0, "0000:03:00.0", hwmon=B580)
    found = probe(tmp_path)
    write(pci / "hwmon/hwmon3", energy1_input="")
    shutil.rmtree(pci)
    with pytest.raises(Unavailable, match=r"0000:03:00.0 is gone"):
        found.read(thorough=False)


def test_a_card_without_any_sensor_is_none_and_beside_others_it_is_left_out(tmp_path):
    card(tmp_path, 0, "0000:03:00.0")
    with pytest.raises(Unavailable, match=r"shows no sensors: i915 does since Linux 6\.2 and xe since 6\.8"):
        probes(tmp_path)
    card(tmp_path, 1, "0000:8d:00.0", hwmon=B580)
    assert probe(tmp_path).device.index == 1


def test_a_virtual_function_has_no_counter_and_the_rest_is_read(tmp_path):
    pci = card(tmp_path, 0, "0000:03:00.1")
    (pci / "physfn").symlink_to(pci)
    write(pci / "tile0/gt0/freq0/throttle", status="0")
    found = probe(tmp_path)
    assert found.missing["energy"] == "not told to a virtual function: its host reads the whole card"
    assert found.energy_method == ""
    assert found.read().slowing == frozenset()


def test_a_counter_that_this_user_may_not_read_is_told_from_one_that_is_not_there(tmp_path):
    pci = card(tmp_path, 0, "0000:03:00.0", hwmon={"temp2_input": "50000"})
    loop = pci / "hwmon/hwmon3/energy1_input"
    loop.symlink_to(loop.name)  # cannot be opened, even by root
    assert probe(tmp_path).missing["energy"] == "this user may not read it"


# limits


def test_limits_are_of_the_card_and_one_that_is_switched_off_is_none(tmp_path):
    pci = card(tmp_path, 0, "0000:03:00.0", hwmon=B580)
    assert probe(tmp_path).limits() == Limits(power=190.0, default=190.0)
    write(pci / "hwmon/hwmon3", power1_max="160000000")
    assert probe(tmp_path).limits().power == 160.0
    assert probe(tmp_path).plausible == 380.0
    write(pci / "hwmon/hwmon3", power1_max="0", power1_cap="0", power1_rated_max="0")
    found = probe(tmp_path)
    assert found.limits() == Limits()
    assert found.plausible == 2000.0
    write(pci / "hwmon/hwmon3", power1_crit="420000000")
    assert probe(tmp_path).limits().power == 420.0


def test_a_limit_register_with_all_bits_set_is_no_limit(tmp_path):
    card(tmp_path, 0, "0000:03:00.0", hwmon={"energy1_input": "1", "power1_max": "4095875000"})
    found = probe(tmp_path)
    assert found.limits().power is None
    assert found.plausible == 2000.0


def test_the_temperature_at_which_the_package_is_switched_off(tmp_path):
    card(tmp_path, 0, "0000:03:00.0", hwmon={**B580, "temp2_emergency": "105000", "temp2_crit": "100000"})
    found = probe(tmp_path).limits()
    assert found.shutdown == 105.0
    assert found.slowdown is None


# temperatures


def test_temperatures_by_label(tmp_path):
    card(tmp_path, 0, "0000:03:00.0", hwmon=B580)
    found = probe(tmp_path)
    assert found.read().temperatures == {"gpu": 52.0, "memory": 54.0}
    assert found.read(thorough=False).temperatures == {}


def test_labels_go_before_numbers(tmp_path):
    hwmon = {"temp2_input": "40000", "temp2_label": "mctrl", "temp5_input": "61000", "temp5_label": "pkg"}
    card(tmp_path, 0, "0000:03:00.0", hwmon=hwmon)
    assert probe(tmp_path).read().temperatures == {"gpu": 61.0}


@pytest.mark.parametrize(
    ("driver", "expected"), [("xe", {"gpu": 46.0, "memory": 47.0}), ("i915", {"gpu": 45.0})]
)
def test_temperatures_without_labels_are_as_the_kernel_documents_them(tmp_path, driver, expected):
    hwmon = {f"temp{n}_input": f"{44 + n}000" for n in (1, 2, 3)}
    card(tmp_path, 0, "0000:03:00.0", driver=driver, hwmon=hwmon)
    assert probe(tmp_path).read().temperatures == expected


def test_zero_degrees_and_what_no_chip_survives_are_none(tmp_path):
    card(tmp_path, 0, "0000:03:00.0", hwmon={**B580, "temp2_input": "0", "temp3_input": "255000"})
    assert probe(tmp_path).read().temperatures == {}


# slowing


NONE = dict.fromkeys(("pl1", "pl2", "pl4", "thermal", "prochot", "ratl", "vr_thermalert", "vr_tdc"), "0")


@pytest.mark.parametrize(
    ("reason", "causes"),
    [
        ("pl1", {"power"}),
        ("pl2", {"power"}),
        ("pl4", {"power"}),
        ("vr_tdc", {"power"}),
        ("iccmax", {"power"}),
        ("psys_crit", {"power"}),
        ("thermal", {"heat"}),
        ("prochot", {"heat"}),
        ("ratl", {"heat"}),
        ("vr_thermalert", {"heat"}),
        ("soc_avg_thermal", {"heat"}),
        ("mem_thermal", {"heat"}),
        ("p0_freq", set()),
    ],
)
@pytest.mark.parametrize("driver", ["xe", "i915"])
def test_why_it_is_slowed(tmp_path, driver, reason, causes):
    pci = card(tmp_path, 0, "0000:03:00.0", driver=driver, tiles=2, gts=2, hwmon=B580)
    reasons = {**NONE, reason: "1"}
    if driver == "xe":
        folders = [pci / f"tile{tile}/gt0/freq0/throttle" for tile in range(2)]
        prefix = ""
    else:
        folders = [pci / f"drm/card0/gt/gt{gt}" for gt in range(2)]
        prefix = "throttle_"
    files = {f"{prefix}reason_{name}": value for name, value in reasons.items()}
    quiet = {f"{prefix}reason_{name}": "0" for name in reasons}
    status = "status" if driver == "xe" else "throttle_reason_status"
    write(folders[0], **quiet, **{status: "0"})
    write(folders[1], **files, **{status: "1"})
    found = probe(tmp_path)
    assert found.read().slowing == causes
    assert "slowing" not in found.missing
    assert found.read(thorough=False).slowing is None
    write(folders[1], **quiet, **{status: "0"})
    assert found.read().slowing == frozenset()


def test_the_list_of_reasons_of_newer_kernels_goes_before_the_single_files(tmp_path):
    pci = card(tmp_path, 0, "0000:03:00.0", hwmon=B580)
    folder = pci / "tile0/gt0/freq0/throttle"
    write(folder, reasons="pl2 soc_thermal", status="1", reason_pl1="1")
    found = probe(tmp_path)
    assert found.read().slowing == {"power", "heat"}
    write(folder, reasons="none")
    assert found.read().slowing == frozenset()


def test_while_a_unit_says_that_it_is_not_slowed_its_single_reasons_are_not_asked(tmp_path):
    pci = card(tmp_path, 0, "0000:03:00.0", hwmon=B580)
    write(pci / "tile0/gt0/freq0/throttle", status="0", reason_pl1="1")
    assert probe(tmp_path).read().slowing == frozenset()


def test_units_that_refuse_are_left_out_and_if_all_do_it_is_not_known(tmp_path):
    pci = card(tmp_path, 0, "0000:03:00.0", hwmon=B580)
    write(pci / "tile0/gt0/freq0/throttle", status="")
    write(pci / "tile0/gt1/freq0/throttle", status="1", reason_pl1="1")
    found = probe(tmp_path)
    assert found.read().slowing == {"power"}
    write(pci / "tile0/gt1/freq0/throttle", status="")
    assert found.read().slowing is None


def test_closing_lets_go_of_the_files(tmp_path):
    card(tmp_path, 0, "0000:03:00.0", hwmon=B580)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    found = probe(tmp_path)
    found.read()
    found.close()
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
