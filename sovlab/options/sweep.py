"""What may be said of a sweep: the names that take several values, and the points that this makes."""

from __future__ import annotations

import ast
import itertools
import keyword
import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sovlab.errors import SpecError
from sovlab.options.job import FLAGS, NAMES

MAX_POINTS = 10_000
"""Runs that a sweep may have, repeats counted."""

_RANGE = re.compile(r"(-?[0-9]{1,15})\.\.(-?[0-9]{1,15})")
_OPENING, _CLOSING = "([{", ")]}"
_FLAG_NAMES = {
    word.lstrip("-").replace("-", "_"): name
    for name, flag in FLAGS.items()
    for word in (*flag.names, name)
    if len(word) > 2
}


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a sweep.

    Attributes:
        parameters: what the code gets, by name.
        options: of the submit, by name; None leaves an option as it is without the sweep.
        repeat: which of several runs of the same, from 1.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    repeat: int = 1

    @property
    def values(self) -> dict[str, Any]:
        """All that was chosen for it, by name."""
        return {**self.parameters, **self.options}


def grid(
    parameters: Mapping[str, Iterable[Any]],
    over: Mapping[str, Iterable[Any]] | None = None,
    repeats: int = 1,
) -> list[Point]:
    """Every combination of the values, the last name changing fastest.

    Points with the same parameters share one mapping of them, and so do those with the same options.

    Args:
        parameters: values of what the code gets, by name.
        over: values of options of the submit, by the name that they have as keywords.
        repeats: how often each is run.

    Raises:
        SpecError: a name or its values are wrong, nothing is swept, or it would be more than `MAX_POINTS`.
    """
    if type(repeats) is not int or repeats < 1:
        raise SpecError(f"repeats is {repeats!r}.", "Give a whole number, one or more.")
    given, options = _listed(parameters), _listed(over or {})
    for name in given:
        _check_name(name)
    for name in options:
        if name not in NAMES:
            raise SpecError(
                f"There is no option {name!r} to sweep over.", f"There are {', '.join(sorted(NAMES))}."
            )
        if name in given:
            raise SpecError(
                f"{name} is swept both as a parameter and as an option.", "Sweep over one of them at a time."
            )
    if not given and not options and repeats == 1:
        raise SpecError("Nothing is swept.", "Name what takes several values, like lr=0.1,0.01.")
    count = math.prod(map(len, (*given.values(), *options.values()))) * repeats
    if count > MAX_POINTS:
        raise SpecError(f"The sweep has {count:,} points.", f"Give at most {MAX_POINTS:,} at a time.")
    variants = _combinations(options)
    return [
        Point(chosen, variant, repeat)
        for chosen in _combinations(given)
        for variant in variants
        for repeat in range(1, repeats + 1)
    ]


def _combinations(values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())]


def _listed(values: Mapping[str, Iterable[Any]]) -> dict[str, list[Any]]:
    if not isinstance(values, Mapping):
        raise SpecError(
            f"What is swept is {type(values).__name__} {values!r:.60}, not a dictionary.",
            'Give values by name, like {"lr": [0.1, 0.01]}.',
        )
    found = {}
    for name, each in values.items():
        if isinstance(each, str | bytes | Mapping) or not isinstance(each, Iterable):
            raise SpecError(f"The values of {name} are {each!r:.60}.", "Give a list of them.")
        found[name] = list(itertools.islice(each, MAX_POINTS + 1))
        if not found[name]:
            raise SpecError(f"{name} has no values to sweep over.", "Give at least one.")
    return found


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
        raise SpecError(f"{name!r:.60} is not a valid Python name.", "Name what is swept as in lr=0.1,0.01.")


def parameters_in(words: Sequence[str]) -> dict[str, list[str]]:
    """The names and the texts of their values in words like ``lr=0.1,0.01`` and ``seed=1..5``.

    Raises:
        SpecError: a word has no values, or too many, or names what another has named.
    """
    return {name: listed_values(text) for name, text in _pairs(words)}


def over_in(words: Sequence[str], *, cell: bool) -> dict[str, list[Any]]:
    """Values of options in words like ``backend=cpu,cuda``, as their flags read them.

    An option may be named as its flag or as its keyword. An empty value is None: the option is not said.

    Args:
        words: one for each option.
        cell: whether it is a cell that runs, which has options of its own.

    Raises:
        SpecError: there is no such option, or a value is not one of its.
    """
    found: dict[str, list[Any]] = {}
    for word, text in _pairs(words):
        name = _FLAG_NAMES.get(word.lstrip("-").replace("-", "_"), word)
        flag = FLAGS.get(name)
        if flag is not None and flag.cell and not cell:
            raise SpecError(f"Only a cell has {flag.names[0]} to sweep over.", "Leave it out.")
        texts = [_unquoted(each) for each in split_values(text)]
        try:
            found[name] = [
                each if flag is None else flag.parse([each] if flag.repeated else each) if each else None
                for each in texts
            ]
        except ValueError as error:
            raise SpecError(f"--over {word}={text}: {error}.") from None
    return found


def _pairs(words: Sequence[str]) -> Iterable[tuple[str, str]]:
    seen = set()
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise SpecError(f"{word!r} has no values to sweep over.", f"Write {name or 'NAME'}=VALUE,VALUE.")
        if name in seen:
            raise SpecError(
                f"{name} is swept twice.", f"Write all its values in one place: {name}=VALUE,VALUE."
            )
        seen.add(name)
        yield name, text


def split_values(text: str) -> list[str]:
    """The parts of ``a,b`` between commas that are in no brackets and in no quotation."""
    parts, depth, quote = [""], 0, ""
    for character in text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character in _OPENING:
            depth += 1
        elif character in _CLOSING:
            depth -= 1
        elif character == "," and depth <= 0:
            parts.append("")
            continue
        parts[-1] += character
    return [part.strip() for part in parts]


def listed_values(text: str) -> list[str]:
    """The texts of the values in ``a,b``, where ``1..5`` is each whole number from 1 to 5, both counted.

    Raises:
        SpecError: they are more than `MAX_POINTS`.
    """
    found: list[str] = []
    for part in split_values(text):
        ends = _RANGE.fullmatch(part)
        if ends is None:
            found.append(part)
            continue
        first, last = int(ends[1]), int(ends[2])
        if len(found) + abs(last - first) >= MAX_POINTS:
            raise SpecError(f"{part} are too many values.", f"Give at most {MAX_POINTS:,} at a time.")
        step = 1 if last >= first else -1
        found += map(str, range(first, last + step, step))
    return found


def literal(text: str) -> Any:
    """What Python makes of ``text`` as a literal; ``text`` itself where it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _unquoted(text: str) -> str:
    """The text in a quotation; ``text`` itself where it is none."""
    value = literal(text)
    return value if isinstance(value, str) else text


def filled(arguments: Sequence[str], texts: Mapping[str, str]) -> list[str]:
    """Arguments of a script with the text of each swept name in the place of ``{name}``.

    Raises:
        SpecError: a name occurs in none of them.
    """
    for name in texts:
        if not any(f"{{{name}}}" in each for each in arguments):
            raise SpecError(
                f"{name} is swept, but no argument of the script has {{{name}}} in it.",
                f"Write it after -- where its value goes, like -- --{name} {{{name}}}.",
            )
    if not texts:
        return list(arguments)
    marks = re.compile("|".join(re.escape(f"{{{name}}}") for name in texts))
    return [marks.sub(lambda mark: _unquoted(texts[mark[0][1:-1]]), each) for each in arguments]
