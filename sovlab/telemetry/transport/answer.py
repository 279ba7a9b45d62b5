"""`Answer`: what a Prometheus sent back, unread."""

from __future__ import annotations

from typing import NamedTuple

MAX_BYTES = 16 << 20
"""Of the longest answer that is read: some 100,000 points with their labels."""


class Answer(NamedTuple):
    """What came back.

    Attributes:
        status: HTTP status.
        body: at most `MAX_BYTES`.
        date: the server's clock by its ``Date`` header, seconds since the epoch; None if it sent none.
        html: whether it calls itself a web page.
    """

    status: int
    body: bytes
    date: float | None = None
    html: bool = False
