"""How far the logs of a job's pods were read, as text that a caller keeps."""

from __future__ import annotations

from sovlab.core.event import Cursor


class Cursors:
    """LogPositions in the logs of a job's pods: ``index@pod=bytes/rank``, joined by ``;``.

    Args:
        text: of an earlier event; 0 is the start.
    """

    def __init__(self, text: Cursor) -> None:
        self._places: dict[int, tuple[str, int, int | None]] = {}
        for part in str(text or "").split(";"):
            where, _, place = part.partition("=")
            index, _, pod = where.partition("@")
            count, _, rank = place.partition("/")
            if index.isdigit() and count.isdigit():
                self._places[int(index)] = (pod, int(count), int(rank) if rank.isdigit() else None)

    def of(self, index: int, pod: str) -> tuple[int, int | None]:
        """Where to go on in the log of a pod, and which rank was printing there."""
        known, place, rank = self._places.get(index, ("", 0, None))
        return (place, rank) if known == pod else (0, None)

    def set(self, index: int, pod: str, place: int, rank: int | None) -> str:
        """Note a place; all of them as text."""
        self._places[index] = (pod, place, rank)
        return ";".join(
            f"{i}@{p}={n}/{'-' if r is None else r}" for i, (p, n, r) in sorted(self._places.items())
        )
