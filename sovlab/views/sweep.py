"""A sweep in words, in a table, and as one JSON document.

Rows are as `sovlab.client.sweeping.Sweep` gives them.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sovlab.core.energy.report import SOURCE_WORDS
from sovlab.core.units import format_duration, format_energy, format_power
from sovlab.core.untrusted import clean
from sovlab.payload.secrets import suspicious
from sovlab.sensors.reading import UNAVAILABLE
from sovlab.views.table import UNKNOWN, Table, counted

if TYPE_CHECKING:
    from sovlab.core.spec import JobSpec

Row = Mapping[str, Any]

NOT_SUBMITTED = "not submitted"
"""The state of a run that has no job."""
_NAME = 100
"""Characters of the longest name of a job."""
_VALUE = 60
_NAMED = 8
"""Points that a sentence names."""
_REASONS = 5


def value_words(name: str, value: Any, most: int = _VALUE) -> str:
    """A value as people read it, in one line; ``…`` for what looks like a secret or is of an environment."""
    if name == "env" and isinstance(value, Mapping):
        text = ", ".join(f"{key}=…" for key in value)
    elif suspicious(name, value):
        return "…"
    elif isinstance(value, str):
        text = value
    elif value is None or value is True or value is False:
        text = repr(value)
    elif isinstance(value, numbers.Integral):
        text = str(int(value))
    elif isinstance(value, numbers.Real):
        text = f"{float(value):.12g}"
    elif isinstance(value, type) or (callable(value) and hasattr(value, "__name__")):
        text = str(value.__name__)
    else:
        try:
            text = repr(value)
        except Exception:  # whatever a class's own does
            text = f"<{type(value).__name__}>"
    text = " ".join(clean(text, 4 * most).split())
    text = "".join(character for character in text if character.isprintable())
    return text if len(text) <= most else text[: most - 1] + "…"


def point_words(values: Mapping[str, Any]) -> str:
    """What was chosen, in a few words: ``lr=0.1, width=64``."""
    return ", ".join(f"{name}={value_words(name, value)}" for name, value in values.items())


def run_name(base: str, number: int, repeat: int | None) -> str:
    """What the job of a run is called: ``train#3``, ``train#3.2`` for its second repeat.

    Names stand in annotations of a cluster, where values of variables, arguments and the environment do not
    belong.
    """
    end = f"#{number}" if repeat is None else f"#{number}.{repeat}"
    room = _NAME - len(end)
    return (base if len(base) <= room else base[: room - 1] + "…") + end


def headline(name: str, rows: Sequence[Row]) -> str:
    """How a sweep stands: ``train: 4 runs, 2 succeeded, 1 running, 1 not submitted``."""
    states: dict[str, int] = {}
    for row in rows:
        states[row["state"]] = states.get(row["state"], 0) + 1
    parts = [f"{count} {state}" for state, count in states.items()]
    return f"{value_words('', name, _NAME)}: {counted(len(rows), 'run')}, {', '.join(parts)}"


def sweep_table(rows: Sequence[Row]) -> Table:
    """Runs, one a row: what was chosen, how it ended, how long it ran, what it took and by which source."""
    names = list(dict.fromkeys(name for row in rows for name in row["point"]))
    several = any(row["repeat"] > 1 for row in rows)
    valued = any("value" in row for row in rows)
    columns = ["Point", *names, *(["Repeat"] if several else []), "State", "Ran", "Energy", "Source", "Mean"]
    columns += ["Value"] if valued else []
    return Table((*columns, "Job"), tuple(_cells(row, names, several, valued) for row in rows), "No runs.")


def _cells(row: Row, names: Sequence[str], several: bool, valued: bool) -> tuple[str, ...]:
    point = row["point"]
    chosen = [value_words(name, point[name]) if name in point else UNKNOWN for name in names]
    return (
        str(row["number"]),
        *chosen,
        *([str(row["repeat"])] if several else []),
        row["state"] + (f": {row['reason'].replace('_', ' ')}" if row["reason"] else ""),
        UNKNOWN if row["seconds"] is None else format_duration(row["seconds"]),
        UNKNOWN if row["joules"] is None else format_energy(row["joules"]),
        source_words(row),
        UNKNOWN if row["mean"] is None else format_power(row["mean"]),
        *([value_words("", row["value"]) if "value" in row else UNKNOWN] if valued else []),
        row["id"] or UNKNOWN,
    )


def source_words(row: Row) -> str:
    """Of what a run's joules are and where they are from."""
    if row["joules"] is None:
        return UNKNOWN if row["seconds"] is None else SOURCE_WORDS[UNAVAILABLE]
    parts = [kind_words(row), row["method"]]
    if row["coverage"] < 0.95:
        parts.append(f"of {row['coverage']:.0%} of the time")
    text = ", ".join(part for part in parts if part)
    return _plain(text + (f"; {row['why']}" if row["why"] else ""))


def kind_words(row: Row) -> str:
    """Of what a run's joules are, and how they are known: ``accelerators, counted``."""
    return ", ".join(part for part in (row["of"], SOURCE_WORDS.get(row["source"], "")) if part)


def sweep_notes(rows: Sequence[Row]) -> list[str]:
    """What is to be known when the runs are compared: why numbers are missing, and which are not alike."""
    kinds: dict[str, int] = {}
    for row in rows:
        if row["joules"] is not None:
            kind = kind_words(row)
            kinds[kind] = kinds.get(kind, 0) + 1
    notes = _reasons(rows)
    if len(kinds) > 1:
        said = "; ".join(f"{counted(number, 'run')} of {kind}" for kind, number in kinds.items())
        notes.append(f"The energies are not all of the same, compare them with care: {said}.")
    if overlapping(rows):
        notes.append(
            "Some runs were on one machine at the same time: joules of processors are shared out by CPU time "
            "there, and the runs may have slowed each other."
        )
    return notes


def _reasons(rows: Sequence[Row]) -> list[str]:
    """Why runs have no energy, or no job; each reason once."""
    reasons: dict[str, int] = {}
    for row in rows:
        ended = row["seconds"] is not None
        if row["joules"] is None and row["why"] and (ended or row["state"] in (NOT_SUBMITTED, "unknown")):
            what = "Without energy" if ended else row["state"].capitalize()
            why = f"{what}: {_plain(row['why']).rstrip('.')}"
            reasons[why] = reasons.get(why, 0) + 1
    found = [f"{why} ({counted(number, 'run')})." for why, number in list(reasons.items())[:_REASONS]]
    return found + ([f"And {len(reasons) - _REASONS} other reasons."] if len(reasons) > _REASONS else [])


def overlapping(rows: Sequence[Row]) -> bool:
    """Whether two runs ran on one machine at one time."""
    spans: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        if row["host"] and row["started"] is not None and row["ended"] is not None:
            spans.setdefault(row["host"], []).append((row["started"], row["ended"]))
    for mine in spans.values():
        mine.sort()
        latest = -math.inf
        for started, ended in mine:
            if started < latest:
                return True
            latest = max(latest, ended)
    return False


def some_points(points: Sequence[str]) -> str:
    """Some of many points, for a sentence."""
    more = len(points) - _NAMED
    return "; ".join(points[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def sweep_document(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    """A sweep as JSON can say it; nothing that looks like a secret is in it."""
    return {
        "version": 1,
        "name": value_words("", name, _NAME),
        "runs": [
            {
                **{key: _json(key, value) for key, value in row.items() if key not in ("point", "value")},
                "point": point_document(row["point"]),
                **({"value": _json("", row["value"])} if "value" in row else {}),
            }
            for row in rows
        ],
        "notes": sweep_notes(rows),
    }


def point_document(values: Mapping[str, Any]) -> dict[str, Any]:
    """What was chosen, as JSON can say it."""
    return {name: _json(name, value) for name, value in values.items()}


def planned_table(points: Sequence[Mapping[str, Any]], specs: Sequence[JobSpec]) -> Table:
    """What a sweep would submit, one run a row."""
    from sovlab.views.jobs import hardware_words

    names = list(dict.fromkeys(name for point in points for name in point))
    rows = (
        (*(value_words(name, point[name]) for name in names), hardware_words(spec), spec.name)
        for point, spec in zip(points, specs, strict=True)
    )
    return Table((*names, "Hardware", "Job"), tuple(rows))


def _json(name: str, value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value) if abs(int(value)) < 2**53 else value_words(name, int(value))
    if isinstance(value, numbers.Real) and math.isfinite(float(value)):
        return float(value)
    return value_words(name, value, 1000)


def _plain(text: str) -> str:
    return value_words("", text, 300)
