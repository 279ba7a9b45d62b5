"""A job that prints 10,000 lines a second, read while it runs.

Each line carries its number and the time it was written, so the reader knows how old it is and whether one is
missing or out of its place. sovlab: `job.events(follow=True)` of a cell. Against: a bare ``python -u``
subprocess read from a pipe, and torchx's ``log_lines(should_tail=True)``. One sample of latency is the
95th percentile of one job; that of all lines, and the median line, are reported beside. Then the same code
without its pauses: lines a second from the first written to the last read.
"""

from __future__ import annotations

import functools
import statistics
from typing import Any

from benchmarks.driving import Driver
from benchmarks.measuring import CaseFailed, Hold, Report, Series, take_turns
from benchmarks.surroundings import Surroundings

RATE = 10_000

CODE = """
import sys, time
start = time.perf_counter()
for number in range({lines}):
    while (left := start + number * {pause} - time.perf_counter()) > 0:
        time.sleep(left)
    sys.stdout.write(f"{{number}} {{time.time_ns()}} {{'x' * 60}}\\n")
"""


def run(surroundings: Surroundings) -> list[Report]:
    paced, flood = (RATE, 20_000) if surroundings.quick else (3 * RATE, 200_000)
    with (
        surroundings.driver("bare_pipe") as pipe,
        surroundings.driver("sovlab_client") as sovlab,
        surroundings.driver("torchx_local", peer=True) as torchx,
    ):
        drivers = {"bare pipe": pipe, "sovlab": sovlab, "torchx local_cwd": torchx}
        latency = _Reader(drivers, CODE.format(lines=paced, pause=1 / RATE), paced, p95)
        latency.read(surroundings.repeats(5))
        speed = _Reader(drivers, CODE.format(lines=flood, pause=0.0), flood, lambda a: a["rate"])
        speed.read(surroundings.repeats(5))
    hold = Hold("sovlab, written → read, 95th percentile", latency.taken["sovlab"].median, 0.025, "s")
    whole = [Hold("lines lost or out of place", r.wrong, 0, "") for r in (latency, speed)]
    middle = Series(
        "sovlab, the median line", samples=[statistics.median(a["latencies"]) for a in latency.kept]
    )
    for series in speed.taken.values():
        series.unit = "1/s"
    return [
        Report(
            f"{RATE:,} log lines a second: written → read, 95th percentile",
            [*latency.taken.values(), middle],
            "bare pipe",
            [hold, whole[0]],
        ),
        Report("Log lines as fast as they go", [*speed.taken.values()], "bare pipe", [whole[1]]),
    ]


class _Reader:
    """Reads the same output by several drivers, in turns."""

    def __init__(self, drivers: dict[str, Driver], code: str, lines: int, measure: Any) -> None:
        self._drivers, self._code, self._lines, self._measure = drivers, code, lines, measure
        self._answers: list[dict[str, Any]] = []
        self.taken: dict[str, Series] = {}

    def read(self, repeats: int) -> None:
        self.taken = take_turns({n: functools.partial(self._once, n) for n in self._drivers}, repeats)

    def _once(self, name: str) -> float:
        answer = self._drivers[name].call("log", code=self._code, expected=self._lines)
        if name == "sovlab":
            self._answers.append(answer)
        elif answer["lost"] or answer["misplaced"]:
            raise CaseFailed(
                f"lost {answer['lost']} of {self._lines:,} lines, {answer['misplaced']} misplaced"
            )
        return float(self._measure(answer))

    @property
    def kept(self) -> list[dict[str, Any]]:
        """What sovlab's driver said, but for the warm-up."""
        return self._answers[1:]

    @property
    def wrong(self) -> float | None:
        """Lines of sovlab's that did not come, or not in their surroundings."""
        return sum(a["lost"] + a["misplaced"] for a in self._answers) if self._answers else None


def p95(answer: dict[str, Any]) -> float:
    return statistics.quantiles(answer["latencies"], n=20)[-1]
