"""The log of a pod, read while it runs.

Each line carries its number and the time it was written; pods must share this machine's clock. sovlab:
`job.events(follow=True)` of a cell. Against: a pod of the same kind whose log is followed through the API and
nothing else. Once 200 lines a second, as a training prints at most, and once 10,000 a second: then, too, no
line may be missing or out of its place. The pod waits before it prints, so that its reader is there: the news
that a container has started take up to a second. One sample is the 95th percentile of one pod.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Callable
from typing import Any

from benchmarks.log_lines import CODE, p95
from benchmarks.measuring import CaseFailed, Hold, Report, Series, take_turns
from benchmarks.place import Place

_WAIT = "import time\ntime.sleep({})\n"
_CLOCKS = -0.001
"""Seconds before it was written that a line can have been read by clocks that agree."""

Read = Callable[[str, int], dict[str, Any]]


def run(place: Place) -> list[Report]:
    cluster = place.cluster
    with (
        cluster.namespace() as namespace,
        cluster.sovlab(namespace, state=place.scratch / "kube-log") as sovlab,
        cluster.other("kube_bare") as bare,
    ):

        def raw(code: str, lines: int) -> dict[str, Any]:
            return bare.call("log", namespace=namespace, pod=cluster.pod(code), expected=lines)

        def ours(code: str, lines: int) -> dict[str, Any]:
            return sovlab.call("log", code=code, expected=lines)

        return [
            _measure(place, rate, seconds, {"raw follow": raw, "sovlab": ours})
            for rate, seconds in ((200, 2 if place.quick else 5), (10_000, 1 if place.quick else 5))
        ]


def _measure(place: Place, rate: int, seconds: int, readers: dict[str, Read]) -> Report:
    lines, answers = rate * seconds, {name: list[dict[str, Any]]() for name in readers}
    code = _WAIT.format(3 if place.cluster.is_real else 1) + CODE.format(lines=lines, pause=1 / rate)

    def once(name: str) -> float:
        answer = readers[name](code, lines)
        if answer["latencies"] and min(answer["latencies"]) < _CLOCKS:
            raise CaseFailed("the clocks of pods and of this machine differ")
        answers[name].append(answer)
        return p95(answer)

    taken = take_turns({name: functools.partial(once, name) for name in readers}, place.repeats(5))
    sovlab, kept = taken["sovlab"], answers["sovlab"]
    middle = Series("sovlab, the median line", samples=[statistics.median(a["latencies"]) for a in kept[1:]])
    wrong = sum(a["lost"] + a["misplaced"] for a in kept) if kept else None
    return Report(
        f"{rate:,} log lines a second from a pod: written → read, 95th percentile, on {place.cluster.name}",
        [*taken.values(), middle],
        "raw follow",
        [
            Hold("sovlab, 95th percentile", sovlab.median, 0.025, "s"),
            Hold("lines lost or out of place", wrong, 0, ""),
        ],
        [place.cluster.told],
    )
