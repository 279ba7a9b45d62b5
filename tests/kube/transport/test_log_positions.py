"""Where a piece of a log is in a job's output: through a runtime that keeps lines, and breaks of reading."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sovlab.kube.transport import logs
from sovlab.kube.transport.errors import Unreachable
from sovlab.kube.transport.logs import LogPositions
from sovlab.runner.pod import log_writer as module
from sovlab.runner.pod.log_writer import LogWriter
from sovlab.runner.protocol.frames import encode

NONCE = "00ff00ff00ff00ff"
FRAME = encode(NONCE, {"t": "progress", "step": 1, "total": 10})
OTHER = encode("ffffffffffffffff", {"t": "at", "o": 7, "s": 1000})


class Container:
    """A container's log as containerd keeps it: whole lines or pieces of long ones, each with its time.

    Args:
        longest: bytes after which a line is kept in pieces; 16384 in the real one.
    """

    def __init__(self, longest: int = 16384) -> None:
        self.now = 1000.0
        self.late = 0.0
        """Seconds after which the runtime reads what is written."""
        self._longest = longest
        self._file = os.memfd_create("stdout")
        self._read = 0
        self._line = b""
        self.kept: list[tuple[float, bytes]] = []
        self.writer = LogWriter(self._file, NONCE)
        self.fed = b""

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def feed(self, data: bytes) -> None:
        self.fed += data
        self.writer.feed(data)
        self.take()

    def write(self, data: bytes) -> None:
        """Somebody else writes into the log."""
        os.write(self._file, data)
        self.take()

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        due = self.writer.flush(self.now)
        while due is not None and due <= end:
            self.now = due
            due = self.writer.flush(due)
            self.take()
        self.now = end

    def take(self) -> None:
        """The runtime reads what was written."""
        size = os.fstat(self._file).st_size
        self._line += os.pread(self._file, size - self._read, self._read)
        self._read = size
        when = max(self.now + self.late, self.kept[-1][0] if self.kept else 0.0)
        while True:
            end = self._line.find(b"\n", 0, self._longest)
            if end >= 0:
                line, self._line = self._line[: end + 1], self._line[end + 1 :]
                self.kept.append((when, line.replace(b"\r\n", b"\n")))
            elif len(self._line) >= self._longest:
                cut = self._longest - self._line[: self._longest].endswith(b"\r")
                self.kept.append((when, self._line[:cut]))
                self._line = self._line[cut:]
            else:
                return

    def end(self) -> None:
        """The container ends: what is left of a line is kept too."""
        self.take()
        if self._line:
            self.kept.append((self.now, self._line))
            self._line = b""

    def since(self, second: int | None) -> bytes:
        """The log from a second on, as the API gives it."""
        return b"".join(text for when, text in self.kept if second is None or when >= second)


@contextmanager
def container(longest: int = 16384) -> Iterator[Container]:
    known = module.time
    found = Container.__new__(Container)
    module.time = found  # type: ignore[assignment]
    found.now = 1000.0
    try:
        found.__init__(longest)  # type: ignore[misc]
        yield found
    finally:
        module.time = known
        os.close(found._file)


class Reader:
    """Reads a log as `PodLog` does, from where the last reading stopped."""

    def __init__(self, log: Container, position: int = 0) -> None:
        self._log = log
        self.second: int | None = None
        self.position = position
        self.given = b""
        self.missing = 0

    def read(self, cut: int | None = None, size: int = 1 << 20, *, from_begin: bool = False) -> None:
        """Read up to a byte of the log, or to its end; in pieces of some size."""
        second = None if self.second is None or from_begin else self.second - 1
        text = self._log.since(second)
        places = LogPositions(NONCE, self.position, whole=second is None)
        for start in range(0, len(text if cut is None else text[:cut]), size):
            end = start + size if cut is None else min(start + size, cut)
            self._take(places, places.feed(text[start:end]))
        if cut is None:
            self._take(places, places.finish())
        self.missing += places.missing
        self.position = places.position
        self.second = self.second if places.marked is None else places.marked

    def _take(self, places: LogPositions, pieces: Iterator[tuple[Any, int]]) -> None:
        for piece, place in pieces:
            self.given += piece if isinstance(piece, bytes) else encode(NONCE, piece)
            assert place <= places.position


parts = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            FRAME,
            FRAME[:9],
            FRAME[9:],
            OTHER,
            b"\x1e",
            b"\n",
            b"\r",
            b"\r\n",
            b"a\r\n\r\nb",
            b"line\n",
            b"x" * 200,
        ]
    ),
)
pauses = st.sampled_from([0.0, 0.0, 0.005, 0.3, 1.0, 2.5])
plans = st.lists(st.tuples(pauses, st.sampled_from([0.0, 0.001, 1.2]), parts), max_size=25)
readings = st.lists(
    st.tuples(st.integers(0, 4000), st.sampled_from([1, 7, 64, 1 << 20]), st.booleans()), max_size=6
)


def carry_out(log: Container, plan: list[tuple[float, float, bytes]]) -> None:
    for pause, late, data in plan:
        log.wait(pause)
        log.late = late
        log.feed(data)


@given(plans, readings, st.booleans(), st.sampled_from([100, 16384]), st.sampled_from([1, 33, 1 << 20]))
@settings(max_examples=200, deadline=None)
def test_output_comes_byte_for_byte_however_often_reading_breaks(
    plan: list[tuple[float, float, bytes]],
    broken: list[tuple[int, int, bool]],
    proper_end: bool,
    longest: int,
    size: int,
) -> None:
    """A reading stops at any byte; the next begins at a line of some second, or where the log begins."""
    with container(longest) as log:
        carry_out(log, plan)
        if proper_end:
            log.writer.end()
        log.end()
        reader = Reader(log)
        for cut, pieces, from_begin in broken:
            reader.read(cut, pieces, from_begin=from_begin)
            assert log.fed.startswith(reader.given)
        reader.read(size=size)
        assert reader.given == log.fed
        assert reader.position == len(log.fed)
        assert reader.missing == 0


@given(plans, plans, readings)
@settings(max_examples=60, deadline=None)
def test_output_comes_byte_for_byte_while_it_is_written(
    early: list[tuple[float, float, bytes]],
    later: list[tuple[float, float, bytes]],
    broken: list[tuple[int, int, bool]],
) -> None:
    with container() as log:
        carry_out(log, early)
        reader = Reader(log)
        for cut, pieces, from_begin in broken:
            reader.read(cut, pieces, from_begin=from_begin)
        carry_out(log, later)
        reader.read(1 << 30)
        log.writer.end()
        log.end()
        reader.read()
        assert reader.given == log.fed


@given(plans, st.data())
@settings(max_examples=60, deadline=None)
def test_a_reader_goes_on_at_the_place_that_another_reached(
    plan: list[tuple[float, float, bytes]], data: st.DataObject
) -> None:
    """A cursor is a count of bytes: the notebook is closed, and opened again."""
    with container() as log:
        carry_out(log, plan)
        log.writer.end()
        log.end()
        first = Reader(log)
        first.read(data.draw(st.integers(0, len(log.since(None)))))
        second = Reader(log, first.position)
        second.read()
        assert first.given + second.given == log.fed


def test_the_end_is_known_by_its_mark() -> None:
    with container() as log:
        log.feed(b"one\ntwo")
        log.writer.end()
        log.end()
        places = LogPositions(NONCE, 0, whole=True)
        assert b"".join(p for p, _ in places.feed(log.since(None)) if isinstance(p, bytes)) == b"one\ntwo"
        assert places.complete


def test_places_are_those_in_the_output() -> None:
    with container() as log:
        log.feed(b"one\n" + FRAME + b"two\n")
        log.writer.end()
        log.end()
        places = LogPositions(NONCE, 0, whole=True)
        found = list(places.feed(log.since(None)))
        sizes = [4, 4 + len(FRAME), 4 + len(FRAME) + 4]
        assert [place for _, place in found] == sizes
        assert found[1][0] == {"t": "progress", "step": 1, "total": 10}


# --- logs of which the cluster no longer keeps all


def rotate(log: Container, count: int) -> int:
    """The cluster drops the first pieces of a log; where in the output the rest begins."""
    dropped, log.kept = b"".join(text for _, text in log.kept[:count]), log.kept[count:]
    places = LogPositions(NONCE, 0, whole=True)
    for _ in (*places.feed(dropped), *places.finish()):
        pass
    return places.position


lines = st.lists(
    st.tuples(
        pauses,
        st.just(0.0),
        st.binary(max_size=40).map(lambda t: t.replace(b"\x1e", b"") + b"\n") | st.just(FRAME),
    ),
    min_size=1,
    max_size=25,
)


@given(lines, st.data())
@settings(max_examples=60, deadline=None)
def test_what_the_cluster_dropped_is_counted_and_the_rest_is_given(
    plan: list[tuple[float, float, bytes]], data: st.DataObject
) -> None:
    with container() as log:
        carry_out(log, plan)
        log.writer.end()
        log.end()
        reader = Reader(log)
        reader.read(data.draw(st.integers(0, len(log.since(None)))))
        before = reader.given
        assert log.fed.startswith(before)
        start = rotate(log, data.draw(st.integers(0, len(log.kept) - 1)))
        reader.read()
        gap = max(start - len(before), 0)
        assert reader.missing == gap
        assert reader.given == before + log.fed[len(before) + gap :]
        assert reader.position == len(log.fed)


def test_a_gap_in_the_middle_of_a_log_is_counted() -> None:
    with container() as log:
        for text in (b"one\n", b"two\n", b"three\n"):
            log.feed(text)
            log.wait(1.0)
        log.writer.end()
        log.end()
        log.kept = [(when, text) for when, text in log.kept if text != b"two\n"]
        reader = Reader(log)
        reader.read()
        assert reader.given == b"one\nthree\n"
        assert reader.missing == 4
        assert reader.position == len(log.fed)


def test_a_part_of_a_log_that_nothing_places_is_not_given_at_a_wrong_place() -> None:
    """All marks of what was asked for are dropped, and the container was killed before the next."""
    places = LogPositions(NONCE, 500, whole=False)
    assert [*places.feed(b"somewhere\n"), *places.finish()] == []
    assert places.position == 500


# --- what does not come from the runner


@given(st.lists(st.binary(max_size=60), max_size=10), st.data())
def test_a_log_without_marks_is_given_whole(pieces: list[bytes], data: st.DataObject) -> None:
    """As when the container never came to the runner."""
    text = b"".join(pieces)
    cut = data.draw(st.integers(0, len(text)))
    first = LogPositions(NONCE, 0, whole=True)
    given_ = [*first.feed(text[:cut])]
    second = LogPositions(NONCE, first.position, whole=True)
    given_ += [*second.feed(text), *second.finish()]
    assert b"".join(p for p, _ in given_ if isinstance(p, bytes)) == text


def test_a_long_log_without_marks_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_BEFORE_MARK", 100)
    places = LogPositions(NONCE, 0, whole=True)
    # What may be the begin of a frame waits behind what was read with it, and may become one.
    given_ = [
        *places.feed(b"a" * 120 + FRAME + FRAME[:10]),
        *places.feed(FRAME[10:] + b"b"),
        *places.finish(),
    ]
    frame = {"t": "progress", "step": 1, "total": 10}
    assert [piece for piece, _ in given_] == [b"a" * 120, frame, frame, b"b"]
    assert [place for _, place in given_] == [
        120,
        120 + len(FRAME),
        120 + 2 * len(FRAME),
        121 + 2 * len(FRAME),
    ]


def test_what_others_write_into_the_log_costs_no_output() -> None:
    """A Python that warns, or somebody who runs a command in the container."""
    with container() as log:
        log.feed(b"one\n")
        log.write(b"RuntimeWarning: something\n")
        log.wait(1.0)
        log.feed(b"two\n")
        log.wait(1.0)
        log.feed(b"three\n")
        log.writer.end()
        log.end()
        reader = Reader(log)
        reader.read()
        assert reader.given == b"one\nRuntimeWarning: something\ntwo\nthree\n"
        assert reader.position == len(log.fed)
        reader.read()
        assert reader.given.endswith(b"\nthree\n")
        assert reader.given.count(b"three\n") == 1
        assert reader.missing == 0


@pytest.mark.parametrize(
    "frame",
    [
        {"t": "at"},
        {"t": "at", "o": "x", "s": 1},
        {"t": "end", "o": 1, "s": None},
        {"t": "at", "o": 1.5, "s": 1},
    ],
)
def test_a_damaged_mark_is_no_mark(frame: dict[str, Any]) -> None:
    places = LogPositions(NONCE, 0, whole=True)
    text = encode(NONCE, {"t": "at", "o": 0, "s": 1000}) + encode(NONCE, frame) + b"text\n"
    assert [p for p, _ in places.feed(text)] == [frame, b"text\n"]
    assert not places.complete


def test_frames_of_another_job_are_output() -> None:
    with container() as log:
        log.feed(OTHER)
        log.writer.end()
        log.end()
        reader = Reader(log)
        reader.read()
        assert reader.given == OTHER


class _Server:
    """Answers each request for a log with the next of its bodies."""

    def __init__(self, *bodies: bytes) -> None:
        self._bodies = list(bodies)
        self.asked: list[tuple[dict[str, Any], float]] = []

    @contextmanager
    def stream(self, path: str, query: dict[str, Any], *, read_timeout: float) -> Iterator[_Server]:
        self.asked.append((query, read_timeout))
        yield self

    def chunks(self) -> Iterator[bytes]:
        yield self._bodies.pop(0)


def test_what_a_kubelet_says_of_a_container_that_is_gone_is_no_output() -> None:
    """It sends that as the log, with status 200; said by a real cluster, Kubernetes 1.36."""
    gone = b"unable to retrieve container logs for containerd://2c59c7a546a276acd0decd323ebb6d3d0ac7b05208"
    log = logs.PodLog(_Server(gone), "research", "digits-0", NONCE)  # type: ignore[arg-type]
    assert [*log.pieces(follow=True, over=lambda: True)] == []
    assert log.position == 0


def test_a_log_that_is_silent_for_long_is_asked_for_again_where_it_stopped() -> None:
    """A connection that a gateway dropped without a word brings nothing, for ever."""

    class Silent(_Server):
        def chunks(self) -> Iterator[bytes]:
            yield self._bodies.pop(0)
            if self._bodies:
                raise Unreachable("The log did not go on.")  # what the read time-out becomes

    server = Silent(b"one\n", b"one\ntwo\n")
    log = logs.PodLog(server, "research", "digits-0", NONCE)  # type: ignore[arg-type]
    given = b"".join(piece for piece, _ in log.pieces(follow=True, over=lambda: len(server.asked) > 0))
    assert given == b"one\ntwo\n"
    (first, patience), (again, _) = server.asked
    assert first["follow"] is True
    assert again["follow"] is None
    assert 60 <= patience <= 600
