"""A log as pieces: whole characters, each where it stands, and in bounded room."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from sovlab.core.event import LogChunk
from sovlab.jupyter.server.stream.page import _log
from sovlab.jupyter.server.stream.pieces import Piece, Pieces, Ring

BYTES = st.one_of(
    st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")), st.binary(max_size=60)
)
CHUNKS = st.lists(st.tuples(st.sampled_from([None, 0, 1]), BYTES.filter(bool)), max_size=30)


@given(CHUNKS)
def test_pieces_joined_are_each_ranks_log_byte_for_byte(chunks):
    made = Pieces()
    pieces = [piece for rank, data in chunks for piece in made.feed(LogChunk(data=data, rank=rank))]
    pieces += made.rest()
    for rank in (None, 0, 1):
        mine = [piece for piece in pieces if piece.rank == rank]
        assert b"".join(piece.data for piece in mine) == b"".join(data for r, data in chunks if r == rank)
        at = 0
        for piece in mine:
            assert piece.start == at
            assert piece.data
            at = piece.end
        assert made.positions.get(rank, 0) == at


@given(st.text(min_size=1, max_size=50), st.lists(st.integers(1, 200), max_size=30))
def test_a_character_is_never_shown_in_halves(text, cuts):
    data = text.encode("utf-8", "replace")
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    made = Pieces()
    pieces = [
        piece
        for begin, end in itertools.pairwise(edges)
        for piece in made.feed(LogChunk(data=data[begin:end]))
    ]
    assert made.whole
    assert "".join(piece.shown().text for piece in pieces) == data.decode()


def test_a_long_chunk_is_several_pieces_of_whole_characters():
    data = ("ä€😀" * 20_000).encode()
    pieces = list(Pieces().feed(LogChunk(data=data)))
    assert len(pieces) > 1
    assert "".join(piece.shown().text for piece in pieces) == data.decode()


@given(CHUNKS, st.integers(1, 300), st.lists(st.integers(0, 40), max_size=30))
def test_a_page_however_slow_gets_each_byte_or_is_told_that_it_is_missing(chunks, room, takes):
    """What a page is told, pieces and gaps together, covers each rank's log once, in order."""
    made, ring, number = Pieces(), Ring(), 0
    have: dict[int | None, int] = {}
    told = []

    def take() -> None:
        nonlocal number
        pieces = [piece for piece in ring.since(number) if piece.end > have.get(piece.rank, 0)]
        number = max(ring.next - 1, ring.first)
        told.extend(_log("local", "job", pieces, have, dict(made.positions)))

    for at, (rank, data) in enumerate(chunks):
        for piece in made.feed(LogChunk(data=data, rank=rank)):
            ring.add(piece, room)
        if at in takes:
            take()
    for piece in made.rest():
        ring.add(piece, room)
    take()
    for rank in (None, 0, 1):
        log = b"".join(data for r, data in chunks if r == rank)
        at = 0
        for message in told:
            for part in getattr(message, "pieces", [message]):
                if part.rank != rank:
                    continue
                assert part.start == at
                at = part.end if hasattr(part, "end") else part.start + part.bytes
                if hasattr(part, "text"):
                    assert part.text == log[part.start : at].decode("utf-8", "replace")
        assert at == len(log)


def test_a_ring_keeps_no_more_than_its_room():
    ring = Ring()
    for n in range(10_000):
        ring.add(Piece(None, n * 100, b"x" * 100), 5000)
        assert sum(len(piece.data) for piece in ring.pieces) <= 5000 + 2048
    assert ring.pieces[-1].end == 1_000_000
