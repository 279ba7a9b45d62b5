"""How much two runs may differ."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

from sovlab.batch.verifying.sanitizing import DEFAULTS, Sanitizer, sanitized
from sovlab.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What counts as within tolerance, and what is compared at all.

    Two numbers are within it where `math.isclose` says so. Whole numbers of more than 15 digits name
    something rather than measure it: those are equal or not.

    Attributes:
        rtol: relative, of the larger of the two.
        atol: absolute, in the unit of the number.
        likeness: the least structural similarity (SSIM) of two pictures, 0 to 1, over those blocks of 8 × 8
            pixels in which either shows something.
        lax: compare only cells that are tagged ``nbval-check-output``, as ``--nbval-lax`` does; cells that
            raise are errors nevertheless.
        sanitizers: what is taken out of texts first.

    Raises:
        UsageError: a tolerance is negative, or not a number.
    """

    rtol: float = 1e-6
    atol: float = 1e-12
    likeness: float = 0.99
    lax: bool = False
    sanitizers: tuple[Sanitizer, ...] = DEFAULTS

    def __post_init__(self) -> None:
        for name in ("rtol", "atol"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(
                    f"{name} is {getattr(self, name)}, which is no tolerance.", "Give 0 or more."
                )
        if not 0 <= self.likeness <= 1:
            raise UsageError(f"likeness is {self.likeness}.", "Give 0 (anything) to 1 (the same).")

    def for_cell(self, rtol: float | None, atol: float | None) -> Tolerance:
        """The same with what a cell's own tag says."""
        if rtol is None:
            return self
        return dataclasses.replace(self, rtol=rtol, atol=self.atol if atol is None else atol)

    def close(self, recorded: float, again: float) -> bool:
        """Whether two numbers are within tolerance; nan is like nan."""
        if math.isnan(recorded) or math.isnan(again):
            return math.isnan(recorded) and math.isnan(again)
        return math.isclose(recorded, again, rel_tol=self.rtol, abs_tol=self.atol)

    def sanitized(self, text: str) -> str:
        """Text without what differs from run to run and says nothing."""
        return sanitized(text, self.sanitizers)
