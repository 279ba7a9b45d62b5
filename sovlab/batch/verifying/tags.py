"""What tags and comments of a cell ask for: nbval's, and one of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sovlab.batch.verifying.cells import members, source_of

_COMMENTS: dict[str, tuple[str, bool]] = {
    "PYTEST_VALIDATE_IGNORE_OUTPUT": ("check", False),  # what nbval called it once
    "NBVAL_IGNORE_OUTPUT": ("check", False),
    "NBVAL_CHECK_OUTPUT": ("check", True),
    "NBVAL_RAISES_EXCEPTION": ("raises", True),
    "NBVAL_SKIP": ("skip", True),
}
_TAGS: dict[str, tuple[str, bool]] = {
    **{comment.lower().replace("_", "-"): meaning for comment, meaning in _COMMENTS.items()},
    "raises-exception": ("raises", True),
    "skip-execution": ("unrun", True),
}
_TOLERANCE = "sovlab-tol="


@dataclass(slots=True)
class Marks:
    """What a cell asks for.

    Attributes:
        check: whether its outputs are compared; None where it does not say.
        raises: it may raise an exception, which is then one of its outputs.
        skip: it is not compared, and not run by nbval.
        unrun: it is not meant to be run (``skip-execution``).
        rtol: relative tolerance of its numbers; None where it does not say.
        atol: absolute tolerance; None where it does not say.
        notes: what contradicts itself or cannot be read, as sentences.
    """

    check: bool | None = None
    raises: bool = False
    skip: bool = False
    unrun: bool = False
    rtol: float | None = None
    atol: float | None = None
    notes: list[str] = field(default_factory=list)


def marks_of(cell: Mapping[str, Any]) -> Marks:
    """What a cell's tags and comments ask for.

    A comment that is nothing but ``NBVAL_…`` or ``sovlab-tol=…`` counts, on whatever line. Of two that
    contradict each other the later wins, and comments win over tags, as in nbval.
    """
    marks = Marks()
    tags = members(cell.get("metadata")).get("tags")
    if isinstance(tags, list):
        _read([tag for tag in tags if isinstance(tag, str)], _TAGS, marks)
    comments = [line.strip().lstrip("#").strip() for line in _comment_lines(source_of(cell))]
    _read(comments, _COMMENTS, marks)
    return marks


def _comment_lines(source: str) -> list[str]:
    return [line for line in source.splitlines() if line.lstrip().startswith("#")] if "#" in source else []


def _read(words: list[str], known: dict[str, tuple[str, bool]], marks: Marks) -> None:
    for word in words:
        if word in known:
            name, value = known[word]
            before = getattr(marks, name)
            if name == "check" and before is not None and before != value:
                marks.notes.append(
                    f"Tags or comments say both to check and to ignore its output; {word} counts."
                )
            setattr(marks, name, value)
        elif word.startswith(_TOLERANCE):
            _read_tolerance(word, marks)


def _read_tolerance(word: str, marks: Marks) -> None:
    """``sovlab-tol=RELATIVE`` or ``sovlab-tol=RELATIVE,ABSOLUTE``."""
    try:
        numbers = [float(part) for part in word.removeprefix(_TOLERANCE).split(",")]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 2 or not all(0 <= number < math.inf for number in numbers):
        marks.notes.append(f"{word[:60]} is no tolerance and does not count: write sovlab-tol=1e-3.")
        return
    marks.rtol = numbers[0]
    marks.atol = numbers[1] if len(numbers) == 2 else None
