"""`Page`: what one page wants to know, what it has been told, and what comes next."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import msgspec

from sovlab import codec
from sovlab.errors import SovlabError
from sovlab.jupyter.server.models import LogPiece
from sovlab.jupyter.server.problems import RequestError, problem_of
from sovlab.jupyter.server.stream import messages
from sovlab.jupyter.server.stream.feeds import Feed, Key
from sovlab.jupyter.server.stream.messages import (
    MOST_FOLLOWED,
    ClientMessage,
    Follow,
    Gap,
    HealthChanged,
    JobChanged,
    Log,
    Look,
    Refused,
    ServerMessage,
    Unfollow,
    Watch,
)
from sovlab.jupyter.server.stream.pieces import Piece, Positions
from sovlab.jupyter.server.stream.readings import readings
from sovlab.jupyter.server.stream.sampling import Sampler
from sovlab.jupyter.server.stream.signal import Signal
from sovlab.jupyter.server.stream.watches import TargetWatch

if TYPE_CHECKING:
    from sovlab.jupyter.server.services import Services

_LOG = 64 << 10
"""Bytes of a job's log in one message."""
_DOCUMENTS, _READINGS = 0.25, 1.0
"""Seconds between two documents, or two readings, of a job."""
_ANSWERS = 50
_SETTINGS = 10.0

_About = Literal["", "watch", "look", "follow", "unfollow"]


@dataclass
class _Watched:
    watch: TargetWatch
    revision: int
    health: tuple[str, str] = ("", "")


@dataclass
class _Followed:
    feed: Feed
    have: Positions
    number: int = 0
    changes: int = 0
    told: float = 0.0
    losses: int = 0
    looks: int = 0
    looked: float = 0.0
    errors: int = 0
    over: bool = False


@dataclass
class _Looked:
    sampler: Sampler
    last: messages.TelemetryChanged | None = field(default=None)


class Page:
    """One page of a browser, as far as the server knows it. All of it is called from the server's loop.

    Args:
        services: of the server.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self.signal = Signal(services.loop)
        self._watched: dict[str, _Watched] = {}
        self._looked: dict[str, _Looked] = {}
        self._followed: dict[Key, _Followed] = {}
        self._answers: deque[Refused] = deque(maxlen=_ANSWERS)
        self.waits = False
        """Whether something was held back for a moment by the last `take`."""

    # --- what the page says

    async def hear(self, text: str | bytes) -> None:
        """Do what a message asks for; what is wrong with it is answered by `take`."""
        about: _About = ""
        target, job = "", ""
        try:
            message = _decoded(text)
            about = message.__struct_config__.tag  # type: ignore[assignment]
            job = getattr(message, "job", "")
            target = getattr(message, "target", None) or ""
            await self._do(message)
        except SovlabError as error:
            self._answers.append(Refused(about=about, target=target, job=job, problem=problem_of(error)))
        self.signal.set()

    async def _do(self, message: ClientMessage) -> None:
        current, targets = await self._services.pool.run("", self._targets, _SETTINGS)
        if isinstance(message, Watch):
            self._watch(message, self._known("watch", message.targets, targets))
        elif isinstance(message, Look):
            self._look(self._known("look", message.targets, targets))
        else:
            target = current if message.target is None else message.target
            if target not in targets:
                raise _no_target(target)
            key = (target, message.job)
            if isinstance(message, Unfollow):
                self._unfollow(key)
            else:
                self._follow(key, message)

    def _targets(self) -> tuple[str, frozenset[str]]:
        settings = self._services.client().settings
        return settings.target_named(None).name, frozenset(settings.targets)

    def _known(self, about: _About, wanted: Iterable[str], targets: frozenset[str]) -> list[str]:
        found = list(dict.fromkeys(wanted))
        for name in found:
            if name not in targets:
                problem = problem_of(_no_target(name))
                self._answers.append(Refused(about=about, target=name, job="", problem=problem))
        return [name for name in found if name in targets]

    def _watch(self, message: Watch, targets: list[str]) -> None:
        for target in self._watched.keys() - set(targets):
            del self._watched[target]
            self._services.watches.close(target, self.signal.set)
        same = message.epoch == self._services.epoch
        for target in targets:
            revision = message.known.get(target, -1) if same else -1
            if target in self._watched:
                if revision < 0:
                    continue  # it goes on
                self._watched[target].revision = revision
            else:
                watch = self._services.watches.open(target, self.signal.set)
                self._watched[target] = _Watched(watch, revision)

    def _look(self, targets: list[str]) -> None:
        for target in self._looked.keys() - set(targets):
            del self._looked[target]
            self._services.samplers.close(target, self.signal.set)
        for target in targets:
            if target not in self._looked:
                self._looked[target] = _Looked(self._services.samplers.open(target, self.signal.set))

    def _follow(self, key: Key, message: Follow) -> None:
        if key not in self._followed and len(self._followed) >= MOST_FOLLOWED:
            raise RequestError(
                503, f"This page follows {MOST_FOLLOWED} jobs already.", "Close some of its cards."
            )
        feed = self._services.feeds.open(key, self.signal.set)
        self._unfollow(key)
        have = {int(rank) if rank else None: count for rank, count in (message.have or {}).items()}
        self._followed[key] = _Followed(feed, have)

    def _unfollow(self, key: Key) -> None:
        if self._followed.pop(key, None) is not None:
            self._services.feeds.close(key, self.signal.set)

    def close(self) -> None:
        """The page has gone."""
        self._watch(Watch(targets=[]), [])
        self._look([])
        for key in list(self._followed):
            self._unfollow(key)

    # --- what the page is told

    def take(self) -> Iterator[ServerMessage]:
        """The next that the page is to be told; the newest of everything, in bounded parts."""
        self.waits = False
        while self._answers:
            yield self._answers.popleft()
        for target in list(self._watched):
            if target in self._watched:
                yield from self._of_target(self._watched[target])
        for looked in list(self._looked.values()):
            last = looked.sampler.last
            if last is not None and last is not looked.last:
                looked.last = last
                yield last
        for key in list(self._followed):
            if key in self._followed:
                yield from self._of_job(key, self._followed[key])

    def _of_target(self, place: _Watched) -> Iterator[ServerMessage]:
        health = place.watch.health
        shown = (health.state, health.problem.detail if health.problem is not None else "")
        if shown != place.health:
            place.health = shown
            yield HealthChanged(health=health)
        news = place.watch.since(place.revision)
        if news is not None:
            place.revision = news.revision
            self.waits = True  # there may be more
            yield news

    def _of_job(self, key: Key, place: _Followed) -> Iterator[ServerMessage]:
        target, job = key
        feed, now, found = place.feed, time.monotonic(), list[ServerMessage]()
        with feed.lock:
            if place.errors != feed.errors and feed.error is not None:
                place.errors = feed.errors
                found.append(Refused(about="follow", target=target, job=job, problem=problem_of(feed.error)))
            pieces: list[Piece] = []
            caught = False
            if feed.ready or feed.over:
                pieces, number = feed.since(place.number, place.have, _LOG)
                caught = number >= feed.ring.next - 1 and (not pieces or pieces[-1] is feed.ring.pieces[-1])
                place.number = number
            totals = dict(feed.positions) if caught else {}
            over = feed.over and caught
            if place.changes != feed.changes or (over and not place.over):
                if over or now - place.told >= _DOCUMENTS:
                    place.changes, place.told = feed.changes, now
                    document = feed.document()
                else:
                    document, self.waits = None, True
            else:
                document = None
            losses = feed.losses[place.losses :]
            place.losses += len(losses)
            if place.looks != feed.looks and feed.power is not None:
                if over or now - place.looked >= _READINGS:
                    place.looks, place.looked = feed.looks, now
                    found.append(readings(target, job, feed.power))
                else:
                    self.waits = True
        found += _log(target, job, pieces, place.have, totals)
        found += [
            Gap(target=target, job=job, rank=None, start=place.have.get(None, 0), end=None, why=why)
            for why in losses
        ]
        if document is not None:
            place.over = over
            # The end comes when all else was told.
            found.insert(len(found) if over else 0, JobChanged(target=target, job=document, ended=over))
        if not caught and pieces:
            self.waits = True
        yield from found
        # Nothing more will come of it; or nobody knows it.
        if over and self._followed.get(key) is place:
            self._unfollow(key)


def _log(
    target: str, job: str, pieces: Iterable[Piece], have: Positions, totals: Mapping[int | None, int]
) -> list[ServerMessage]:
    """Pieces as messages, with what is missing before and after them; what the page has is noted."""
    found: list[ServerMessage] = []
    joined: list[Piece] = []

    def told() -> None:
        if joined:
            parts: list[LogPiece] = [piece.shown() for piece in joined]
            found.append(Log(target=target, job=job, pieces=parts))
            joined.clear()

    def missing(rank: int | None, end: int) -> None:
        told()
        start = have.get(rank, 0)
        found.append(Gap(target=target, job=job, rank=rank, start=start, end=end, why="skipped"))

    for piece in pieces:
        start = have.get(piece.rank, 0)
        if piece.start > start:
            missing(piece.rank, piece.start)
        new = piece.after(start)
        if joined and joined[-1].rank == new.rank and joined[-1].end == new.start:
            joined[-1] = Piece(new.rank, joined[-1].start, joined[-1].data + new.data)
        else:
            joined.append(new)
        have[piece.rank] = piece.end
    for rank, total in totals.items():
        if have.get(rank, 0) < total:
            missing(rank, total)
            have[rank] = total
    told()
    return found


def _decoded(text: str | bytes) -> ClientMessage:
    try:
        message: ClientMessage = codec.decoder(ClientMessage).decode(text)
    except RecursionError:
        raise RequestError(400, "The message is nested too deeply.") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise RequestError(400, f"The message cannot be read: {error}.") from None
    return message


def _no_target(name: str) -> RequestError:
    return RequestError(422, f"There is no target {name!r}.", "The route of the targets lists them.")
