"""Numbers of two runs, counted as they are met, and where they differ first."""

from __future__ import annotations

import math

from sovlab.batch.verifying.result import Difference, Numbers, Verdict
from sovlab.batch.verifying.tolerance import Tolerance

EXCERPT = 160
"""Characters that are shown of what differs."""
_EXACT_DIGITS = 15
_LONGEST = 40


class Tally:
    """Counts how far numbers are apart.

    Args:
        options: what is within tolerance.

    Attributes:
        words: what differs that is no number, as a phrase; empty where nothing does.
    """

    def __init__(self, options: Tolerance) -> None:
        self._options = options
        self._changed = self._beyond = 0
        self._absolute = self._relative = 0.0
        self._first: tuple[str, str] | None = None
        self._first_beyond: tuple[str, str] | None = None
        self.words = ""

    @property
    def any(self) -> bool:
        """Whether a number changed."""
        return self._changed > 0

    def number_texts(self, recorded: str, again: str) -> bool | None:
        """Count two numbers as they are written; None where one measures nothing and they are not equal.

        Returns:
            Whether they are within tolerance.
        """
        if recorded == again:
            return True
        if max(len(recorded), len(again)) > _LONGEST or _names(recorded) or _names(again):
            return None
        return self.numbers(float(recorded), float(again))

    def numbers(self, recorded: float, again: float) -> bool:
        """Count two numbers that are written differently; says whether they are within tolerance."""
        self._changed += 1
        if math.isfinite(recorded) and math.isfinite(again):
            apart = abs(recorded - again)
            self._absolute = max(self._absolute, apart)
            if apart:
                # Divided first: the difference of two large numbers may itself be no number.
                most = max(abs(recorded), abs(again))
                self._relative = max(self._relative, abs(recorded / most - again / most))
        elif recorded != again and not (math.isnan(recorded) and math.isnan(again)):
            self._absolute = self._relative = math.inf
        close = self._options.close(recorded, again)
        self._beyond += not close
        return close

    def add(self, numbers: Numbers) -> None:
        """Count numbers that another tally has counted."""
        self._changed += numbers.changed
        self._beyond += numbers.beyond
        self._absolute = max(self._absolute, numbers.absolute)
        self._relative = max(self._relative, numbers.relative)

    def show(self, recorded: str, again: str, *, beyond: bool) -> None:
        """Keep what is shown, if it is the first of its kind."""
        if beyond:
            self._first_beyond = self._first_beyond or (recorded, again)
        else:
            self._first = self._first or (recorded, again)

    def needs(self, *, beyond: bool) -> bool:
        """Whether `show` would keep it."""
        return (self._first_beyond if beyond else self._first) is None

    def difference(self, where: str) -> Difference:
        """What was counted, as a difference of one output."""
        numbers = Numbers(self._changed, self._beyond, self._absolute, self._relative)
        differs = bool(self.words or self._beyond)
        recorded, again = self._first_beyond or self._first or ("", "")
        return Difference(
            where=where,
            verdict=Verdict.DIFFERS if differs else Verdict.WITHIN,
            words="; ".join(part for part in (self.words, numbers.words()) if part),
            recorded=recorded,
            again=again,
            numbers=numbers,
        )


def _names(number: str) -> bool:
    """Whether a whole number has so many digits that it names something."""
    digits = number.lstrip("+-")
    return len(digits) > _EXACT_DIGITS and digits.isdigit()


def excerpt(text: str, place: int) -> str:
    """The line around a place, shortened on both sides."""
    begin = max(text.rfind("\n", max(0, place - EXCERPT), place) + 1, place - EXCERPT // 2, 0)
    end = text.find("\n", place, begin + EXCERPT)
    cut = end < 0 and begin + EXCERPT < len(text)
    line = text[begin : end if end >= 0 else begin + EXCERPT]
    before = begin > 0 and text[begin - 1] != "\n"
    return f"{'…' if before else ''}{line}{'…' if cut else ''}"


def first_change(left: str, right: str) -> int:
    """Where two texts differ first; the length of the shorter one where it begins the other."""
    low, high = 0, min(len(left), len(right))
    if left[:high] == right[:high]:
        return high
    step = 1 << 16
    while left[low : low + step] == right[low : low + step]:
        low += step
    high = min(low + step, high)
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low
