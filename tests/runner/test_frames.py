from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sovlab.runner.protocol.frames import MAX_READ, FrameReader, encode

NONCE = "00ff00ff00ff00ff"
OTHER = "ffffffffffffffff"
FRAME = encode(NONCE, {"t": "progress", "step": 1})

pieces = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [FRAME, encode(OTHER, {"t": "exit"}), b"\x1e", b"\x1esovlab:", FRAME[:-1], b"\n", FRAME[:20]]
    ),
)


def joined(parts: list[object]) -> list[object]:
    """Output in one piece between frames."""
    whole: list[object] = []
    for part in parts:
        if isinstance(part, bytes) and whole and isinstance(whole[-1], bytes):
            whole[-1] += part
        else:
            whole.append(part)
    return whole


@given(st.lists(pieces), st.data())
def test_a_log_reads_the_same_wherever_it_is_cut(parts: list[bytes], data: st.DataObject) -> None:
    log = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=6)))
    whole, cut = FrameReader(NONCE), FrameReader(NONCE)
    expected = joined([*whole.feed(log), *whole.flush()])
    found: list[object] = []
    for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
        found += cut.feed(log[start:end])
    assert joined([*found, *cut.flush()]) == expected


@given(st.lists(st.tuples(st.binary(max_size=50), st.booleans())))
def test_frames_leave_the_output_byte_for_byte(parts: list[tuple[bytes, bool]]) -> None:
    reader = FrameReader(NONCE)
    log = b"".join(text + FRAME * framed for text, framed in parts)
    found = [*reader.feed(log), *reader.flush()]
    output = b"".join(p for p in found if isinstance(p, bytes))
    # An \x1e right before a frame belongs to the output, as does every other byte outside of it.
    assert output == b"".join(text for text, _ in parts)
    assert sum(isinstance(p, dict) for p in found) == sum(framed for _, framed in parts)


def test_frames_of_another_job_are_output() -> None:
    reader = FrameReader(NONCE)
    frame = encode(OTHER, {"t": "exit"})
    assert reader.feed(frame) == [frame]


def test_what_never_ends_like_a_frame_becomes_output_with_bounded_memory() -> None:
    reader = FrameReader(NONCE)
    begin = FRAME[:-1]
    found = reader.feed(begin)
    for _ in range(100):
        found += reader.feed(b"x" * 4096)
        assert reader.pending <= MAX_READ
    found += reader.flush()
    assert b"".join(found) == begin + b"x" * 409600  # type: ignore[arg-type]


def test_damaged_json_is_output() -> None:
    reader = FrameReader(NONCE)
    damaged = b"\x1esovlab:" + NONCE.encode() + b" {oops}\n"
    assert reader.feed(damaged + FRAME) == [damaged, {"t": "progress", "step": 1}]


def test_a_frame_must_fit_into_one_write() -> None:
    with pytest.raises(ValueError, match="too long"):
        encode(NONCE, {"t": "progress", "text": "x" * 5000})
