"""Gaudi accelerators, by a library with HLML's calls and on trees of files as habanalabs shows them."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sovlab.backends import hpu
from sovlab.sensors.machine import Machine
from sovlab.sensors.probes import gaudi
from sovlab.sensors.sensor import Limits, Sample, Unavailable

BUSES = (0x33, 0x34, 0x9A)
TOLD = (
    "power=412000 energy=123456789 aip=57 board=41 reasons=0 busy=93 limit=600000 slowdown=100 shutdown=110"
)


def card(root, node, *, module=None, status="Operational", hwmon=None, openable=True, **files):
    """One accelerator as in sysfs: below its PCI device, with a link to it from /sys/class/accel."""
    pci = root / f"sys/devices/pci0000:00/0000:{BUSES[node]:02x}:00.0"
    accel = pci / "accel" / f"accel{node}"
    known = {"status": status, "device_type": "GAUDI2", "max_power": "600000", **files}
    if module is not None:
        known["module_id"] = str(module)
    known = {pci / name: content for name, content in known.items()}
    known[accel / "dev"] = f"261:{node}"
    for name, content in (hwmon or {}).items():
        known[pci / "hwmon/hwmon5" / name] = content
    if openable:
        known[root / f"dev/accel/accel{node}"] = ""
    for path, content in known.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    (accel / "device").symlink_to("../..")
    bound = root / "sys/bus/pci/drivers/habanalabs"
    bound.mkdir(parents=True, exist_ok=True)
    (pci / "driver").symlink_to(bound)
    link = root / f"sys/class/accel/accel{node}"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(accel, link.parent))
    return pci


HWMON = {"name": "HL-225", "power1_input": "412000000", "temp1_input": "57000", "temp2_input": "41000"}


def compiled(folder, *options):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = folder / "libhlml.so"
    source = Path(__file__).with_name("hlml.c")
    subprocess.run([compiler, "-shared", "-fPIC", *options, "-o", library, source], check=True, timeout=120)
    return str(library)


@pytest.fixture(scope="module")
def hlml(tmp_path_factory):
    """A library with HLML's calls, compiled here: the ctypes code that reads it is the real one."""
    return compiled(tmp_path_factory.mktemp("hlml"))


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("old"), "-DOLD")


def tell(monkeypatch, *devices):
    """What the library tells of the devices: "index=… bus=…" are added."""
    entries = [f"index={node} bus={BUSES[node]} {told}" for node, told in enumerate(devices)]
    monkeypatch.setenv("HLML", ";".join(entries))


def probes(root, library="", **environ):
    return gaudi.SENSOR.open(Machine(root=root, environ=environ, hlml=library))


def probe(root, library="", **environ):
    (found,) = probes(root, library, **environ)
    return found


# which devices


def test_nothing_is_one_sentence(tmp_path, hlml):
    with pytest.raises(Unavailable, match=r"^No Gaudi device .*\.$"):
        probes(tmp_path, hlml)


@pytest.mark.parametrize("by_library", [True, False])
def test_devices_go_by_module_id_and_are_the_same_by_both_ways(tmp_path, hlml, monkeypatch, by_library):
    for node, module in enumerate((3, 0, 1)):
        card(tmp_path, node, module=module, hwmon=HWMON)
    tell(monkeypatch, TOLD, TOLD, TOLD)
    found = probes(tmp_path, hlml if by_library else "")
    assert [each.power_method for each in found] == ["HLML power" if by_library else "habanalabs power"] * 3
    assert [(each.device.index, each.device.id) for each in found] == [
        (0, "0000:34:00.0"),
        (1, "0000:9a:00.0"),
        (3, "0000:33:00.0"),
    ]
    assert {(d.kind, d.name, d.scope) for d in (each.device for each in found)} == {
        ("gpu", "Gaudi 2", "device")
    }
    offered = hpu.look(Machine(root=tmp_path, environ={})).devices
    assert [device.index for device in offered] == [each.device.index for each in found]


def test_each_handle_is_that_of_its_own_device(tmp_path, hlml, monkeypatch):
    for node, module in enumerate((3, 0, 1)):
        card(tmp_path, node, module=module)
    tell(monkeypatch, "power=300000", "power=100000", "power=200000")
    read = {each.device.index: each.read(thorough=False).power for each in probes(tmp_path, hlml)}
    assert read == {3: 300.0, 0: 100.0, 1: 200.0}


@pytest.mark.parametrize(("modules", "left"), [("0,3", [0, 3]), ("1", [1]), ("3, 0", [0, 3]), ("0,7,3", [0])])
def test_modules_that_are_hidden_from_this_process_are_not_read(tmp_path, modules, left):
    for node, module in enumerate((3, 0, 1)):
        card(tmp_path, node, module=module, hwmon=HWMON)
    found = probes(tmp_path, HABANA_VISIBLE_MODULES=modules)
    assert [each.device.index for each in found] == left
    offered = hpu.look(Machine(root=tmp_path, environ={"HABANA_VISIBLE_MODULES": modules})).devices
    assert [device.index for device in offered] == left


def test_if_all_are_hidden_the_variable_is_named(tmp_path):
    card(tmp_path, 0, module=0, hwmon=HWMON)
    with pytest.raises(Unavailable, match=r"^HABANA_VISIBLE_MODULES=5 leaves none of 1 Gaudi devices\.$"):
        probes(tmp_path, HABANA_VISIBLE_MODULES="5")


def test_without_module_ids_they_are_counted(tmp_path):
    for node in range(2):
        card(tmp_path, node, hwmon=HWMON)
    assert [each.device.index for each in probes(tmp_path)] == [0, 1]


@pytest.mark.parametrize(
    ("broken", "says"),
    [({"status": "In reset"}, "accel0 is In reset"), ({"openable": False}, "may not open /dev/accel/accel0")],
)
def test_devices_that_cannot_be_used_are_left_out_and_if_none_is_left_it_says_why(tmp_path, broken, says):
    card(tmp_path, 0, module=0, hwmon=HWMON, **broken)
    with pytest.raises(Unavailable, match=says):
        probes(tmp_path)
    card(tmp_path, 1, module=1, hwmon=HWMON)
    assert probe(tmp_path).device.index == 1


def test_other_vendors_accelerators_are_none(tmp_path):
    pci = card(tmp_path, 0, module=0, hwmon=HWMON)
    (pci / "driver").unlink()
    (tmp_path / "sys/bus/pci/drivers/intel_vpu").mkdir()
    (pci / "driver").symlink_to(tmp_path / "sys/bus/pci/drivers/intel_vpu")
    with pytest.raises(Unavailable, match="No Gaudi device"):
        probes(tmp_path)


# by the library


def test_all_that_the_library_tells_is_in_si_units(tmp_path, hlml, monkeypatch):
    card(tmp_path, 0, module=0, max_power="550000")
    tell(monkeypatch, TOLD)
    found = probe(tmp_path, hlml)
    assert found.read() == Sample(
        power=412.0,
        energy=pytest.approx(123456.789),
        temperatures={"gpu": 57.0, "board": 41.0},
        slowing=frozenset(),
        busy=0.93,
    )
    assert found.read(thorough=False) == Sample(power=412.0, energy=pytest.approx(123456.789))
    assert found.limits() == Limits(power=550.0, default=600.0, slowdown=100.0, shutdown=110.0)
    assert found.plausible == 1200.0
    assert (found.power_method, found.energy_method, found.missing) == (
        "HLML power",
        "HLML energy counter",
        {},
    )
    assert found.wraps_at is None


@pytest.mark.parametrize(
    ("bits", "causes"), [(0, set()), (1, {"power"}), (2, {"heat"}), (3, {"power", "heat"}), (8, set())]
)
def test_why_it_is_slowed(tmp_path, hlml, monkeypatch, bits, causes):
    card(tmp_path, 0, module=0)
    tell(monkeypatch, f"power=400000 reasons={bits}")
    assert probe(tmp_path, hlml).read().slowing == causes


def test_a_device_without_an_energy_counter_has_none_and_its_power_is_read(tmp_path, hlml, monkeypatch):
    # As codecarbon#1316: "not supported" (3) is no 0 J.
    card(tmp_path, 0, module=0)
    tell(monkeypatch, "power=200000 energy=-3")
    found = probe(tmp_path, hlml)
    assert found.read(thorough=False) == Sample(power=200.0, energy=None)
    assert found.energy_method == ""
    assert found.missing["energy"] == "not supported by this device"


def test_a_counter_that_stands_at_0_is_none(tmp_path, hlml, monkeypatch):
    card(tmp_path, 0, module=0)
    tell(monkeypatch, "power=200000 energy=0")
    found = probe(tmp_path, hlml)
    assert found.read().energy is None
    assert found.missing["energy"] == "the device tells a value that cannot be"


@pytest.mark.parametrize("value", [0, 4294967295, 1200001])
def test_a_power_that_cannot_be_is_none(tmp_path, hlml, monkeypatch, value):
    card(tmp_path, 0, module=0)
    tell(monkeypatch, f"power={value} energy=18446744073709551615 limit=600000")
    found = probe(tmp_path, hlml)
    assert found.read() == Sample()
    assert {found.missing[what] for what in ("power", "energy")} == {
        "the device tells a value that cannot be"
    }
    tell(monkeypatch, "power=1200000 energy=1000 limit=600000")
    assert found.read() == Sample(power=1200.0, energy=1.0)
    assert not {"power", "energy"} & set(found.missing)


def test_zero_degrees_of_a_place_leave_it_out(tmp_path, hlml, monkeypatch):
    card(tmp_path, 0, module=0)
    tell(monkeypatch, "power=200000 aip=0 board=40 busy=101")
    found = probe(tmp_path, hlml)
    assert found.read().temperatures == {"board": 40.0}
    assert found.read().busy is None
    assert "temperature" not in found.missing
    tell(monkeypatch, "power=200000 aip=0 board=0")
    assert found.read().temperatures == {}
    assert found.missing["temperature"] == "the device tells a value that cannot be"


@pytest.mark.parametrize(("code", "says"), [(49, "unknown error"), (10, "in time"), (77, "error 77")])
def test_calls_that_are_refused_for_a_while_come_back(tmp_path, hlml, monkeypatch, code, says):
    card(tmp_path, 0, module=0)
    tell(monkeypatch, f"power=-{code} energy=-{code} aip=-{code} board=-{code} busy=-{code} reasons=-{code}")
    found = probe(tmp_path, hlml)
    assert found.read() == Sample()
    assert set(found.missing) == {"power", "energy", "temperature", "slowing", "busy"}
    assert all(says in why for why in found.missing.values())
    assert (found.power_method, found.energy_method) == ("HLML power", "HLML energy counter")
    tell(monkeypatch, TOLD)
    assert found.read().power == 412.0
    assert found.missing == {}


def test_a_device_that_falls_off_its_bus_while_it_is_read_is_gone(tmp_path, hlml, monkeypatch):
    card(tmp_path, 0, module=0)
    tell(monkeypatch, TOLD)
    found = probe(tmp_path, hlml)
    tell(monkeypatch, "power=-15 energy=-15")
    with pytest.raises(Unavailable, match=r"^The Gaudi device 0000:33:00\.0 fell off its bus\.$"):
        found.read(thorough=False)
    assert found.limits() == Limits(power=600.0)  # its administrator's, which the driver knows


def test_an_older_library_gives_handles_by_number_and_counts_no_energy(tmp_path, old, monkeypatch):
    card(tmp_path, 0, module=2)
    card(tmp_path, 1, module=1)
    tell(monkeypatch, "power=100000 energy=5", "power=200000 energy=5")
    found = probes(tmp_path, old)
    assert [(each.device.index, each.read(thorough=False)) for each in found] == [
        (1, Sample(power=200.0)),
        (2, Sample(power=100.0)),
    ]
    assert {each.missing["energy"] for each in found} == {"not supported by this device"}


def test_the_library_is_shut_down_with_the_last_probe(tmp_path, hlml, monkeypatch):
    opened = ctypes.c_int.in_dll(ctypes.CDLL(hlml), "opened")
    before = opened.value
    card(tmp_path, 0, module=0)
    card(tmp_path, 1, module=1)
    tell(monkeypatch, TOLD, TOLD)
    first, second = probes(tmp_path, hlml)
    first.close()
    first.close()
    assert opened.value == before + 1
    assert second.read().power == 412.0
    second.close()
    assert opened.value == before


def test_a_library_that_tells_of_no_device_is_shut_down_at_once(tmp_path, hlml, monkeypatch):
    opened = ctypes.c_int.in_dll(ctypes.CDLL(hlml), "opened")
    before = opened.value
    card(tmp_path, 0, module=0, hwmon=HWMON)
    monkeypatch.setenv("HLML", "")
    assert probe(tmp_path, hlml).power_method == "habanalabs power"
    assert opened.value == before


def test_a_library_that_this_process_has_open_already_is_used_and_stays_open(tmp_path, hlml, monkeypatch):
    opened = ctypes.c_int.in_dll(ctypes.CDLL(hlml), "opened")
    before = opened.value
    monkeypatch.setenv("HLML_INIT", "5")
    card(tmp_path, 0, module=0)
    tell(monkeypatch, TOLD)
    found = probe(tmp_path, hlml)
    assert found.read().power == 412.0
    found.close()
    assert opened.value == before


# by the driver


@pytest.mark.parametrize("refusal", ["no library", "does not start", "does not know", "tells nothing"])
def test_without_the_librarys_help_the_driver_is_read(tmp_path, hlml, monkeypatch, refusal):
    pci = card(tmp_path, 0, module=0, hwmon=HWMON)
    library = hlml
    if refusal == "no library":
        library = "libno-such-hlml.so"
    elif refusal == "does not start":
        monkeypatch.setenv("HLML_INIT", "9")
    elif refusal == "does not know":
        monkeypatch.setenv("HLML", "")
    else:
        tell(monkeypatch, "aip=50")
    found = probe(tmp_path, library)
    assert found.read() == Sample(power=412.0, temperatures={"temp1": 57.0, "temp2": 41.0})
    assert found.read(thorough=False) == Sample(power=412.0)
    assert (found.power_method, found.energy_method) == ("habanalabs power", "")
    assert found.missing == dict.fromkeys(("energy", "slowing", "busy"), "told by libhlml only")
    assert found.limits() == Limits(power=600.0)
    assert found.plausible == 1200.0
    shutil.rmtree(pci / "hwmon")
    with pytest.raises(Unavailable, match=r"^Gaudi devices were found, but nothing tells of them: .*\.$"):
        probes(tmp_path, library)


def test_why_nothing_tells_of_them_names_the_library_and_the_driver(tmp_path, hlml, monkeypatch):
    monkeypatch.setenv("HLML_INIT", "9")
    card(tmp_path, 0, module=0)
    with pytest.raises(Unavailable) as refusal:
        probes(tmp_path, hlml)
    assert str(refusal.value) == (
        "Gaudi devices were found, but nothing tells of them: libhlml does not start: refused as the driver "
        "is not loaded; the driver shows no sensors of 0000:33:00.0 in sysfs."
    )


def test_a_reset_is_no_0_watts_and_no_0_degrees(tmp_path):
    pci = card(tmp_path, 0, module=0, hwmon=HWMON)
    found = probe(tmp_path)
    hwmon = pci / "hwmon/hwmon5"
    for name in ("power1_input", "temp1_input", "temp2_input"):
        (hwmon / name).write_text("0\n")  # what hl_get_temperature writes with its error
    assert found.read() == Sample()
    assert found.missing["power"] == "the device tells a value that cannot be"
    for name in ("power1_input", "temp1_input", "temp2_input"):
        (hwmon / name).write_text("")
    assert found.read() == Sample()
    assert {found.missing[what] for what in ("power", "temperature")} == {
        "refused by the driver, as during a reset"
    }
    for name, content in HWMON.items():
        (hwmon / name).write_text(content)
    assert found.read() == Sample(power=412.0, temperatures={"temp1": 57.0, "temp2": 41.0})
    assert not {"power", "temperature"} & set(found.missing)


def test_a_file_that_refuses_takes_nothing_else_with_it(tmp_path):
    pci = card(tmp_path, 0, module=0, hwmon={**HWMON, "temp1_input": "57000"})
    power = pci / "hwmon/hwmon5/power1_input"
    power.unlink()
    power.mkdir()  # opens, and refuses every read with an error
    found = probe(tmp_path)
    assert found.read() == Sample(temperatures={"temp1": 57.0, "temp2": 41.0})
    assert found.missing["power"] == "refused by the driver, as during a reset"


def test_a_driver_without_power_has_none(tmp_path):
    card(tmp_path, 0, module=0, hwmon={"name": "HL-225", "temp1_input": "57000"})
    found = probe(tmp_path)
    assert found.read() == Sample(temperatures={"temp1": 57.0})
    assert (found.power_method, found.missing["power"]) == ("", "not told by the driver for this device")


def test_a_limit_that_cannot_be_is_none(tmp_path):
    card(tmp_path, 0, module=0, hwmon=HWMON, max_power="4294967295")
    found = probe(tmp_path)
    assert found.limits() == Limits()
    assert found.plausible == 2000.0


def test_a_device_that_goes_away_while_it_is_read_is_gone(tmp_path):
    pci = card(tmp_path, 0, module=0, hwmon=HWMON)
    found = probe(tmp_path)
    (pci / "hwmon/hwmon5/power1_input").write_text("")
    shutil.rmtree(pci)
    with pytest.raises(Unavailable, match=r"0000:33:00\.0 is gone"):
        found.read(thorough=False)


def test_the_class_of_older_kernels(tmp_path):
    pci = card(tmp_path, 0, module=0, hwmon=HWMON)
    (tmp_path / "sys/class/accel").rename(tmp_path / "sys/class/habanalabs")
    (tmp_path / "sys/class/habanalabs/accel0").rename(tmp_path / "sys/class/habanalabs/hl0")
    (tmp_path / "dev/hl0").write_text("")
    assert probe(tmp_path).device.id == pci.name
    assert probe(tmp_path).read(thorough=False).power == 412.0
