"""NVML's calls that measure, by ctypes.

Names, structures and fields are those of the NVML API Reference Guide and of its header ``nvml.h``.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Type

from sovlab.sensors import nvml
from sovlab.sensors.nvml_answers import (
    FUNCTION_NOT_FOUND,
    IMPLAUSIBLE,
    NO_DATA,
    UNKNOWN,
    Answer,
    clause,
)

GPU, MODULE = 0, 1
"""Scopes of the power fields: the GPU, or on a Grace-Hopper the GPU with the processor and their memory."""

_LIMIT_FIELDS = (190, 187, 188, 189)
"""NVML_FI_DEV_POWER_{CURRENT,MIN,MAX,DEFAULT}_LIMIT."""


class PowerLimits(NamedTuple):
    """W: what is enforced now, by whichever limiter; between what it can be set; what it is by default."""

    power: Optional[float]
    lowest: Optional[float]
    highest: Optional[float]
    default: Optional[float]


class Nvml:
    """The library, opened and initialised, for one or more users of it.

    Args:
        library: as the dynamic linker finds it.

    Raises:
        NvmlError: there is no such library, or its driver does not answer.
    """

    def __init__(self, library: str) -> None:
        self._library = nvml.opened(library)
        self._users = 1

    def join(self) -> None:
        """One user more; each must `leave`."""
        self._users += 1

    def leave(self) -> None:
        """One user less; the last one shuts NVML down."""
        self._users -= 1
        if self._users == 0:
            self._library.nvmlShutdown()

    def boards(self) -> Tuple[List[nvml.Board], List[int]]:
        """The GPUs by PCI address, each once; and the codes with which others were refused.

        Raises:
            NvmlError: the driver does not even tell how many there are.
        """
        count = ctypes.c_uint()
        code = self._call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        if code:
            raise nvml.NvmlError(clause(code))
        found: Dict[str, nvml.Board] = {}
        refused = []
        for index in range(count.value):
            handle, uuid = ctypes.c_void_p(), ctypes.create_string_buffer(nvml.LONGEST)
            code = self._call("nvmlDeviceGetHandleByIndex_v2", index, ctypes.byref(handle))
            code = code or self._call("nvmlDeviceGetUUID", handle, uuid, nvml.LONGEST)
            if code:
                refused.append(code)
            else:
                board = nvml.board(self._library, index, handle)
                found.setdefault(board.uuid, board)
        return list(found.values()), refused

    def parent(self, instance: str) -> str:
        """See `sovlab.sensors.nvml.parent`."""
        return nvml.parent(self._library, instance)

    def number(self, name: str, handle: ctypes.c_void_p, *before: int, wide: bool = False) -> Answer:
        """What a call writes into its last argument: an unsigned int, or a ``wide`` unsigned long long."""
        number = ctypes.c_ulonglong() if wide else ctypes.c_uint()
        return _answer(self._call(name, handle, *before, ctypes.byref(number)), number)

    def field(self, handle: ctypes.c_void_p, field: int, scope: int = GPU) -> Answer:
        """One field value, see `fields`."""
        return self.fields(handle, (field, scope))[0]

    def fields(self, handle: ctypes.c_void_p, *wanted: Tuple[int, int]) -> List[Answer]:
        """Field values by (id, scope). The call succeeds if any of them is good: each has its own code."""
        answers = self._fields(handle, wanted)
        return self._fields(handle, wanted) if any(a.code == UNKNOWN for a in answers) else answers

    def total(self, handle: ctypes.c_void_p, *fields: int) -> Answer:
        """The sum of some field values; none if one of them is not given."""
        answers = self.fields(handle, *((field, GPU) for field in fields))
        refused = [answer for answer in answers if answer.value is None]
        return refused[0] if refused else Answer(sum(answer.value or 0 for answer in answers))

    def power_limits(self, handle: ctypes.c_void_p, scope: int) -> PowerLimits:
        """The limits of a GPU's power, or of a module's."""
        found = self.fields(handle, *((field, scope) for field in _LIMIT_FIELDS))
        if scope == GPU:  # the older calls, which know no other
            low, high = ctypes.c_uint(), ctypes.c_uint()
            call = "nvmlDeviceGetPowerManagementLimitConstraints"
            code = self._call(call, handle, ctypes.byref(low), ctypes.byref(high))
            older = (
                self.number("nvmlDeviceGetEnforcedPowerLimit", handle),
                _answer(code, low),
                _answer(code, high),
                self.number("nvmlDeviceGetPowerManagementDefaultLimit", handle),
            )
            found = [call if call.value else field for call, field in zip(older, found)]
        return PowerLimits(*(answer.value / 1000 if answer.value else None for answer in found))

    def cap(self, handle: ctypes.c_void_p, watts: float) -> int:
        """Set a GPU's power management limit, which only root may: the code, 0 if it is set."""
        return self._once("nvmlDeviceSetPowerManagementLimit", handle, ctypes.c_uint(round(watts * 1000)))

    def temperature(self, handle: ctypes.c_void_p) -> Answer:
        """°C of the GPU, by the call that is in drivers since CUDA 12.8."""
        asked = _Temperature(_version(_Temperature), 0, 0)
        code = self._call("nvmlDeviceGetTemperatureV", handle, ctypes.byref(asked))
        return _answer(code, ctypes.c_int(asked.temperature))

    def margin(self, handle: ctypes.c_void_p) -> Answer:
        """°C to the nearest threshold at which the GPU slows itself; signed. In drivers since CUDA 12.8."""
        asked = _Margin(_version(_Margin), 0)
        code = self._call("nvmlDeviceGetMarginTemperature", handle, ctypes.byref(asked))
        return _answer(code, ctypes.c_int(asked.margin))

    def utilization(self, handle: ctypes.c_void_p) -> Answer:
        """Percent of the last 1/6 s to 1 s in which a kernel ran."""
        asked = _Utilization()
        code = self._call("nvmlDeviceGetUtilizationRates", handle, ctypes.byref(asked))
        return _answer(code, ctypes.c_uint(asked.gpu))

    def violation(self, handle: ctypes.c_void_p, policy: int) -> Answer:
        """Time, in ns, in which policy 0 (power) or 1 (thermal) kept clocks down. CUDA 14 drops the call."""
        asked = _Violation()
        code = self._call("nvmlDeviceGetViolationStatus", handle, policy, ctypes.byref(asked))
        return _answer(code, ctypes.c_ulonglong(asked.time))

    def capability(self, handle: ctypes.c_void_p) -> Optional[Tuple[int, int]]:
        """CUDA's compute capability of a GPU, e.g. (9, 0) of an H100."""
        major, minor = ctypes.c_int(), ctypes.c_int()
        call = "nvmlDeviceGetCudaComputeCapability"
        refused = self._call(call, handle, ctypes.byref(major), ctypes.byref(minor))
        return None if refused else (major.value, minor.value)

    def _call(self, name: str, *arguments: object) -> int:
        # An unknown error is often gone at once.
        code = self._once(name, *arguments)
        return self._once(name, *arguments) if code == UNKNOWN else code

    def _once(self, name: str, *arguments: object) -> int:
        function = getattr(self._library, name, None)
        return FUNCTION_NOT_FOUND if function is None else int(function(*arguments))

    def _fields(self, handle: ctypes.c_void_p, wanted: Tuple[Tuple[int, int], ...]) -> List[Answer]:
        # Zeroed anew at each call: drivers were seen to add to what stands in the union.
        values = (_Field * len(wanted))()
        for value, (field, scope) in zip(values, wanted):
            value.field, value.scope = field, scope
        code = self._once("nvmlDeviceGetFieldValues", handle, len(wanted), values)
        return [_of_field(value, code) for value in values]


_KINDS: Tuple[Type[ctypes._SimpleCData[Any]], ...] = (
    ctypes.c_double,
    ctypes.c_uint,
    ctypes.c_ulong,
    ctypes.c_ulonglong,
    ctypes.c_longlong,
    ctypes.c_int,
    ctypes.c_ushort,
)
"""What a field's union holds, by its ``valueType``."""


class _Value(ctypes.Union):
    _fields_ = tuple((f"of_kind_{number}", kind) for number, kind in enumerate(_KINDS))


class _Field(ctypes.Structure):
    _fields_ = (
        ("field", ctypes.c_uint),
        ("scope", ctypes.c_uint),
        ("timestamp", ctypes.c_longlong),
        ("latency", ctypes.c_longlong),
        ("kind", ctypes.c_uint),
        ("code", ctypes.c_int),
        ("value", _Value),
    )


class _Temperature(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint), ("sensor", ctypes.c_uint), ("temperature", ctypes.c_int))


class _Margin(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint), ("margin", ctypes.c_int))


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Violation(ctypes.Structure):
    _fields_ = (("reference", ctypes.c_ulonglong), ("time", ctypes.c_ulonglong))


def _version(structure: Type[ctypes.Structure]) -> int:
    return ctypes.sizeof(structure) | 1 << 24


def _of_field(field: _Field, code: int) -> Answer:
    if field.code or code:
        return Answer(None, field.code or code)
    if field.kind >= len(_KINDS):
        return Answer(None, IMPLAUSIBLE)
    return _answer(0, _KINDS[field.kind](getattr(field.value, f"of_kind_{field.kind}")))


def _answer(code: int, number: ctypes._SimpleCData[Any]) -> Answer:
    if code:
        return Answer(None, code)
    # NVML_VALUE_NOT_AVAILABLE is -1 in the number's own type; in a wider one it may be what it is in 32 bits.
    if not math.isfinite(number.value) or number.value in (type(number)(-1).value, 0xFFFFFFFF):
        return Answer(None, NO_DATA)
    return Answer(number.value)
