"""NVIDIA's GPUs, by the ctypes code that reads them, against a library compiled here with NVML's calls."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from sovlab.sensors.machine import Machine
from sovlab.sensors.probes.nvidia import SENSOR
from sovlab.sensors.sensor import FACILITY, HEAT, POWER, Device, Unavailable

UUID = "GPU-8a2f{}c00-1111-2222-3333-444444444444"
ALL_ONES = str(2**64 - 1)

# What an H100 said under load, by driver 590.
H100 = {
    "name": "NVIDIA H100 80GB HBM3",
    "nvmlDeviceGetCudaComputeCapability": "9.0",
    "nvmlDeviceGetTotalEnergyConsumption": "123456789012",
    "nvmlDeviceGetPowerUsage": "631950",
    "185.0": "uint 631950",
    "186.0": "uint 625680",
    "nvmlDeviceGetEnforcedPowerLimit": "700000",
    "nvmlDeviceGetPowerManagementDefaultLimit": "700000",
    "nvmlDeviceGetPowerManagementLimitConstraints": "200000 700000",
    "nvmlDeviceGetTemperature": "59",
    "nvmlDeviceGetTemperatureV": "59",
    "nvmlDeviceGetMarginTemperature": "26",
    "82.0": "uint 54",
    "193.0": "int -8",
    "194.0": "int -2",
    "195.0": "int 0",
    "196.0": "int 0",
    "nvmlDeviceGetSupportedClocksEventReasons": "511",
    "nvmlDeviceGetCurrentClocksEventReasons": "0",
    "nvmlDeviceGetSupportedClocksThrottleReasons": "511",
    "nvmlDeviceGetCurrentClocksThrottleReasons": "0",
    "269.0": "ull 2000000000",
    "270.0": "ull 3500000000",
    "271.0": "ull 0",
    "74.0": "ull 200740000000",
    "75.0": "ull 2000000000",
    "nvmlDeviceGetUtilizationRates": "100",
}
GH200 = {
    **H100,
    "name": "NVIDIA GH200 480GB",
    "185.1": "uint 810500",
    "186.1": "uint 799000",
    "187.1": "uint 300000",
    "188.1": "uint 1000000",
    "189.1": "uint 1000000",
    "190.1": "uint 900000",
}
MIG = {
    **H100,
    "nvmlDeviceGetMigMode": "1",
    "instance.0": "MIG-3f1a0000-0000-0000-0000-000000000000",
    "instance.1": "MIG-77770000-0000-0000-0000-000000000000",
    "nvmlDeviceGetUtilizationRates": "!3",
}


class Fake:
    """The answers of the library, which tests change while it is loaded."""

    def __init__(self, folder: Path, compiled) -> None:
        self.compiled = compiled
        self.answers, self.calls, self.root = folder / "answers", folder / "calls", folder / "root"
        self.probes = []
        self.root.mkdir()
        self.say()

    def say(self, *gpus, **others):
        """Each GPU's answers by call; None for what it does not support."""
        lines = [f"gpus {len(gpus)}", *(f"{key.replace('_', '-')} {says}" for key, says in others.items())]
        for index, gpu in enumerate(gpus):
            answers = {"uuid": UUID.format(index), **gpu}
            lines += [f"{index} {call} {says}" for call, says in answers.items() if says is not None]
        self.answers.write_text("\n".join(lines) + "\n")

    def open(self, *, lacking=(), **environ):
        probes = SENSOR.open(Machine(root=self.root, environ=environ, nvml=self.compiled(*lacking)))
        self.probes += probes
        return probes

    def reading(self, gpu, *, lacking=(), **environ):
        """The only probe of a machine with one GPU, and what it reads."""
        self.say(gpu)
        (probe,) = self.open(lacking=lacking, **environ)
        return probe, probe.read()

    def called(self, call=""):
        """How often a call, or any, was made since this was last asked."""
        calls = self.calls.read_text().split() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return calls.count(call) if call else calls


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("nvml")

    def library(*lacking):
        path = folder / f"libnvidia-ml.{'.'.join(lacking)}.so.1"
        if not path.exists():
            renamed = [f"-D{call}=absent_{number}" for number, call in enumerate(lacking)]
            source = Path(__file__).with_name("nvml_power.c")
            command = [compiler, *renamed, "-shared", "-fPIC", "-o", path, source]
            subprocess.run(command, check=True, timeout=120)
        return str(path)

    return library


@pytest.fixture
def nvml(tmp_path, compiled, monkeypatch):
    fake = Fake(tmp_path, compiled)
    monkeypatch.setenv("NVML_ANSWERS", str(fake.answers))
    monkeypatch.setenv("NVML_LOG", str(fake.calls))
    yield fake
    for probe in fake.probes:
        probe.close()


def test_an_h100_under_load_is_read_in_si_units(nvml):
    before = time.monotonic()
    probe, sample = nvml.reading(H100)
    assert probe.device == Device(UUID.format(0), "gpu", "NVIDIA H100 80GB HBM3", 0, "device", backend="cuda")
    assert probe.energy_method == "NVML energy counter"
    assert sample.power == 631.95
    assert sample.energy == 123456789.012
    assert sample.temperatures == {"gpu": 59, "memory": 54}
    assert sample.margin == 26
    assert sample.slowing == frozenset()
    assert sample.busy == 1.0
    assert {cause: seconds for cause, (seconds, _) in sample.slowed.items()} == {
        HEAT: 5.5,
        FACILITY: 0,
        POWER: 200.74,
    }
    assert all(before <= when <= time.monotonic() for _, when in sample.slowed.values())
    assert probe.missing == {}


def test_a_fast_read_asks_for_power_and_energy_only(nvml):
    probe, _ = nvml.reading(H100)
    nvml.called()
    sample = probe.read(thorough=False)
    assert (sample.power, sample.energy) == (631.95, 123456789.012)
    assert (sample.temperatures, sample.slowing, sample.busy) == ({}, None, None)
    assert sorted(nvml.called()) == ["nvmlDeviceGetPowerUsage", "nvmlDeviceGetTotalEnergyConsumption"]


# power


@pytest.mark.parametrize(
    ("name", "capability", "method"),
    [
        ("Tesla V100-SXM2-16GB", "7.0", "NVML power, instantaneous"),
        ("Tesla T4", "7.5", "NVML power, instantaneous"),
        ("NVIDIA A100-SXM4-80GB", "8.0", "NVML power, instantaneous"),
        ("NVIDIA A30", "8.0", "NVML power, instantaneous"),
        ("NVIDIA A40", "8.6", "NVML power, mean of 1 s"),
        ("NVIDIA RTX A3000", "8.6", "NVML power, mean of 1 s"),
        ("NVIDIA L40S", "8.9", "NVML power, mean of 1 s"),
        ("NVIDIA H100 80GB HBM3", "9.0", "NVML power, mean of 1 s"),
        ("NVIDIA B200", "10.0", "NVML power, mean of 1 s"),
        ("A GPU", None, "NVML power"),
    ],
)
def test_the_method_says_whether_power_is_a_mean(nvml, name, capability, method):
    probe, sample = nvml.reading({**H100, "name": name, "nvmlDeviceGetCudaComputeCapability": capability})
    assert (probe.power_method, sample.power) == (method, 631.95)


def test_power_is_of_the_fields_where_the_call_is_refused(nvml):
    probe, sample = nvml.reading({**H100, "nvmlDeviceGetPowerUsage": None})
    assert (probe.power_method, sample.power) == ("NVML power, mean of 1 s", 631.95)
    probe, sample = nvml.reading({**H100, "nvmlDeviceGetPowerUsage": None, "185.0": "!3"})
    assert (probe.power_method, sample.power) == ("NVML power, instantaneous", 625.68)


@pytest.mark.parametrize("milliwatts", ["0", "4294967295", "1400001"])
def test_a_power_that_cannot_be_is_none(nvml, milliwatts):
    probe, sample = nvml.reading(H100)
    nvml.say({**H100, "nvmlDeviceGetPowerUsage": milliwatts})
    sample = probe.read()
    assert sample.power is None
    assert probe.missing["power"]
    nvml.say({**H100, "nvmlDeviceGetPowerUsage": "1400000"})
    assert probe.read().power == 1400
    assert "power" not in probe.missing


def test_readings_are_believed_up_to_twice_the_highest_limit_as_a_cap_may_be_lifted(nvml):
    probe, sample = nvml.reading({**H100, "nvmlDeviceGetEnforcedPowerLimit": "250000"})
    assert (probe.plausible, sample.power) == (1400, 631.95)
    assert probe.limits().power == 250
    unlimited = {call: says for call, says in H100.items() if "Limit" not in call}
    assert nvml.reading(unlimited)[0].plausible == 2000


# energy


def test_without_an_energy_counter_power_is_still_told(nvml):
    probe, sample = nvml.reading({**H100, "nvmlDeviceGetTotalEnergyConsumption": "!3"})
    assert (sample.energy, sample.power) == (None, 631.95)
    assert probe.energy_method == ""
    assert probe.missing == {"energy": "not supported by this GPU"}


@pytest.mark.parametrize("field", ["83.0", "191.0"])
def test_energy_is_of_a_field_where_the_call_is_refused(nvml, field):
    probe, sample = nvml.reading({**H100, "nvmlDeviceGetTotalEnergyConsumption": "!3", field: "ull 5000000"})
    assert (probe.energy_method, sample.energy) == ("NVML energy counter", 5000)


@pytest.mark.parametrize("millijoules", ["double nan", "double inf", f"ull {ALL_ONES}"])
def test_a_field_that_is_no_number_is_none(nvml, millijoules):
    answers = {**H100, "nvmlDeviceGetTotalEnergyConsumption": None, "83.0": millijoules}
    assert nvml.reading(answers)[1].energy is None


@pytest.mark.parametrize("sentinel", [ALL_ONES, "4294967295"])
def test_an_energy_that_is_not_available_is_none_and_comes_back(nvml, sentinel):
    probe, _ = nvml.reading(H100)
    nvml.say({**H100, "nvmlDeviceGetTotalEnergyConsumption": sentinel})
    assert probe.read(thorough=False).energy is None
    assert probe.missing == {"energy": "the driver has no value at the moment"}
    nvml.say({**H100, "nvmlDeviceGetTotalEnergyConsumption": "1000"})
    assert probe.read(thorough=False).energy == 1
    assert probe.missing == {}


def test_the_counter_takes_half_a_second_to_move_and_does_not_wrap(nvml):
    probe, _ = nvml.reading(H100)
    assert (probe.resolution, probe.wraps_at, probe.settling) == (0.5, None, 0)


# codes


def test_an_unknown_error_is_asked_once_more(nvml):
    unsure = {**H100, "nvmlDeviceGetPowerUsage": "?631950", "82.0": "? uint 54"}
    probe, _ = nvml.reading(unsure)
    for sample in (probe.read(), probe.read()):
        assert (sample.power, sample.temperatures["memory"]) == (631.95, 54)
    nvml.say({**H100, "nvmlDeviceGetPowerUsage": "!999"})
    nvml.called()
    assert probe.read(thorough=False).power is None
    assert nvml.called("nvmlDeviceGetPowerUsage") == 2
    assert probe.missing["power"] == "the driver fails with an unknown error"


@pytest.mark.parametrize(
    ("code", "clause"),
    [
        (2, "not known to this driver"),
        (3, "not supported by this GPU"),
        (4, "not permitted to this process"),
        (13, "not known to this driver"),
        (17, "the GPU is blocked by the container or its cgroup"),
        (27, "the GPU is not ready"),
        (8, "NVML error 8"),
    ],
)
def test_a_code_becomes_a_clause_and_the_rest_is_read(nvml, code, clause):
    probe, sample = nvml.reading({**H100, "nvmlDeviceGetMarginTemperature": f"!{code}"})
    assert sample.margin is None
    assert probe.missing == {"margin": clause}
    assert sample.power == 631.95


def test_of_several_refusals_the_lack_of_a_permission_is_told(nvml):
    refused = {"nvmlDeviceGetTotalEnergyConsumption": "!13", "83.0": "!3", "191.0": "!4"}
    assert nvml.reading({**H100, **refused})[0].missing == {"energy": "not permitted to this process"}


def test_a_driver_that_was_not_ready_is_asked_again(nvml):
    late = {"nvmlDeviceGetTotalEnergyConsumption": "!27", "nvmlDeviceGetMarginTemperature": "!3"}
    probe, sample = nvml.reading({**H100, **late})
    assert (sample.energy, sample.margin) == (None, None)
    nvml.say(H100)
    sample = probe.read()
    assert (sample.energy, sample.margin) == (123456789.012, None)
    assert probe.missing == {"margin": "not supported by this GPU"}


def test_a_gpu_that_is_lost_while_it_runs_is_unavailable(nvml):
    probe, _ = nvml.reading(H100)
    nvml.say({"*": "!15"})
    with pytest.raises(Unavailable, match=r"NVIDIA H100 80GB HBM3 cannot be read: .* off the bus\."):
        probe.read(thorough=False)


def test_a_gpu_that_is_lost_already_leaves_the_others(nvml):
    nvml.say(
        {**H100, "*": "!15", "nvmlDeviceGetTotalEnergyConsumption": "!15"}, H100, {**H100, "handle": "!17"}
    )
    (probe,) = nvml.open()
    assert probe.device.index == 1


# older drivers


def test_temperature_is_of_the_older_call_where_the_newer_is_not_there(nvml):
    older = {**H100, "nvmlDeviceGetTemperature": "61"}
    assert nvml.reading(older)[1].temperatures["gpu"] == 59
    assert nvml.reading(older, lacking=["nvmlDeviceGetTemperatureV"])[1].temperatures["gpu"] == 61
    # the library has the call, and the driver below it does not
    assert nvml.reading({**older, "nvmlDeviceGetTemperatureV": "!25"})[1].temperatures["gpu"] == 61


def test_a_driver_of_2019_lacks_calls_and_tells_what_it_can(nvml):
    lacking = [
        "nvmlDeviceGetTemperatureV",
        "nvmlDeviceGetMarginTemperature",
        "nvmlDeviceGetCurrentClocksEventReasons",
        "nvmlDeviceGetSupportedClocksEventReasons",
        "nvmlDeviceGetFieldValues",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetDeviceHandleFromMigDeviceHandle",
    ]
    v100 = {
        **H100,
        "nvmlDeviceGetCurrentClocksThrottleReasons": "0x24",
        "nvmlDeviceGetViolationStatus.0": "7000000000",
        "nvmlDeviceGetViolationStatus.1": "1500000000",
    }
    probe, sample = nvml.reading(v100, lacking=lacking)
    assert (sample.power, sample.energy, sample.temperatures) == (631.95, 123456789.012, {"gpu": 59})
    assert sample.slowing == {HEAT, POWER}
    assert {cause: seconds for cause, (seconds, _) in sample.slowed.items()} == {HEAT: 1.5, POWER: 7}
    assert probe.missing == dict.fromkeys(
        ("margin", "memory temperature", "slowed by facility"), "not known to this driver"
    )
    nvml.say(v100, **{"by_uuid MIG-3f1a": "0"})
    with pytest.raises(Unavailable, match="leaves none"):
        nvml.open(lacking=lacking, CUDA_VISIBLE_DEVICES="MIG-3f1a")


# field values


@pytest.mark.parametrize("kind", ["double", "uint", "ulong", "ull", "sll", "int", "ushort"])
def test_the_type_of_a_field_says_where_its_value_is(nvml, kind):
    probe, sample = nvml.reading({**H100, "82.0": f"{kind} 54"})
    assert sample.temperatures["memory"] == 54
    # drivers add to what stands in the union
    assert probe.read().temperatures["memory"] == 54


@pytest.mark.parametrize(
    "says",
    [
        "uint 0",
        "ull 9223372036854775794",
        "uint 4294967295",
        "int -1",
        f"ull {ALL_ONES}",
        "double nan",
        "unheard-of 54",
        "!3",
    ],
)
def test_a_memory_temperature_that_is_none_is_not_told(nvml, says):
    probe, sample = nvml.reading({**H100, "82.0": says})
    assert sample.temperatures == {"gpu": 59}
    assert probe.missing["memory temperature"]


# heat


@pytest.mark.parametrize(("celsius", "read"), [(-5, -5), (0, 0), (-1, None), (4294967295, None), (900, None)])
def test_the_margin_is_signed(nvml, celsius, read):
    assert nvml.reading({**H100, "nvmlDeviceGetMarginTemperature": celsius})[1].margin == read


@pytest.mark.parametrize(
    ("bits", "causes"),
    [
        (0x1, set()),
        (0x2, set()),
        (0x4, {POWER}),
        (0x8, set()),
        (0x10, set()),
        (0x20, {HEAT}),
        (0x40, {HEAT}),
        (0x80, {FACILITY}),
        (0x100, set()),
        (0x48, {HEAT}),
        (0x1FF, {HEAT, POWER, FACILITY}),
    ],
)
def test_the_bits_of_the_event_reasons_become_causes(nvml, bits, causes):
    assert nvml.reading({**H100, "nvmlDeviceGetCurrentClocksEventReasons": bits})[1].slowing == causes


def test_reasons_that_a_gpu_does_not_support_are_not_told(nvml):
    reasons = {"nvmlDeviceGetCurrentClocksEventReasons": "0x64"}
    probe, sample = nvml.reading({**H100, **reasons, "nvmlDeviceGetSupportedClocksEventReasons": "0x5"})
    assert sample.slowing == {POWER}
    assert probe.missing == {"slowing": "this GPU does not tell of heat and facility"}
    half = {"nvmlDeviceGetSupportedClocksEventReasons": "0x20"}
    assert nvml.reading({**H100, **reasons, **half})[1].slowing == {HEAT}
    assert (
        nvml.reading({**H100, "nvmlDeviceGetCurrentClocksEventReasons": "0x40", **half})[1].slowing == set()
    )
    probe, sample = nvml.reading({**H100, **reasons, "nvmlDeviceGetSupportedClocksEventReasons": "0x1"})
    assert sample.slowing is None
    assert probe.missing == {"slowing": "not supported by this GPU"}


def test_a_virtual_gpu_does_not_tell_which_reasons_it_supports(nvml):
    vgpu = {
        "nvmlDeviceGetSupportedClocksEventReasons": None,
        "nvmlDeviceGetSupportedClocksThrottleReasons": None,
    }
    vgpu["nvmlDeviceGetCurrentClocksEventReasons"] = "0x20"
    assert nvml.reading({**H100, **vgpu})[1].slowing == {HEAT}


@pytest.mark.parametrize(
    ("answers", "seconds"),
    [
        ({}, {HEAT: 5.5, FACILITY: 0, POWER: 200.74}),
        ({"270.0": "!2"}, {HEAT: 2, FACILITY: 0, POWER: 200.74}),
        ({"269.0": "!2", "270.0": "!2", "271.0": "!2"}, {HEAT: 2, POWER: 200.74}),
        (
            {"269.0": "!3", "75.0": "!3", "nvmlDeviceGetViolationStatus.1": "4000000000"},
            {HEAT: 4, FACILITY: 0, POWER: 200.74},
        ),
        ({"74.0": "!3", "nvmlDeviceGetViolationStatus.0": "6000000000"}, {HEAT: 5.5, FACILITY: 0, POWER: 6}),
        ({"74.0": f"ull {ALL_ONES}"}, {HEAT: 5.5, FACILITY: 0}),
    ],
)
def test_time_slowed_is_of_the_best_counters_there_are(nvml, answers, seconds):
    probe, sample = nvml.reading({**H100, **answers})
    assert {cause: each for cause, (each, _) in sample.slowed.items()} == seconds
    assert all(f"slowed by {cause}" in probe.missing for cause in {HEAT, FACILITY, POWER} - set(seconds))


def test_a_counter_that_fails_once_is_left_out_and_not_taken_for_less(nvml):
    probe, _ = nvml.reading(H100)
    nvml.say({**H100, "270.0": "!21"})
    assert HEAT not in probe.read().slowed
    nvml.say(H100)
    assert probe.read().slowed[HEAT][0] == 5.5


@pytest.mark.parametrize(("percent", "share"), [(0, 0), (37, 0.37), (101, None), (4294967295, None)])
def test_busy_is_a_share(nvml, percent, share):
    assert nvml.reading({**H100, "nvmlDeviceGetUtilizationRates": percent})[1].busy == share


# limits


def test_an_h100_tells_its_power_limits_and_no_temperature(nvml):
    probe, _ = nvml.reading(H100)
    assert probe.limits() == (700, 200, 700, 700, None, None)
    assert probe.missing == {"slowdown": "this GPU tells the margin to it instead"}
    # the threshold on the scale of the margin, should the older call give it
    tlimit = {f"nvmlDeviceGetTemperatureThreshold.{kind}": -2 for kind in (0, 1, 3)}
    assert nvml.reading({**H100, **tlimit})[0].limits()[4:] == (None, None)


def test_a_t4_tells_the_temperature_from_which_it_slows_itself(nvml):
    thresholds = {
        f"nvmlDeviceGetTemperatureThreshold.{kind}": says for kind, says in ((0, 96), (1, 93), (3, 85))
    }
    probe, _ = nvml.reading({**H100, **thresholds})
    assert probe.limits()[4:] == (85, 96)
    probe, _ = nvml.reading({**H100, **thresholds, "nvmlDeviceGetTemperatureThreshold.3": None})
    assert probe.limits()[4:] == (93, 96)
    assert probe.missing == {}


def test_power_limits_are_of_the_fields_where_the_calls_are_refused(nvml):
    answers = {call: says for call, says in H100.items() if "Limit" not in call}
    fields = {"187.0": "uint 200000", "188.0": "uint 700000", "189.0": "uint 650000", "190.0": "uint 300000"}
    probe, _ = nvml.reading({**answers, **fields})
    assert probe.limits()[:4] == (300, 200, 700, 650)
    assert nvml.reading(answers)[0].limits()[:4] == (None, None, None, None)


# Grace-Hopper


def test_a_grace_hopper_is_read_as_the_module_that_its_counter_measures(nvml):
    probe, sample = nvml.reading(GH200)
    assert (probe.device.scope, probe.device.covers) == ("module", ("cpu", "memory"))
    assert (sample.power, sample.energy) == (810.5, 123456789.012)
    assert probe.power_method == "NVML power, mean of 1 s"
    assert probe.limits()[:4] == (900, 300, 1000, 1000)
    assert probe.plausible == 2000
    probe, sample = nvml.reading({**GH200, "185.1": "!3"})
    assert (probe.power_method, sample.power) == ("NVML power, instantaneous", 799)


def test_the_power_of_its_gpu_alone_is_not_put_beside_the_energy_of_the_module(nvml):
    probe, sample = nvml.reading({**GH200, "185.1": None, "186.1": None})
    assert (sample.power, sample.energy) == (None, 123456789.012)
    assert (probe.device.scope, probe.power_method) == ("module", "")
    assert "power" in probe.missing
    alone = {"185.1": None, "186.1": None, "nvmlDeviceGetTotalEnergyConsumption": None}
    probe, sample = nvml.reading({**GH200, **alone})
    assert (sample.power, sample.energy) == (631.95, None)
    assert (probe.device.scope, probe.device.covers) == ("device", ())
    assert probe.limits()[:4] == (700, 200, 700, 700)


def test_a_grace_blackwell_is_not_as_two_gpus_would_each_tell_the_power_of_both(nvml):
    probe, sample = nvml.reading({**GH200, "name": "NVIDIA GB200"})
    assert (probe.device.scope, probe.device.covers, sample.power) == ("device", (), 631.95)
    probe, sample = nvml.reading(
        {**GH200, "name": "NVIDIA GB200", "nvmlDeviceGetPowerUsage": None, "185.0": None, "186.0": None}
    )
    assert sample.power is None


# MIG


@pytest.mark.parametrize(
    "value",
    [
        None,
        "0",
        "MIG-3f1a0000-0000-0000-0000-000000000000",
        "MIG-3f1a",
        "MIG-3f1a,MIG-7777",
        f"MIG-{UUID.format(0)}/1/0",
        "MIG-hidden",
    ],
)
def test_an_instance_is_read_at_its_board(nvml, value):
    nvml.say(MIG, **{"by_uuid MIG-hidden": "0"})
    (probe,) = nvml.open(**({} if value is None else {"CUDA_VISIBLE_DEVICES": value}))
    sample = probe.read()
    assert probe.device == Device(UUID.format(0), "gpu", "NVIDIA H100 80GB HBM3", 0, "board", backend="cuda")
    assert (sample.power, sample.energy, sample.margin) == (631.95, 123456789.012, 26)
    assert sample.busy is None
    assert probe.missing == {"busy": "not told of a GPU that is divided into MIG instances"}


def test_an_instance_of_the_second_board_is_not_the_first(nvml):
    other = {**MIG, "instance.0": "MIG-eeee0000-0000-0000-0000-000000000000", "instance.1": None}
    nvml.say(MIG, other, H100)
    (probe,) = nvml.open(CUDA_VISIBLE_DEVICES="MIG-eeee0000-0000-0000-0000-000000000000")
    assert (probe.device.index, probe.device.scope) == (1, "board")
    with pytest.raises(Unavailable, match="CUDA_VISIBLE_DEVICES=MIG-9999 leaves none of 3 GPUs"):
        nvml.open(CUDA_VISIBLE_DEVICES="MIG-9999")


def test_a_container_with_an_instance_reads_what_it_is_not_refused(nvml):
    visible = ("name", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetTemperatureV")
    nvml.say({"*": "!4", **{call: H100[call] for call in visible}})
    (probe,) = nvml.open()
    sample = probe.read()
    assert probe.device.scope == "board"
    assert (sample.power, sample.energy, sample.temperatures) == (631.95, None, {"gpu": 59})
    assert probe.missing["energy"] == "not permitted to this process"
    assert probe.limits() == (None,) * 6


@pytest.mark.parametrize("known", [("uuid", "name"), ()])
def test_a_container_that_is_refused_everything_is_told_why(nvml, known):
    nvml.say({"*": "!4", "uuid": None, **{key: {**H100, "uuid": UUID.format(0)}[key] for key in known}})
    with pytest.raises(Unavailable, match=r"not permitted to this process") as refused:
        nvml.open()
    assert ("NVIDIA_MIG_MONITOR_DEVICES=all" in str(refused.value)) == bool(known)
    assert nvml.called("nvmlShutdown") == 1


def test_a_divided_gpu_without_an_instance_is_nobodys(nvml):
    vacant = {**MIG, "instance.0": None, "instance.1": None}
    nvml.say(vacant, H100)
    (probe,) = nvml.open()
    assert probe.device.index == 1
    with pytest.raises(Unavailable, match="leaves none"):
        nvml.open(CUDA_VISIBLE_DEVICES="0")
    nvml.say(vacant)
    with pytest.raises(Unavailable, match="has no instance"):
        nvml.open()


# which GPUs


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("1", [1]),
        ("1,0", [0, 1]),
        (" 1 , 0 ", [0, 1]),
        ("1,7,0", [1]),
        ("GPU-8a2f1", [1]),
        (UUID.format(0), [0]),
        ("", []),
        ("-1", []),
        ("GPU-ffff", []),
        ("NoDevFiles", []),
    ],
)
def test_gpus_hidden_from_this_process_are_not_read(nvml, value, left):
    nvml.say(H100, {**H100, "nvmlDeviceGetPowerUsage": "100000"})
    if not left:
        with pytest.raises(Unavailable, match=f"CUDA_VISIBLE_DEVICES={value} leaves none of 2 GPUs"):
            nvml.open(CUDA_VISIBLE_DEVICES=value)
        assert nvml.called("nvmlShutdown") == 1
        return
    probes = nvml.open(CUDA_VISIBLE_DEVICES=value)
    assert [probe.device.index for probe in probes] == left
    assert [probe.read().power for probe in probes] == [(631.95, 100)[index] for index in left]


def test_a_gpu_that_is_listed_twice_is_read_once(nvml):
    nvml.say(H100, {**H100, "uuid": UUID.format(0)}, H100)
    assert [probe.device.index for probe in nvml.open()] == [0, 2]


# the library


def test_nvml_is_opened_once_and_shut_down_with_the_last_probe(nvml):
    nvml.say(H100, H100)
    first, second = nvml.open()
    first.close()
    first.close()
    assert second.read().power == 631.95
    assert (calls := nvml.called()).count("nvmlInit_v2") == 1
    assert "nvmlShutdown" not in calls
    second.close()
    second.close()
    assert nvml.called() == ["nvmlShutdown"]
    with pytest.raises(Unavailable, match="NVML is shut down"):
        second.read()


def test_without_the_library_the_reason_is_one_sentence(nvml):
    absent = Machine(root=nvml.root, environ={}, nvml="libno-such-library.so.1")
    with pytest.raises(Unavailable, match=r"^There is no NVIDIA management library \(.+\)\.$"):
        SENSOR.open(absent)
    (nvml.root / "proc/driver/nvidia").mkdir(parents=True)
    with pytest.raises(Unavailable, match=r'"utility" in NVIDIA_DRIVER_CAPABILITIES\.$'):
        SENSOR.open(absent)
    with pytest.raises(Unavailable, match=r"not to be used\.$"):
        SENSOR.open(Machine(root=nvml.root, environ={}, nvml=""))


def test_a_driver_that_refuses_is_quoted(nvml):
    nvml.say(init="!18")
    with pytest.raises(Unavailable, match=r"refuses: Driver/library version mismatch\.$"):
        nvml.open()


def test_a_driver_without_a_gpu_says_so(nvml):
    with pytest.raises(Unavailable, match=r"^NVIDIA's driver shows this process no GPU\.$"):
        nvml.open()
    nvml.say({**H100, "handle": "!17"})
    with pytest.raises(Unavailable, match=r"no GPU \(the GPU is blocked by the container or its cgroup\)\.$"):
        nvml.open()
    nvml.answers.write_text("gpus !9\n")
    with pytest.raises(Unavailable, match="does not tell which GPUs there are: the driver is not loaded"):
        nvml.open()
