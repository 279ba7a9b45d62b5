"""What a variable leaves visible of a machine's devices; and the machine itself, which sensors read too."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sovlab.core.backend import Device
from sovlab.sensors.machine import Machine, driver, number, text

__all__ = ["Machine", "driver", "left_visible", "number", "text"]


def left_visible(
    devices: Sequence[Device], variable: str, machine: Machine, ids: Mapping[int, str] | None = None
) -> tuple[tuple[Device, ...], str]:
    """The devices that ``variable`` leaves to this process, and a remark if it hides some.

    As the vendors' runtimes do, this reads a comma-separated list of indices, or of ids that may be
    shortened, and stops at the first entry that fits no device.

    Args:
        devices: all of the machine's.
        variable: e.g. ``CUDA_VISIBLE_DEVICES``; when it is not set, nothing is hidden.
        machine: the machine whose environment may set it.
        ids: unique id of each device, by index.
    """
    value = machine.environ.get(variable)
    if value is None:
        return tuple(devices), ""
    by_index = {device.index: device for device in devices}
    visible: dict[int, Device] = {}
    for entry in value.split(","):
        entry = entry.strip()
        if re.fullmatch(r"\d+", entry):
            index: int | None = int(entry)
        else:
            index = next((i for i, name in (ids or {}).items() if entry and name.startswith(entry)), None)
        if index is None or index not in by_index:
            break
        visible[index] = by_index[index]
    if len(visible) == len(devices):
        return tuple(devices), ""
    remark = f"{variable}={value} leaves {len(visible)} of {len(devices)}"
    return tuple(visible[index] for index in sorted(visible)), remark
