"""NVIDIA's GPUs by the management library (NVML) that comes with the driver; no privilege is needed.

Meanings and units are those of the NVML API Reference Guide and of its header ``nvml.h``. There is no power
or energy of a MIG instance: what is read is the whole board's, and the device's scope says so.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import FrozenSet, List, Mapping, Optional, Sequence

from sovlab.sensors.machine import Machine
from sovlab.sensors.nvml import Board, NvmlError, visible
from sovlab.sensors.nvml_answers import NO_PERMISSION, Method, Questions, Source, checked, reason
from sovlab.sensors.nvml_calls import GPU, MODULE, Nvml
from sovlab.sensors.sensor import (
    FACILITY,
    HEAT,
    POWER,
    Device,
    Limits,
    Probe,
    Sample,
    Sensor,
    Unavailable,
    celsius,
    places,
    watts,
)

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_COUNTER = "NVML energy counter"
_MEAN, _INSTANT = "NVML power, mean of 1 s", "NVML power, instantaneous"
_GA100 = (8, 0)
"""Compute capability of the chip of A100 and A30."""

_BITS = {HEAT: 0x20 | 0x40, FACILITY: 0x80, POWER: 0x4}
"""Clocks event reasons by cause. 0x8, any slowdown by hardware, shows at each change of clocks: not used."""

# Ids of field values; their names in nvml.h begin with NVML_FI_DEV_.
_PERF_POLICY_POWER, _PERF_POLICY_THERMAL, _MEMORY_TEMP, _TOTAL_ENERGY = 74, 75, 82, 83
_POWER_AVERAGE, _POWER_INSTANT, _ENERGY, _SLOWDOWN_TLIMIT = 185, 186, 191, 194
_SW_THERMAL, _HW_THERMAL, _POWER_BRAKE = 269, 270, 271


def open_probes(machine: Machine) -> Sequence[Probe]:
    """One probe for each GPU that ``CUDA_VISIBLE_DEVICES`` leaves to this process, by PCI address.

    NVML itself does not heed that variable. A MIG instance is read at the board that it is a part of.

    Raises:
        Unavailable: there is no library, no driver that answers, or no GPU that tells anything.
    """
    if not machine.nvml:
        raise Unavailable("NVIDIA's management library is not to be used.")
    try:
        nvml = Nvml(machine.nvml)
    except NvmlError as error:
        raise Unavailable(_unopened(machine, error)) from error
    probes: List[Probe] = []
    silence = ""
    try:
        for board in _boards(nvml, machine.environ.get(_VISIBLE)):
            try:
                probes.append(_Gpu(nvml, board))
            except Unavailable as silent:
                silence = silence or str(silent)
    finally:
        nvml.leave()
    if not probes:
        raise Unavailable(silence)
    return probes


class _Gpu(Probe):
    """A GPU; the board of a MIG instance; or the module of a Grace-Hopper, which its counter measures."""

    def __init__(self, nvml: Nvml, board: Board) -> None:
        super().__init__(
            Device(
                board.uuid,
                "gpu",
                board.name,
                board.index,
                "board" if board.mig else "device",
                backend="cuda",
            )
        )
        self._nvml, self._handle, self._scope = nvml, board.handle, GPU
        self._questions = Questions(board.name, self.missing)
        # It counts about each 0.1 s, but spans of up to half a second were seen without a step.
        self.resolution = 0.5
        self.energy_method = self._questions.choose(
            "energy",
            (
                (_COUNTER, self._number("nvmlDeviceGetTotalEnergyConsumption", per=1000, wide=True)),
                (_COUNTER, self._field(_TOTAL_ENERGY, per=1000)),
                (_COUNTER, self._field(_ENERGY, per=1000)),
            ),
        )
        self._choose_power("GH200" in board.name)
        self._choose_temperatures()
        if not any(quantity in self._questions for quantity in ("energy", "power", "temperature")):
            raise Unavailable(_silent(board, self.missing["power"]))
        self._choose_slowing()
        if board.mig:
            self.missing["busy"] = "not told of a GPU that is divided into MIG instances"
        else:
            busy = checked(lambda: nvml.utilization(board.handle), _share, per=100)
            self._questions.choose("busy", (("", busy),))
        nvml.join()
        self._open = True

    def read(self, thorough: bool = True) -> Sample:
        """What the GPU tells now; see `Probe.read`."""
        ask = self._questions.ask
        sample = Sample(power=ask("power"), energy=ask("energy"))
        if not thorough:
            return sample
        slowed = {}
        for cause in _BITS:
            seconds = ask(f"slowed by {cause}")
            if seconds is not None:
                slowed[cause] = (seconds, time.monotonic())
        return sample._replace(
            temperatures=places(gpu=ask("temperature"), memory=ask("memory temperature")),
            margin=ask("margin"),
            slowed=slowed,
            slowing=self._slowing(),
            busy=ask("busy"),
        )

    def limits(self) -> Limits:
        """What the GPU says of its bounds.

        ``slowdown`` is the lower of NVML's SLOWDOWN and GPU_MAX: from there on the GPU slows itself. GPUs
        that tell the margin to it (T.Limit) tell no such temperature: a threshold on that scale, e.g. -2,
        is none.
        """
        hot = [each for each in (self._threshold(1), self._threshold(3)) if each is not None]
        if not hot:
            margin = self._nvml.field(self._handle, _SLOWDOWN_TLIMIT).value is not None
            self.missing["slowdown"] = "this GPU tells the margin to it instead" if margin else "not told"
        power = self._nvml.power_limits(self._handle, self._scope)
        return Limits(*power, slowdown=min(hot, default=None), shutdown=self._threshold(0))

    def cap_now(self) -> Optional[float]:
        """The power management limit; see `Probe.cap_now`."""
        if self.device.scope == "board":
            self.missing["cap"] = "others use this GPU too"
            return None
        answer = self._nvml.number("nvmlDeviceGetPowerManagementLimit", self._handle)
        if answer.value is None:
            self.missing["cap"] = reason([answer.code])
        return answer.value / 1000 if answer.value else None

    def cap(self, watts: float) -> None:
        """See `Probe.cap`."""
        code = self._nvml.cap(self._handle, watts)
        if code == NO_PERMISSION:
            raise Unavailable("only the machine's administrators may set it")
        if code:
            raise Unavailable(reason([code]))

    def close(self) -> None:
        """Let go of NVML, which the last probe's closing shuts down."""
        if self._open:
            self._open = False
            self._nvml.leave()

    def _choose_power(self, grace_hopper: bool) -> None:
        if grace_hopper:
            # The energy counter is the whole module's, so the power must be too. On other boards it is not
            # to be read: each of the two GPUs of a Grace-Blackwell would give the power of both.
            self._scope = MODULE
            self.power_method = self._questions.choose("power", self._power_fields())
            if "energy" in self._questions or self.power_method:
                scope = "board" if self.device.scope == "board" else "module"
                self.device = replace(self.device, scope=scope, covers=("cpu", "memory"))
                return
            self._scope = GPU
        capability = self._nvml.capability(self._handle)
        method = "NVML power" if capability is None else _INSTANT if capability <= _GA100 else _MEAN
        usage = self._drawn(self._number("nvmlDeviceGetPowerUsage"))
        self.power_method = self._questions.choose("power", ((method, usage), *self._power_fields()))

    def _power_fields(self) -> Sequence[Method]:
        fields = ((_MEAN, _POWER_AVERAGE), (_INSTANT, _POWER_INSTANT))
        return [(method, self._drawn(self._field(field, self._scope))) for method, field in fields]

    def _drawn(self, source: Source) -> Source:
        # Believed up to twice the highest limit, as a lower one may be lifted while a job runs.
        known = [each for each in self._nvml.power_limits(self._handle, self._scope) if each]
        if known:
            self.plausible = 2 * max(known)
        return checked(source, lambda value: watts(value, self.plausible), per=1000)

    def _choose_temperatures(self) -> None:
        nvml, handle = self._nvml, self._handle
        older = self._number("nvmlDeviceGetTemperature", 0)
        methods = {
            "temperature": (checked(lambda: nvml.temperature(handle), celsius), checked(older, celsius)),
            "memory temperature": (checked(self._field(_MEMORY_TEMP), celsius),),
            "margin": (checked(lambda: nvml.margin(handle), _margin),),
        }
        for quantity, sources in methods.items():
            self._questions.choose(quantity, [("", source) for source in sources])

    def _choose_slowing(self) -> None:
        nvml, handle = self._nvml, self._handle
        counters: Mapping[str, Sequence[Source]] = {
            HEAT: (
                lambda: nvml.total(handle, _SW_THERMAL, _HW_THERMAL),
                self._field(_PERF_POLICY_THERMAL),
                lambda: nvml.violation(handle, 1),
            ),
            FACILITY: (self._field(_POWER_BRAKE),),
            POWER: (self._field(_PERF_POLICY_POWER), lambda: nvml.violation(handle, 0)),
        }
        for cause, sources in counters.items():
            methods = [("", checked(source, per=10**9)) for source in sources]  # ns
            self._questions.choose(f"slowed by {cause}", methods)
        names = ("ClocksEventReasons", "ClocksThrottleReasons")
        known = [nvml.number(f"nvmlDeviceGetSupported{name}", handle, wide=True).value for name in names]
        # A virtual GPU tells the reasons, but not which of them it supports.
        mask = int(next((each for each in known if each is not None), 0xFFFF))
        self._told = {cause: bits & mask for cause, bits in _BITS.items() if bits & mask}
        current = [("", self._number(f"nvmlDeviceGetCurrent{name}", wide=True)) for name in names]
        self._questions.choose("slowing", current if self._told else ())

    def _slowing(self) -> Optional[FrozenSet[str]]:
        reasons = self._questions.ask("slowing")
        if reasons is None:
            return None
        silent = [cause for cause in _BITS if cause not in self._told]
        if silent:
            self.missing["slowing"] = f"this GPU does not tell of {' and '.join(silent)}"
        return frozenset(cause for cause, bits in self._told.items() if int(reasons) & bits)

    def _threshold(self, kind: int) -> Optional[float]:
        return celsius(self._nvml.number("nvmlDeviceGetTemperatureThreshold", self._handle, kind).value)

    def _number(self, name: str, *before: int, per: int = 1, wide: bool = False) -> Source:
        return checked(lambda: self._nvml.number(name, self._handle, *before, wide=wide), per=per)

    def _field(self, field: int, scope: int = GPU, per: int = 1) -> Source:
        return checked(lambda: self._nvml.field(self._handle, field, scope), per=per)


def _boards(nvml: Nvml, value: Optional[str]) -> Sequence[Board]:
    try:
        boards, refused = nvml.boards()
    except NvmlError as error:
        raise Unavailable(f"NVIDIA's driver does not tell which GPUs there are: {error}.") from error
    left = visible(boards, value, nvml.parent)
    if left:
        return left
    if not boards:
        why = f" ({reason(refused)})" if refused else ""
        raise Unavailable(f"NVIDIA's driver shows this process no GPU{why}.")
    if value is None:
        raise Unavailable("Each GPU is in MIG mode and has no instance.")
    raise Unavailable(f"{_VISIBLE}={value} leaves none of {len(boards)} GPUs to this process.")


def _unopened(machine: Machine, error: NvmlError) -> str:
    if not isinstance(error.__cause__, OSError):
        return f"NVIDIA's management library refuses: {error}."
    if machine.at("/proc/driver/nvidia").is_dir():
        return (
            f"NVIDIA's driver is loaded, but its management library cannot be ({error}): a container gets it"
            ' with "utility" in NVIDIA_DRIVER_CAPABILITIES.'
        )
    return f"There is no NVIDIA management library ({error})."


def _silent(board: Board, why: str) -> str:
    name = board.name or "a GPU"
    way = ": a container with a MIG instance needs NVIDIA_MIG_MONITOR_DEVICES=all for it" if board.mig else ""
    return f"NVIDIA's driver tells this process nothing of {name} ({why}){way}."


def _share(value: float) -> Optional[float]:
    return value if 0 <= value <= 1 else None


def _margin(value: float) -> Optional[float]:
    return value if -200 < value < 200 else None


SENSOR = Sensor(name="nvml", title="NVIDIA's management library (NVML)", open=open_probes)
