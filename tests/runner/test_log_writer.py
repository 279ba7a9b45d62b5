"""The way of a job's output through a container's log: what is written, and what marks it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.runner.pod import log_writer as module
from sovlab.runner.pod.log_writer import QUIET, LogWriter
from sovlab.runner.protocol.frames import MAX_WRITE, FrameReader, encode

NONCE = "00ff00ff00ff00ff"
FRAME = encode(NONCE, {"t": "progress", "step": 1})


class Clock:
    """Takes the place of the module ``time``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class Written:
    """A log writer, and what it has written."""

    def __init__(self) -> None:
        self.clock = Clock()
        self._file = os.memfd_create("log")
        known, module.time = module.time, self.clock  # type: ignore[assignment]
        self._known = known
        self.writer = LogWriter(self._file, NONCE)

    def close(self) -> None:
        module.time = self._known  # type: ignore[assignment]
        os.close(self._file)

    @property
    def log(self) -> bytes:
        return os.pread(self._file, os.fstat(self._file).st_size, 0)

    @property
    def pieces(self) -> list[Any]:
        reader = FrameReader(NONCE)
        return [*reader.feed(self.log), *reader.flush()]

    @property
    def marks(self) -> list[dict[str, Any]]:
        return [p for p in self.pieces if isinstance(p, dict) and p["t"] in ("at", "end")]

    @property
    def output(self) -> bytes:
        """All but the marks, frames of the job as they were."""
        rest = (p for p in self.pieces if p not in self.marks)
        return b"".join(p if isinstance(p, bytes) else encode(NONCE, p) for p in rest)


@pytest.fixture
def made() -> Iterator[Callable[[], Written]]:
    found: list[Written] = []

    def make() -> Written:
        found.append(Written())
        return found[-1]

    yield make
    for one in found:
        one.close()


parts = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [FRAME, FRAME[:9], FRAME[9:], b"\x1e", b"\n", b"\r", b"\r\n", b"\n\r\n", b"a\r\n\r\nb", b"line\n"]
    ),
)
steps = st.lists(st.tuples(st.sampled_from([0.0, 0.005, 0.3, 1.0, 2.5]), parts))


def run(written: Written, plan: list[tuple[float, bytes]]) -> bytes:
    """Feed all of it as the runner does; what was fed."""
    for pause, data in plan:
        end = written.clock.now + pause
        due = written.writer.flush(written.clock.now)
        while due is not None and due <= end:
            written.clock.now = due
            due = written.writer.flush(due)
        written.clock.now = end
        written.writer.feed(data)
    return b"".join(data for _, data in plan)


@given(steps)
@settings(deadline=None)
def test_without_its_marks_the_log_is_the_output_byte_for_byte(plan: list[tuple[float, bytes]]) -> None:
    written = Written()
    try:
        assert run(written, plan) == written.output
    finally:
        written.close()


@given(steps)
@settings(deadline=None)
def test_each_mark_says_how_much_output_came_before_it_and_when(plan: list[tuple[float, bytes]]) -> None:
    written = Written()
    try:
        run(written, plan)
        written.writer.end()
        count = 0
        for piece in written.pieces:
            if isinstance(piece, dict) and piece in written.marks:
                assert piece["o"] == count
                assert 1000 <= piece["s"] <= written.clock.now
            else:
                count += len(piece if isinstance(piece, bytes) else encode(NONCE, piece))
        assert written.marks[0]["o"] == 0, "the log begins with a mark"
        assert written.marks[-1]["t"] == "end"
        assert written.log.endswith(b"\n")
    finally:
        written.close()


@given(steps)
@settings(deadline=None)
def test_no_carriage_return_ends_a_line_of_the_log(plan: list[tuple[float, bytes]]) -> None:
    """containerd drops it there."""
    written = Written()
    try:
        run(written, plan)
        assert b"\r\n" not in written.log
    finally:
        written.close()


def test_each_second_with_output_begins_with_a_mark(made: Callable[[], Written]) -> None:
    written = made()
    for at in (1000.2, 1000.7, 1001.1, 1001.9, 1005.0):
        written.clock.now = at
        written.writer.feed(b"line\n")
    assert [m["s"] for m in written.marks] == [1000, 1001, 1005]
    assert [m["o"] for m in written.marks] == [0, 10, 20]


def test_an_unfinished_line_is_pushed_on_soon(made: Callable[[], Written]) -> None:
    written = made()
    written.writer.feed(b"10 %\r")
    due = written.writer.flush(written.clock.now)
    assert due == pytest.approx(1000.0 + QUIET)
    assert not written.log.endswith(b"\n")
    assert written.writer.flush(due) is None
    assert written.log.endswith(b"\n")
    assert written.marks[-1]["o"] == 5


def test_a_finished_line_needs_no_push(made: Callable[[], Written]) -> None:
    written = made()
    written.writer.feed(b"10 %\rdone\n")
    assert written.writer.flush(written.clock.now) is None
    assert len(written.marks) == 1


def test_a_frame_is_not_broken_by_a_mark(made: Callable[[], Written]) -> None:
    written = made()
    for byte in FRAME:
        written.clock.now += 0.15  # seconds go by between the first and the last
        written.writer.feed(bytes([byte]))
        written.writer.flush(written.clock.now)
    assert written.pieces == [written.marks[0], {"t": "progress", "step": 1}]


def test_what_only_looks_like_a_frame_is_pushed_on_in_the_end(made: Callable[[], Written]) -> None:
    written = made()
    written.writer.feed(b"\x1e never a frame")
    due = written.writer.flush(written.clock.now)
    assert due is not None
    assert due > written.clock.now + QUIET
    written.writer.flush(due)
    assert written.output == b"\x1e never a frame"
    assert written.marks[-1]["o"] == 15


def test_what_is_too_long_for_a_frame_holds_back_no_marks(made: Callable[[], Written]) -> None:
    written = made()
    written.writer.feed(b"\x1e")
    for _ in range(30):
        written.clock.now += 0.19  # always before it would be pushed on
        written.writer.feed(b"x" * (MAX_WRITE // 8))
    assert len({m["s"] for m in written.marks}) >= 4


def test_frames_of_the_runner_are_a_part_of_the_output(made: Callable[[], Written]) -> None:
    written = made()
    written.writer.say({"t": "held", "size": 5})
    written.writer.feed(b"text\n")
    written.writer.end()
    held, text = encode(NONCE, {"t": "held", "size": 5}), b"text\n"
    assert written.output == held + text
    assert written.marks[-1] == {"t": "end", "o": len(held + text), "s": 1000}


def test_a_log_that_nobody_reads_any_more_does_not_end_the_job() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    found = LogWriter(writing, NONCE)
    found.feed(b"text\n")
    found.end()
    os.close(writing)
