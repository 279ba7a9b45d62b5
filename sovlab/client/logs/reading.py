"""The log of a job as text, from its events."""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator

from sovlab.client.logs.log_text import LogText
from sovlab.core.event import Cursor, Event, LogChunk, LogLost


def texts(
    events: Callable[..., Iterator[Event]], *, follow: bool, rank: int | None, tail: int | None, errors: str
) -> Iterator[str]:
    """Piece by piece as it comes; see `Job.stream`.

    Args:
        events: `Job.events`.
        follow: go on until the job has ended.
        rank: only what this rank printed; None is all.
        tail: of what is there already, only the last so many lines.
        errors: what to do with bytes that are not UTF-8.
    """
    lost: LogLost | None = None
    offset: Cursor = 0
    text = LogText(mark=rank is None, errors=errors)
    if tail is not None:
        kept: collections.deque[str] = collections.deque(maxlen=tail)
        line = ""
        for event in events(follow=False):
            if isinstance(event, LogLost):
                lost = lost or event
            elif isinstance(event, LogChunk):
                offset = event.offset
                if rank is None or event.rank == rank:
                    *lines, line = (line + text.feed(event)).split("\n")
                    kept.extend(lines)
        if line:
            kept.append(line)
        yield "\n".join(kept) + ("" if line or not kept else "\n")
        if lost is not None and (lost.refused or not follow):
            raise lost.error
        if not follow:
            return
        lost = None
    for event in events(follow=follow, offset=offset):
        if isinstance(event, LogLost):
            if event.refused:
                raise event.error
            lost = lost or event
        elif isinstance(event, LogChunk) and (rank is None or event.rank == rank):
            yield text.feed(event)
    if lost is not None:
        raise lost.error
