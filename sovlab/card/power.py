"""Power and heat on the card of a running job: a row of large numbers, and a small curve."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sovlab.card.outputs import escaped
from sovlab.core.energy.footprint import Site, steps_of
from sovlab.core.energy.footprint import footprint as footprint_of
from sovlab.core.energy.history import PowerHistory
from sovlab.core.energy.report import SOURCE_WORDS
from sovlab.core.job import JobStatus
from sovlab.core.units import format_energy, format_power
from sovlab.sensors.reading import Reading
from sovlab.views.energy import ADVICE, footprint_words

_CURVE, _WIDTH, _HEIGHT = 60, 132, 22
_KINDS = (("gpu", ""), ("cpu", "whole processors, whoever uses them"), ("node", "whole machine"))


class PowerText(msgspec.Struct, frozen=True, kw_only=True):
    """What a running job's devices do now, in words.

    Attributes:
        watts, celsius, energy: each a number and its unit; "—" where it is not known.
        what: of which devices that is, and where the energy is from.
        curve: W over the time, for a small curve; may be empty.
        slowed: a sentence if a device is slowed now; else empty.
        footprint: what the energy so far means at the site; empty where the site says nothing.
    """

    watts: tuple[str, str]
    celsius: tuple[str, str]
    energy: tuple[str, str]
    what: str
    curve: Sequence[float]
    slowed: str
    footprint: str = ""

    @property
    def plain(self) -> str:
        """All of it in one line."""
        numbers = [" ".join(each).strip() for each in (self.watts, self.celsius, self.energy)]
        return " · ".join([*numbers, self.what] if self.what else numbers)


def running(
    history: PowerHistory | None,
    *,
    status: JobStatus | None = None,
    now: float = 0.0,
    site: Site | None = None,
) -> PowerText | None:
    """What the devices of a running job do now; None if none of them is measured.

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
        return None
    kind, whose = told[0]
    numbers = history.of(kind)
    watts, joules = history.watts(numbers), history.joules(numbers)
    celsius = history.celsius(numbers)
    slowing = [cause for cause in history.slowing(numbers) if cause in ADVICE]
    models = list(dict.fromkeys(history.devices[n].name for n in numbers if history.devices[n].name))
    count = f"{len(numbers)} × " if len(numbers) > 1 else ""
    first = f"first of {history.nodes} nodes" if history.nodes > 1 else ""
    model = count + models[0] if len(models) == 1 else ""
    boards = "whole boards" if any(history.devices[n].scope == "board" for n in numbers) else ""
    footprint = ""
    if site is not None and status is not None and joules:
        why = "; ".join(part for part in (whose, boards, first) if part)
        it = Reading("energy", "J", joules, history.source(numbers), "so far", coverage=1.0, why=why)
        footprint = _footprint(it, site, len(numbers) if kind == "gpu" else 0, status, now)
    return PowerText(
        watts=_number(format_power(watts) if watts is not None else None, "W"),
        celsius=("—" if celsius is None else f"{celsius:.0f}", "°C"),
        energy=_number(format_energy(joules) if joules is not None else None, ""),
        what=", ".join(part for part in (model, whose, boards, first, _source(history, numbers)) if part),
        curve=history.sums(numbers, _CURVE),
        slowed=f"Slowed by {' and '.join(slowing)} now. {ADVICE[slowing[0]]}" if slowing else "",
        footprint=footprint,
    )


def _footprint(it: Reading, site: Site, accelerators: int, status: JobStatus, now: float) -> str:
    seconds, steps = status.elapsed(now) or 0.0, steps_of(status)
    return footprint_words(footprint_of(it, site, accelerators=accelerators, seconds=seconds, steps=steps))


def power_row(text: PowerText, small: str, line: str) -> str:
    """The row as HTML: large numbers, a curve, and where they are from."""
    big = "font-size:17px;font-weight:600"

    def number(pair: tuple[str, str]) -> str:
        return (
            f'<span style="white-space:nowrap"><span style="{big}">{escaped(pair[0])}</span> '
            f'<small style="{small}">{escaped(pair[1])}</small></span>'
        )

    return (
        '<div style="display:flex;flex-wrap:wrap;align-items:center;gap:4px 18px">'
        f"{number(text.watts)}{_svg(text.curve, line)}{number(text.celsius)}"
        f'<span>{number(text.energy)} <small style="{small}">{escaped(text.what)}</small></span></div>'
    )


def _svg(curve: Sequence[float], colour: str) -> str:
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
    label = f"power over the time, {format_power(bottom)} to {format_power(top)}"
    style = f"fill:none;stroke:{colour};stroke-width:1.5"
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{label}"><polyline points="{points}" style="{style}"/></svg>'
    )


def _is_known(history: PowerHistory, numbers: Sequence[int]) -> bool:
    return history.watts(numbers) is not None or history.joules(numbers) is not None


def _number(shown: str | None, unit: str) -> tuple[str, str]:
    if shown is None:
        return "—", unit
    value, _, unit = shown.partition(" ")
    return value, unit


def _source(history: PowerHistory, numbers: Sequence[int]) -> str:
    return SOURCE_WORDS[history.source(numbers)] if history.joules(numbers) is not None else ""
