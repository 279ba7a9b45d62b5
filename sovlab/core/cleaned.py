"""`Cleaned`: what a sweep over ended jobs deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What was deleted, or would be.

    Attributes:
        jobs: ids.
        bytes: what they took on disk.
        kept: of jobs that were left because they hold files that they wrote: id → the files.
    """

    jobs: tuple[str, ...]
    bytes: int
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
