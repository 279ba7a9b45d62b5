"""What is measured: series of samples taken in turns, their ratios, and the numbers to hold."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

NOISY = 0.25
"""A spread above this is marked: the machine did something else at the time."""


class CaseFailed(Exception):
    """One case cannot be measured here, e.g. a peer that is not installed. The others go on."""


@dataclass
class Series:
    """The samples of one case.

    Attributes:
        name: what was measured.
        unit: of the samples: ``s``, ``B``, ``1/s``, ``%`` (of shares, 1 is all).
        samples: in the order in which they were taken.
        note: what a reader must know of it, e.g. why it has no samples.
    """

    name: str
    unit: str = "s"
    samples: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def median(self) -> float | None:
        return statistics.median(self.samples) if self.samples else None

    @property
    def best(self) -> float | None:
        if not self.samples:
            return None
        return max(self.samples) if self.unit.endswith("/s") else min(self.samples)

    @property
    def spread(self) -> float | None:
        """Interquartile range as a fraction of the median; None with fewer than four samples."""
        if len(self.samples) < 4 or not self.median:
            return None
        low, _, high = statistics.quantiles(self.samples, n=4, method="inclusive")
        return (high - low) / self.median

    @property
    def noisy(self) -> bool:
        return (self.spread or 0.0) > NOISY


def ratio(series: Series, reference: Series) -> float | None:
    """How many times ``reference`` it is: the median over the rounds in which both were measured."""
    if series.median is None or not reference.median:
        return None
    if len(series.samples) == len(reference.samples):
        return statistics.median(a / b for a, b in zip(series.samples, reference.samples, strict=True))
    return series.median / reference.median


@dataclass(frozen=True)
class Hold:
    """A number to hold.

    Attributes:
        text: what of which, e.g. ``sovlab / bare python``.
        value: as measured; None if it was not.
        limit: the most it may be, or the least.
        unit: of both: ``×``, ``s``, ``B``, ``%``.
        at_most: False where ``limit`` is the least.
    """

    text: str
    value: float | None
    limit: float
    unit: str = "×"
    at_most: bool = True

    @property
    def kept(self) -> bool | None:
        """None where it was not measured."""
        if self.value is None:
            return None
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass
class Report:
    """One benchmark's answer.

    Attributes:
        title: what was asked.
        series: one per case.
        reference: name of the series that the others are compared with; empty for none.
        holds: the numbers to hold, where this benchmark has any.
        notes: sentences for the reader.
    """

    title: str
    series: Sequence[Series]
    reference: str = ""
    holds: Sequence[Hold] = ()
    notes: Sequence[str] = ()


def take_turns(
    cases: Mapping[str, Callable[[], float]],
    repeats: int,
    *,
    warmup: int = 1,
    before: Callable[[], object] = lambda: None,
) -> dict[str, Series]:
    """Samples of all cases, taken in turns.

    Args:
        cases: each returns one sample, in seconds, and may raise `CaseFailed`: it then gets no more turns.
        repeats: rounds that count.
        warmup: rounds before, that do not.
        before: called before each sample, outside of what it measures.
    """
    taken = {name: Series(name) for name in cases}
    for number in range(warmup + repeats):
        order = list(cases) if number % 2 == 0 else list(reversed(cases))
        for name in order:
            if taken[name].note:
                continue
            before()
            try:
                sample = cases[name]()
            except CaseFailed as failed:
                taken[name].note = str(failed)
                taken[name].samples.clear()
                continue
            if number >= warmup:
                taken[name].samples.append(sample)
    return taken
