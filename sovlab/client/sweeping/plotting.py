"""The picture of a sweep: run time against energy."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from sovlab.client.measuring import in_grey
from sovlab.client.sweeping.choosing import by_point
from sovlab.core.units import energy_unit
from sovlab.errors import UsageError
from sovlab.views.sweep import kind_words, point_words, some_points, sweep_notes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = Mapping[str, Any]

_GREY = "#808080"
_MARKS = "os^Dv<>p"
_LABELLED = 40
"""Points that are all labelled; of more only those that no other beats in both time and energy."""
_LINE = 110
"""Characters of a line under the figure."""


class Mark(NamedTuple):
    """One point of the figure.

    Attributes:
        label: what was chosen.
        kind: of what its joules are, and where they are from.
        seconds, joules: means of its runs.
        runs: (seconds, joules) of each.
    """

    label: str
    kind: str
    seconds: float
    joules: float
    runs: Sequence[tuple[float, float]]


def plot(name: str, rows: Sequence[dict[str, Any]]) -> Figure:
    """Run time against energy, a mark for each point; see `sovlab.client.sweeping.Sweep.plot`.

    Args:
        name: of the sweep.
        rows: as the sweep gives them.

    Raises:
        UsageError: no energy is known, or matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("A plot needs matplotlib.", "Install it: pip install matplotlib.") from error
    marks, without = marks_of(rows)
    if not marks:
        why = next((row["why"] for row in rows if row["why"]), "")
        raise UsageError(f"There is no energy of sweep {name} to plot.", why)
    # Middle grey and no ground are legible on light and dark.
    figure = Figure(figsize=(7.2, 4.0), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    (second, seconds), (joule, joules) = _time_unit(marks), _energy_unit(marks)
    shown = marks if len(marks) <= _LABELLED else undominated(marks)
    for number, kind in enumerate(dict.fromkeys(mark.kind for mark in marks)):
        mine = [mark for mark in marks if mark.kind == kind]
        drawn = axes.scatter(
            [mark.seconds / second for mark in mine],
            [mark.joules / joule for mark in mine],
            marker=_MARKS[number % len(_MARKS)],
            label=kind,
        )
        runs = [run for mark in mine if len(mark.runs) > 1 for run in mark.runs]
        axes.scatter(
            [time / second for time, _ in runs],
            [energy / joule for _, energy in runs],
            marker=".",
            color=drawn.get_facecolor()[0],
            alpha=0.4,
        )
    for mark in shown:
        axes.annotate(
            mark.label.replace("$", r"\$"),  # which is no formula
            (mark.seconds / second, mark.joules / joule),
            xytext=(5, 4),
            textcoords="offset points",
            color=_GREY,
            fontsize="x-small",
        )
    axes.set(xlabel=f"run time, {seconds}", ylabel=f"energy, {joules}")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.margins(0.15)
    in_grey(axes)
    notes = _notes(rows, without, len(marks) - len(shown))
    if notes:
        figure.supxlabel(notes.replace("$", r"\$"), fontsize="x-small", color=_GREY)
    return figure


def marks_of(rows: Sequence[dict[str, Any]]) -> tuple[list[Mark], list[str]]:
    """The points whose energy and time are known of a run at least, and what was chosen for the others.

    Only runs that succeeded count: one that failed half-way took less for nothing.
    """
    marks, without = [], []
    for runs in by_point([(row, 0.0) for row in rows]):
        point = point_words(runs[0][0]["point"])
        known = [
            row
            for row, _ in runs
            if row["state"] == "succeeded" and row["joules"] is not None and row["seconds"] is not None
        ]
        by_kind: dict[str, list[Row]] = {}
        for row in known:
            by_kind.setdefault(kind_words(row), []).append(row)
        for kind, mine in by_kind.items():
            pairs = [(row["seconds"], row["joules"]) for row in mine]
            times, energies = zip(*pairs, strict=True)
            marks.append(Mark(point, kind, fmean(times), fmean(energies), pairs))
        if not known:
            without.append(point)
    return marks, without


def undominated(marks: Sequence[Mark]) -> list[Mark]:
    """Those that no other mark of the same kind beats in both time and energy."""
    found: list[Mark] = []
    least: dict[str, float] = {}
    for mark in sorted(marks, key=lambda mark: (mark.seconds, mark.joules)):
        if mark.joules < least.get(mark.kind, float("inf")):
            least[mark.kind] = mark.joules
            found.append(mark)
    return found


def _notes(rows: Sequence[Row], without: Sequence[str], unlabelled: int) -> str:
    sentences = list(sweep_notes(rows))
    if without:
        sentences.append(f"Without energy: {some_points(without)}.")
    if unlabelled:
        sentences.append("Labelled are those that no other beats in both time and energy.")
    return "\n".join(line for sentence in sentences for line in textwrap.wrap(sentence, _LINE))


def _time_unit(marks: Sequence[Mark]) -> tuple[float, str]:
    longest = max(mark.seconds for mark in marks)
    return (3600.0, "h") if longest >= 7200 else (60.0, "min") if longest >= 600 else (1.0, "s")


def _energy_unit(marks: Sequence[Mark]) -> tuple[float, str]:
    return energy_unit(max(mark.joules for mark in marks))
