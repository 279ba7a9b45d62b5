"""Detection on trees of files as real machines show them, and on the machine that runs the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import trees

from sovlab.backends import Machine, cpu, cuda, detect, hpu, known, rocm, xpu

GIB = 1 << 30


def machine(root, **environ):
    return Machine(root=root, environ=environ, nvml="")


@pytest.mark.parametrize("name", ["cuda", "rocm", "xpu", "hpu"])
def test_where_there_is_nothing_the_reason_is_one_sentence(tmp_path, name):
    found = known()[name].detect(machine(tmp_path))
    assert found.devices == ()
    assert found.why.endswith(".")
    assert found.why.count(". ") == 0


def test_this_machine_is_looked_at_without_torch_or_a_vendors_library():
    code = (
        "import sys; from sovlab.backends import detect; found = detect()\n"
        "assert found[0].backend == 'cpu' and found[0].devices, found\n"
        "assert not {'torch', 'pynvml', 'amdsmi', 'numpy', 'psutil'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_look_that_breaks_is_a_finding(tmp_path):
    trees.amd(tmp_path)
    bad = tmp_path / "sys/class/kfd/kfd/topology/nodes/2/properties"
    bad.write_text("simd_count 4\ngfx_target_version gfx942\ndrm_render_minor 128\nunique_id 1\n")
    (tmp_path / "sys/devices/pci0000:00/0000:05:00.0/product_name").unlink()
    found = {d.backend: d for d in detect(machine(tmp_path))}
    assert found["rocm"].devices == ()
    assert "failed: ValueError" in found["rocm"].why
    assert found["cpu"].devices


# cpu


def test_the_processor_has_a_model_and_memory(tmp_path):
    trees.grow(
        tmp_path,
        {
            "/proc/cpuinfo": "processor\t: 0\nvendor_id\t: AMD\nmodel name\t: AMD EPYC 9654  96-Core\n",
            "/proc/meminfo": "MemTotal:       791234560 kB\nMemFree: 1 kB\n",
        },
    )
    (device,) = cpu.look(machine(tmp_path)).devices
    if sys.platform == "linux":
        assert device.model == "AMD EPYC 9654 96-Core"
    assert device.memory == 791234560 * 1024


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_cores_are_those_this_process_may_use():
    one = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{one}}}); from sovlab.backends import cpu; print(cpu.cores())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "1\n"
    assert cpu.cores() == len(os.sched_getaffinity(0))


# cuda, by /proc


def test_nvidia_gpus_are_read_from_proc_in_the_order_of_their_addresses(tmp_path):
    trees.nvidia_proc(tmp_path, ("0000:9a:00.0", "NVIDIA L40S"), ("0000:18:00.0", "NVIDIA H100 80GB HBM3"))
    found = cuda.look(machine(tmp_path))
    assert [(d.index, d.model, d.memory) for d in found.devices] == [
        (0, "NVIDIA H100 80GB HBM3", None),
        (1, "NVIDIA L40S", None),
    ]
    assert "/proc/driver/nvidia" in found.why


def test_a_driver_without_a_gpu_is_told_apart_from_no_driver(tmp_path):
    assert "No NVIDIA driver" in cuda.look(machine(tmp_path)).why
    trees.nvidia_proc(tmp_path)
    assert "shows no GPU" in cuda.look(machine(tmp_path)).why


def test_a_missing_library_is_no_error(tmp_path):
    trees.nvidia_proc(tmp_path, ("0000:18:00.0", "NVIDIA H100 80GB HBM3"))
    found = cuda.look(Machine(root=tmp_path, environ={}, nvml="libno-such-library.so.1"))
    assert len(found.devices) == 1


@pytest.mark.parametrize(
    ("value", "left"),
    [("1", [1]), ("1,0", [0, 1]), ("", []), ("-1", []), ("1,7,0", [1]), ("GPU-8a2f1", [1]), ("GPU-ffff", [])],
)
def test_devices_hidden_from_this_process_are_not_offered(tmp_path, value, left):
    trees.nvidia_proc(tmp_path, ("0000:18:00.0", "NVIDIA H100"), ("0000:9a:00.0", "NVIDIA H100"))
    found = cuda.look(machine(tmp_path, CUDA_VISIBLE_DEVICES=value))
    assert [d.index for d in found.devices] == left
    if left != [0, 1]:
        assert f"CUDA_VISIBLE_DEVICES={value} leaves {len(left)} of 2" in found.why


# cuda, by NVML


@pytest.fixture(scope="module")
def nvml(tmp_path_factory):
    """A library with NVML's calls, compiled here: the ctypes code that reads it is the real one."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    source = Path(__file__).with_name("nvml.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True, timeout=120)
    return str(library)


def test_nvml_tells_name_and_memory(nvml, tmp_path, monkeypatch):
    monkeypatch.setenv("NVML_GPUS", "80,-;80,-")
    found = cuda.look(Machine(root=tmp_path, environ={}, nvml=nvml))
    assert [(d.index, d.model, d.memory) for d in found.devices] == [
        (0, "NVIDIA H100 80GB HBM3", 80 * GIB),
        (1, "NVIDIA H100 80GB HBM3", 80 * GIB),
    ]
    hidden = cuda.look(Machine(root=tmp_path, environ={"CUDA_VISIBLE_DEVICES": "GPU-00000011"}, nvml=nvml))
    assert [d.index for d in hidden.devices] == [1]


def test_a_gpu_in_mig_mode_offers_its_first_instance_and_says_so(nvml, tmp_path, monkeypatch):
    monkeypatch.setenv("NVML_GPUS", "80,3;80,0;0,-")
    found = cuda.look(Machine(root=tmp_path, environ={}, nvml=nvml))
    assert [(d.index, d.memory) for d in found.devices] == [(0, 10 * GIB), (2, None)]
    assert "GPU 0 is in MIG mode: a job gets the first of 3 instances" in found.why
    assert "GPU 1 is in MIG mode and has no instance" in found.why


def test_a_driver_that_refuses_is_quoted(nvml, tmp_path, monkeypatch):
    monkeypatch.setenv("NVML_REFUSES", "1")
    trees.nvidia_proc(tmp_path)
    found = cuda.look(Machine(root=tmp_path, environ={}, nvml=nvml))
    assert found.devices == ()
    assert "Driver/library version mismatch" in found.why


# rocm


def test_amd_gpus_are_read_from_the_topology(tmp_path):
    found = rocm.look(machine(trees.amd(tmp_path)))
    assert [(d.index, d.model, d.memory) for d in found.devices] == [
        (0, "AMD Instinct MI300X OAM", 206141652992),
        (1, "AMD Instinct MI300X OAM", 206141652992),
    ]


def test_an_amd_gpu_without_a_product_name_is_named_by_the_database_else_by_its_architecture(tmp_path):
    trees.amd(tmp_path, names=False)
    found = rocm.look(machine(tmp_path)).devices
    assert [(d.model, d.memory) for d in found] == [("gfx942", 206141652992)] * 2
    trees.grow(
        tmp_path,
        {"/usr/share/libdrm/amdgpu.ids": "1.0.0\n74A0,\t00,\tother\n74A1,\t00,\tAMD Instinct MI300X\n"},
    )
    assert rocm.look(machine(tmp_path)).devices[0].model == "AMD Instinct MI300X"


def test_a_gpu_kept_from_a_container_is_left_out_and_the_rest_are_numbered_anew(tmp_path):
    trees.amd(tmp_path, gpus=3, without_render=(0,))
    assert [d.index for d in rocm.look(machine(tmp_path)).devices] == [0, 1]


def test_rocr_hides_first_and_hip_numbers_what_is_left(tmp_path):
    trees.amd(tmp_path, gpus=4)
    found = rocm.look(machine(tmp_path, ROCR_VISIBLE_DEVICES="2,3", HIP_VISIBLE_DEVICES="1"))
    assert [d.index for d in found.devices] == [1]
    assert "ROCR_VISIBLE_DEVICES=2,3 leaves 2 of 4" in found.why
    by_id = rocm.look(machine(tmp_path, ROCR_VISIBLE_DEVICES="GPU-abcdef0002"))
    assert len(by_id.devices) == 1


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
        trees.amd(Path(folder))
        (Path(folder) / "dev/kfd").chmod(0)
        yield Path(folder)


def test_a_compute_driver_that_may_not_be_opened_is_advised_on(open_folder, plain_user):
    found = rocm.look(machine(open_folder))
    assert found.devices == ()
    assert "join the group render" in found.why


# xpu


def test_discrete_intel_gpus_are_told_from_the_integrated_one_which_still_counts(tmp_path):
    trees.intel_card(tmp_path, 0, "0000:00:02.0", "0xa7a0", driver="i915")
    trees.intel_card(tmp_path, 2, "0000:03:00.0", "0xe20b", tiles=(12 * GIB,))
    trees.intel_card(tmp_path, 10, "0000:8d:00.0", "0x56a0", driver="i915", lmem=16 * GIB)
    trees.intel_card(tmp_path, 1, "0000:18:00.0", "0x2330", driver="nvidia", vendor="0x10de")
    trees.grow(
        tmp_path,
        {
            "/usr/share/misc/pci.ids": "# list\n10de  NVIDIA Corporation\n\te20b  not this\n"
            "8086  Intel Corporation\n\te20b  Battlemage G21 [Arc B580]\n\t\t8086 1100  sub\n"
            "8088  Other\n\t56a0  not this\n"
        },
    )
    found = xpu.look(machine(tmp_path))
    assert [(d.index, d.model, d.memory) for d in found.devices] == [
        (1, "Battlemage G21 [Arc B580]", 12 * GIB),
        (2, "Intel GPU 56a0", 16 * GIB),
    ]


def test_each_tile_is_a_device(tmp_path):
    trees.intel_card(tmp_path, 0, "0000:18:00.0", "0x0bd5", tiles=(64 * GIB, 64 * GIB))
    trees.intel_card(tmp_path, 1, "0000:9a:00.0", "0x0bd5", driver="i915", gts=2, lmem=128 * GIB)
    found = xpu.look(machine(tmp_path, ZE_AFFINITY_MASK="0,1,3"))
    assert [(d.index, d.memory) for d in found.devices] == [(0, 64 * GIB), (1, 64 * GIB), (3, 64 * GIB)]


@pytest.mark.parametrize(
    ("card", "says"),
    [
        ({"address": "0000:00:02.0", "driver": "i915"}, "integrated"),
        ({"address": "0000:18:00.0", "driver": "vfio-pci"}, "vfio-pci"),
        ({"address": "0000:18:00.0", "tiles": (GIB,), "render": False}, "group render"),
    ],
)
def test_an_intel_gpu_that_cannot_be_used_is_explained(tmp_path, card, says):
    trees.intel_card(tmp_path, 0, device="0x0bd5", **card)
    found = xpu.look(machine(tmp_path))
    assert found.devices == ()
    assert says in found.why


# hpu


def test_gaudi_are_given_by_module_id(tmp_path):
    for number, module in enumerate((3, 0, 1)):
        trees.gaudi(tmp_path, number, module)
    found = hpu.look(machine(tmp_path))
    assert [(d.index, d.model) for d in found.devices] == [(0, "Gaudi 2"), (1, "Gaudi 2"), (3, "Gaudi 2")]
    kept = hpu.look(machine(tmp_path, HABANA_VISIBLE_MODULES="0,3"))
    assert [d.index for d in kept.devices] == [0, 3]


def test_gaudi_are_found_where_an_older_kernel_shows_them(tmp_path):
    for number, module in enumerate((1, 0)):
        trees.older_gaudi(tmp_path, number, module)
    found = hpu.look(machine(tmp_path))
    assert [d.index for d in found.devices] == [0, 1]
    assert "/sys/class/habanalabs" in found.why


def test_other_accelerators_and_those_out_of_order_are_left_out(tmp_path):
    trees.gaudi(tmp_path, 0, 0, status="Malfunction")
    trees.gaudi(tmp_path, 1, 1)
    trees.grow(
        tmp_path,
        {"/dev/accel/accel2": "", "/sys/class/accel/accel2/dev": "261:2\n"},
        {
            "/sys/class/accel/accel2/device": "/sys/devices/npu",
            "/sys/devices/npu/driver": "/sys/bus/pci/drivers/intel_vpu",
        },
    )
    found = hpu.look(machine(tmp_path))
    assert [d.index for d in found.devices] == [1]
    assert "accel0 is Malfunction" in found.why


@pytest.mark.parametrize(
    ("card", "says"), [({"status": "In reset"}, "none is operational"), ({"node": False}, "may not open")]
)
def test_gaudi_that_cannot_be_used_are_explained(tmp_path, card, says):
    trees.gaudi(tmp_path, 0, 0, **card)
    found = hpu.look(machine(tmp_path))
    assert found.devices == ()
    assert says in found.why
