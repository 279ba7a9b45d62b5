"""The log of a pod, read while it runs.

Each line carries its number and the time it was written; pods must share this machine's clock. sovlab:
`job.events(follow=True)` of a cell. Against: a pod of the same kind whose log is followed through the API and
nothing else. Once 200 lines a second, as a training prints at most: one sample is the 95th percentile of one
pod. And once 10,000 a second: lines a second from the first written to the last read. No line may be missing
or out of its place. The pod waits before it prints, so that its reader is there: the news that a container
has started take up to a second.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.measuring import CaseFailed, Hold, Report, Series, take_turns
from benchmarks.rows.log_lines import CODE, p95
from benchmarks.surroundings import Surroundings

SECONDS, QUICK = 5.0, 1.0
_WAIT = "import time\ntime.sleep({})\n"
_CLOCKS = -0.001
"""Seconds before it was written that a line can have been read by clocks that agree."""

Read = Callable[[str, int], dict[str, Any]]
Measure = Callable[[dict[str, Any]], float]


def run(surroundings: Surroundings) -> list[Report]:
    cluster = surroundings.cluster
    with (
        cluster.namespace() as namespace,
        cluster.sovlab(namespace, state=surroundings.scratch / "kube-log") as sovlab,
        cluster.other("kube_bare") as bare,
    ):

        def raw(code: str, lines: int) -> dict[str, Any]:
            return bare.call("log", namespace=namespace, pod=cluster.pod(code), expected=lines)

        def ours(code: str, lines: int) -> dict[str, Any]:
            return sovlab.call("log", code=code, expected=lines)

        reader, seconds = (
            _Reader(surroundings, {"raw follow": raw, "sovlab": ours}),
            QUICK if surroundings.quick else SECONDS,
        )
        return [reader.latency(200, seconds), reader.speed(10_000, seconds)]


class _Reader:
    """Reads the same output in several ways, in turns.

    Args:
        surroundings: of the run.
        readers: each reads what a pod prints that runs some code.
    """

    def __init__(self, surroundings: Surroundings, readers: dict[str, Read]) -> None:
        self._surroundings, self._readers = surroundings, readers
        self._answers: list[dict[str, Any]] = []

    def latency(self, rate: int, seconds: float) -> Report:
        taken = self._take(rate, seconds, p95)
        middle = [statistics.median(a["latencies"]) for a in self._answers[1:]]
        return Report(
            f"{rate} log lines a second from a pod: written → read, 95th percentile, on {self._where}",
            [*taken.values(), Series("sovlab, the median line", samples=middle)],
            "raw follow",
            [Hold("sovlab, 95th percentile", taken["sovlab"].median, 0.025, "s"), self._whole],
            [self._surroundings.cluster.told],
        )

    def speed(self, rate: int, seconds: float) -> Report:
        taken = self._take(rate, seconds, lambda answer: float(answer["rate"]))
        for series in taken.values():
            series.unit = "1/s"
        return Report(
            f"{rate:,} log lines a second from a pod: lines a second read, on {self._where}",
            [*taken.values()],
            "raw follow",
            [self._whole],
            [
                self._surroundings.cluster.told,
                "what is between the pod and the reader may be slower than the pod",
            ],
        )

    def _take(self, rate: int, seconds: float, measure: Measure) -> dict[str, Series]:
        lines, self._answers = int(rate * seconds), []
        code = _WAIT.format(3 if self._surroundings.cluster.is_real else 1)
        code += CODE.format(lines=lines, pause=1 / rate)

        def once(name: str) -> float:
            answer = self._readers[name](code, lines)
            if answer["latencies"] and min(answer["latencies"]) < _CLOCKS:
                raise CaseFailed("the clocks of pods and of this machine differ")
            if name == "sovlab":
                self._answers.append(answer)
            return measure(answer)

        cases = {name: functools.partial(once, name) for name in self._readers}
        return take_turns(cases, self._surroundings.repeats(5))

    @property
    def _where(self) -> str:
        return self._surroundings.cluster.name

    @property
    def _whole(self) -> Hold:
        wrong = sum(a["lost"] + a["misplaced"] for a in self._answers) if self._answers else None
        return Hold("lines lost or out of place", wrong, 0, "")
