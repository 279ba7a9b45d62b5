"""What earlier runs of the same code took: what is said of a job before it has run itself. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sovlab.core.energy.report import PROCESSORS, SOURCE_WORDS
from sovlab.core.job import JobRecord, JobState
from sovlab.core.spec import JobSpec
from sovlab.core.units import format_duration, format_energy
from sovlab.sensors.reading import Reading

MOST = 5
"""How many runs are looked at: what the code took long ago may have been other data."""
_WHOLE = 0.95
"""Share of a run's time of which its joules must be: those of a part would promise too little."""


@dataclass(frozen=True, slots=True)
class EarlierRuns:
    """What the last runs of the same code on the same hardware took.

    Attributes:
        count: how many runs, `MOST` at most; all of them succeeded.
        seconds: the median of how long they ran.
        energy: the median of their joules, with their common source; its value is None if it is not known.
        measured: in how many of the runs these joules were measured.
        group: of which devices they are: ``accelerators``, ``processors`` or ``node``; empty if not known.
        longest: how long the longest of them ran, in seconds.
    """

    count: int
    seconds: float
    energy: Reading
    measured: int = 0
    group: str = ""
    longest: float = 0.0

    @property
    def words(self) -> str:
        """``last 3 runs: 4 min, 9.0 Wh (counted)``; without the energy where that was not measured."""
        runs = "last run" if self.count == 1 else f"last {self.count} runs"
        text = f"{runs}: {format_duration(self.seconds)}"
        if self.energy.value is None:
            return text
        few = f"in {self.measured} of them" if self.measured < self.count else ""
        notes = ", ".join(part for part in (SOURCE_WORDS[self.energy.source], few) if part)
        whose = "processors " if self.group == PROCESSORS else ""
        about = "; ".join(part for part in (notes, self.energy.why) if part)
        return f"{text}, {whose}{format_energy(self.energy.value)} ({about})"


def earlier_runs(
    job: JobRecord, records: Iterable[JobRecord], *, arguments: bool = True
) -> EarlierRuns | None:
    """What the last runs of a job's code took; None if there are none, or if nothing marks the code.

    The code is the same where `JobSpec.code` is, which a change of one character changes. What it was run
    with must be as much: backend, nodes, processes, GPUs, and the arguments of a script.

    Args:
        job: the one that is asked about.
        records: jobs of the same user on the same target, in any order.
        arguments: whether records tell arguments; those of clusters do not, because they may be secret.
    """
    if job.spec is None or not job.spec.code:
        return None
    wanted, before = _what(job.spec, arguments), job.status.submitted
    found = [
        (record.status.submitted or 0.0, record.id, seconds, record)
        for record in records
        if record.id != job.id
        and record.target == job.target
        and record.status.state is JobState.SUCCEEDED
        and record.spec is not None
        and _what(record.spec, arguments) == wanted
        and (before is None or (record.status.submitted or 0.0) <= before)
        and (seconds := _seconds(record)) is not None
    ]
    newest = sorted(found, key=lambda run: run[:2], reverse=True)[:MOST]
    if not newest:
        return None
    energy, measured, group = _energy([run[3] for run in newest])
    ran = [run[2] for run in newest]
    return EarlierRuns(len(newest), _median(ran), energy, measured, group, max(ran))


def _what(spec: JobSpec, arguments: bool) -> tuple[object, ...]:
    """What two runs must have in common to be compared."""
    hardware = (spec.backend, spec.nodes, spec.procs, spec.resources.gpus)
    return (spec.kind, spec.code, *hardware, spec.args if arguments else ())


def _seconds(record: JobRecord) -> float | None:
    status = record.status
    return status.elapsed(status.ended) if status.ended is not None else None


def _energy(runs: Sequence[JobRecord]) -> tuple[Reading, int, str]:
    """The median of the joules of most runs, of one source and one sort of device, and in how many it is."""
    known: dict[tuple[str, str], list[Reading]] = {}
    for run in runs:
        best = run.status.energy.best if run.status.energy is not None else None
        if best is not None and best.energy.value is not None and best.energy.coverage >= _WHOLE:
            known.setdefault((best.name, best.energy.source), []).append(best.energy)
    for (group, source), readings in known.items():
        if 2 * len(readings) > len(runs):
            newest, method = readings[0], _most(each.method for each in readings)
            energy = Reading(
                "energy",
                "J",
                _median([each.value or 0.0 for each in readings]),
                source,
                f"median of {len(readings)} earlier {'run' if len(readings) == 1 else 'runs'}: {method}",
                newest.scope,
                min(each.coverage for each in readings),
                why=_most(each.why for each in readings),
            )
            return energy, len(readings), group
    why = "earlier runs were measured in different ways" if known else "earlier runs were not measured"
    return Reading("energy", "J", scope="job", why=why), 0, ""


def _most(texts: Iterable[str]) -> str:
    """The most frequent of some texts, of equals the first."""
    return Counter(texts).most_common(1)[0][0]


def _median(values: Sequence[float]) -> float:
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(ordered) % 2 else ordered[middle - 1] / 2 + ordered[middle] / 2
