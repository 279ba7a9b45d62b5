"""Times that people say, by the clock of this machine: ``08:00``, ``tomorrow 08:00``, ``+6h``."""

from __future__ import annotations

import datetime
import re
import time

from sovlab.core.units import format_duration, parse_duration
from sovlab.errors import SpecError

_FARTHEST = 366 * 86400.0
_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?"
_WORDS = re.compile(rf"(?:(?P<day>today|tomorrow)\s+)?{_TIME}")
_HINT = "Write it like 08:00, tomorrow 08:00, 2027-03-01T08:00 or +6h."


def parse_deadline(text: str, now: float | None = None) -> float:
    """Seconds since the epoch of the next moment that ``text`` names.

    A time of day is the next one to come, by this machine's time zone, and so is a date without a zone.
    Where clocks go back and show a time twice, it is the first that is still to come; one that they leave
    out is refused.

    Args:
        text: ``08:00``, ``tomorrow 08:00``, ``2027-03-01T08:00``, the same with ``Z`` or ``+01:00``, ``+6h``.
        now: seconds since the epoch; None is now.

    Raises:
        SpecError: it is no such time, past, or more than a year away.
    """
    now = time.time() if now is None else now
    said = " ".join(text.split())
    words = _WORDS.fullmatch(said)
    if said.startswith("+"):
        when = now + parse_duration(said[1:])
    elif words is not None:
        when = _next(words, text, now)
    else:
        when = _dated(said, text, now)
    if when <= now:
        raise SpecError(f"{text!r} is past.", "Give a time that is still to come.")
    if when - now > _FARTHEST:
        raise SpecError(f"{text!r} is more than a year away.", "Give a time that is nearer.")
    return when


def shown(moment: float, now: float) -> str:
    """A moment for people, by this machine's clock: ``08:00``, with the date if that is not today's."""
    then, today = (datetime.datetime.fromtimestamp(each) for each in (moment, now))
    return then.strftime("%H:%M" if then.date() == today.date() else "%Y-%m-%d %H:%M")


def _next(words: re.Match[str], text: str, now: float) -> float:
    try:
        clock = datetime.time(int(words["hour"]), int(words["minute"]), int(words["second"] or 0))
    except ValueError:
        raise _unknown(text) from None
    today = datetime.datetime.fromtimestamp(now).date()
    days = {"today": (0,), "tomorrow": (1,)}.get(words["day"] or "", (0, 1))
    for day in days:
        there = _moments(datetime.datetime.combine(today + datetime.timedelta(days=day), clock), text)
        for when in there:
            if when > now:
                return when
    return there[-1]  # past, which the caller says


def _dated(said: str, text: str, now: float) -> float:
    if "T" not in said.upper() and " " not in said:
        raise _unknown(text)  # a date alone does not say when on that day
    try:
        when = datetime.datetime.fromisoformat(said)
        if when.tzinfo is not None:
            return when.timestamp()
        there = _moments(when, text)
    except (ValueError, OverflowError):
        raise _unknown(text) from None
    return next((each for each in there if each > now), there[-1])


def _moments(local: datetime.datetime, text: str) -> list[float]:
    """When a time without a zone is here: once, or twice where clocks go back."""
    found = sorted({local.replace(fold=fold).timestamp() for fold in (0, 1)})
    there = [each for each in found if datetime.datetime.fromtimestamp(each) == local]
    if not there:
        raise SpecError(
            f"{text!r} does not exist on {local:%Y-%m-%d}, when the clocks here go forward by "
            f"{format_duration(found[-1] - found[0])}.",
            "Give another time.",
        )
    return there


def _unknown(text: str) -> SpecError:
    return SpecError(f"{text!r:.80} is not a time by which a job can finish.", _HINT)
