"""`Condition`: how hot a target's devices of one backend are, and what they may draw more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number on the state of devices, with where it is from.

    Attributes:
        value: None if it is not known.
        source: where it is from, in a few words.
        seen: when it was so, in seconds since the epoch; None if it is not known.
        why: what is to be known of it: why there is no value, or what is not in it. A clause.
    """

    value: float | None = None
    source: str = ""
    seen: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How a target's devices of one backend do now.

    Attributes:
        celsius: °C of the hottest place of any of them.
        slowed: how many of them heat slows.
        headroom: W that they may draw more, together, until they are at their limits or the site is.
    """

    celsius: Figure = Figure()
    slowed: Figure = Figure()
    headroom: Figure = Figure()


def unknown(why: str) -> Condition:
    """A condition of which nothing is known."""
    figure = Figure(why=why)
    return Condition(celsius=figure, slowed=figure, headroom=figure)
