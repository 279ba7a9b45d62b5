"""How means of a device's power are written: as few characters as tell them, and each gap as one."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from sovlab.sensors.history.series import Stretch

MOST = 150
"""Means in one message, so that it stays short."""


def shortened(watts: Optional[float]) -> Optional[float]:
    """A power with as many digits as tell something; what is not 0 stays so."""
    if watts is None:
        return None
    return round(watts) if watts >= 100 else round(watts, 1 if watts >= 1 else 6)


def packed(step: int, stretches: Sequence[Stretch]) -> Iterator[Dict[str, Any]]:
    """Means of ``step`` seconds as JSON, `MOST` in each; what is not known between two of them is null.

    ``at`` is when the first begins, ``every`` is the step, ``w`` the means, ``p`` the highest seconds, and
    ``k`` of how many seconds each is known; of seconds, or where they are whole, the last two are left out.
    """
    for part in _parts(step, stretches):
        begin = part[0].begin
        slots: List[Optional[Stretch]] = [None] * (int((part[-1].begin - begin) // step) + 1)
        for stretch in part:
            slots[int((stretch.begin - begin) // step)] = stretch
        told: Dict[str, Any] = {"at": int(begin), "every": step}
        told["w"] = [None if each is None else shortened(each.watts) for each in slots]
        if step > 1:
            told["p"] = [None if each is None else shortened(each.peak) for each in slots]
        known = [0 if each is None else round(each.seconds) for each in slots]
        if any(0 < seconds < step for seconds in known):
            told["k"] = known
        yield told


def _parts(step: int, stretches: Sequence[Stretch]) -> Iterator[List[Stretch]]:
    part: List[Stretch] = []
    for stretch in stretches:
        if part and stretch.begin - part[0].begin >= MOST * step:
            yield part
            part = []
        part.append(stretch)
    if part:
        yield part


def grouped(
    step: int, means: Sequence[Optional[float]]
) -> Tuple[List[Optional[float]], List[Optional[float]]]:
    """Means of ``step`` seconds, and the highest second of each, of seconds; null if none is known."""
    watts: List[Optional[float]] = []
    peaks: List[Optional[float]] = []
    for at in range(0, len(means), step):
        known = [mean for mean in means[at : at + step] if mean is not None]
        watts.append(shortened(sum(known) / len(known)) if known else None)
        peaks.append(shortened(max(known)) if known else None)
    return watts, peaks
