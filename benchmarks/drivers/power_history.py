"""The power of a job over days: in hand, as a card has it, and read from the log of an ended job."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from serving import serve

import sovlab
from sovlab.client.job import Job
from sovlab.core import decoding
from sovlab.core.energy.history import PowerHistory
from sovlab.runner.process.telling import Telling
from sovlab.runner.protocol import frames
from sovlab.runner.protocol.order import Order

BATCH = 5
"""Seconds of which a frame tells."""
BEGUN = 1.8e9
HISTORIES: list[PowerHistory] = []
JOBS: list[Job] = []


def fill(devices: int, seconds: int) -> dict[str, Any]:
    """Take in what so many devices did in so many seconds, as a card does while the job runs."""
    history = PowerHistory()
    said = _said(devices, seconds)
    begun = time.perf_counter()
    for message in said:
        seen = decoding.frame(message)
        assert decoding.is_power(seen)
        history.add(seen)
    HISTORIES.append(history)
    return {"seconds": time.perf_counter() - begun}


def ask() -> dict[str, Any]:
    """All points and all joules of the history that was filled last."""
    history = HISTORIES[-1]
    begun = time.perf_counter()
    points = [history.points(number) for number in history.numbers]
    joules = history.joules(history.numbers)
    seconds = time.perf_counter() - begun
    assert joules
    return {"seconds": seconds, "points": sum(map(len, points)), "hours": _hours(points)}


def write(devices: int, seconds: int, form: str = "whole") -> dict[str, Any]:
    """Run a job, and put into its log what a sampler says of so many devices in so many seconds.

    Args:
        devices: that are looked at.
        seconds: for which.
        form: ``whole`` as of a job that has ended, ``killed`` without what is said at its end, and ``old`` as
            a sampler of former versions told it, each five seconds.
    """
    job = sovlab.submit(abs, -42)
    assert job.result() == 42
    place = Path(os.environ["SOVLAB_STATE_DIR"]) / "jobs" / job.id
    nonce = Order.read(str(place / "order.json")).nonce
    said = _said_before(devices, seconds) if form == "old" else _said(devices, seconds)
    with (place / "log").open("ab") as log:
        for message in said:
            if form != "killed" or "all" not in message:
                log.write(frames.encode(nonce, message))
    JOBS.append(job)
    return {"bytes": (place / "log").stat().st_size}


def read() -> dict[str, Any]:
    """`Job.power_history` of the job whose log was written last."""
    begun = time.perf_counter()
    points = list(JOBS[-1].power_history().values())
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "points": sum(map(len, points)), "hours": _hours(points)}


class _Gpu:
    """What the sampler has of a GPU."""

    def __init__(self, number: int) -> None:
        self._number = number

    def described(self) -> dict[str, Any]:
        about = {"id": f"GPU-{self._number}", "kind": "gpu", "name": "NVIDIA H100 80GB HBM3"}
        return {**about, "index": self._number, "limit": 700.0, "drawn": "sampled"}


class _Sampler:
    """One of GPUs whose power goes up and down, without the looks at them, which would take minutes."""

    def __init__(self, devices: int) -> None:
        self.gauges = [_Gpu(number) for number in range(devices)]
        self.elapsed = 0.0
        self._told = 0

    def seconds(self) -> list[dict[str, Any]]:
        """See `sovlab.sensors.sampler.Sampler.seconds`."""
        begin, self._told = self._told, int(self.elapsed)
        means = [300.1 + at % 97 + (40.5 if at % 5 == 3 else 0.0) for at in range(begin, self._told)]
        told = {"w": means, "c": 60.5 + begin % 13, "j": round(self.elapsed * 348.123, 3), "s": "counter"}
        return [{**told, "x": []} for _ in self.gauges]


def _said(devices: int, seconds: int) -> list[dict[str, Any]]:
    """What is told of it."""
    sampler, said = _Sampler(devices), []
    telling = Telling(sampler, lambda message: said.append(json.loads(json.dumps(message))))
    telling.describe()
    while sampler.elapsed < seconds:
        telling.tell(BEGUN + sampler.elapsed)
        sampler.elapsed = min(sampler.elapsed + int(telling.pause), float(seconds))
    telling.tell(BEGUN + sampler.elapsed)
    telling.finish()
    return said


def _said_before(devices: int, seconds: int) -> Iterator[dict[str, Any]]:
    """What a sampler of former versions says of such GPUs."""
    for number in range(devices):
        about = {"id": f"GPU-{number}", "kind": "gpu", "name": "NVIDIA H100 80GB HBM3", "index": number}
        yield {"t": "device", "n": number, **about, "limit": 700.0}
    for batch in range(seconds // BATCH):
        watts = 300.1 + batch % 97
        told = {
            "w": [watts, watts + 1.5, watts + 2.5, watts + 40.5, watts - 10.5],
            "c": 60.5 + batch % 13,
            "j": round(batch * BATCH * 348.123, 3),
            "s": "counter",
            "x": [],
        }
        yield {"t": "power", "at": BEGUN + batch * BATCH, "n": 0, "d": [told] * devices}


def _hours(points: list[list[Any]]) -> float:
    """Hours from the first point of the first device to its last."""
    return (points[0][-1].time - points[0][0].time) / 3600


if __name__ == "__main__":
    serve({f.__name__: f for f in (fill, ask, write, read)})
