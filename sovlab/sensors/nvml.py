"""NVIDIA's management library by ctypes: which GPUs there are, and which of them a process may use.

Names, structures and return codes are those of NVIDIA's NVML API Reference Guide; the ``_v2`` entry
points are in every driver since 2013. Nothing here needs a privilege. The calls that measure are in
`sovlab.sensors.nvml_calls`.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Callable, List, Optional, Sequence, Tuple

LONGEST = 96
"""Bytes of a name or a UUID: NVML_DEVICE_NAME_V2_BUFFER_SIZE and NVML_DEVICE_UUID_V2_BUFFER_SIZE."""

_NO_PERMISSION = 4


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


@dataclass(frozen=True)
class Board:
    """A GPU that this process can ask for measurements.

    Attributes:
        index: its number by PCI address.
        mig: whether it is divided into instances, so that a job has only a part of it.
        instances: UUIDs of the instances that the driver shows.
        vacant: whether it is divided and has no instance: no job can use it.
    """

    index: int
    handle: ctypes.c_void_p
    uuid: str
    name: str
    mig: bool = False
    instances: Tuple[str, ...] = ()
    vacant: bool = False


def gpus(library: str) -> List[Gpu]:
    """All GPUs that the driver shows this process, hidden by ``CUDA_VISIBLE_DEVICES`` or not.

    Raises:
        NvmlError: there is no such library, or its driver does not answer.
    """
    with _session(library) as nvml:
        count = ctypes.c_uint()
        _check(nvml, nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)))
        return [_gpu(nvml, index) for index in range(count.value)]


def opened(library: str) -> ctypes.CDLL:
    """NVML, initialised: whoever opens it calls ``nvmlShutdown`` once.

    Raises:
        NvmlError: there is no such library (its cause is then an OSError), or its driver does not answer.
    """
    try:
        nvml = ctypes.CDLL(library)
        nvml.nvmlErrorString.restype = ctypes.c_char_p
        _check(nvml, nvml.nvmlInit_v2())
    except (OSError, AttributeError) as error:
        raise NvmlError(str(error)) from error
    return nvml


def instances(nvml: ctypes.CDLL, handle: ctypes.c_void_p) -> Optional[List[ctypes.c_void_p]]:
    """Handles of a GPU's MIG instances; None if MIG is off, or the driver does not tell."""
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


def word(nvml: ctypes.CDLL, call: str, handle: ctypes.c_void_p) -> str:
    """What ``nvmlDeviceGetName`` or ``nvmlDeviceGetUUID`` says of a GPU or instance; empty if refused."""
    buffer = ctypes.create_string_buffer(LONGEST)
    refused = getattr(nvml, call)(handle, buffer, LONGEST)
    return "" if refused else buffer.value.decode(errors="replace")


def board(nvml: ctypes.CDLL, index: int, handle: ctypes.c_void_p) -> Board:
    """The GPU of a handle."""
    current, pending = ctypes.c_uint(), ctypes.c_uint()
    code = 0
    if hasattr(nvml, "nvmlDeviceGetMigMode"):
        code = nvml.nvmlDeviceGetMigMode(handle, ctypes.byref(current), ctypes.byref(pending))
    mode = bool(current.value) and not code
    parts = [word(nvml, "nvmlDeviceGetUUID", part) for part in instances(nvml, handle) or []]
    uuid, name = (word(nvml, call, handle) for call in ("nvmlDeviceGetUUID", "nvmlDeviceGetName"))
    # Where a process may use one instance only, it can be refused what concerns the whole board.
    mig = mode or code == _NO_PERMISSION
    return Board(index, handle, uuid, name, mig, tuple(filter(None, parts)), mode and not parts)


def parent(nvml: ctypes.CDLL, instance: str) -> str:
    """UUID of the GPU that the MIG instance of this UUID is a part of; empty if the driver does not tell."""
    part, whole = ctypes.c_void_p(), ctypes.c_void_p()
    if not hasattr(nvml, "nvmlDeviceGetDeviceHandleFromMigDeviceHandle"):
        return ""
    if nvml.nvmlDeviceGetHandleByUUID(instance.encode(), ctypes.byref(part)):
        return ""
    if nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part, ctypes.byref(whole)):
        return ""
    return word(nvml, "nvmlDeviceGetUUID", whole)


def visible(boards: Sequence[Board], value: Optional[str], parent_of: Callable[[str], str]) -> List[Board]:
    """The boards that ``CUDA_VISIBLE_DEVICES`` leaves to a process, by their indices.

    As CUDA does, this reads a comma-separated list of indices, or of UUIDs that may be shortened, of GPUs or
    MIG instances, and stops at the first entry that fits none. Indices are those by PCI address, as sovlab
    has CUDA number them.

    Args:
        boards: all that there are.
        value: of the variable; None if it is not set, and nothing hidden.
        parent_of: tells the UUID of the board of a MIG instance that no board shows.
    """
    if value is None:
        return [each for each in boards if not each.vacant]
    left = {}
    for entry in map(str.strip, value.split(",")):
        found = _named(boards, entry, parent_of)
        if found is None:
            break
        left[found.index] = found
    return [left[index] for index in sorted(left)]


@contextmanager
def _session(library: str) -> Iterator[ctypes.CDLL]:
    nvml = opened(library)
    try:
        yield nvml
    finally:
        nvml.nvmlShutdown()


def _gpu(nvml: ctypes.CDLL, index: int) -> Gpu:
    handle = ctypes.c_void_p()
    _check(nvml, nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)))
    name, uuid = (word(nvml, call, handle) for call in ("nvmlDeviceGetName", "nvmlDeviceGetUUID"))
    parts = instances(nvml, handle)
    memory = _memory(nvml, parts[0] if parts else handle)
    return Gpu(index, name, uuid, memory, None if parts is None else len(parts))


def _named(boards: Sequence[Board], entry: str, parent_of: Callable[[str], str]) -> Optional[Board]:
    if re.fullmatch(r"\d+", entry):
        return next((each for each in boards if each.index == int(entry) and not each.vacant), None)
    if entry:
        for each in boards:
            if any(uuid.startswith(entry) for uuid in (each.uuid, *each.instances)):
                return each
    if not entry.startswith("MIG-"):
        return None
    # Drivers before 470 name an instance "MIG-", its GPU's UUID, and two numbers: MIG-GPU-…/1/0.
    uuid = parent_of(entry) or entry[len("MIG-") :].partition("/")[0]
    return next((replace(each, mig=True) for each in boards if each.uuid == uuid), None)


def _memory(nvml: ctypes.CDLL, handle: ctypes.c_void_p) -> Optional[int]:
    memory = _Memory()
    # Not supported where the GPU shares the processor's memory.
    if nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
        return None
    return int(memory.total) or None


def _check(nvml: ctypes.CDLL, code: int) -> None:
    if code:
        raise NvmlError(nvml.nvmlErrorString(code).decode(errors="replace"))
