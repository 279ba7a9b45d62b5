"""NVIDIA GPUs: by the management library that comes with the driver, else by /proc."""

from __future__ import annotations

from sovlab.backends.machine import Machine, left_visible, text
from sovlab.backends.provider import Provider
from sovlab.core.backend import Backend, Detection, Device

BACKEND = Backend(
    name="cuda",
    title="NVIDIA CUDA",
    device="cuda",
    distributed="nccl",
    visible_devices="CUDA_VISIBLE_DEVICES",
    resource="nvidia.com/gpu",
    tolerations=({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},),
    node_labels=("nvidia.com/gpu.product", "nvidia.com/gpu.memory"),
    # By default CUDA numbers the fastest GPU first; the driver, and so sovlab, numbers by PCI address.
    env={"CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
)


def look(machine: Machine) -> Detection:
    """GPUs by NVML; without it by ``/proc/driver/nvidia/gpus``, which tells no memory."""
    from sovlab.sensors import nvml

    devices: list[Device] = []
    remarks: list[str] = []
    ids: dict[int, str] = {}
    refused = ""
    try:
        gpus = nvml.gpus(machine.nvml) if machine.nvml else []
        source = "the NVIDIA management library"
    except nvml.NvmlError as error:
        gpus, refused = [], str(error)
    if not machine.nvml or refused:
        source = "/proc/driver/nvidia/gpus"
        devices, ids = _by_proc(machine)
    for gpu in gpus:
        ids[gpu.index] = gpu.uuid
        if gpu.mig == 0:
            remarks.append(f"GPU {gpu.index} is in MIG mode and has no instance")
            continue
        if gpu.mig:
            remarks.append(f"GPU {gpu.index} is in MIG mode: a job gets the first of {gpu.mig} instances")
        devices.append(Device(index=gpu.index, model=gpu.name, memory=gpu.memory))
    visible, hidden = left_visible(devices, BACKEND.visible_devices, machine, ids)
    if devices:
        remarks = [f"Seen by {source}", *remarks, *([hidden] if hidden else [])]
    elif not remarks:
        driver = machine.at("/proc/driver/nvidia").is_dir()
        remarks = [f"The NVIDIA driver shows no GPU ({refused})" if driver else "No NVIDIA driver is loaded"]
    return Detection(backend=BACKEND.name, devices=visible, why="; ".join(remarks) + ".")


def _by_proc(machine: Machine) -> tuple[list[Device], dict[int, str]]:
    devices, ids = [], {}
    for index, folder in enumerate(machine.listing("/proc/driver/nvidia/gpus", r"[0-9a-fA-F:.]+")):
        pairs = (line.partition(":") for line in text(folder / "information").splitlines())
        information = {key.strip(): value.strip() for key, _, value in pairs}
        devices.append(Device(index=index, model=information.get("Model", "")))
        ids[index] = information.get("GPU UUID", "")
    return devices, ids


PROVIDER = Provider(BACKEND, look)
