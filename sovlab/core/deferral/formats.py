"""Forecasts as sites publish them, in CSV or JSON: averages over steps. What is not sure is refused.

A step has a ``start``, maybe an ``end``, and a ``value``; times have a zone, or are seconds since the epoch.
Without ends a step lasts until the next one begins, and all are of one length.
"""

from __future__ import annotations

import csv
import datetime
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sovlab.core.deferral.forecast import MOST, Forecast
from sovlab.core.untrusted import LATEST, DamagedRecord, clean, parse

_START, _END = ("start", "from", "time", "datetime"), ("end", "to")
_VALUE = ("value", "forecast", "intensity", "carbonIntensity", "price")
_LISTS = ("data", "forecast", "result", "values")
"""Members in which a list of steps may be, one in another."""
_LARGEST = 1e14
_SAME = 0.5
"""Seconds by which bounds may differ that are meant to be the same: some write 07:59:59 for 08:00."""


class Step(NamedTuple):
    """One step as it was written.

    Attributes:
        place: where, for messages.
        start, end: seconds since the epoch; the end is None if it is not said.
        value: the average in it.
    """

    place: str
    start: float
    end: float | None
    value: float


def read(data: bytes, step: float | None = None) -> Forecast:
    """The forecast in a file.

    Args:
        data: of the file, CSV with a line of names or JSON.
        step: seconds of each step, where the file does not say ends.

    Raises:
        DamagedRecord: it is none; the message says what is wrong, and where.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DamagedRecord("it is not UTF-8") from None
    steps = _json(text) if text.lstrip()[:1] in ("{", "[") else _csv(text)
    return assembled(steps, step)


def assembled(steps: Iterable[Step], step: float | None = None) -> Forecast:
    """A forecast of steps; raises `DamagedRecord` as `read`."""
    found: list[Step] = []
    for each in steps:
        if len(found) == MOST:
            raise DamagedRecord(f"it has more than {MOST} steps")
        if found and each.start <= found[-1].start:
            raise DamagedRecord(f"{each.place}: it begins no later than the step before")
        found.append(each)
    if not found:
        raise DamagedRecord("it has no steps")
    length = step if step is not None else _spacing(found)
    times = [found[0].start]
    for each in found:
        if abs(each.start - times[-1]) > _SAME:
            later = each.start > times[-1]
            what = "there is a gap before it" if later else "it overlaps with the step before"
            raise DamagedRecord(f"{each.place}: {what}")
        end = each.end if each.end is not None else each.start + length
        if end <= times[-1]:
            raise DamagedRecord(f"{each.place}: it ends before it begins")
        times.append(end)
    return Forecast(times, [each.value for each in found])


def _spacing(found: Sequence[Step]) -> float:
    """Seconds from one step to the next, where ends are not said."""
    if found[0].end is not None:
        return 0.0  # a step without an end, among others that have one, then ends before it begins
    if len(found) == 1:
        raise DamagedRecord(f"{found[0].place}: it is not said when it ends")
    return found[1].start - found[0].start


def _csv(text: str) -> Iterator[Step]:
    first = text.partition("\n")[0]
    delimiter = next((each for each in ";\t" if each in first), ",")
    lines = csv.reader(text.splitlines(), delimiter=delimiter)
    try:
        names = [name.strip() for name in next(lines, [])]
        if not any(each in names for each in _START) or not any(each in names for each in _VALUE):
            raise DamagedRecord("line 1: it does not name the columns start and value")
        for row in lines:
            if not row:
                continue
            place = f"line {lines.line_num}"
            if len(row) != len(names):
                raise DamagedRecord(f"{place}: it has {len(row)} columns, not {len(names)}")
            yield _step(place, dict(zip(names, (cell.strip() for cell in row), strict=True)))
    except csv.Error as error:
        raise DamagedRecord(f"line {lines.line_num}: {error}") from None


def _json(text: str) -> Iterator[Step]:
    found = parse(text.encode())
    for _ in range(len(_LISTS)):
        if isinstance(found, dict):
            found = next((found[name] for name in _LISTS if isinstance(found.get(name), list | dict)), None)
        elif (
            isinstance(found, list)
            and len(found) == 1
            and isinstance(found[0], dict)
            and "values" in found[0]
        ):
            found = found[0]["values"]  # what Prometheus answers with: one series
    if not isinstance(found, list):
        raise DamagedRecord("it holds no list of steps")
    for number, item in enumerate(found, 1):
        place = f"step {number}"
        if isinstance(item, list) and len(item) == 2:
            item = {"start": item[0], "value": item[1]}
        if not isinstance(item, dict):
            raise DamagedRecord(f"{place}: it is not an object with start and value")
        yield _step(place, item)


def _step(place: str, values: Mapping[str, Any]) -> Step:
    start, end = (next((values[name] for name in names if name in values), None) for names in (_START, _END))
    value = next((values[name] for name in _VALUE if name in values), None)
    if isinstance(value, dict):  # what is expected, beside what was
        value = value.get("forecast")
    if start is None or value is None:
        raise DamagedRecord(f"{place}: it has no {'start' if start is None else 'value'}")
    return Step(
        place,
        _moment(place, start),
        None if end in (None, "") else _moment(place, end),
        _number(place, value),
    )


def _number(place: str, value: object) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) < _LARGEST:
        raise DamagedRecord(f"{place}: {_quoted(value)} is not a number")
    return number


def _moment(place: str, value: object) -> float:
    if isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
        try:
            when = datetime.datetime.fromisoformat(value.strip())
        except ValueError:
            raise DamagedRecord(f"{place}: {_quoted(value)} is not a time") from None
        if when.tzinfo is None:
            raise DamagedRecord(f"{place}: {_quoted(value)} has no time zone, like Z or +01:00")
        try:
            seconds = when.timestamp()
        except (ValueError, OverflowError):
            seconds = -1.0
    else:
        seconds = _number(place, value)
    if not 0.0 <= seconds < LATEST:
        raise DamagedRecord(f"{place}: {_quoted(value)} is not a time in seconds since the epoch")
    return seconds


def _quoted(value: object) -> str:
    return clean(repr(value)[:60] if isinstance(value, str | int | float) else "it")
