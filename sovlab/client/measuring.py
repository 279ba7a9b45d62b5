"""What was measured of a job, for people: its energy, its heat, its power over the time."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sovlab.core.energy.footprint import Footprint, footprint_of_report, steps_of
from sovlab.core.energy.history import PowerCurves, PowerHistory
from sovlab.core.energy.model import Modelled, modelled
from sovlab.core.energy.report import (
    J_PER_KWH,
    SOURCE_WORDS,
    DeviceReport,
    EnergyReport,
    Group,
    Phase,
)
from sovlab.core.event import PowerChanged
from sovlab.errors import UsageError
from sovlab.sensors.reading import SAMPLED, UNAVAILABLE, Reading
from sovlab.views.energy import HEAT_SENSORS, energy_words, modelled_words, reasons

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sovlab.client.job import Job
    from sovlab.client.site.site import Site
    from sovlab.core.energy.earlier import EarlierRuns
    from sovlab.core.job import JobStatus
    from sovlab.executors.executor import Executor

_TOO_SHORT = "nothing was measured: the job was over before its sensors were looked at"
_NOT_YET = "nothing has been measured yet"
LOOKED_AT = 200
"""How many of the user's newest jobs are looked at for earlier runs of the same code."""


@dataclass(frozen=True, slots=True)
class PhaseEnergy:
    """What one phase of a job took.

    Attributes:
        count: how often it came.
        seconds: in all.
        energy: in J, in all.
    """

    count: int
    seconds: float
    energy: Reading


@dataclass(frozen=True, slots=True)
class Energy:
    """What a job took: its numbers are of its accelerators, else of its processors, else of its node.

    Attributes:
        reading: joules, with where they are from; its value is None if it is not known, and ``why`` says why.
        mean, peak: W; None if not known.
        groups: the joules of accelerators, of processors, of the node: each by itself, for they may overlap.
        devices: all that was measured.
        unavailable: why a sensor measured nothing, by its name.
        by_phase: what lay inside ``sovlab.measure``, by name.
        by_rank: J of each rank's own accelerator, where there are as many as ranks.
        modelled: where nothing was measured, J between which it lies by its CPU time: a model, in no sum.
        steps: the last that the job reported by ``sovlab.progress``; None if it reported none.
        footprint: what that means at the site: energy with the facility's share, carbon and cost; modelled,
            and None where the settings have no ``[site]``.
    """

    reading: Reading
    mean: float | None = None
    peak: float | None = None
    groups: tuple[Group, ...] = ()
    devices: tuple[DeviceReport, ...] = ()
    unavailable: Mapping[str, str] | None = None
    by_phase: Mapping[str, PhaseEnergy] = field(default_factory=dict)
    by_rank: Mapping[int, Reading] = field(default_factory=dict)
    steps: float | None = None
    modelled: Modelled | None = None
    footprint: Footprint | None = None

    @property
    def per_step(self) -> float | None:
        """J for each unit of progress that the job reported; None if either is not known."""
        known = self.reading.value is not None and self.steps
        return (self.reading.value or 0.0) / self.steps if known and self.steps else None

    @property
    def joules(self) -> float | None:
        """J; None if it is not known."""
        return self.reading.value

    @property
    def kwh(self) -> float | None:
        """KWh; None if it is not known."""
        return None if self.reading.value is None else self.reading.value / J_PER_KWH

    @property
    def source(self) -> str:
        """``counter``, ``sampled``, ``attributed``, ``modelled`` or ``unavailable``."""
        return self.reading.source

    @property
    def by_device(self) -> dict[str, Reading]:
        """J of each whole device, by its id."""
        return {device.id: device.energy for device in self.devices}

    def __repr__(self) -> str:
        if self.reading.value is None:
            guess = f"; {modelled_words(self.modelled)}" if self.modelled is not None else ""
            return f"<Energy — ({self.reading.why}){guess}>"
        group = next((each for each in self.groups if each.energy == self.reading), None)
        return f"<Energy {energy_words(group)}>" if group is not None else f"<Energy {self.reading}>"


@dataclass(frozen=True, slots=True)
class Thermal:
    """How hot a job's devices were.

    Attributes:
        hottest: highest °C of any accelerator, else of any device; None if not known.
        device: id of the device that was so hot; empty if not known.
        place: where in it, e.g. ``memory``.
        margin: fewest °C that a device had left until it slows itself; None if none tells.
        slowed: the longest share of the time in which a device was slowed, by cause; empty if none tells.
        devices: all that was measured.
        why: why there is no temperature; else empty.
        source: where the temperatures are from: ``sampled``, or ``unavailable`` if there are none.
    """

    hottest: float | None = None
    device: str = ""
    place: str = ""
    margin: float | None = None
    slowed: Mapping[str, float] | None = None
    devices: tuple[DeviceReport, ...] = ()
    why: str = ""
    source: str = UNAVAILABLE


def energy_of(job: Job) -> Energy:
    """What a job took, up to now if it runs."""
    status = job.current.status
    report = status.energy
    if report is None and not status.state.ended:
        report = _so_far(history_of(job), status)
    if report is None:
        return _unknown(_TOO_SHORT if status.state.ended else _NOT_YET, job)
    group = report.best
    if group is None:
        return _unknown(reasons(report), job, report)
    steps = steps_of(status)
    ranks = job.last.spec.ranks if job.last.spec is not None else 1
    return Energy(
        group.energy,
        group.mean,
        group.peak,
        report.groups(),
        report.devices,
        dict(report.unavailable),
        {name: _phase(phase, group, report) for name, phase in report.phases.items()},
        _by_rank(report, ranks),
        steps,
        modelled(report),
        footprint_of_report(report, job.site, steps=steps),
    )


def _unknown(why: str, job: Job, report: EnergyReport | None = None) -> Energy:
    return Energy(
        Reading("energy", "J", scope="job", why=why),
        unavailable=dict(report.unavailable) if report is not None else None,
        footprint=footprint_of_report(None, job.site, why=why),
        modelled=modelled(report) if report is not None else None,
    )


def earlier_of(job: Job, executor: Executor) -> EarlierRuns | None:
    """What the last runs of its code took; nothing is asked where nothing marks its code."""
    from sovlab.core.energy.earlier import earlier_runs

    own_records, record = getattr(executor, "own_records", None), job.last
    if own_records is None or record.spec is None or not record.spec.code:
        return None
    # Records of clusters do not tell arguments, which may be secret.
    arguments = getattr(executor, "shares_files", False)
    return earlier_runs(record, own_records(LOOKED_AT), arguments=arguments)


def _phase(phase: Phase, group: Group, report: EnergyReport) -> PhaseEnergy:
    whole = group.energy
    numbers = [n for n, device in enumerate(report.devices) if device.id in group.devices]
    known = [phase.joules[n] for n in numbers if n in phase.joules]
    of_devices = sum(report.devices[n].energy.value or 0.0 for n in numbers)
    if not known or whole.value is None or not of_devices:
        why = whole.why or "its devices were not measured"
        reading = Reading("energy", "J", scope=whole.scope, why=why)
    else:
        # Where the job has a share of its devices, a phase has the same.
        reading = whole._replace(value=sum(known) * whole.value / of_devices)
    return PhaseEnergy(phase.count, phase.seconds, reading)


def _by_rank(report: EnergyReport, ranks: int) -> Mapping[int, Reading]:
    gpus = [device for device in report.devices if device.kind == "gpu"]
    if len(gpus) != ranks or any(device.scope != "device" for device in gpus):
        return {}
    ordered = sorted(gpus, key=lambda device: (device.node or 0, device.index or 0))
    return {rank: device.energy for rank, device in enumerate(ordered)}


def thermal_of(job: Job) -> Thermal:
    """How hot a job's devices were; known once it has ended."""
    status = job.current.status
    report = status.energy
    if report is None:
        return Thermal(why=_TOO_SHORT if status.state.ended else "it is told once the job has ended")
    warm = [device for device in report.devices if device.hottest]
    warm = [device for device in warm if device.kind == "gpu"] or warm
    margins = [device.margin for device in report.devices if device.margin is not None]
    slowed: dict[str, float] = {}
    for device in report.devices:
        for cause, share in device.slowed.items():
            slowed[cause] = max(share, slowed.get(cause, 0.0))
    if not warm:
        missing = [
            why for device in report.devices for what, why in device.missing.items() if what == "temperature"
        ]
        return Thermal(
            margin=min(margins, default=None),
            slowed=slowed,
            devices=report.devices,
            source=SAMPLED if margins else UNAVAILABLE,
            why=missing[0] if missing else reasons(report, HEAT_SENSORS),
        )
    hottest = max(warm, key=lambda device: max(device.hottest.values()))
    place = max(hottest.hottest, key=lambda each: hottest.hottest[each])
    return Thermal(
        hottest.hottest[place],
        hottest.id,
        place,
        min(margins, default=None),
        slowed,
        report.devices,
        source=SAMPLED,
    )


def history_of(job: Job) -> PowerHistory:
    """What its log holds of its power."""
    told = job.power_told()
    if told is not None:
        return told
    history = PowerHistory()
    for event in job.events(follow=False):
        if isinstance(event, PowerChanged):
            history.add(event.seen)
    return history


def curves_of(job: Job) -> PowerCurves:
    """The power of each of its devices over the time, as its log tells it."""
    history = history_of(job)
    devices = [(history.devices[n], history.points(n)) for n in history.drawn if n in history.devices]
    known = [(device, points) for device, points in devices if points]
    why = history.lost.why if history.lost is not None else ""
    if not known and not why:
        why = energy_of(job).reading.why or "its power was not measured"
    return PowerCurves(
        {device.id: points for device, points in known},
        {device.id: device.drawn for device, _ in known},
        "measured in the job" if known else "",
        why,
        {
            device.id: f"{device.name or device.id}"
            + (f" ({device.index})" if device.index is not None else "")
            for device, _ in known
        },
    )


def curves_at_site(job: Job, site: Callable[[], Site | None]) -> PowerCurves:
    """The power of its devices over the time, as its site's Prometheus has it."""
    from sovlab.client.site.job_power import power_at_site

    record = job.current
    report = record.status.energy
    devices = report.devices if report is not None else ()
    if report is None and not record.status.state.ended:
        devices = tuple(history_of(job).devices.values())
    return power_at_site(record, site, [device.id for device in devices if device.kind == "gpu"])


def plot(job: Job, curves: PowerCurves) -> Figure:
    """The power of a job's devices over the time, as a figure.

    Raises:
        UsageError: nothing was measured, or matplotlib is not installed.
    """
    try:
        figure_class = _figure_class()
    except ImportError as error:
        raise UsageError("A plot needs matplotlib.", "Install it: pip install matplotlib.") from error
    if not curves:
        raise UsageError(f"There is no power of job {job.name} to plot.", curves.why)
    begin = min(points[0].time for points in curves.values())
    # Middle grey and no ground are legible on light and dark.
    figure = figure_class(figsize=(7.2, 2.6), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    for device, points in curves.items():
        label = f"{curves.names.get(device, device)}, {SOURCE_WORDS[curves.sources[device]]}"
        axes.step([p.time - begin for p in points], [p.watts for p in points], where="post", label=label)
    axes.set(xlabel="seconds", ylabel="W")
    axes.set_ylim(bottom=0)
    in_grey(axes)
    return figure


def _figure_class() -> type[Figure]:
    from matplotlib.figure import Figure

    class PowerFigure(Figure):
        """Shows itself in a notebook that has not imported pyplot, too; that one teaches IPython to."""

        def _repr_png_(self) -> bytes:
            png = io.BytesIO()
            self.savefig(png, format="png")
            return png.getvalue()

    return PowerFigure


def _so_far(history: PowerHistory, status: JobStatus) -> EnergyReport | None:
    seconds = status.elapsed(time.time()) or 0.0
    share = 1.0
    if history.lost is not None and status.started is not None and seconds > 0:
        share = min(max((history.lost.time - status.started) / seconds, 0.0), 1.0)
    devices = []
    for number in history.numbers:
        device = history.devices.get(number)
        if device is not None:
            joules = history.joules([number])
            source = history.source([number]) if joules is not None else "unavailable"
            devices.append(
                replace(
                    device,
                    energy=Reading(
                        "energy",
                        "J",
                        joules,
                        source,
                        "so far",
                        device.scope,
                        share if joules is not None else 0.0,
                        device.id,
                        (history.lost.why.rstrip(".") if history.lost else "")
                        if joules is not None
                        else _NOT_YET,
                    ),
                )
            )
    return EnergyReport(devices=tuple(devices), seconds=seconds) if devices else None


def in_grey(axes: Any) -> None:
    """Draw axes so that they are legible on light and dark."""
    grey = "#808080"
    axes.tick_params(colors=grey)
    axes.xaxis.label.set_color(grey)
    axes.yaxis.label.set_color(grey)
    axes.grid(True, color=grey, alpha=0.25, linewidth=0.5)
    for spine in axes.spines.values():
        spine.set_color(grey)
    axes.legend(frameon=False, labelcolor=grey, fontsize="small")
