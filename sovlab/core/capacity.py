"""`Capacity`: what a target has of one backend, and what of it is free."""

from __future__ import annotations

from dataclasses import dataclass

from sovlab.core.backend import Detection


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a target has of one backend, and what of it is free.

    Attributes:
        detection: devices found, and how that is known.
        total: devices, or cores for a backend without devices; None if unknown.
        free: of those, not held by running jobs; None if unknown.
        queued: jobs that wait for it.
        source: where the numbers are from, in a few words.
    """

    detection: Detection
    total: float | None
    free: float | None
    queued: int = 0
    source: str = ""
