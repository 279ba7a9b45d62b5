"""Power and heat on the card of a running job: a row of large numbers, and a small curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from sovlab.card.outputs import escaped
from sovlab.core.energy.footprint import Site, steps_of
from sovlab.core.energy.footprint import footprint as footprint_of
from sovlab.core.energy.history import PowerHistory
from sovlab.core.energy.report import SOURCE_WORDS
from sovlab.core.job import JobStatus
from sovlab.core.units import format_duration, format_energy, format_power
from sovlab.sensors.reading import SAMPLED, Reading, worst
from sovlab.views.energy import ADVICE, footprint_words

_CURVE, _WIDTH, _HEIGHT = 60, 132, 22
_SILENT = 180.0
"""Seconds without a word of the sensors after which what they said last is not taken for what is now: three
times as long as they are ever silent."""
_KINDS = (("gpu", ""), ("cpu", "whole processors, whoever uses them"), ("node", "whole machine"))


class Number(NamedTuple):
    """A number for people.

    Attributes:
        value: "—" if it is not known.
        unit: may be empty where it is not known.
        source: where it is from, a word; empty if it is not known.
    """

    value: str
    unit: str
    source: str = ""

    @property
    def plain(self) -> str:
        """``802 W (sampled)``."""
        shown = f"{self.value} {self.unit}".rstrip()
        return f"{shown} ({self.source})" if self.source else shown


class PowerText(msgspec.Struct, frozen=True, kw_only=True):
    """What a running job's devices do now, in words.

    Attributes:
        watts, celsius, energy: each a number, its unit and where it is from; "—" where it is not known.
        what: of which devices that is.
        curve: W over the time, for a small curve; may be empty.
        drawn: where the curve is from.
        slowed: a sentence if a device is slowed now; else empty.
        trouble: a sentence if the devices are not looked at any more; else empty.
        footprint: what the energy so far means at the site; empty where the site says nothing.
    """

    watts: Number
    celsius: Number
    energy: Number
    what: str
    curve: Sequence[float]
    drawn: str
    slowed: str
    trouble: str = ""
    footprint: str = ""

    @property
    def plain(self) -> str:
        """All of it in one line."""
        numbers = [each.plain for each in (self.watts, self.celsius, self.energy)]
        return " · ".join([*numbers, self.what] if self.what else numbers)


def running(
    history: PowerHistory | None,
    *,
    status: JobStatus | None = None,
    now: float = 0.0,
    site: Site | None = None,
) -> PowerText | None:
    """What the devices of a running job do now; None if nothing has been said of them yet.

    Args:
        history: what was seen of them, on the first node.
        status: of the job, for how long it runs and the steps it has reported.
        now: seconds since the epoch.
        site: what the site says of its electricity.
    """
    if history is None:
        return None
    told = [(kind, whose) for kind, whose in _KINDS if _is_known(history, history.of(kind))]
    if not told:
        return _nothing(history)
    kind, whose = told[0]
    numbers = history.of(kind)
    trouble = _trouble(history, now)
    joules = history.joules(numbers)
    watts, celsius = (None, None) if trouble else (history.watts(numbers), history.celsius(numbers))
    slowing = [cause for cause in history.slowing(numbers) if cause in ADVICE and not trouble]
    models = list(dict.fromkeys(history.devices[n].name for n in numbers if history.devices[n].name))
    count = f"{len(numbers)} × " if len(numbers) > 1 else ""
    first = f"first of {history.nodes} nodes" if history.nodes > 1 else ""
    model = count + models[0] if len(models) == 1 else ""
    boards = "whole boards" if any(history.devices[n].scope == "board" for n in numbers) else ""
    drawn = SOURCE_WORDS[worst(*(history.devices[n].drawn for n in numbers))]
    footprint = ""
    if site is not None and status is not None and joules:
        why = "; ".join(part for part in (whose, boards, first, _left_out(history, numbers), trouble) if part)
        it = Reading("energy", "J", joules, history.source(numbers), "so far", coverage=1.0, why=why)
        footprint = _footprint(it, site, len(numbers) if kind == "gpu" else 0, status, now)
    return PowerText(
        watts=_number(format_power(watts) if watts is not None else None, "W", drawn),
        celsius=Number("—", "°C")
        if celsius is None
        else Number(f"{celsius:.0f}", "°C", SOURCE_WORDS[SAMPLED]),
        energy=_number(
            format_energy(joules) if joules is not None else None, "", SOURCE_WORDS[history.source(numbers)]
        ),
        what=", ".join(part for part in (model, whose, boards, first, _left_out(history, numbers)) if part),
        curve=history.sums(numbers, _CURVE),
        drawn=drawn,
        slowed=f"Slowed by {' and '.join(slowing)} now. {ADVICE[slowing[0]]}" if slowing else "",
        trouble=trouble,
        footprint=footprint,
    )


def _nothing(history: PowerHistory) -> PowerText | None:
    """A dash for each number, and why; None if a device is there that has yet to tell one."""
    if history.lost is None or history.devices:
        return None
    why = f"not measured: {history.lost.why}"
    return PowerText(
        watts=Number("—", "W"),
        celsius=Number("—", "°C"),
        energy=Number("—", "Wh"),
        what=why,
        curve=(),
        drawn="",
        slowed="",
    )


def _footprint(it: Reading, site: Site, accelerators: int, status: JobStatus, now: float) -> str:
    seconds, steps = status.elapsed(now) or 0.0, steps_of(status)
    return footprint_words(footprint_of(it, site, accelerators=accelerators, seconds=seconds, steps=steps))


def power_row(text: PowerText, small: str, line: str) -> str:
    """The row as HTML: large numbers, a curve, and where they are from."""
    big = "font-size:17px;font-weight:600"

    def number(told: Number) -> str:
        where = f"{told.unit} {told.source}".strip()
        return (
            f'<span style="white-space:nowrap"><span style="{big}">{escaped(told.value)}</span> '
            f'<small style="{small}">{escaped(where)}</small></span>'
        )

    return (
        '<div style="display:flex;flex-wrap:wrap;align-items:center;gap:4px 18px">'
        f"{number(text.watts)}{_svg(text.curve, line, text.drawn)}{number(text.celsius)}"
        f'<span>{number(text.energy)} <small style="{small}">{escaped(text.what)}</small></span></div>'
    )


def _svg(curve: Sequence[float], colour: str, drawn: str) -> str:
    if len(curve) < 3:
        return ""
    top, bottom = max(curve), min(curve)
    # A flat curve stays flat, rather than show its noise as mountains.
    low = min(bottom, top * 0.7)
    span = (top - low) or 1.0
    step = _WIDTH / (len(curve) - 1)
    points = " ".join(
        f"{i * step:.1f},{_HEIGHT - 1 - (value - low) / span * (_HEIGHT - 2):.1f}"
        for i, value in enumerate(curve)
    )
    label = f"power over the time, {format_power(bottom)} to {format_power(top)} ({drawn})"
    style = f"fill:none;stroke:{colour};stroke-width:1.5"
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{label}"><polyline points="{points}" style="{style}"/></svg>'
    )


def _is_known(history: PowerHistory, numbers: Sequence[int]) -> bool:
    return history.watts(numbers) is not None or history.joules(numbers) is not None


def _number(shown: str | None, unit: str, source: str) -> Number:
    if shown is None:
        return Number("—", unit)
    value, _, unit = shown.rpartition(" ")
    return Number(value, unit, source)


def _trouble(history: PowerHistory, now: float) -> str:
    """Why what was seen last is not the case now; empty if it is."""
    if history.lost is not None:
        return f"{history.lost.why} The energy is of the time before."
    silent = now - history.heard
    return f"Its sensors have told nothing for {format_duration(silent)}." if silent > _SILENT else ""


def _left_out(history: PowerHistory, numbers: Sequence[int]) -> str:
    """Of how many devices the numbers are not."""
    missing = sum(history.joules([n]) is None and history.watts([n]) is None for n in numbers)
    without = sum(history.joules([n]) is None for n in numbers)
    if not missing and 0 < without < len(numbers):
        return f"{without} of {len(numbers)} tell no energy"
    return f"{missing} of {len(numbers)} not measured" if missing else ""
