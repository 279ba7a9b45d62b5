"""Pieces of a run in a job's log: whatever a job prints there, its reader goes on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.batch.steps import Steps
from sovlab.core import decoding
from sovlab.core.decoding import NotebookPiece
from sovlab.runner.notebook.telling import Teller


def told(tmp_path, *steps):
    """The pieces that telling these makes, as they come from a log."""
    frames = []
    teller = Teller(frames.append, str(tmp_path))
    for op, members in steps:
        teller.tell(op, **members)
    teller.close()
    return [decoding.frame(frame) for frame in frames]


def read(pieces):
    steps = Steps()
    return [step for piece in pieces for step in steps.take(piece)], steps.complete


def test_what_is_told_is_read(tmp_path):
    import random

    choose = random.Random(1)
    noise = "".join(chr(choose.randrange(32, 126)) for _ in range(60_000))
    said = [("start", {"cell": 0}), ("output", {"cell": 0, "at": 0, "output": {"text": noise}}), ("end", {})]
    pieces = told(tmp_path, *said)
    assert any(piece.more for piece in pieces)
    assert read(pieces) == ([{"op": op, **members} for op, members in said], True)


def test_pieces_that_come_twice_are_read_once(tmp_path):
    pieces = told(tmp_path, *[("start", {"cell": n}) for n in range(5)])
    assert read([*pieces, *pieces]) == read(pieces)


@pytest.mark.parametrize("lost", [0, 1, -1])
def test_a_lost_piece_is_known_of(tmp_path, lost):
    frames = []
    for number in range(3):
        frames += told(tmp_path, ("start", {"cell": number}))
    pieces = [NotebookPiece(at, piece.more, piece.data) for at, piece in enumerate(frames)]
    del pieces[lost]
    steps, complete = read([*pieces, NotebookPiece(3, False, frames[0].data)])
    assert not complete
    assert len(steps) == 3


PIECES = st.builds(NotebookPiece, st.integers(0, 5), st.booleans(), st.text(max_size=50))


@given(st.lists(PIECES, max_size=20))
def test_no_piece_ends_the_reading(pieces):
    for step in read(pieces)[0]:
        assert isinstance(step["op"], str)


def test_a_batch_that_unpacks_to_gigabytes_is_left_out():
    import base64
    import zlib

    packing = zlib.compressobj(9)
    data = b"".join([packing.compress(b" " * (1 << 20)) for _ in range(100)]) + packing.flush()
    assert read([NotebookPiece(0, False, base64.b64encode(data).decode())]) == ([], False)
