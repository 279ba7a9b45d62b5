"""What a job took and how hot its devices were, each number with where it is from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sovlab.sensors.reading import ATTRIBUTED, COUNTER, SAMPLED, UNAVAILABLE, Reading, worst

__all__ = ["DeviceReport", "EnergyReport", "Group", "Reading", "slowed_most"]

ACCELERATORS, PROCESSORS, NODE = "accelerators", "processors", "node"
_KINDS = {"gpu": ACCELERATORS, "cpu": PROCESSORS, "memory": PROCESSORS, "node": NODE}
_PARTS = ("gpu", "cpu", "memory")

J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport:
    """One device of a job's machine, over the time of the job.

    Attributes:
        id: its UUID or PCI address, or a name of ours, e.g. ``package-0``.
        kind: ``gpu``, ``cpu``, ``memory``, ``node``, or a site's own.
        name: its model; may be empty.
        index: as its vendor's runtime numbers it.
        scope: what its joules are of, e.g. ``device``, ``board``, ``package``.
        covers: kinds whose joules are in its own.
        energy: in J, of the whole device.
        mean, peak: W; None if not known. The mean is of the joules, and as they are known.
        drawn: how its watts at a time are known: ``sampled``, or ``counter`` where only its joules tell them.
        hottest: highest °C by place; sampled, as all temperatures are.
        margin: fewest °C that were left until it slows itself.
        slowdown: °C at which it does.
        limit: W that it keeps to.
        lowest, highest: W between which that can be set; None if not known.
        slowed: share of the time in which it was slowed, by cause: ``heat``, ``power``, ``facility``.
        missing: what it does not tell, and why, by quantity.
        node: which of several nodes it is of; None if there is one.
    """

    id: str
    kind: str
    energy: Reading
    name: str = ""
    index: int | None = None
    scope: str = "device"
    covers: tuple[str, ...] = ()
    mean: float | None = None
    peak: float | None = None
    drawn: str = SAMPLED
    hottest: Mapping[str, float] = field(default_factory=dict)
    margin: float | None = None
    slowdown: float | None = None
    limit: float | None = None
    lowest: float | None = None
    highest: float | None = None
    slowed: Mapping[str, float] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    node: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The joules of a job in devices of one sort.

    Attributes:
        name: ``accelerators``, ``processors`` or ``node``.
        energy: in J.
        mean: W; None if not known.
        peak: W, of the devices' own peaks, which need not have been at one moment; None if not known.
        drawn: how `peak` is known: ``sampled`` or ``counter``.
        idle: J of `energy` that were drawn while no CPU worked; None where that is not told apart.
        devices: ids.
    """

    name: str
    energy: Reading
    mean: float | None = None
    peak: float | None = None
    idle: float | None = None
    devices: tuple[str, ...] = ()
    drawn: str = SAMPLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """What lay inside ``sovlab.measure`` of one name.

    Attributes:
        count: how often.
        seconds: in all.
        joules: J of each whole device, by its place in `EnergyReport.devices`; those not known are not in it.
    """

    count: int
    seconds: float
    joules: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReport:
    """How far a limit that a job was given is used.

    Attributes:
        limit: J for ``energy_budget``, °C for ``max_temperature``; of the node that was measured.
        used: in the same unit; None if not known.
        source: where `used` is from.
        why: why it is not watched; empty if it is.
    """

    limit: float
    used: float | None = None
    source: str = UNAVAILABLE
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyReport:
    """What was measured while a job ran: on its machine, or on those of its nodes that said so.

    Attributes:
        devices: what was measured there.
        seconds: how long it was looked at.
        unavailable: why a sensor measured nothing, a sentence by its name.
        cpu_job, cpu_busy, cpu_all: CPU seconds of the job, of all that worked on the machine, and of all
            there were; None if not known.
        phases: of `sovlab.measure`, by name.
        nodes: machines that the job ran on.
        parts: of several nodes, the report of each; empty if this is of one.
        limits: ``energy_budget`` and ``max_temperature``, those that the job has.
    """

    devices: tuple[DeviceReport, ...] = ()
    seconds: float = 0.0
    unavailable: Mapping[str, str] = field(default_factory=dict)
    cpu_job: float | None = None
    cpu_busy: float | None = None
    cpu_all: float | None = None
    phases: Mapping[str, Phase] = field(default_factory=dict)
    nodes: int = 1
    limits: Mapping[str, LimitReport] = field(default_factory=dict)
    parts: tuple[EnergyReport, ...] = ()

    def groups(self) -> tuple[Group, ...]:
        """The joules by sort of device. Those of different groups may be the same: they are not added.

        A device that covers a kind (the module of a GPU with its processor) stands for devices of that kind.
        """
        if self.parts:
            return self._groups_of_nodes()
        parts = [device for device in self._known() if device.kind in _PARTS]
        covered = {kind for device in parts for kind in device.covers if kind != device.kind}
        groups = []
        for name in (ACCELERATORS, PROCESSORS, NODE):
            mine = [d for d in self.devices if _KINDS.get(d.kind) == name and d.kind not in covered]
            if mine:
                groups.append(self._group(name, mine))
        return tuple(groups)

    def group(self, name: str) -> Group | None:
        """One of `groups`; None if it has no devices."""
        return next((each for each in self.groups() if each.name == name), None)

    @property
    def best(self) -> Group | None:
        """The group that a job is told by: its accelerators, else its processors, else the node."""
        groups = self.groups()
        return next((g for g in groups if g.energy.value is not None), groups[0] if groups else None)

    def _groups_of_nodes(self) -> tuple[Group, ...]:
        """Each node's own groups, added: what a job shares on one has nothing to do with the others."""
        groups = []
        for name in (ACCELERATORS, PROCESSORS, NODE):
            each = [group for part in self.parts if (group := part.group(name)) is not None]
            if each:
                groups.append(_added(name, each, self.nodes))
        return tuple(groups)

    def _known(self) -> list[DeviceReport]:
        return [device for device in self.devices if device.energy.value is not None]

    def _group(self, name: str, devices: Sequence[DeviceReport]) -> Group:
        known = [device for device in devices if device.energy.value is not None]
        ids = tuple(device.id for device in devices)
        if not known:
            why = devices[0].energy.why
            return Group(name=name, energy=Reading("energy", "J", scope="job", why=why), devices=ids)
        joules = sum(device.energy.value or 0.0 for device in known)
        share, method, why = self._share(name, known)
        if len(known) < len(devices):
            why = _joined(why, f"{len(devices) - len(known)} of {len(devices)} devices not measured")
        if self.nodes > 1:
            why = _joined(why, f"of one of {self.nodes} nodes")
        notes = [device.energy.why for device in known if device.energy.why]
        if notes:
            why = _joined(why, notes[0])
        source = worst(*(device.energy.source for device in known))
        scopes = {device.scope for device in known}
        energy = Reading(
            "energy",
            "J",
            joules * share,
            source if method is None else ATTRIBUTED,
            "; ".join(filter(None, (*dict.fromkeys(d.energy.method for d in known), method))),
            "job" if method is not None else scopes.pop() if len(scopes) == 1 else "device",
            min(device.energy.coverage for device in known),
            why=why,
        )
        mean, peak = (_sum(getattr(d, which) for d in known) for which in ("mean", "peak"))
        if mean is not None and peak is not None:
            peak = max(peak, mean)  # a counter may have seen what no sample has
        idle = None
        if method is not None and self.cpu_busy is not None and self.cpu_all:
            idle = joules * share * max(1 - self.cpu_busy / self.cpu_all, 0.0)
        return Group(
            name=name,
            energy=energy,
            mean=mean if method is None else None,
            peak=peak if method is None else None,
            idle=idle,
            devices=ids,
            drawn=worst(*(device.drawn for device in known)),
        )

    def _share(self, name: str, devices: Sequence[DeviceReport]) -> tuple[float, str | None, str]:
        """The job's part of what devices took, how that is known (None: it is all the job's), and a note."""
        if name == ACCELERATORS:
            parts = [device for device in devices if device.scope == "board"]
            return 1.0, None, "of the whole board, of which the job had a part" if parts else ""
        if name == NODE or self.cpu_job is None or not self.cpu_busy:
            return 1.0, None, "of the whole machine, whoever used it"
        return min(self.cpu_job / self.cpu_busy, 1.0), "shared out by CPU time", ""


def _added(name: str, groups: Sequence[Group], nodes: int) -> Group:
    """One group of several nodes' groups of a name."""
    known = [group for group in groups if group.energy.value is not None]
    ids = tuple(device for group in groups for device in group.devices)
    if not known:
        return Group(name=name, energy=groups[0].energy, devices=ids)
    readings = [group.energy for group in known]
    left_out = f"of {len(known)} of {nodes} nodes" if len(known) < nodes else ""
    energy = readings[0]._replace(
        value=sum(reading.value or 0.0 for reading in readings),
        source=worst(*(reading.source for reading in readings)),
        method="; ".join(dict.fromkeys(reading.method for reading in readings if reading.method)),
        coverage=min(reading.coverage for reading in readings),
        why=_joined(left_out, *dict.fromkeys(reading.why for reading in readings)),
    )

    def total(which: str) -> float | None:
        values = [getattr(group, which) for group in known]
        return None if None in values else sum(values)

    return Group(
        name=name,
        energy=energy,
        mean=total("mean"),
        peak=total("peak"),
        idle=total("idle"),
        devices=ids,
        drawn=worst(*(group.drawn for group in known)),
    )


def slowed_most(report: EnergyReport) -> tuple[DeviceReport, str, float] | None:
    """The device that heat or the site's power brake slowed most, why, and for which share of the time."""
    found = [
        (share, device, cause)
        for device in report.devices
        for cause, share in device.slowed.items()
        if cause in ("heat", "facility") and share > 0
    ]
    if not found:
        return None
    share, device, cause = max(found, key=lambda each: each[0])
    return device, cause, share


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


SOURCE_WORDS = {
    COUNTER: "counted",
    SAMPLED: "sampled",
    ATTRIBUTED: "attributed",
    UNAVAILABLE: "not measured",
    "modelled": "modelled",
}
"""How a source is called in a sentence."""
