"""Trees of files as the kernels of real machines show them, for the parsing code to read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def grow(root: Path, files: Mapping[str, str], links: Mapping[str, str] | None = None) -> Path:
    """Make files with their content, and links to places in the tree."""
    for path, content in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content)
    for path, target in (links or {}).items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        end = root / target.lstrip("/")
        end.mkdir(parents=True, exist_ok=True)
        place.symlink_to(end)
    return root


def nvidia_proc(root: Path, *gpus: tuple[str, str]) -> Path:
    """/proc/driver/nvidia of driver 580: (PCI address, model) of each GPU."""
    files = {
        "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95\n"
    }
    for number, (address, model) in enumerate(gpus):
        files[f"/proc/driver/nvidia/gpus/{address}/information"] = (
            f"Model: \t\t {model}\nIRQ:   \t\t 138\n"
            f"GPU UUID: \t GPU-8a2f{number}c00-1111-2222-3333-444444444444\n"
            f"Video BIOS: \t 96.00.74.00.01\nBus Type: \t PCIe\nDMA Size: \t 52 bits\n"
            f"Bus Location: \t {address}\nDevice Minor: \t {number}\n"
            "GPU Firmware: \t 580.95\nGPU Excluded:\t No\n"
        )
    return grow(root, files)


_CPU_NODE = """cpu_cores_count 96
simd_count 0
mem_banks_count 1
caches_count 0
io_links_count 1
p2p_links_count 0
vendor_id 0
device_id 0
drm_render_minor 0
"""

_GPU_NODE = """cpu_cores_count 0
simd_count 1216
mem_banks_count 1
caches_count 556
io_links_count 8
p2p_links_count 7
cpu_core_id_base 0
simd_id_base 2147487744
max_waves_per_simd 8
lds_size_in_kb 64
num_xcc 8
gfx_target_version 90402
vendor_id 4098
device_id 29857
location_id 1280
domain 0
drm_render_minor {minor}
hive_id 12345
unique_id {unique}
"""


def amd(root: Path, *, gpus: int = 2, without_render: tuple[int, ...] = (), names: bool = True) -> Path:
    """A machine with two processors' nodes and MI300X, as amdkfd and amdgpu show it."""
    nodes = "/sys/class/kfd/kfd/topology/nodes"
    files = {"/dev/kfd": ""}
    for node in range(2):
        files[f"{nodes}/{node}/properties"] = _CPU_NODE
        files[f"{nodes}/{node}/gpu_id"] = "0\n"
    links = {}
    for gpu in range(gpus):
        node, minor, pci = gpu + 2, 128 + 8 * gpu, f"/sys/devices/pci0000:00/0000:{5 + gpu:02x}:00.0"
        files[f"{nodes}/{node}/gpu_id"] = f"{28851 + gpu}\n"
        files[f"{nodes}/{node}/properties"] = _GPU_NODE.format(minor=minor, unique=0xABCDEF0000 + gpu)
        files[f"{nodes}/{node}/mem_banks/0/properties"] = (
            "heap_type 1\nsize_in_bytes 206141652992\nflags 0\nwidth 8192\nmem_clk_max 1300\n"
        )
        files[f"{pci}/device"] = "0x74a1\n"
        files[f"{pci}/revision"] = "0x00\n"
        if names:
            files[f"{pci}/product_name"] = "AMD Instinct MI300X OAM\n"
            files[f"{pci}/mem_info_vram_total"] = "206141652992\n"
        if gpu not in without_render:
            files[f"/dev/dri/renderD{minor}"] = ""
        links[f"/sys/class/drm/renderD{minor}/device"] = pci
    return grow(root, files, links)


def intel_card(
    root: Path,
    card: int,
    address: str,
    device: str,
    *,
    driver: str = "xe",
    vendor: str = "0x8086",
    tiles: tuple[int, ...] = (),
    lmem: int = 0,
    gts: int = 1,
    render: bool = True,
) -> Path:
    """One card in /sys/class/drm, as xe and i915 show it, with its connectors beside it."""
    pci, drm, minor = f"/sys/devices/pci0000:00/{address}", f"/sys/class/drm/card{card}", 128 + card
    files = {
        f"{pci}/vendor": f"{vendor}\n",
        f"{pci}/device": f"{device}\n",
        f"{pci}/drm/renderD{minor}/dev": f"226:{minor}\n",
        f"{drm}-DP-1/status": "disconnected\n",
        f"{drm}/dev": f"226:{card}\n",
    }
    for number, size in enumerate(tiles):
        files[f"{pci}/tile{number}/physical_vram_size_bytes"] = f"{size}\n"
    if driver == "i915":
        for gt in range(gts):
            files[f"{drm}/gt/gt{gt}/rps_max_freq_mhz"] = "2400\n"
        if lmem:
            files[f"{drm}/lmem_total_bytes"] = f"{lmem}\n"
    if render:
        files[f"/dev/dri/renderD{minor}"] = ""
    return grow(
        root,
        files,
        {f"{drm}/device": pci, f"{pci}/driver": f"/sys/bus/pci/drivers/{driver}"} if driver else {},
    )


def older_gaudi(root: Path, number: int, module: int) -> Path:
    """One accelerator as Linux before 6.2 has it: in a class of its own, the control device beside it."""
    pci = f"/sys/devices/pci0000:00/0000:{0x33 + number:02x}:00.0"
    return grow(
        root,
        {
            f"{pci}/device_type": "GAUDI\n",
            f"{pci}/module_id": f"{module}\n",
            f"{pci}/status": "Operational\n",
            f"/sys/class/habanalabs/hl_controlD{number}/dev": f"240:{number + 64}\n",
            f"/sys/class/habanalabs/hl{number}/dev": f"240:{number}\n",
            f"/dev/hl{number}": "",
        },
        {
            f"/sys/class/habanalabs/hl{number}/device": pci,
            f"{pci}/driver": "/sys/bus/pci/drivers/habanalabs",
        },
    )


def gaudi(root: Path, number: int, module: int, *, status: str = "Operational", node: bool = True) -> Path:
    """One accelerator in /sys/class/accel, with the control device beside it."""
    pci = f"/sys/devices/pci0000:00/0000:{0x33 + number:02x}:00.0"
    files = {
        f"{pci}/device_type": "GAUDI2\n",
        f"{pci}/module_id": f"{module}\n",
        f"{pci}/status": f"{status}\n",
        f"/sys/class/accel/accel_controlD{number}/dev": f"261:{number + 64}\n",
        f"/sys/class/accel/accel{number}/dev": f"261:{number}\n",
    }
    if node:
        files[f"/dev/accel/accel{number}"] = ""
    return grow(
        root,
        files,
        {
            f"/sys/class/accel/accel{number}/device": pci,
            f"{pci}/driver": "/sys/bus/pci/drivers/habanalabs",
        },
    )
