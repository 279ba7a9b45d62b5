"""Pieces of PromQL: what people named goes into it only through here."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable

_NOT_TEXT = re.compile("[\ud800-\udfff\ufffd]")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def quoted(text: str) -> str:
    """A string literal: the escapes of JSON are among those of PromQL."""
    # What cannot be sent, or is refused: in its place stands what means nothing in a pattern either.
    return json.dumps(_NOT_TEXT.sub("_", text), ensure_ascii=False)


def equals(label: str, value: str) -> str:
    """A matcher for one value."""
    return f"{_checked(label)}={quoted(value)}"


def one_of(label: str, values: Iterable[str]) -> str:
    """A matcher for some values, each taken as it is written."""
    return f"{_checked(label)}=~{quoted('|'.join(re.escape(value) for value in values))}"


def like(label: str, pattern: str) -> str:
    """A matcher for a regular expression (RE2), which is matched against the whole value."""
    return f"{_checked(label)}=~{quoted(pattern)}"


def duration(seconds: float) -> str:
    """A duration, in milliseconds as PromQL has no fractions; at least one."""
    return f"{max(math.ceil(seconds * 1000 - 1e-6), 1)}ms"


def _checked(label: str) -> str:
    if not _LABEL.fullmatch(label):
        raise ValueError(f"{label!r} is not the name of a label")
    return label
