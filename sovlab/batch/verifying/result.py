"""What a comparison says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sovlab.batch.verifying.drift import Drift


class Verdict(StrEnum):
    """What became of a cell, or of one of its outputs."""

    SAME = "same"
    WITHIN = "within tolerance"
    DIFFERS = "differs"
    ERROR = "error"
    MISSING = "missing"
    IGNORED = "ignored"
    NOT_RUN = "not run"

    @property
    def passed(self) -> bool:
        """Whether the record holds: same, within tolerance, or not to be compared."""
        return self in (Verdict.SAME, Verdict.WITHIN, Verdict.IGNORED)


@dataclass(frozen=True, slots=True)
class Numbers:
    """How far numbers are apart.

    Attributes:
        changed: how many are written otherwise than in the record.
        beyond: how many of these are out of tolerance.
        absolute: the largest difference; inf where one is no number.
        relative: the largest difference divided by the larger of the two, 0 to 2; inf where one is no number.
    """

    changed: int = 0
    beyond: int = 0
    absolute: float = 0.0
    relative: float = 0.0

    def __add__(self, other: Numbers) -> Numbers:
        return Numbers(
            self.changed + other.changed,
            self.beyond + other.beyond,
            max(self.absolute, other.absolute),
            max(self.relative, other.relative),
        )

    def words(self) -> str:
        """In a phrase; empty where no number changed."""
        if not self.changed:
            return ""
        count = "1 number" if self.changed == 1 else f"{self.changed} numbers"
        return f"{count} changed, {self.beyond} beyond tolerance, {self.apart()}"

    def apart(self) -> str:
        """The worst deviation, in a phrase."""
        if math.isinf(self.relative):
            return "at worst a number against none"
        return f"at worst by {self.absolute:.3g} (relative {self.relative:.3g})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One part of a cell's output that is not the same to the last byte.

    Attributes:
        where: the part: ``stdout``, ``text/plain``, ``image/png 2``.
        verdict: same where only what the sanitisers take out differs.
        words: what differs, as a phrase.
        recorded: the first difference in the record, shortened.
        again: the same place in the second run.
        numbers: how far numbers in it are apart.
    """

    where: str
    verdict: Verdict
    words: str
    recorded: str = ""
    again: str = ""
    numbers: Numbers = Numbers()


@dataclass(frozen=True, slots=True, kw_only=True)
class CellResult:
    """What became of one code cell.

    Attributes:
        number: its place among all cells of its notebook, from 1.
        id: of the cell; empty where it has none.
        title: the first line of its source.
        verdict: of the cell as a whole.
        words: why, as a phrase; empty where it is the same.
        differences: by output, in their order.
        notes: what else should be known, as sentences: a source that changed, tags at odds.
        recorded: the cell of the record; None where only the second run has it.
        again: the cell of the second run; None where it has none.
    """

    number: int
    id: str
    title: str
    verdict: Verdict
    words: str = ""
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    recorded: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)
    again: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)

    @property
    def numbers(self) -> Numbers:
        """How far the numbers of all its outputs are apart."""
        return sum((each.numbers for each in self.differences), Numbers())


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs of a notebook.

    Attributes:
        cells: code cells, in the order of the record; those that only the second run has come last.
        drift: what else was different between the runs.
    """

    cells: tuple[CellResult, ...]
    drift: tuple[Drift, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every cell is the same, within tolerance or ignored."""
        return all(cell.verdict.passed for cell in self.cells)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many cells there are of each verdict, in the order of `Verdict`, without zeros."""
        counted = Counter(cell.verdict for cell in self.cells)
        return {verdict: counted[verdict] for verdict in Verdict if counted[verdict]}

    @property
    def furthest(self) -> CellResult | None:
        """The cell whose numbers are relatively the furthest apart; None where none are apart."""
        apart = [cell for cell in self.cells if cell.numbers.relative > 0]
        return max(apart, key=lambda cell: cell.numbers.relative, default=None)
