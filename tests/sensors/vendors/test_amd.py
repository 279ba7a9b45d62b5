"""AMD GPUs in trees as the amdgpu driver shows them."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from sovlab.backends import Machine as Backends
from sovlab.backends import rocm
from sovlab.sensors.machine import Machine
from sovlab.sensors.probes.amd import SENSOR
from sovlab.sensors.sensor import Device, Limits, Sample, Unavailable
from tests.sensors.vendors.amd_trees import (
    EDGE,
    HWMON,
    V1_3,
    V1_7,
    V1_8,
    card,
    filled,
    heat,
    machine_of,
    node,
    part,
    write,
)


def probes(root, **environ):
    return SENSOR.open(Machine(root=root, environ=environ))


def table(kind=V1_8, revision=8, **values):
    return filled(kind, revision, **{**heat(kind), **values})


def hwmon(**changes):
    """The files of an MI300X, with these instead; None takes one away."""
    return {name: value for name, value in {**HWMON, **changes}.items() if value is not None}


def replace(folder, name, content):
    """Write into a file that a probe keeps open, in place."""
    place = next(folder.glob(name))
    place.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_a_gpu_tells_power_energy_heat_and_limits(tmp_path):
    counts = {"accumulation_counter": 1000, "ppt_residency_acc": 250}
    machine_of(tmp_path, 1, metrics=table(**counts), product_name="AMD Instinct MI300X OAM")
    (probe,) = probes(tmp_path)
    assert probe.device == Device("0000:05:00.0", "gpu", "AMD Instinct MI300X OAM", 0, backend="rocm")
    assert probe.read() == Sample(
        power=pytest.approx(305.0),
        energy=(3 << 40) / 65536,
        temperatures={"hotspot": 61.0, "memory": 52.0},
        margin=39.0,
        slowed={"power": (250.0, 1000.0)},
        slowing=None,
        busy=pytest.approx(0.97),
    )
    assert probe.limits() == Limits(
        power=pytest.approx(750.0),
        lowest=None,
        highest=pytest.approx(760.0),
        default=pytest.approx(750.0),
        slowdown=100.0,
        shutdown=105.0,
    )
    assert probe.plausible == pytest.approx(1520.0)
    assert probe.power_method == "amdgpu power1_average, the firmware's mean"
    assert probe.energy_method == "amdgpu gpu_metrics, energy accumulator"
    assert probe.missing == {"slowing": "this GPU counts the time in which it was slowed instead"}


def test_a_fast_reading_is_of_power_and_energy_only(tmp_path, monkeypatch):
    machine_of(tmp_path, 1, metrics=table())
    (probe,) = probes(tmp_path)
    read, opened = [], os.pread
    monkeypatch.setattr(os, "pread", lambda *of: read.append(of) or opened(*of))
    assert probe.read(thorough=False) == Sample(power=pytest.approx(305.0), energy=(3 << 40) / 65536)
    assert len(read) == 2


def test_a_fast_reading_leaves_a_table_alone_that_tells_no_energy(tmp_path, monkeypatch):
    machine_of(tmp_path, 1, metrics=table(V1_3, 3, energy_accumulator=0))
    (probe,) = probes(tmp_path)
    read, opened = [], os.pread
    monkeypatch.setattr(os, "pread", lambda *of: read.append(of) or opened(*of))
    assert probe.read(thorough=False) == Sample(power=pytest.approx(305.0))
    assert len(read) == 1


def test_edge_junction_and_mem_are_places(tmp_path):
    machine_of(tmp_path, 1, hwmon={**HWMON, **EDGE})
    (probe,) = probes(tmp_path)
    assert probe.read().temperatures == {"gpu": 48.0, "hotspot": 61.0, "memory": 52.0}
    assert probe.limits().slowdown == 100.0


def test_a_gpu_with_an_edge_only_has_its_limits(tmp_path):
    machine_of(tmp_path, 1, hwmon={"name": "amdgpu", **EDGE})
    (probe,) = probes(tmp_path)
    assert (probe.read().margin, probe.limits().slowdown, probe.limits().shutdown) == (42.0, 90.0, 95.0)


@pytest.mark.parametrize("nonsense", ["0", "-273150", "255000", "", "N/A"])
def test_a_temperature_that_is_none_is_not_there(tmp_path, nonsense):
    machine_of(tmp_path, 1, hwmon=hwmon(temp3_input=nonsense, temp2_crit=nonsense))
    (probe,) = probes(tmp_path)
    sample = probe.read()
    assert (sample.temperatures, sample.margin) == ({"hotspot": 61.0}, None)
    assert probe.limits().slowdown is None


def test_temperatures_of_the_table_stand_in_for_those_of_hwmon(tmp_path):
    machine_of(tmp_path, 1, hwmon={"name": "amdgpu", "power1_input": "9000000"}, metrics=table())
    (probe,) = probes(tmp_path)
    assert probe.read().temperatures == {"hotspot": 71.0, "memory": 63.0}


# power


def test_cards_with_power1_input_only_are_read(tmp_path):
    # Tools that read the average only show 0 W on most cards of kernel 6.6 and newer.
    machine_of(tmp_path, 1, hwmon=hwmon(power1_average=None, power1_input="212000000"))
    (probe,) = probes(tmp_path)
    assert probe.read().power == pytest.approx(212.0)
    assert probe.power_method == "amdgpu power1_input, at that moment"


@pytest.mark.parametrize("error", ["4294967274", "4294967295", "4294000000", "0", "", "-22"])
def test_an_error_that_is_printed_as_power_is_none_and_the_other_file_is_read(tmp_path, error):
    machine_of(tmp_path, 1, hwmon=hwmon(power1_average=error, power1_input="212000000"))
    (probe,) = probes(tmp_path)
    assert probe.read().power == pytest.approx(212.0)
    assert probe.power_method.startswith("amdgpu power1_input")


@pytest.mark.parametrize("limited", [True, False])
@pytest.mark.parametrize("error", ["4294967274", "4294967295000"])
def test_an_error_alone_is_no_power(tmp_path, error, limited):
    bounds = {} if limited else dict.fromkeys(("power1_cap", "power1_cap_max"))
    machine_of(tmp_path, 1, hwmon=hwmon(power1_average=error, **bounds))
    (probe,) = probes(tmp_path)
    assert probe.read().power is None
    assert "no number from the driver" in probe.missing["power"]


def test_a_file_that_refuses_leaves_the_other(tmp_path):
    (folder,) = machine_of(tmp_path, 1, hwmon=hwmon(power1_average=None, power1_input="212000000"))
    (folder / "hwmon/hwmon4/power1_average").mkdir()  # to read it fails
    (probe,) = probes(tmp_path)
    assert probe.read().power == pytest.approx(212.0)


def test_one_source_is_kept_so_that_a_mean_and_a_moment_are_not_mixed(tmp_path):
    (folder,) = machine_of(tmp_path, 1, hwmon=hwmon(power1_input="212000000"))
    (probe,) = probes(tmp_path)
    replace(folder, "hwmon/hwmon4/power1_average", "")
    assert probe.read().power is None
    replace(folder, "hwmon/hwmon4/power1_average", "300000000\n")
    assert probe.read().power == pytest.approx(300.0)


def test_power_of_the_table_stands_in_for_hwmons(tmp_path):
    machine_of(tmp_path, 1, hwmon=hwmon(power1_average=None), metrics=table(curr_socket_power=640))
    (probe,) = probes(tmp_path)
    assert probe.read(thorough=False).power == 640.0
    assert probe.power_method == "amdgpu gpu_metrics, power of the socket"


def test_a_card_without_power_says_so(tmp_path):
    machine_of(tmp_path, 1, hwmon=hwmon(power1_average=None))
    (probe,) = probes(tmp_path)
    assert (probe.read().power, probe.power_method) == (None, "")
    assert probe.missing["power"] == "the driver shows none of this GPU"


@pytest.mark.parametrize("cap", ["", "0", "4294967274", None])
def test_a_limit_may_be_empty(tmp_path, cap):
    names = ("power1_cap", "power1_cap_max", "power1_cap_default")
    machine_of(tmp_path, 1, hwmon=hwmon(**dict.fromkeys(names, cap)))
    (probe,) = probes(tmp_path)
    assert probe.limits() == Limits(slowdown=100.0, shutdown=105.0)
    assert probe.plausible == 2000.0


def test_the_bound_of_what_is_believed_is_twice_the_highest_limit(tmp_path):
    (folder,) = machine_of(tmp_path, 1, hwmon=hwmon(power1_cap="100000000", power1_cap_max="300000000"))
    (probe,) = probes(tmp_path)
    for watts, expected in ((599, 599), (601, None)):
        replace(folder, "hwmon/hwmon4/power1_average", f"{watts}000000\n")
        assert probe.read().power == (expected and pytest.approx(expected))


# energy


def test_a_counter_is_told_as_it_stands_also_backward(tmp_path):
    # ROCm/amdsmi#115: whether it is to be believed, the meter finds.
    (folder,) = machine_of(tmp_path, 1, metrics=table(V1_3, 3, energy_accumulator=4_750_896_266))
    (probe,) = probes(tmp_path)
    first = probe.read(thorough=False).energy
    replace(folder, "gpu_metrics", table(V1_3, 3, energy_accumulator=4_736_943_791))
    assert (first, probe.read(thorough=False).energy) == (4_750_896_266 / 65536, 4_736_943_791 / 65536)
    assert probe.wraps_at is None


@pytest.mark.parametrize("counter", [0, (1 << 64) - 1])
def test_a_gpu_that_counts_no_energy_says_so(tmp_path, counter):
    (folder,) = machine_of(tmp_path, 1, metrics=table(V1_3, 3, energy_accumulator=counter))
    (probe,) = probes(tmp_path)
    assert (probe.read().energy, probe.energy_method) == (None, "")
    replace(folder, "gpu_metrics", table(V1_3, 3, energy_accumulator=1))
    assert probe.read().energy is None
    assert probe.missing["energy"] == "not counted by this GPU"


def test_a_gpu_without_the_table_says_so(tmp_path):
    machine_of(tmp_path, 1)
    (probe,) = probes(tmp_path)
    sample = probe.read()
    assert (sample.energy, sample.slowed, sample.slowing, probe.energy_method) == (None, {}, None, "")
    assert probe.missing["energy"] == "the driver shows no gpu_metrics of this GPU"
    assert probe.missing["slowed"] == probe.missing["energy"]


def test_a_processor_with_graphics_has_no_counter_and_its_power_is_the_processors_too(tmp_path):
    apu = {"name": "amdgpu", "power1_input": "28000000", "power1_label": "PPT", **EDGE}
    machine_of(tmp_path, 1, hwmon=apu, metrics=b"\x78\x00\x02\x04" + b"\x05" * 116)
    (probe,) = probes(tmp_path)
    assert (probe.device.scope, probe.device.covers) == ("package", ("cpu",))
    assert (probe.read().power, probe.read().energy) == (pytest.approx(28.0), None)
    assert probe.missing["energy"] == "gpu_metrics is in layout 2.4, of processors with graphics"


def test_an_mi300a_measures_processor_and_memory_too(tmp_path):
    machine_of(tmp_path, 1, metrics=table(), device="0x74a0")
    (probe,) = probes(tmp_path)
    assert (probe.device.scope, probe.device.covers) == ("module", ("cpu", "memory"))


# throttling


def throttled(root, bits, hotspot):
    metrics = table(V1_3, 3, indep_throttle_status=bits)
    machine_of(root, 1, hwmon=hwmon(temp2_input=f"{hotspot}000"), metrics=metrics)
    (probe,) = probes(root)
    assert probe.missing == {"slowed": "this GPU tells what slows it at the moment, not for how long"}
    return probe.read().slowing


@pytest.mark.parametrize(
    ("bits", "hotspot", "expected"),
    [
        (0, 61, set()),
        (1 << 36, 41, set()),  # a W7900 at idle, for ever
        (1 << 36, 94, set()),
        (1 << 36, 95, {"heat"}),  # 5 °C below its limit
        (1 << 36, 103, {"heat"}),
        (1 << 36 | 1, 75, {"power"}),  # an R9700 at its power limit
        (1 << 36 | 1 << 34, 75, {"heat"}),  # its memory is hot
    ],
)
def test_the_hot_spot_slows_a_gpu_only_near_its_limit(tmp_path, bits, hotspot, expected):
    assert throttled(tmp_path, bits, hotspot) == expected


def test_without_a_limit_the_hot_spots_bit_is_not_believed(tmp_path):
    metrics = table(V1_3, 3, indep_throttle_status=1 << 36)
    machine_of(tmp_path, 1, hwmon=hwmon(temp2_input="103000", temp2_crit=None), metrics=metrics)
    assert probes(tmp_path)[0].read().slowing == set()


def test_firmware_that_is_always_throttled_slows_nothing(tmp_path):
    counts = {"accumulation_counter": 88, "ppt_residency_acc": 88, "prochot_residency_acc": 0}
    machine_of(tmp_path, 1, metrics=table(V1_7, 7, **counts))
    (probe,) = probes(tmp_path)
    assert (probe.read().slowed, probe.missing["slowed"]) == ({}, "not told by this GPU")


# two GPUs on a module, and parts of one


def test_an_mi250x_is_measured_at_its_first_gpu_and_never_0_at_its_second(tmp_path):
    files = {"device": "0x7408", "product_name": "AMD Instinct MI250X"}
    first = hwmon(power1_average="474000000", power1_cap="560000000", power1_cap_max="560000000")
    second = hwmon(power1_average="0", power1_cap="0", power1_cap_default="0", power1_cap_max="560000000")
    card(tmp_path, 0, hwmon=first, metrics=table(V1_3, 3), **files)
    silent = table(V1_3, 3, average_socket_power=0, energy_accumulator=0)
    card(tmp_path, 1, hwmon=second, metrics=silent, **files)
    node(tmp_path, 1, 0)
    node(tmp_path, 2, 1)
    even, odd = probes(tmp_path)
    assert [each.device.index for each in (even, odd)] == [0, 1]
    assert even.device.scope == "board"
    assert even.power_method == "amdgpu power1_average, the firmware's mean (of both GPUs of the module)"
    assert even.energy_method.endswith("(of both GPUs of the module)")
    assert (even.read().power, even.read().energy) == (pytest.approx(474.0), (3 << 40) / 65536)
    sample = odd.read()
    assert (sample.power, sample.energy, odd.power_method, odd.energy_method) == (None, None, "", "")
    assert (
        odd.missing["power"] == odd.missing["energy"] == "reported by the other GPU of its module, for both"
    )
    assert sample.temperatures == {"hotspot": 61.0, "memory": 52.0}
    assert odd.limits() == Limits(slowdown=100.0, shutdown=105.0)


def test_an_mi250_that_is_reset_while_it_is_found_is_not_taken_for_the_second(tmp_path, monkeypatch):
    machine_of(tmp_path, 1, device="0x740c", metrics=table(V1_3, 3))
    with monkeypatch.context() as during:
        refuse(during, errno.EPERM)
        (probe,) = probes(tmp_path)
    assert (probe.read().power, probe.device.scope) == (pytest.approx(305.0), "board")


def test_an_mi210_is_one_gpu(tmp_path):
    machine_of(tmp_path, 1, device="0x740f", metrics=table(V1_3, 3))
    (probe,) = probes(tmp_path)
    assert (probe.device.scope, probe.power_method) == (
        "device",
        "amdgpu power1_average, the firmware's mean",
    )


def divided(root, mode, parts, *, render=lambda part: True, location=lambda part: 0x500 | part, **files):
    """One MI300 at 0000:05:00.0, whose first part is the PCI device itself."""
    card(root, 0, metrics=table(), current_compute_partition=mode, render=render(0), **files)
    node(root, 1, 0, location=location(0))
    for number in range(1, parts):
        part(root, number, number, render=render(number))
        node(root, 1 + number, number, location=location(number))


@pytest.mark.parametrize("location", [lambda part: 0x500 | part, lambda part: part << 28 | 0x500])
def test_parts_of_a_card_are_one_device(tmp_path, location):
    divided(tmp_path, "CPX", 8, location=location)
    (probe,) = probes(tmp_path)
    assert probe.device == Device("0000:05:00.0", "gpu", "", 0, backend="rocm")
    assert probe.read().power == pytest.approx(305.0)


@pytest.mark.parametrize(("mode", "all_parts"), [("DPX", 2), ("QPX", 4), ("CPX", 8)])
def test_a_job_with_one_part_measures_the_whole_card_and_says_so(tmp_path, mode, all_parts):
    divided(tmp_path, mode, all_parts, render=lambda part: part == all_parts - 1)
    (probe,) = probes(tmp_path)
    assert (probe.device.id, probe.device.index, probe.device.scope) == ("0000:05:00.0", 0, "board")
    note = f" (of the whole card; here are 1 of its {all_parts} parts)"
    assert probe.power_method.endswith(note)
    assert probe.energy_method.endswith(note)
    assert probe.read().power == pytest.approx(305.0)


def test_a_variable_that_leaves_some_parts_leaves_a_part_of_the_card(tmp_path):
    divided(tmp_path, "CPX", 8)
    (probe,) = probes(tmp_path, HIP_VISIBLE_DEVICES="3,2")
    assert (probe.device.index, probe.device.scope) == (2, "board")


def test_an_mi300a_in_cpx_has_six_parts(tmp_path):
    divided(tmp_path, "CPX", 6, device="0x74a0")
    (probe,) = probes(tmp_path)
    assert (probe.device.scope, probe.device.covers) == ("module", ("cpu", "memory"))


def test_parts_of_two_cards_are_two_devices(tmp_path):
    for number, xcp, bus, domain in ((0, 2, 5, 0), (1, 3, 6, 0)):
        card(tmp_path, number, current_compute_partition="DPX")
        node(tmp_path, 1 + 2 * number, number, location=bus << 8, domain=domain)
        part(tmp_path, xcp, xcp)
        node(tmp_path, 2 + 2 * number, xcp, location=bus << 8 | 1, domain=domain)
    found = probes(tmp_path)
    assert [(each.device.id, each.device.index) for each in found] == [
        ("0000:05:00.0", 0),
        ("0000:06:00.0", 2),
    ]
    assert {each.device.scope for each in found} == {"device"}


# which GPUs


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"HIP_VISIBLE_DEVICES": "2,1"},
        {"HIP_VISIBLE_DEVICES": "1,9,0"},
        {"HIP_VISIBLE_DEVICES": "8,1"},
        {"HIP_VISIBLE_DEVICES": "1, 3 ,2"},
        {"HIP_VISIBLE_DEVICES": "0,-1,1"},
        {"ROCR_VISIBLE_DEVICES": "3,1"},
        {"ROCR_VISIBLE_DEVICES": "3,1,2", "HIP_VISIBLE_DEVICES": "2,0"},
        {"ROCR_VISIBLE_DEVICES": "GPU-abcdef0002,1"},
        {"ROCR_VISIBLE_DEVICES": "GPU-abcdef0002,GPU-nothing,1"},
        {"ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "0,1"},
    ],
)
def test_gpus_are_found_and_numbered_as_the_backend_does(tmp_path, environ):
    folders = machine_of(tmp_path, 9)
    for number, folder in enumerate(folders):
        (folder / "product_name").write_text(f"GPU {number}\n")
    expected = rocm.look(Backends(root=tmp_path, environ=environ)).devices
    found = [(each.device.index, each.device.name) for each in probes(tmp_path, **environ)]
    assert found == [(each.index, each.model) for each in expected]
    assert found


def test_numbers_follow_the_topology_and_not_the_render_devices(tmp_path):
    for place, number in ((1, 2), (2, 0), (10, 1)):
        card(tmp_path, number)
        node(tmp_path, place, number)
    ids = [each.device.id for each in probes(tmp_path)]
    assert ids == ["0000:07:00.0", "0000:05:00.0", "0000:06:00.0"]


def test_only_gpus_whose_render_device_is_in_the_container_count(tmp_path):
    # sysfs shows all GPUs of the host in each container.
    for number in range(4):
        card(tmp_path, number, render=number == 2)
        node(tmp_path, number + 1, number)
    (probe,) = probes(tmp_path)
    assert (probe.device.id, probe.device.index) == ("0000:07:00.0", 0)


def test_a_container_without_the_compute_driver_has_its_gpus_without_numbers(tmp_path):
    card(tmp_path, 0)
    card(tmp_path, 1, render=False)
    (probe,) = probes(tmp_path)
    assert (probe.device.id, probe.device.index) == ("0000:05:00.0", None)


def test_render_devices_of_other_vendors_are_left_alone(tmp_path):
    card(tmp_path, 0, hwmon={"name": "i915", "power1_input": "5000000"}, device="0x56c0")
    card(tmp_path, 1)
    (probe,) = probes(tmp_path)
    assert probe.device.id == "0000:06:00.0"


def test_a_machine_with_another_vendors_gpu_only_has_none(tmp_path):
    card(tmp_path, 0, hwmon={"name": "i915", "power1_input": "5000000"}, device="0x56c0")
    assert unavailable(tmp_path) == "There is no GPU with the amdgpu driver."


def test_another_hwmon_of_the_card_is_left_alone(tmp_path):
    (folder,) = machine_of(tmp_path, 1)
    write(folder, {"hwmon/hwmon1/name": "other", "hwmon/hwmon1/power1_average": "5000000"})
    (probe,) = probes(tmp_path)
    assert probe.read().power == pytest.approx(305.0)


def unavailable(root, **environ):
    with pytest.raises(Unavailable) as caught:
        probes(root, **environ)
    return str(caught.value)


def test_no_gpu_is_said(tmp_path):
    assert unavailable(tmp_path) == "There is no GPU with the amdgpu driver."


def test_a_host_with_gpus_of_which_none_is_given_is_said(tmp_path):
    machine_of(tmp_path, 2, render=False)
    assert "none of their render devices is in this container" in unavailable(tmp_path)


@pytest.mark.parametrize("variable", ["HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"])
@pytest.mark.parametrize("value", ["", "-1", "9"])
def test_a_variable_that_leaves_none_is_said(tmp_path, variable, value):
    machine_of(tmp_path, 2)
    said = "ROCR_VISIBLE_DEVICES and HIP_VISIBLE_DEVICES leave this process none of 2 AMD GPUs."
    assert unavailable(tmp_path, **{variable: value}) == said


def test_a_virtual_part_without_sensors_is_said(tmp_path):
    machine_of(tmp_path, 1, hwmon={})
    assert "shows no sensors" in unavailable(tmp_path)


def test_a_user_who_may_not_open_the_gpus_is_told_the_group(tmp_path, monkeypatch):
    machine_of(tmp_path, 2)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "2 AMD GPUs were found" in unavailable(tmp_path)
    assert "join the group render" in unavailable(tmp_path)


# what passes, and what does not


def refuse(monkeypatch, code):
    def pread(descriptor, length, offset):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "pread", pread)


def test_a_reset_makes_all_none_until_it_is_over(tmp_path, monkeypatch):
    machine_of(tmp_path, 1, metrics=table())
    (probe,) = probes(tmp_path)
    with monkeypatch.context() as during:
        refuse(during, errno.EPERM)
        assert probe.read() == Sample()
        assert probe.read(thorough=False) == Sample()
        assert "during a reset" in probe.missing["power"]
        assert probe.missing["slowing"] == "the driver refuses gpu_metrics: Operation not permitted"
        assert "during a reset" in probe.missing["energy"]
    assert probe.read().power == pytest.approx(305.0)
    assert set(probe.missing) == {"slowed", "slowing"}


def test_a_reset_while_it_is_found_hides_nothing_for_later(tmp_path, monkeypatch):
    machine_of(tmp_path, 1, metrics=table(accumulation_counter=9, ppt_residency_acc=4))
    with monkeypatch.context() as during:
        refuse(during, errno.EPERM)
        (probe,) = probes(tmp_path)
    sample = probe.read()
    assert (sample.power, sample.energy) == (pytest.approx(305.0), (3 << 40) / 65536)
    assert set(probe.missing) == {"slowing"}


def test_a_gpu_that_sleeps_is_not_woken(tmp_path, monkeypatch):
    (folder,) = machine_of(tmp_path, 1, metrics=table())
    (probe,) = probes(tmp_path)
    (folder / "power/runtime_status").write_text("suspended\n")
    with monkeypatch.context() as asleep:
        asleep.setattr(os, "pread", lambda *of: pytest.fail("it was read"))
        assert probe.read() == Sample()
    assert "sleeps" in probe.missing["power"]
    (folder / "power/runtime_status").write_text("active\n")
    assert probe.read().power == pytest.approx(305.0)


def test_a_gpu_that_is_gone_is_unavailable(tmp_path, monkeypatch):
    (folder,) = machine_of(tmp_path, 1, metrics=table())
    (probe,) = probes(tmp_path)
    shutil.rmtree(folder)
    refuse(monkeypatch, errno.ENODEV)
    with pytest.raises(Unavailable, match=r"The GPU 0000:05:00\.0 is gone"):
        probe.read(thorough=False)


@pytest.mark.parametrize("share", ["101", "65535", "", "-1"])
def test_a_share_that_is_none_is_not_told(tmp_path, share):
    machine_of(tmp_path, 1, gpu_busy_percent=share)
    assert probes(tmp_path)[0].read().busy is None


def test_closing_lets_go_of_all_files(tmp_path):
    before = len(os.listdir("/proc/self/fd"))
    machine_of(tmp_path, 2, hwmon={**HWMON, **EDGE, "power1_input": "1000000"}, metrics=table())
    found = probes(tmp_path)
    assert len(os.listdir("/proc/self/fd")) > before
    for probe in found:
        probe.close()
    assert len(os.listdir("/proc/self/fd")) == before
