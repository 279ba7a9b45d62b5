"""`Cleaned`: what a sweep over ended jobs deleted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What was deleted, or would be.

    Attributes:
        jobs: ids.
        bytes: what they took on disk.
    """

    jobs: tuple[str, ...]
    bytes: int
