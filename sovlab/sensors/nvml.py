"""NVIDIA's management library by ctypes: the few calls that tell which GPUs there are.

Names, structures and return codes are those of NVIDIA's NVML API Reference Guide; the ``_v2`` entry
points are in every driver since 2013. Nothing here needs a privilege.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import List, Optional

_NAME = 96
"""NVML_DEVICE_NAME_V2_BUFFER_SIZE and NVML_DEVICE_UUID_V2_BUFFER_SIZE."""


class NvmlError(Exception):
    """NVML is not there, or refuses; the message says how, in its words."""


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


@dataclass(frozen=True)
class Gpu:
    """One GPU as NVML numbers it: by PCI address.

    Attributes:
        memory: bytes on board, or of its first instance in MIG mode; None if it has none of its own.
        mig: its MIG instances; None if MIG is off.
    """

    index: int
    name: str
    uuid: str
    memory: Optional[int]
    mig: Optional[int]


def gpus(library: str) -> List[Gpu]:
    """All GPUs that the driver shows this process, hidden by ``CUDA_VISIBLE_DEVICES`` or not.

    Raises:
        NvmlError: there is no such library, or its driver does not answer.
    """
    with _session(library) as nvml:
        count = ctypes.c_uint()
        _check(nvml, nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)))
        return [_gpu(nvml, index) for index in range(count.value)]


@contextmanager
def _session(library: str) -> Iterator[ctypes.CDLL]:
    try:
        nvml = ctypes.CDLL(library)
        nvml.nvmlErrorString.restype = ctypes.c_char_p
        _check(nvml, nvml.nvmlInit_v2())
    except (OSError, AttributeError) as error:
        raise NvmlError(str(error)) from error
    try:
        yield nvml
    finally:
        nvml.nvmlShutdown()


def _gpu(nvml: ctypes.CDLL, index: int) -> Gpu:
    handle = ctypes.c_void_p()
    _check(nvml, nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)))
    name, uuid = (ctypes.create_string_buffer(_NAME) for _ in range(2))
    nvml.nvmlDeviceGetName(handle, name, _NAME)
    nvml.nvmlDeviceGetUUID(handle, uuid, _NAME)
    instances = _instances(nvml, handle)
    memory = _memory(nvml, instances[0] if instances else handle)
    return Gpu(
        index,
        name.value.decode(errors="replace"),
        uuid.value.decode(errors="replace"),
        memory,
        None if instances is None else len(instances),
    )


def _instances(nvml: ctypes.CDLL, handle: ctypes.c_void_p) -> Optional[List[ctypes.c_void_p]]:
    current, pending, most = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_uint()
    if not hasattr(nvml, "nvmlDeviceGetMigMode"):
        return None  # a driver older than MIG
    if nvml.nvmlDeviceGetMigMode(handle, ctypes.byref(current), ctypes.byref(pending)) or not current.value:
        return None
    nvml.nvmlDeviceGetMaxMigDeviceCount(handle, ctypes.byref(most))
    found = []
    for number in range(most.value):
        instance = ctypes.c_void_p()
        if not nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number, ctypes.byref(instance)):
            found.append(instance)
    return found


def _memory(nvml: ctypes.CDLL, handle: ctypes.c_void_p) -> Optional[int]:
    memory = _Memory()
    # Not supported where the GPU shares the processor's memory.
    if nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
        return None
    return int(memory.total) or None


def _check(nvml: ctypes.CDLL, code: int) -> None:
    if code:
        raise NvmlError(nvml.nvmlErrorString(code).decode(errors="replace"))
