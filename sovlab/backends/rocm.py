"""AMD GPUs: by the topology that the kernel's compute driver (amdkfd) shows in sysfs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from sovlab.backends.machine import Machine, left_visible, number, text
from sovlab.backends.provider import Provider
from sovlab.core.backend import Backend, Detection, Device

BACKEND = Backend(
    name="rocm",
    title="AMD ROCm",
    device="cuda",  # torch for ROCm keeps CUDA's names, also for RCCL
    distributed="nccl",
    visible_devices="HIP_VISIBLE_DEVICES",
    resource="amd.com/gpu",
    tolerations=({"key": "amd.com/gpu", "operator": "Exists", "effect": "NoSchedule"},),
    node_labels=("amd.com/gpu.product-name", "amd.com/gpu.vram"),
)

_NODES = "/sys/class/kfd/kfd/topology/nodes"
_NAMES = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids")
_FRAMEBUFFERS = ("1", "2")
"""Heap types of a memory bank on board: visible and invisible to the processor."""


def look(machine: Machine) -> Detection:
    """GPUs among the topology's nodes whose render device exists here, in the order HIP numbers them."""
    if not machine.at("/dev/kfd").exists():
        return _none("No AMD compute driver is loaded: there is no /dev/kfd.")
    devices: list[Device] = []
    ids: dict[int, str] = {}
    for node in machine.listing(_NODES, r"\d+"):
        properties = _properties(node / "properties")
        # A processor's node has no compute units; a GPU kept from this container cannot be read.
        if properties.get("simd_count", "0") == "0":
            continue
        render = f"renderD{properties.get('drm_render_minor', '')}"
        if not machine.at(f"/dev/dri/{render}").exists():
            continue
        index = len(devices)
        ids[index] = f"GPU-{int(properties.get('unique_id', '0')):x}"
        devices.append(
            Device(
                index=index, model=_model(machine, render, properties), memory=_memory(machine, node, render)
            )
        )
    if not devices:
        return _none("The AMD compute driver is loaded and shows no GPU to this process.")
    if not os.access(machine.at("/dev/kfd"), os.R_OK | os.W_OK):
        return _none(
            f"{len(devices)} AMD GPUs were found, but this user may not open /dev/kfd; join the group render."
        )
    # ROCR hides devices from HIP, which then numbers what is left anew.
    rocr, first = left_visible(devices, "ROCR_VISIBLE_DEVICES", machine, ids)
    renumbered = [replace(device, index=index) for index, device in enumerate(rocr)]
    visible, second = left_visible(renumbered, BACKEND.visible_devices, machine)
    remarks = [f"Seen in {_NODES}", *(note for note in (first, second) if note)]
    return Detection(backend=BACKEND.name, devices=visible, why="; ".join(remarks) + ".")


def _none(why: str) -> Detection:
    return Detection(backend=BACKEND.name, devices=(), why=why)


def _properties(path: Path) -> dict[str, str]:
    lines = (line.split(None, 1) for line in text(path).splitlines())
    return {pair[0]: pair[1].strip() for pair in lines if len(pair) == 2}


def _model(machine: Machine, render: str, properties: dict[str, str]) -> str:
    card = machine.at(f"/sys/class/drm/{render}/device")
    name = text(card / "product_name")
    if name:
        return name
    device, revision = number(card / "device"), number(card / "revision")
    if device is not None and revision is not None:
        for file in _NAMES:
            for line in text(machine.at(file)).splitlines():
                fields = [field.strip() for field in line.split(",", 2)]
                if len(fields) == 3 and fields[:2] == [f"{device:X}", f"{revision:02X}"]:
                    return fields[2]
    version = int(properties.get("gfx_target_version", "0"))
    # 90402 is gfx942: major in hundreds of hundreds, minor and stepping one hexadecimal digit each.
    return f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}" if version else ""


def _memory(machine: Machine, node: Path, render: str) -> int | None:
    total = number(machine.at(f"/sys/class/drm/{render}/device/mem_info_vram_total"))
    if total:
        return total
    banks = [_properties(bank) for bank in sorted(node.glob("mem_banks/*/properties"))]
    sizes = [int(b.get("size_in_bytes", "0")) for b in banks if b.get("heap_type") in _FRAMEBUFFERS]
    return sum(sizes) or None


PROVIDER = Provider(BACKEND, look)
