"""Texts of two runs: the same, or the same words around numbers that are close; in linear time."""

from __future__ import annotations

import re
from itertools import zip_longest

from sovlab.batch.verifying.result import Difference, Verdict
from sovlab.batch.verifying.sanitizing import taken_out
from sovlab.batch.verifying.tally import Tally, excerpt, first_change
from sovlab.batch.verifying.tolerance import Tolerance

_NUMBER = re.compile(
    r"(?<![\w.])[-+]?+(?:(?:\d++\.?+\d*+|\.\d++)(?:[eE][-+]?+\d++)?+|(?:nan|NaN|inf|Infinity)(?!\w))"
)
"""A number that stands by itself: not the 1 of ``layer1``, but that of ``1.5s``."""
_ANSI = re.compile(r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]")
_TABLE_TAG = re.compile(
    r"<(/?)(table|thead|tbody|tfoot|tr|td|th|caption|colgroup|col)\b[^<>]*+>", re.IGNORECASE
)
_SVG_ID = re.compile(r"\b[mphC][0-9a-f]{10}\b")


def compare_texts(where: str, recorded: str, again: str, options: Tolerance) -> Difference | None:
    """How two texts differ; None where they are the same.

    The first that fits: equal; equal without what the sanitisers take out; equal but for numbers within
    tolerance, where white space counts as one blank, because it follows the width of numbers.

    Args:
        where: what they are, for whoever reads the difference.
        recorded: the text of the record.
        again: that of the second run.
        options: what is within tolerance.
    """
    if recorded == again:
        return None
    left, right = options.sanitized(recorded), options.sanitized(again)
    if left == right:
        what = ", ".join(taken_out(recorded, again, options.sanitizers))
        return Difference(where=where, verdict=Verdict.SAME, words=f"the same but for {what}")
    return tallied(left, right, options).difference(where)


def tallied(left: str, right: str, options: Tolerance) -> Tally:
    """Count the numbers that differ between two texts that are not equal, and say how their words differ."""
    left, right = _plain(left), _plain(right)
    tally = _by_line(left, right, options)
    if tally is None:
        tally = Tally(options)
        _walk(left, right, tally)
    if not tally.words and not tally.any:
        at = first_change(left, right)
        tally.words = "only white space differs" if left != right else "only colours differ"
        tally.show(repr(excerpt(left, at)), repr(excerpt(right, at)), beyond=True)
    elif tally.words:
        lines = left.count("\n") + 1, right.count("\n") + 1
        if lines[0] != lines[1]:
            tally.words += f": {lines[0]} lines in the record, {lines[1]} now"
    return tally


def _by_line(left: str, right: str, options: Tolerance) -> Tally | None:
    """Line by line, which costs little where most are equal; None where words differ on some line."""
    lines, others = left.split("\n"), right.split("\n")
    if len(lines) != len(others):
        return None
    tally = Tally(options)
    for line, other in zip(lines, others, strict=True):
        if line != other and not _walk(line, other, tally):
            return None  # a wrapped array may have its numbers on other lines
    return tally


def _walk(left: str, right: str, tally: Tally) -> bool:
    """Compare number by number, to the end or to where the words differ; says whether it came to the end."""
    i = j = 0
    for one, other in zip_longest(_NUMBER.finditer(left), _NUMBER.finditer(right)):
        if one is None or other is None or not _same_words(left[i : one.start()], right[j : other.start()]):
            return _differ(left, right, i, j, tally)
        if one.group() != other.group():
            close = tally.number_texts(one.group(), other.group())
            if close is None:
                return _differ(left, right, one.start(), other.start(), tally)
            if tally.needs(beyond=not close):
                tally.show(excerpt(left, one.start()), excerpt(right, other.start()), beyond=not close)
        i, j = one.end(), other.end()
    return _same_words(left[i:], right[j:]) or _differ(left, right, i, j, tally)


def _differ(left: str, right: str, i: int, j: int, tally: Tally) -> bool:
    """Words differ somewhere behind two places that are still alike."""
    # What is beside a number may be long: from the place on the two are alike up to the first change.
    ahead = first_change(left[i:], right[j:])
    tally.words = "the text differs"
    tally.show(excerpt(left, i + ahead), excerpt(right, j + ahead), beyond=True)
    return False


def _same_words(left: str, right: str) -> bool:
    return left == right or left.split() == right.split()


def _plain(text: str) -> str:
    return _ANSI.sub("", text) if "\x1b" in text else text


def compare_html(where: str, recorded: str, again: str, options: Tolerance) -> Difference | None:
    """How two pieces of HTML differ; of tables only tags and texts count, not their attributes."""
    if recorded == again:
        return None
    return compare_texts(
        where, _TABLE_TAG.sub(r"<\1\2>", recorded), _TABLE_TAG.sub(r"<\1\2>", again), options
    )


def compare_svg(where: str, recorded: str, again: str, options: Tolerance) -> Difference | None:
    """How two drawings differ; ids that matplotlib draws at random are no difference."""
    if recorded == again:
        return None
    return compare_texts(where, _SVG_ID.sub("id", recorded), _SVG_ID.sub("id", again), options)


def as_shown(text: str) -> str:
    r"""What a terminal would show of a stream, in which ``\r`` and ``\b`` go back over what was written."""
    if "\r" in text:
        text = "\n".join(_last_written(line) if "\r" in line else line for line in text.split("\n"))
    if "\b" in text:
        shown: list[str] = []
        for character in text:
            if character != "\b":
                shown.append(character)
            elif shown and shown[-1] != "\n":
                shown.pop()
        text = "".join(shown)
    return text


def _last_written(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]
