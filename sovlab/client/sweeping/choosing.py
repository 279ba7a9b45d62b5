"""Which point of a sweep is the best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sovlab.core.job import JobState
from sovlab.errors import UsageError
from sovlab.views.sweep import point_words, some_points

Row = Mapping[str, Any]
Score = Callable[[Row], float | None]

_KEYS: Mapping[str, str] = {"energy": "joules", "time": "seconds"}


def best(name: str, rows: Sequence[dict[str, Any]], by: str | Score) -> dict[str, Any]:
    """The row with the least of something; see `sovlab.client.sweeping.Sweep.best`.

    Args:
        name: of the sweep.
        rows: as the sweep gives them.
        by: what counts.
    """
    if not callable(by) and by not in _KEYS:
        raise UsageError(f"by is {by!r}.", f"Give one of {', '.join(_KEYS)}, or a function of a row.")
    succeeded = [row for row in rows if row["state"] == JobState.SUCCEEDED]
    if not succeeded:
        raise UsageError(f"No run of sweep {name} has succeeded yet.", "Its table says how each stands.")
    score: Score = by if callable(by) else lambda row: row[_KEYS[by]]
    scored = [(row, number) for row in succeeded if (number := _number(score(row))) is not None]
    if not scored:
        why = next((row["why"] for row in succeeded if row["why"]), "")
        what = "what counts" if callable(by) else by
        raise UsageError(f"Of no run of sweep {name} {what} is known.", why)
    if by == "energy":
        _check_alike(name, [row for row, _ in scored])
    points = by_point(scored)
    runs = min(points, key=lambda runs: sum(number for _, number in runs) / len(runs))
    return min(runs, key=lambda run: run[1])[0]


def by_point(scored: Sequence[tuple[dict[str, Any], float]]) -> list[list[tuple[dict[str, Any], float]]]:
    """Runs of the same point together."""
    points: dict[int, list[tuple[dict[str, Any], float]]] = {}
    for row, number in scored:
        points.setdefault(row["number"], []).append((row, number))
    return list(points.values())


def _check_alike(name: str, rows: Sequence[Row]) -> None:
    by_kind: dict[str, list[str]] = {}
    for row in rows:
        by_kind.setdefault(row["of"], []).append(point_words(row["point"]))
    if len(by_kind) > 1:
        said = "; ".join(f"of {kind} at {some_points(points)}" for kind, points in by_kind.items())
        raise UsageError(
            f"The energies of sweep {name} are not of the same devices: {said}.",
            'Compare them by a function, like by=lambda row: row["joules"], if that is what you mean.',
        )


def _number(value: Any) -> float | None:
    try:
        number = float(value) if value is not None else math.nan
    except (TypeError, ValueError) as error:
        raise UsageError(f"What counts is {value!r:.60}, not a number.", "Give a number, or None.") from error
    return None if math.isnan(number) else number
