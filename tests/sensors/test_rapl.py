"""RAPL on trees of files as powercap shows it, on the machines and in the containers that hide it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from sovlab.sensors.machine import Machine
from sovlab.sensors.probes import rapl
from sovlab.sensors.sensor import Limits, Unavailable
from tests.sensors.processor_trees import cpus, grow, one_sentence

VIRTUAL = "/sys/devices/virtual/powercap"
INTEL_RANGE, AMD_RANGE = 262143328850, 65532610987


def zones(tmp_path, named, more=None):
    """Zones by their place, e.g. ``0`` and ``0:1``: name, counter in µJ, range in µJ (None: unreadable)."""
    files, links = dict(more or {}), {}
    for place, (name, counter, span) in named.items():
        *above, own = place.split(":")
        folder = f"{VIRTUAL}/intel-rapl"
        for length in range(1, len(above) + 2):
            folder += "/intel-rapl:" + ":".join([*above, own][:length])
        files[f"{folder}/name"] = f"{name}\n"
        files[f"{folder}/energy_uj"] = f"{counter}\n"
        files[f"{folder}/enabled"] = "1\n"
        if span is not None:
            files[f"{folder}/max_energy_range_uj"] = f"{span}\n"
        links[f"/sys/class/powercap/intel-rapl:{place}"] = "../.." + folder[len("/sys") :]
    return grow(tmp_path, files, links)


def set_counter(tmp_path, place, counter):
    (tmp_path / f"sys/class/powercap/intel-rapl:{place}/energy_uj").write_text(f"{counter}\n")


def reason(machine):
    with pytest.raises(Unavailable) as raised:
        rapl.SENSOR.open(machine)
    assert one_sentence(str(raised.value))
    return str(raised.value)


XEON = {
    "0": ("package-0", 1000000, INTEL_RANGE),
    "0:0": ("core", 5, INTEL_RANGE),
    "0:1": ("dram", 2000000, AMD_RANGE),
    "1": ("package-1", 170000000000, INTEL_RANGE),
    "1:0": ("uncore", 7, INTEL_RANGE),
    "1:1": ("dram", 65532000000, AMD_RANGE),
    "2": ("psys", 400000000000, INTEL_RANGE),
}


def test_packages_and_their_memory_are_devices_and_what_overlaps_them_is_left_aside(tmp_path):
    machine = zones(tmp_path, XEON, cpus(0, 1))
    mmio = f"{VIRTUAL}/intel-rapl-mmio/intel-rapl-mmio:0"
    grow(
        tmp_path,
        {f"{mmio}/name": "package-0\n", f"{mmio}/energy_uj": "99000000\n"},
        {"/sys/class/powercap/intel-rapl-mmio:0": f"../..{mmio[len('/sys') :]}"},
    )
    probes = rapl.SENSOR.open(machine)
    assert len(probes) == 4
    found = {p.device.id: (p.device.kind, p.device.scope, p.device.covers, p.read().energy) for p in probes}
    assert found == {
        "package-0": ("cpu", "package", (), pytest.approx(1.0)),
        "dram-0": ("memory", "package", (), pytest.approx(2.0)),
        "package-1": ("cpu", "package", (), pytest.approx(170000.0)),
        "dram-1": ("memory", "package", (), pytest.approx(65532.0)),
    }
    assert {p.device.name for p in probes} == {"Intel(R) Xeon(R) Platinum 8480+", ""}
    for probe in probes:
        assert probe.read().power is None
        assert "energy only" in probe.missing["power"]
        probe.close()


def test_the_range_is_in_joules_as_the_counter_is(tmp_path):
    probes = {p.device.id: p for p in rapl.SENSOR.open(zones(tmp_path, XEON))}
    assert probes["package-0"].wraps_at == pytest.approx(262143.32885)
    assert probes["dram-0"].wraps_at == pytest.approx(65532.610987)
    assert probes["dram-1"].read().energy < probes["dram-1"].wraps_at


def test_a_range_that_cannot_be_read_is_unknown_and_the_counter_stays_raw(tmp_path):
    machine = zones(tmp_path, {"0": ("package-0", 4000000000, None)})
    (probe,) = rapl.SENSOR.open(machine)
    assert probe.wraps_at is None
    assert probe.read().energy == pytest.approx(4000.0)
    set_counter(tmp_path, "0", 10000)
    assert probe.read(thorough=False).energy == pytest.approx(0.01)


@pytest.mark.parametrize("content", ["", "garbage\n"])
def test_a_counter_that_stops_answering_is_none(tmp_path, content):
    (probe,) = rapl.SENSOR.open(zones(tmp_path, {"0": ("package-0", 1, INTEL_RANGE)}))
    (tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj").write_text(content)
    assert probe.read().energy is None


# several dies

TWO_DIES = {
    "0": ("package-0-die-0", 1000000, AMD_RANGE),
    "1": ("package-0-die-1", 1000000, AMD_RANGE),
    "2": ("package-1-die-0", 9000000, AMD_RANGE),
    "3": ("package-1-die-1", 9000000, AMD_RANGE),
}


def test_dies_that_mirror_one_counter_are_one_package(tmp_path):
    probes = rapl.SENSOR.open(zones(tmp_path, TWO_DIES))
    assert {p.device.id: p.read().energy for p in probes} == {"package-0": 1.0, "package-1": 9.0}


def test_amds_dies_are_one_package_even_if_they_are_read_at_different_moments(tmp_path):
    late = {**TWO_DIES, "1": ("package-0-die-1", 5000000, AMD_RANGE)}
    machine = zones(tmp_path, late, cpus(0, 1, dies=2, vendor="AuthenticAMD"))
    assert [p.device.id for p in rapl.SENSOR.open(machine)] == ["package-0", "package-1"]


def test_dies_that_count_apart_stay_apart(tmp_path):
    apart = {
        "0": ("package-0-die-0", 1000000, INTEL_RANGE),
        "0:0": ("dram", 500000, AMD_RANGE),
        "1": ("package-0-die-1", 70000000, INTEL_RANGE),
        "1:0": ("dram", 9000000, AMD_RANGE),
    }
    probes = rapl.SENSOR.open(zones(tmp_path, apart, cpus(0, dies=2)))
    assert {p.device.id: p.read().energy for p in probes} == {
        "package-0-die-0": 1.0,
        "dram-0-die-0": 0.5,
        "package-0-die-1": 70.0,
        "dram-0-die-1": 9.0,
    }


def test_sockets_with_equal_counters_are_not_taken_for_one(tmp_path):
    equal = {"0": ("package-0", 1000000, INTEL_RANGE), "1": ("package-1", 1000000, INTEL_RANGE)}
    assert [p.device.id for p in rapl.SENSOR.open(zones(tmp_path, equal))] == ["package-0", "package-1"]


# what is plausible


def constraint(tmp_path, index, name, limit, most):
    zone = tmp_path / "sys/class/powercap/intel-rapl:0"
    for kind, value in (("name", name), ("power_limit_uw", limit), ("max_power_uw", most)):
        (zone / f"constraint_{index}_{kind}").write_text(f"{value}\n")


def test_twice_the_highest_limit_is_plausible_and_a_kilowatt_without_one(tmp_path):
    machine = zones(tmp_path, {"0": ("package-0", 1, INTEL_RANGE)})
    assert rapl.SENSOR.open(machine)[0].plausible == 1000
    constraint(tmp_path, 0, "long_term", 15000000, 0)
    constraint(tmp_path, 1, "short_term", 64000000, 0)
    (laptop,) = rapl.SENSOR.open(machine)
    assert laptop.plausible == pytest.approx(128)
    assert laptop.limits() == Limits(power=pytest.approx(15), highest=pytest.approx(64))
    constraint(tmp_path, 0, "long_term", 350000000, 350000000)
    constraint(tmp_path, 1, "short_term", 4095000000, 0)
    (server,) = rapl.SENSOR.open(machine)
    assert server.plausible == 1000
    assert server.limits() == Limits(power=pytest.approx(350), highest=500)


def test_a_limit_that_is_switched_off_is_none(tmp_path):
    machine = zones(tmp_path, {"0": ("package-0", 1, INTEL_RANGE)})
    constraint(tmp_path, 0, "long_term", 350000000, 400000000)
    (tmp_path / "sys/class/powercap/intel-rapl:0/enabled").write_text("0\n")
    assert rapl.SENSOR.open(machine)[0].limits() == Limits(highest=pytest.approx(400))


def test_what_the_firmware_says_of_the_memory_bounds_nothing(tmp_path):
    machine = zones(tmp_path, XEON)
    folder = tmp_path / "sys/class/powercap/intel-rapl:0:1"
    (folder / "constraint_0_name").write_text("long_term\n")
    (folder / "constraint_0_max_power_uw").write_text("36750000\n")
    memory = {p.device.id: p for p in rapl.SENSOR.open(machine)}["dram-0"]
    assert memory.plausible == 1000
    assert memory.limits() == Limits()


# why there is none


def test_a_machine_without_powercap_says_so(tmp_path):
    assert "there is no /sys/class/powercap" in reason(grow(tmp_path, cpus(0)))


def test_powercap_without_zones_is_told_with_the_driver_to_load(tmp_path):
    (tmp_path / "sys/class/powercap").mkdir(parents=True)
    assert "intel_rapl_msr" in reason(grow(tmp_path, cpus(0)))


def test_a_virtual_machine_is_told_as_one(tmp_path):
    assert "virtual machine" in reason(grow(tmp_path, cpus(0, flags="fpu hypervisor lm")))


def test_links_that_dangle_are_a_container_that_masks_it_even_for_root(tmp_path):
    machine = zones(tmp_path, XEON, cpus(0, flags="fpu hypervisor"))
    shutil.rmtree(tmp_path / VIRTUAL.lstrip("/"))
    assert "masked in this container" in reason(machine)
    (tmp_path / VIRTUAL.lstrip("/")).mkdir()
    assert "masked in this container" in reason(machine)


def test_a_counter_that_stays_at_0_is_none(tmp_path):
    machine = zones(tmp_path, {"0": ("package-0", 0, AMD_RANGE)}, cpus(0))
    assert "stay at 0" in reason(machine)


def test_a_counter_that_has_just_wrapped_is_one(tmp_path, monkeypatch):
    machine = zones(tmp_path, {"0": ("package-0", 0, AMD_RANGE)})
    monkeypatch.setattr(rapl.time, "sleep", lambda _: set_counter(tmp_path, "0", 200000))
    assert [p.read().energy for p in rapl.SENSOR.open(machine)] == [pytest.approx(0.2)]


@pytest.fixture
def plain_user():
    """Root may open everything; the tests that need a refusal run as nobody."""
    if os.geteuid() != 0 or not hasattr(os, "setresuid"):
        yield
        return
    os.setresuid(65534, 65534, 0)
    yield
    os.setresuid(0, 0, 0)


@pytest.fixture
def open_folder():
    """A folder that any user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def refusing(open_folder):
    """A machine whose second package, with its memory, may be read by root only."""
    zones(open_folder, XEON, cpus(0, 1))
    for place in ("1", "1:1"):
        (open_folder / f"sys/class/powercap/intel-rapl:{place}/energy_uj").chmod(0o400)
    return open_folder


def test_what_only_root_may_read_is_left_out(refusing, plain_user):
    found = [p.device.id for p in rapl.SENSOR.open(Machine(root=refusing, environ={}))]
    assert found == ["package-0", "dram-0"]


def test_if_root_alone_may_read_all_that_is_the_reason(open_folder, request):
    zones(open_folder, {"0": XEON["0"]}, cpus(0, flags="fpu hypervisor"))
    (open_folder / "sys/class/powercap/intel-rapl:0/energy_uj").chmod(0o400)
    request.getfixturevalue("plain_user")
    assert "root only" in reason(Machine(root=open_folder, environ={}))
