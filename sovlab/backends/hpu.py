"""Intel Gaudi accelerators: by the kernel's habanalabs driver in sysfs."""

from __future__ import annotations

import os

from sovlab.backends.machine import Machine, driver, left_visible, number, text
from sovlab.backends.provider import Provider
from sovlab.core.backend import Backend, Detection, Device

BACKEND = Backend(
    name="hpu",
    title="Intel Gaudi",
    device="hpu",
    distributed="hccl",
    visible_devices="HABANA_VISIBLE_MODULES",
    resource="habana.ai/gaudi",
    tolerations=({"key": "habana.ai/gaudi", "operator": "Exists", "effect": "NoSchedule"},),
    # Its driver needs huge pages for each card (Habana's operator samples).
    beside={"hugepages-2Mi": 21000 << 20},
)

_CLASSES = (("/sys/class/accel", "/dev/accel", r"accel\d+"), ("/sys/class/habanalabs", "/dev", r"hl\d+"))
"""sysfs class, device folder and names: since Linux 6.2, and before."""


def look(machine: Machine) -> Detection:
    """Accelerators by module id, by which jobs get them; sysfs does not tell their memory."""
    devices: list[Device] = []
    out_of_order: list[str] = []
    closed = 0
    for folder, nodes, names in _CLASSES:
        for entry in machine.listing(folder, names):
            device = entry / "device"
            if driver(device) != "habanalabs":
                continue  # another vendor's accelerator, or a processor's NPU
            status = text(device / "status")
            if status.lower() not in ("operational", ""):
                out_of_order.append(f"{entry.name} is {status}")
                continue
            if not os.access(machine.at(nodes) / entry.name, os.R_OK | os.W_OK):
                closed += 1
                continue
            module = number(device / "module_id")
            index = len(devices) if module is None else module
            devices.append(Device(index=index, model=_model(text(device / "device_type"))))
        if devices or out_of_order or closed:
            break
    if not devices:
        if out_of_order:
            why = f"Gaudi devices were found, but none is operational: {', '.join(out_of_order)}."
        elif closed:
            why = f"{closed} Gaudi devices were found, but this user may not open them in {nodes}."
        else:
            why = "No Gaudi device was found: the habanalabs driver shows no device in /sys/class/accel."
        return Detection(backend=BACKEND.name, devices=(), why=why)
    ordered = sorted(devices, key=lambda device: device.index)
    visible, hidden = left_visible(ordered, BACKEND.visible_devices, machine)
    remarks = [f"Seen in {folder}", *out_of_order, *([hidden] if hidden else [])]
    return Detection(backend=BACKEND.name, devices=visible, why="; ".join(remarks) + ".")


def _model(device_type: str) -> str:
    # The driver writes GAUDI2, or "GAUDI3 HL-325L"; people write Gaudi 2.
    family, _, rest = device_type.partition(" ")
    digits = family.removeprefix("GAUDI")
    if digits == family:
        return device_type or "Gaudi"
    return " ".join(part for part in ("Gaudi", digits, rest) if part)


PROVIDER = Provider(BACKEND, look)
