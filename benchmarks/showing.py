"""Reports as text, for people, and as JSON, for other programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.measuring import Hold, Report, Series, ratio

_COLUMNS = ("", "median", "best", "spread", "n", "ratio", "")


def quantity(value: float | None, unit: str) -> str:
    """``value`` with a prefix that keeps it readable; "—" where it is unknown."""
    if value is None:
        return "—"
    if unit == "s":
        if value >= 1:
            return f"{value:.2f} s"
        return f"{value * 1e3:.1f} ms" if value >= 1e-4 else f"{value * 1e6:.1f} µs"
    if unit in ("B", "B/s"):
        return f"{value / 1e9:.2f} G{unit}" if abs(value) >= 1e9 else f"{value / 1e6:.1f} M{unit}"
    if unit == "%":
        return f"{value * 100:.3f} %"
    return f"{value:.2f} ×" if unit == "×" else f"{value:,.0f} {unit}".rstrip()


def text(report: Report) -> str:
    """The report as an aligned table, its holds below."""
    reference = next((s for s in report.series if s.name == report.reference), None)
    lines = _aligned([_COLUMNS, *(_row(series, reference) for series in report.series)])
    lines += [_hold(hold) for hold in report.holds]
    lines += [f"  note: {note}" for note in report.notes]
    noisy = [s.name for s in report.series if s.noisy]
    if noisy:
        lines.append(f"  note: the samples of {', '.join(noisy)} spread widely; this machine was not quiet.")
    return "\n".join([report.title, "-" * len(report.title), *lines])


def _row(series: Series, reference: Series | None) -> tuple[str, ...]:
    times = ratio(series, reference) if reference is not None and series.unit == reference.unit else None
    spread = "—" if series.spread is None else f"±{series.spread:.0%}{' !' if series.noisy else ''}"
    return (
        series.name,
        quantity(series.median, series.unit),
        quantity(series.best, series.unit),
        spread,
        str(len(series.samples)),
        "1" if series is reference else quantity(times, "×"),
        series.note,
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    last = len(widths) - 1
    lines = []
    for row in rows:
        cells = [c.ljust(w) if i in (0, last) else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]  # noqa: B905
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def _hold(hold: Hold) -> str:
    said = {True: "holds", False: "MISSED", None: "not measured"}[hold.kept]
    sign = "≤" if hold.at_most else "≥"
    return (
        f"  {said}: {hold.text} {quantity(hold.value, hold.unit)} ({sign} {quantity(hold.limit, hold.unit)})"
    )


def summary(reports: Iterable[Report]) -> str:
    """All holds in one list."""
    rows = [(report.title, _hold(hold).strip()) for report in reports for hold in report.holds]
    return "\n".join(["Numbers to hold", "---------------", *_aligned(rows)]) if rows else ""


def data(machine: dict[str, str], reports: Iterable[Report]) -> dict[str, Any]:
    """Everything that was measured, all samples with it."""
    return {"version": 1, "machine": machine, "benchmarks": [_report(report) for report in reports]}


def _report(report: Report) -> dict[str, Any]:
    reference = next((s for s in report.series if s.name == report.reference), None)
    return {
        "title": report.title,
        "reference": report.reference,
        "notes": list(report.notes),
        "series": [
            {
                "name": s.name,
                "unit": s.unit,
                "median": s.median,
                "spread": s.spread,
                "ratio": ratio(s, reference) if reference is not None and s.unit == reference.unit else None,
                "samples": s.samples,
                "note": s.note,
            }
            for s in report.series
        ],
        "holds": [
            {
                "text": h.text,
                "value": h.value,
                "limit": h.limit,
                "unit": h.unit,
                "at_most": h.at_most,
                "kept": h.kept,
            }
            for h in report.holds
        ],
    }
