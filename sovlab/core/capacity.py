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
        free: of those, not held by running jobs, and within the quota that is left; None if unknown.
        queued: jobs or pods that wait for it; None if unknown.
        source: where the numbers are from, in a few words.
        seen: when they were, in seconds since the epoch; None if that is not told.
        nodes: names and addresses of the nodes that have them; empty if unknown, and on this machine.
        free_by_node: devices free on each node; empty where nodes are not told apart.
        largest: devices of the node that has most; None if unknown.
    """

    detection: Detection
    total: float | None
    free: float | None
    queued: int | None = None
    source: str = ""
    seen: float | None = None
    nodes: tuple[str, ...] = ()
    free_by_node: tuple[float, ...] = ()
    largest: float | None = None
