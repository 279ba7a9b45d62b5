"""Which sensors are tried, in which order, and what becomes of several that see the same device."""

from __future__ import annotations

import importlib.metadata

import pytest

from sovlab.sensors import registry
from sovlab.sensors.machine import Machine
from sovlab.sensors.sensor import Device, Limits, Probe, Sample, Sensor, Unavailable


class FixedProbe(Probe):
    """Reads what it is made with."""

    def __init__(self, device, sample=None, *, limits=None, **methods):
        super().__init__(device)
        self.sample, self.bounds, self.closed = sample, limits or Limits(), 0
        for name, value in methods.items():
            setattr(self, name, value)

    def read(self, thorough=True):
        if self.sample is None:
            raise Unavailable("It was unplugged.")
        return self.sample

    def limits(self):
        return self.bounds

    def close(self):
        self.closed += 1


@pytest.fixture
def sensors(monkeypatch):
    """Replaces the sensors that there are; each is a name and what its `open` returns or raises."""

    def replace(*named, fallback=()):
        def opening(found):
            def open_probes(machine):
                if isinstance(found, Exception):
                    raise found
                return found

            return open_probes

        made = {name: Sensor(name, name.upper(), opening(found), name in fallback) for name, found in named}
        monkeypatch.setattr(registry, "known", lambda added=True: made)

    return replace


GPU, CPU = Device("GPU-1", "gpu", "H100", 0), Device("package-0", "cpu", scope="package")


def test_all_built_in_sensors_load_and_are_called_what_they_are():
    known = registry.known(added=False)
    assert list(known) == list(registry.BUILT_IN)
    assert [sensor.name for sensor in known.values()] == list(known)
    assert all(sensor.title for sensor in known.values())
    assert [name for name, sensor in known.items() if sensor.fallback] == ["acpi", "cray"]


def test_on_a_machine_with_nothing_each_says_why(tmp_path):
    machine = Machine(
        root=tmp_path, environ={}, nvml=str(tmp_path / "none.so"), hlml=str(tmp_path / "none.so")
    )
    found = registry.find(machine, added=False)
    assert found.probes == ()
    assert list(found.unavailable) == list(registry.BUILT_IN)
    assert all(why.endswith(".") for why in found.unavailable.values())


def test_one_that_breaks_hides_no_other(sensors):
    probe = FixedProbe(GPU, power_method="samples")
    sensors(("a", ValueError("no such file")), ("b", Unavailable("It is not there.")), ("c", [probe]))
    found = registry.find(added=False)
    assert found.probes == (probe,)
    assert found.unavailable == {"a": "A failed: ValueError: no such file.", "b": "It is not there."}


def test_energy_and_heat_of_one_device_are_put_together(sensors):
    counting = FixedProbe(
        CPU, Sample(energy=5.0), energy_method="RAPL", wraps_at=9.0, resolution=0.001, plausible=1000.0
    )
    counting.missing["power"] = "it only counts"
    heat = FixedProbe(
        Device("package-0", "cpu", "EPYC"),
        Sample(temperatures={"package": 71.0}, slowed={"heat": (1.0, 2.0)}),
        limits=Limits(slowdown=95.0),
    )
    heat.missing.update(energy="hwmon counts none", power="hwmon tells none")
    sensors(("rapl", [counting]), ("hwmon", [heat]))
    (probe,) = registry.find(added=False).probes
    assert probe.device == Device("package-0", "cpu", "EPYC", scope="package")
    assert probe.read() == Sample(energy=5.0, temperatures={"package": 71.0}, slowed={"heat": (1.0, 2.0)})
    assert (probe.energy_method, probe.wraps_at, probe.resolution) == ("RAPL", 9.0, 0.001)
    assert probe.plausible == 1000.0
    assert probe.limits().slowdown == 95.0
    assert probe.missing == {"power": "it only counts"}
    probe.close()
    assert (counting.closed, heat.closed) == (1, 1)


def test_what_is_joined_goes_on_with_one_half(sensors):
    heat = FixedProbe(CPU, Sample(temperatures={"package": 71.0}))
    gone = FixedProbe(CPU, None, energy_method="RAPL")
    sensors(("rapl", [gone]), ("hwmon", [heat]))
    (probe,) = registry.find(added=False).probes
    assert probe.read().temperatures == {"package": 71.0}
    heat.sample = None
    with pytest.raises(Unavailable):
        probe.read()


def test_what_is_measured_already_is_not_measured_by_a_fallback(sensors):
    first = FixedProbe(GPU, power_method="NVML")
    second, node = (
        FixedProbe(Device("accel-0", "gpu"), power_method="Cray"),
        FixedProbe(Device("node", "node", scope="node"), power_method="Cray"),
    )
    sensors(("nvml", [first]), ("cray", [second, node]), fallback=("cray",))
    found = registry.find(added=False)
    assert found.probes == (first, node)
    assert second.closed == 1
    assert found.unavailable == {"cray": "NVML measures the same."}


def test_a_fallback_measures_what_another_only_names(sensors):
    warm, meter = FixedProbe(CPU, Sample()), FixedProbe(Device("socket-0", "cpu"), power_method="ACPI")
    sensors(("hwmon", [warm]), ("acpi", [meter]), fallback=("acpi",))
    assert registry.find(added=False).probes == (warm, meter)


def test_gpus_of_two_vendors_are_both_measured(sensors):
    first, second = (
        FixedProbe(GPU, power_method="NVML"),
        FixedProbe(Device("0000:03:00.0", "gpu"), energy_method="xe"),
    )
    sensors(("nvml", [first]), ("intel", [second]))
    assert registry.find(added=False).probes == (first, second)


# --- sensors of other packages


class Point:
    def __init__(self, name, found, value="site:SENSOR"):
        self.name, self.found, self.value = name, found, value

    def load(self):
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


@pytest.fixture
def points(monkeypatch):
    def replace(*made):
        class Points(list):
            def select(self, group):
                return self if group == "sovlab.sensors" else []

        monkeypatch.setattr(importlib.metadata, "entry_points", lambda: Points(made))
        monkeypatch.setattr(registry, "_found", [])

    return replace


def test_a_sites_own_sensor_is_tried_after_ours(points, tmp_path):
    coolant = FixedProbe(Device("rack-7", "coolant", scope="rack"), Sample(temperatures={"inlet": 31.5}))
    points(Point("rack", Sensor("rack", "the rack's coolant", lambda machine: [coolant])))
    assert list(registry.known())[-1] == "rack"
    machine = Machine(root=tmp_path, environ={}, nvml="", hlml="")
    assert registry.find(machine).probes == (coolant,)


@pytest.mark.parametrize(
    ("point", "told"),
    [
        (Point("rack", ImportError("no module named site")), "It could not be loaded: ImportError"),
        (Point("rack", "no sensor"), "holds str, not a Sensor"),
        (Point("nvml", None), "is the name of a built-in sensor"),
    ],
)
def test_a_broken_one_is_told(points, tmp_path, point, told):
    points(point)
    found = registry.find(Machine(root=tmp_path, environ={}, nvml="", hlml=""))
    assert any(told in why for why in found.unavailable.values())


def test_our_own_entry_points_are_not_taken_for_strangers(points):
    points(Point("nvml", None, "sovlab.sensors.probes.nvidia:SENSOR"))
    assert registry._added() == ({}, {})
