"""Every state that a job's sensors can be in, as the sampler itself tells it of devices that are made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sovlab.runner.process.sampling import why_none
from sovlab.sensors.bounds import ENERGY, HEAT, Bounds
from sovlab.sensors.sampler import Sampler
from sovlab.sensors.sensor import Device, Limits, Probe, Sample, Unavailable

BEGUN = 1_780_000_000
Of = Callable[[float], "float | None"]


class Scripted(Probe):
    """A device that tells what its script says of each moment.

    Args:
        device: which.
        power, energy: W and J by the seconds since the begin; None where it has no such sensor.
        celsius: °C by place.
        slowing: causes for which it is slowed all the time; None if it does not tell.
        gone: second from which on it cannot be read.
        missing: what it says that it does not tell.
    """

    def __init__(
        self,
        device: Device,
        power: Of | None = None,
        energy: Of | None = None,
        celsius: Mapping[str, float] | None = None,
        slowing: frozenset[str] | None = None,
        gone: float | None = None,
        missing: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(device)
        self.power_method = "NVML power, mean of 1 s" if power else ""
        self.energy_method = "NVML energy counter" if energy else ""
        self.missing = dict(missing or {})
        self.at = 0.0
        self._power, self._energy, self._gone = power, energy, gone
        self._celsius, self._slowing = celsius or {}, slowing

    def read(self, thorough: bool = True) -> Sample:
        if self._gone is not None and self.at >= self._gone:
            raise Unavailable("The GPU has fallen off the bus.")
        return Sample(
            power=self._power(self.at) if self._power else None,
            energy=self._energy(self.at) if self._energy else None,
            temperatures=self._celsius,
            margin=20.0 if self._celsius else None,
            slowing=self._slowing,
        )

    def limits(self) -> Limits:
        return Limits(power=700.0, slowdown=89.0)


@dataclass(frozen=True)
class State:
    """What a job's sampler has left.

    Attributes:
        name: of the state.
        frames: what it has said in the log.
        energy: the totals in its exit record; None if there are none.
        known: whether a number of energy, power or heat must be shown of it, so that silence is no answer.
        backend: of the job.
    """

    name: str
    frames: Sequence[Mapping[str, Any]] = ()
    energy: Mapping[str, Any] | None = None
    known: bool = True
    backend: str = "cuda"
    record: Mapping[str, Any] = field(default_factory=dict)


def gpu(number: int = 0, scope: str = "device") -> Device:
    return Device(f"GPU-{number}", "gpu", "NVIDIA H100", number, scope=scope)


def package(number: int = 0) -> Device:
    return Device(f"package-{number}", "cpu", "EPYC", scope="package")


def steady(watts: float) -> Of:
    return lambda at: watts


def counting(watts: float, reset: float | None = None) -> Of:
    return lambda at: watts * at + 1e5 if reset is None or at < reset else watts * (at - reset)


NONE: Mapping[str, str] = {
    "nvml": "No NVIDIA driver is loaded: libnvidia-ml.so.1 is not there.",
    "rapl": "This is a virtual machine, which has no energy counters.",
    "hwmon": "No chip of hwmon tells a temperature.",
}
DENIED: Mapping[str, str] = {"rapl": "Only root may read /sys/class/powercap (permission denied)."}
CPU = {"job": 50.0, "busy": 100.0, "all": 400.0}


def looked_at(
    name: str,
    *probes: Scripted,
    seconds: float = 90.0,
    rate: float = 1.0,
    dies: float | None = None,
    nodes: int = 1,
    unavailable: Mapping[str, str] | None = None,
    cpu: Mapping[str, float] | None = None,
    limits: Mapping[str, float] | None = None,
    known: bool = True,
    backend: str = "cuda",
) -> State:
    """Have the sampler look for so long, and take what it says as a job's log and record have it."""
    clock = [0.0]
    limits = limits or {}
    sampler = Sampler(probes, 1 / rate if rate else 0.0, lambda: clock[0])
    bounds = Bounds(sampler, limits.get(ENERGY), limits.get(HEAT))
    frames: list[dict[str, Any]] = []

    def at(moment: float) -> None:
        clock[0] = moment
        for probe in probes:
            probe.at = moment

    sampler.look()
    for number, gauge in enumerate(sampler.gauges):
        frames.append({"t": "device", "n": number, "nodes": nodes, **gauge.described()})
    batch, end = 1.0, seconds if dies is None else dies
    while (moment := min(sampler.due, batch)) <= end and probes:
        at(moment)
        if moment >= sampler.due:
            sampler.look()
            frames += [{"t": "limit", **message} for message in bounds.check()]
        if moment >= batch:
            frames.append({"t": "power", "at": BEGUN + moment, "n": 0, "d": sampler.seconds()})
            batch += 5.0
    at(end)
    if probes:
        sampler.look()
        frames.append({"t": "power", "at": BEGUN + end, "n": 0, "d": sampler.seconds()})
    energy: dict[str, Any] = {
        "devices": sampler.totals(),
        "seconds": sampler.elapsed or seconds,
        "unavailable": dict(unavailable or {}),
        "nodes": nodes,
        **({"cpu": cpu} if cpu else {}),
        **bounds.told(),
    }
    if not probes:
        frames.append({"t": "unseen", "at": BEGUN + 1, "why": why_none(unavailable or {})})
    if dies is not None:
        why = "The process that reads the sensors ended by SIGKILL."
        frames.append({"t": "unseen", "at": BEGUN + end, "why": why})
        energy["unavailable"]["sampling"] = why
        for device in energy["devices"]:  # as the supervisor has it: of the job's whole time
            device["energy"]["coverage"] *= dies / seconds
        energy["seconds"] = seconds
    return State(name, frames, energy, known, backend)


def states() -> list[State]:
    """All of them."""
    warm = {"gpu": 61.0, "memory": 54.0}
    counted = {"power": steady(300.0), "energy": counting(300.0)}
    sampled = {"power": steady(250.0)}
    nothing = {"missing": {"power": "the driver says: not supported", "temperature": "it has no such sensor"}}
    return [
        looked_at("counter", Scripted(gpu(), **counted, celsius=warm, slowing=frozenset())),
        looked_at("counter only", Scripted(gpu(), energy=counting(300.0), celsius=warm)),
        looked_at("sampled", Scripted(gpu(), **sampled, celsius=warm)),
        looked_at("sampled without heat", Scripted(gpu(), **sampled)),
        looked_at("heat only", Scripted(gpu(), celsius=warm, missing={"power": "not supported"}), cpu=CPU),
        looked_at("MIG", Scripted(gpu(0, "board"), **counted, celsius=warm)),
        looked_at("module", Scripted(Device("GPU-0", "gpu", "GH200", 0, "module", ("cpu",)), **counted)),
        looked_at("time slice", Scripted(package(), **counted, celsius={"package": 50.0}), cpu=CPU,
                  backend="cpu"),
        looked_at("processors whole", Scripted(package(), **sampled), backend="cpu"),
        looked_at("node", Scripted(Device("node", "node", scope="node"), **sampled), backend="cpu"),
        looked_at("modelled", unavailable=NONE, cpu=CPU, backend="cpu"),
        looked_at("no sensor", unavailable=NONE, known=False),
        looked_at("permission denied", unavailable=DENIED, known=False, backend="cpu"),
        looked_at("sentinels", Scripted(gpu(), steady(0.0), lambda at: -1.0, **nothing), known=False),
        looked_at("stands still", Scripted(gpu(), energy=lambda at: 5.0, celsius=warm)),
        looked_at("gone at once", Scripted(gpu(), **counted, gone=0.0), known=False),
        looked_at("gone midway", Scripted(gpu(), **counted, celsius=warm, gone=40.0)),
        looked_at("two counted", Scripted(gpu(), **counted, celsius=warm), Scripted(gpu(1), **counted)),
        looked_at("counted and sampled", Scripted(gpu(), **counted), Scripted(gpu(1), **sampled)),
        looked_at("counted and unknown", Scripted(gpu(), **counted), Scripted(gpu(1), **nothing)),
        looked_at("GPU and processors", Scripted(gpu(), **counted, celsius=warm),
                  Scripted(package(), **sampled, celsius={"package": 44.0}), cpu=CPU),
        looked_at("first of four nodes", Scripted(gpu(), **counted, celsius=warm), nodes=4,
                  limits={ENERGY: 30_000.0}),
        looked_at("reset", Scripted(gpu(), steady(300.0), counting(300.0, reset=30.0), celsius=warm)),
        looked_at("too short", Scripted(gpu(), energy=lambda at: 7.0), seconds=0.3, known=False),
        looked_at("short", Scripted(gpu(), steady(0.04), lambda at: 5.0 + 0.04 * at), seconds=1.2),
        looked_at("telemetry off", Scripted(gpu(), **counted, celsius=warm), rate=0.0),
        looked_at("telemetry off, no counter", Scripted(gpu(), **sampled), rate=0.0, known=False),
        looked_at("died midway", Scripted(gpu(), **counted, celsius=warm), dies=30.0),
        looked_at("hot and slowed", Scripted(gpu(), **counted, celsius={"gpu": 91.0},
                  slowing=frozenset({"heat"})), limits={ENERGY: 30_000.0, HEAT: 90.0}),
        looked_at("limits not watched", Scripted(package(), **counted), limits={ENERGY: 9e6, HEAT: 80.0},
                  backend="cpu"),
        looked_at("a megawatt hour", Scripted(gpu(), energy=counting(1500.0)), seconds=86_400.0, rate=0.0),
        State("before telemetry", known=False),
        State("before sources", [
            {"t": "device", "n": 0, "id": "GPU-0", "kind": "gpu", "name": "NVIDIA H100", "index": 0},
            {"t": "power", "at": BEGUN + 9, "n": 0, "d": [{"w": [300.0], "c": 61.0, "j": 2700.0, "x": []}]},
        ]),
    ]  # fmt: skip
