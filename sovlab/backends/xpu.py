"""Intel's discrete GPUs: by the kernel's xe and i915 drivers in sysfs."""

from __future__ import annotations

import os
from pathlib import Path

from sovlab.backends.machine import Machine, driver, left_visible, number, text
from sovlab.backends.provider import Provider
from sovlab.core.backend import Backend, Detection, Device

BACKEND = Backend(
    name="xpu",
    title="Intel XPU",
    device="xpu",
    distributed="xccl",
    visible_devices="ZE_AFFINITY_MASK",
    resource="gpu.intel.com/xe",
    other_resources=("gpu.intel.com/i915",),
    tolerations=({"key": "gpu.intel.com/xe", "operator": "Exists", "effect": "NoSchedule"},),
    node_labels=("gpu.intel.com/product", "gpu.intel.com/family"),
    # Number devices by PCI address and each tile as a device of its own, as `look` does.
    env={"ZE_ENABLE_PCI_ID_DEVICE_ORDER": "1", "ZE_FLAT_DEVICE_HIERARCHY": "FLAT"},
)

_INTEL = 0x8086
_INTEGRATED = ":00:02.0"
"""Where every Intel processor has its own GPU on the PCI bus."""


def look(machine: Machine) -> Detection:
    """Discrete GPUs, one device a tile. An integrated one only counts in the numbering, as in Level Zero."""
    cards: dict[str, Path] = {}
    others = set()
    for card in machine.listing("/sys/class/drm", r"card\d+"):
        device = card / "device"
        if number(device / "vendor") != _INTEL:
            continue
        name = driver(device)
        if name in ("xe", "i915"):
            cards[device.resolve().name] = card
        else:
            others.add(name or "none")
    devices: list[Device] = []
    closed = integrated = index = 0
    for address, card in sorted(cards.items()):
        if address.endswith(_INTEGRATED):
            integrated, index = integrated + 1, index + 1
            continue
        readable = _openable(machine, card)
        for memory in _tiles(card):
            if readable:
                devices.append(Device(index=index, model=_model(machine, card), memory=memory))
            closed += not readable
            index += 1
    if not devices:
        return Detection(backend=BACKEND.name, devices=(), why=_why(integrated, closed, others))
    visible, hidden = left_visible(devices, BACKEND.visible_devices, machine)
    remarks = ["Seen in /sys/class/drm", *([hidden] if hidden else [])]
    return Detection(backend=BACKEND.name, devices=visible, why="; ".join(remarks) + ".")


def _why(integrated: int, closed: int, others: set[str]) -> str:
    if closed:
        return "An Intel GPU was found, but this user may not open /dev/dri/renderD*; join the group render."
    if integrated:
        return "Only the processor's integrated Intel GPU was found."
    if others:
        return f"An Intel GPU was found with the driver {', '.join(sorted(others))}; it needs xe or i915."
    return "No Intel GPU was found in /sys/class/drm."


def _openable(machine: Machine, card: Path) -> bool:
    nodes = (card / "device" / "drm").glob("renderD*")
    return any(os.access(machine.at("/dev/dri") / node.name, os.R_OK | os.W_OK) for node in nodes)


def _tiles(card: Path) -> list[int | None]:
    # xe: device/tile<n>, with each tile's memory, some kilobytes more than what jobs can use.
    tiles = sorted((card / "device").glob("tile[0-9]*"))
    if tiles:
        return [number(tile / "physical_vram_size_bytes") for tile in tiles]
    # i915: gt/gt<n>; only Intel's own build of the driver tells the card's memory.
    count = max(len(list(card.glob("gt/gt[0-9]*"))), 1)
    total = number(card / "lmem_total_bytes") or number(card / "device" / "lmem_total_bytes")
    return [total // count if total else None] * count


def _model(machine: Machine, card: Path) -> str:
    device = number(card / "device" / "device")
    if device is None:
        return "Intel GPU"
    return _pci_name(machine, device) or f"Intel GPU {device:04x}"


def _pci_name(machine: Machine, device: int) -> str:
    """The device's name in the PCI database, where the system has one."""
    for path in ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"):
        _, separator, intel = text(machine.at(path)).partition(f"\n{_INTEL:04x}  ")
        if separator:
            for line in intel.splitlines()[1:]:
                if line and not line.startswith(("\t", "#")):
                    break  # the next vendor
                if line.startswith(f"\t{device:04x}  "):
                    return line.split(None, 1)[1]
    return ""


PROVIDER = Provider(BACKEND, look)
