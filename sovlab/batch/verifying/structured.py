"""JSON of two runs, member by member, however deep: nothing in here recurses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sovlab.batch.verifying.result import Difference, Verdict
from sovlab.batch.verifying.tally import EXCERPT, Tally
from sovlab.batch.verifying.texts import tallied
from sovlab.batch.verifying.tolerance import Tolerance

_EXACT = 10**15
_SHOWN_KEYS = 12
Path = tuple[Any, object] | None
"""A key behind the path to what holds it; None is the whole."""


def compare_json(where: str, recorded: Any, again: Any, options: Tolerance) -> Difference | None:
    """How two values differ; None where they are the same. Of texts in them the numbers count, too.

    Args:
        where: what they are, for whoever reads the difference.
        recorded: the value of the record, as JSON made it.
        again: that of the second run.
        options: what is within tolerance.
    """
    tally, sanitized = Tally(options), False
    waiting: list[tuple[Path, Any, Any]] = [(None, recorded, again)]
    while waiting:
        path, one, other = waiting.pop()
        if one is other:
            continue
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            if one.keys() != other.keys():
                _differ(tally, path, sorted(map(str, one)), sorted(map(str, other)), "its members differ")
            waiting += [((path, key), one[key], other[key]) for key in list(one)[::-1] if key in other]
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                words = f"{len(one)} items in the record, {len(other)} now"
                _differ(tally, path, one, other, words)
            pairs = list(zip(one, other, strict=False))
            waiting += [((path, place), *pairs[place]) for place in reversed(range(len(pairs)))]
        elif isinstance(one, str) and isinstance(other, str):
            sanitized |= _compare_strings(tally, path, one, other, options)
        elif _number(one) and _number(other):
            _compare_numbers(tally, path, one, other)
        elif type(one) is not type(other) or one != other:
            _differ(tally, path, one, other, "a value differs")
    if tally.words or tally.any:
        return tally.difference(where)
    if sanitized:
        return Difference(
            where=where, verdict=Verdict.SAME, words="the same but for what the sanitisers take out"
        )
    return None


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _compare_numbers(tally: Tally, path: Path, one: float, other: float) -> None:
    if one == other or (one != one and other != other):  # nan is like nan
        return
    if isinstance(one, int) and isinstance(other, int) and max(abs(one), abs(other)) >= _EXACT:
        _differ(tally, path, one, other, "a value differs")
        return
    try:
        close = tally.numbers(float(one), float(other))
    except OverflowError:
        _differ(tally, path, one, other, "a value differs")
        return
    if tally.needs(beyond=not close):
        tally.show(_at(path, _short(one)), _at(path, _short(other)), beyond=not close)


def _compare_strings(tally: Tally, path: Path, one: str, other: str, options: Tolerance) -> bool:
    """Compare two texts; says whether they are the same only once they are sanitised."""
    if one == other:
        return False
    left, right = options.sanitized(one), options.sanitized(other)
    if left == right:
        return True
    found = tallied(left, right, options).difference("")
    tally.add(found.numbers)
    beyond = found.verdict is Verdict.DIFFERS
    if beyond and not found.numbers.beyond:
        tally.words = tally.words or "a text differs"
    if tally.needs(beyond=beyond):
        tally.show(_at(path, found.recorded), _at(path, found.again), beyond=beyond)
    return False


def _differ(tally: Tally, path: Path, one: Any, other: Any, words: str) -> None:
    tally.words = tally.words or words
    if tally.needs(beyond=True):
        tally.show(_at(path, _short(one)), _at(path, _short(other)), beyond=True)


def _at(path: Path, text: str) -> str:
    keys: list[str] = []
    while path is not None and len(keys) < _SHOWN_KEYS:
        path, key = path
        keys.append(str(key)[:40])
    place = ".".join([*(["…"] if path is not None else []), *reversed(keys)])
    return f"{place}: {text}" if place else text


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**40:
        return "a number of more than 40 digits"
    text = json.dumps(
        value[:_SHOWN_KEYS] if isinstance(value, list) else value, ensure_ascii=False, default=str
    )
    return text if len(text) <= EXCERPT else text[:EXCERPT] + "…"
