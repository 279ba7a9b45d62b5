"""What a look at a cluster found: one fact each, how good it is, and what would make it better."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sovlab.errors import SovlabError


class Level(enum.StrEnum):
    """How good a finding is."""

    OK = "ok"
    DEGRADED = "degraded"
    """Jobs run; something that would be nice is not to be had."""
    MISSING = "missing"
    """Without it no job runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact about a cluster, as far as sovlab's jobs are concerned.

    Attributes:
        what: what was looked at, in a word or two.
        level: how good it is.
        found: what it is, in one phrase.
        advice: what is lost, and which right or object would bring it; empty if nothing is.
        named: it is about an object that the target names: where that is missing, the target is wrong.
        sets: settings of a target that suit it, by key; see `sovlab.settings.cluster.Cluster`.
    """

    what: str
    level: Level
    found: str
    advice: str = ""
    named: bool = False
    sets: Mapping[str, Any] = field(default_factory=dict)


def ok(what: str, found: str, advice: str = "", *, sets: Mapping[str, Any] | None = None) -> Finding:
    """A finding that is as it should be."""
    return Finding(what=what, level=Level.OK, found=found, advice=advice, sets=sets or {})


def degraded(what: str, found: str, advice: str, *, sets: Mapping[str, Any] | None = None) -> Finding:
    """A finding with which jobs run, but not all is to be had."""
    return Finding(what=what, level=Level.DEGRADED, found=found, advice=advice, sets=sets or {})


def missing(what: str, found: str, advice: str, *, named: bool = False) -> Finding:
    """A finding with which no job runs."""
    return Finding(what=what, level=Level.MISSING, found=found, advice=advice, named=named)


def phrase(error: SovlabError) -> str:
    """What an error says, as a finding says it: without a capital and a full stop."""
    text = error.message.rstrip(".")
    return text[:1].lower() + text[1:]


def lacking(found: Iterable[Finding]) -> list[Finding]:
    """Those without which no job runs."""
    return [finding for finding in found if finding.level is Level.MISSING]


def settings_of(found: Iterable[Finding]) -> dict[str, Any]:
    """All settings that suit what was found; tables of several findings are joined."""
    settings: dict[str, Any] = {}
    for finding in found:
        for key, value in finding.sets.items():
            settings[key] = {**settings.get(key, {}), **value} if isinstance(value, Mapping) else value
    return settings
