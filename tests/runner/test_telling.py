"""What a sampler tells in a log over days, on a clock that is turned, and what a reader finds of it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from sovlab.core import decoding
from sovlab.core.energy.history import PowerHistory
from sovlab.executors.power import Sieve, history_in
from sovlab.runner.process.telling import Telling
from sovlab.runner.protocol import frames

NONCE = "0" * 16
MARK = b"\x1esovlab:" + NONCE.encode()
BEGUN = 1_780_000_123
HOUR, DAY = 3600, 86_400


class Gauge:
    def __init__(self, number: int) -> None:
        self.number = number

    def described(self) -> dict[str, Any]:
        return {"id": f"GPU-{self.number}", "kind": "gpu", "name": "H100", "index": self.number}


class Looked:
    """What a sampler has seen: of each second so many watts, by the number of the device."""

    def __init__(self, devices: int, watts: Any) -> None:
        self.gauges = [Gauge(number) for number in range(devices)]
        self.elapsed = 0.0
        self._told, self._watts = 0, watts

    def seconds(self) -> list[dict[str, Any]]:
        begin, self._told = self._told, int(self.elapsed)
        return [
            {
                "w": [self._watts(gauge.number, at) for at in range(begin, self._told)],
                **{"c": 61.25, "j": round(300.0 * self.elapsed, 3), "s": "counter", "x": []},
            }
            for gauge in self.gauges
        ]


def steps(number: int, at: int) -> float:
    return 300.0 + 10 * number + (500.0 if at % 1000 == 0 else 0.0)


def told(seconds: int, devices: int = 2, watts: Any = steps) -> list[bytes]:
    """The frames of a job that has run so long, and ended."""
    sampler = Looked(devices, watts)
    said: list[bytes] = []
    telling = Telling(sampler, lambda message: said.append(frames.encode(NONCE, message)))  # type: ignore[arg-type]
    telling.describe()
    while sampler.elapsed < seconds:
        telling.tell(BEGUN + sampler.elapsed)
        sampler.elapsed = min(sampler.elapsed + int(telling.pause), float(seconds))
    telling.tell(BEGUN + sampler.elapsed)
    telling.finish()
    return said


def log_of(said: list[bytes], *, end: bool = True) -> bytes:
    """A log with them, and with what the user's code has printed."""
    kept = said if end else [frame for frame in said if b'"all"' not in frame]
    printed = itertools.cycle([b"epoch 1\n", b"", b'\x1esovlab:ffff {"t":"past"}\n', b"\x1esovlab\n"])
    return b"".join(itertools.chain.from_iterable(zip(printed, kept, strict=False)))


def joules(history: PowerHistory, number: int = 0) -> float:
    return sum(point.watts * point.seconds for point in history.points(number))


def seconds_of(history: PowerHistory, number: int = 0) -> float:
    return sum(point.seconds for point in history.points(number))


@pytest.mark.parametrize("end", [True, False], ids=["ended", "killed"])
@pytest.mark.parametrize("seconds", [7, 700, HOUR - 1, HOUR + 61, 2 * HOUR + 5, 26 * HOUR + 1234, 3 * DAY])
def test_a_log_tells_all_of_the_time(seconds: int, end: bool) -> None:
    history = history_in(log_of(told(seconds), end=end), NONCE)
    assert history.drawn == [0, 1]
    assert history.devices[1].id == "GPU-1"
    for number in (0, 1):
        points = history.points(number)
        assert [p.time for p in points] == sorted(p.time for p in points)
        # What is not whole when a job is killed, and where a mean begins before its hour, is left out.
        assert seconds - (0 if end else 120) <= seconds_of(history, number) <= seconds
        expected = sum(steps(number, at) for at in range(seconds))
        assert joules(history, number) == pytest.approx(expected, rel=0.02 if seconds > 100 else 0.3)
        assert max(point.peak for point in points) == 800.0 + 10 * number
    assert history.joules([0]) == pytest.approx(300.0 * seconds, rel=0.01, abs=1e4)


def test_the_last_ten_minutes_of_an_ended_job_are_told_by_seconds() -> None:
    points = history_in(log_of(told(DAY)), NONCE).points(0)
    last = [point for point in points if point.time >= BEGUN + DAY - 600]
    assert len(last) == 600
    assert {point.seconds for point in last} == {1.0}


def test_a_week_of_eight_devices_is_some_megabytes_and_little_of_it_is_read() -> None:
    day = sum(map(len, told(2 * DAY, 8))) - sum(map(len, told(DAY, 8)))
    assert day < 1.1e6
    reads = []
    log = log_of(told(3 * DAY, 8))

    class Counted:
        """The log, and which parts of it were taken."""

        find, rfind = log.find, log.rfind

        def __len__(self) -> int:
            return len(log)

        def __getitem__(self, index: slice) -> bytes:
            reads.append(log[index])
            return log[index]

    history_in(Counted(), NONCE)
    assert sum(map(len, reads)) < 300_000


def test_no_frame_is_too_long_for_one_write() -> None:
    said = told(2 * DAY, 16, lambda number, at: 1234.5 if number % 2 else 0.123456)
    assert max(map(len, said)) <= frames.MAX_WRITE
    history = history_in(log_of(said), NONCE)
    assert history.drawn == list(range(16))
    assert history.points(0)[0].watts == pytest.approx(0.123456)


def test_what_is_not_known_is_a_gap() -> None:
    gone = lambda number, at: None if number == 1 or HOUR <= at < 5 * HOUR else 300.0  # noqa: E731
    for end in (True, False):
        history = history_in(log_of(told(9 * HOUR, 2, gone), end=end), NONCE)
        assert history.drawn == [0]
        assert seconds_of(history) == pytest.approx(5 * HOUR, abs=120)
        inside = [p for p in history.points(0) if BEGUN + HOUR + 60 < p.time < BEGUN + 5 * HOUR - 60]
        assert inside == []


def test_a_client_that_has_followed_learns_nothing_twice() -> None:
    followed = PowerHistory()
    for frame in told(5 * HOUR):
        seen = decoding.frame(frame[len(NONCE) + 9 : -1])
        assert decoding.is_power(seen)
        followed.add(seen)
    assert seconds_of(followed) == pytest.approx(5 * HOUR, abs=60)
    assert joules(followed) == pytest.approx(sum(steps(0, at) for at in range(5 * HOUR)), rel=0.01)


def test_the_end_of_a_log_that_a_cluster_keeps_is_enough() -> None:
    log = log_of(told(2 * DAY))
    kept = history_in(log[-100_000:], NONCE)
    assert kept.devices[0].id == "GPU-0"
    assert seconds_of(kept) == 2 * DAY


def test_an_end_that_was_cut_off_is_not_taken_for_whole() -> None:
    said = told(30 * HOUR)
    whole = next(number for number, frame in enumerate(said) if b'"all":1' in frame)
    history = history_in(log_of(said[: whole + 3]), NONCE)
    assert seconds_of(history) == pytest.approx(30 * HOUR, abs=120)


def test_a_sieve_keeps_frames_of_power_however_a_log_is_cut() -> None:
    log = log_of(told(3 * HOUR)) + MARK + b' {"t":"at","o":5,"s":6}\n' + b"x" * 5000
    for size in (1, 17, 4096, 1 << 20):
        part = log[-60_000:] if size == 1 else log
        sieve = Sieve(NONCE)
        for at in range(0, len(part), size):
            sieve.feed(part[at : at + size])
        assert json.loads(bytes(sieve.kept).rsplit(b"\x1e", 1)[1].split(b" ", 1)[1])["t"] == "past"
        assert b"epoch" not in sieve.kept
        assert b'"t":"at"' not in sieve.kept
        assert seconds_of(history_in(sieve.kept, NONCE)) == 3 * HOUR


@pytest.mark.parametrize("log", [b"", b"\x1e", MARK + b' {"t":"past"', b"x" * 100])
def test_a_log_without_frames_tells_nothing(log: bytes) -> None:
    assert history_in(log, NONCE).drawn == []


@pytest.mark.parametrize(
    "bad",
    [
        {"n": 0, "at": BEGUN, "every": 60, "w": [300.0], "p": [300.0, 300.0]},
        {"n": 0, "at": BEGUN, "every": 60, "w": "much"},
        {"n": 0, "at": BEGUN, "every": 0, "w": [300.0]},
        {"n": 0, "at": -1, "every": 60, "w": [300.0]},
        {"n": 0, "at": BEGUN, "every": 60, "w": [300.0], "k": [-5]},
        {"n": 0, "at": BEGUN, "every": 60, "w": [1e300]},
        {"n": 65, "at": BEGUN, "every": 60, "w": [300.0]},
    ],
)
def test_what_is_told_once_more_and_does_not_fit_is_none(bad: dict[str, Any]) -> None:
    assert decoding.frame({"t": "past", **bad}) is None
