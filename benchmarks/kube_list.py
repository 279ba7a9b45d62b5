"""The list of 10,000 jobs on a cluster: the first, and one update.

One job is really run; copies of its Job, finished and without pods, are then put into a namespace of their
own until there are 10,000. sovlab: `Client.jobs()` in a fresh process, the first call, which connects and
reads all. Then somebody else changes one Job: the time from the sending of that change until that process
has a list with it in hand; and the memory of that process after both. Against: the same pages read over one
connection and parsed by `json`; and the Kubernetes client's typed models, where the peers have it.
"""

from __future__ import annotations

import json
import time
from typing import Any

from benchmarks.cluster import Cluster
from benchmarks.measuring import Hold, Report, Series, take_turns
from benchmarks.place import Place

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_OF_THE_SERVER = {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"}
_SUBMITTED = "sovlab.dev/submitted"


def run(place: Place) -> list[Report]:
    cluster, count = place.cluster, 2_000 if place.quick else 10_000
    with cluster.namespace() as namespace:
        return _Listing(place, namespace, count).measure(_fill(place, namespace, count))


def _fill(place: Place, namespace: str, count: int) -> str:
    """Make the jobs; the id of the one that was run."""
    cluster, state = place.cluster, place.scratch / "kube-model"
    with cluster.sovlab(namespace, state=state) as sovlab:
        job_id = str(sovlab.call("one_job")["id"])
        place.stop_agent(state, keep=sovlab.pid)
    model = _finished(cluster, f"/apis/batch/v1/namespaces/{namespace}/jobs/{job_id}")
    cluster.fill(namespace, [_clone(model, number) for number in range(1, count)])
    return job_id


class _Listing:
    """Lists the jobs of a namespace, in turns."""

    def __init__(self, place: Place, namespace: str, count: int) -> None:
        self._place, self._namespace, self._count = place, namespace, count
        self._jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._updates = Series("sovlab, one update")
        self._memory = {name: Series(name, "B") for name in ("sovlab", "raw pages", "typed client")}

    def measure(self, changed: str) -> list[Report]:
        cluster = self._place.cluster

        def ours() -> float:
            with cluster.sovlab(self._namespace) as sovlab:
                first = self._checked(sovlab.call("listing"))
                sovlab.call("await_change", job_id=changed)
                change = {"metadata": {"annotations": {_SUBMITTED: repr(time.time())}}}
                sent = cluster.patch(f"{self._jobs}/{changed}", change)
                seen = sovlab.call("seen")
            self._updates.samples.append(seen["seen"] / 1e9 - sent)
            self._memory["sovlab"].samples.append(seen["memory"])
            return float(first["seconds"])

        def other(name: str, driver: str, **arguments: Any) -> float:
            with cluster.other(driver, peer=name == "typed client") as peer:
                answer = self._checked(peer.call("listing", **arguments))
            self._memory[name].samples.append(answer["memory"])
            return float(answer["seconds"])

        taken = take_turns(
            {
                "raw pages": lambda: other("raw pages", "kube_bare", path=self._jobs),
                "sovlab, first list": ours,
                "typed client": lambda: other("typed client", "kube_typed", namespace=self._namespace),
            },
            self._place.repeats(7),
        )
        first, scale, where = taken["sovlab, first list"], f"{self._count:,} jobs", cluster.name
        for series in (self._updates, *self._memory.values()):
            series.samples = series.samples[1:]
        memory = self._memory["sovlab"]
        self._memory["typed client"].note = taken["typed client"].note
        return [
            Report(
                f"The list of {scale}, on {where}",
                [*taken.values(), self._updates],
                "raw pages",
                [
                    Hold(f"sovlab, first list of {scale}", first.median, 1.0, "s"),
                    Hold("sovlab, one update", self._updates.median, 0.05, "s"),
                ],
                [cluster.told],
            ),
            Report(
                f"Memory of a process that lists {scale}, on {where}",
                [*self._memory.values()],
                "raw pages",
                [Hold(f"sovlab, resident, {scale}", memory.median, 150e6, "B")],
            ),
        ]

    def _checked(self, answer: dict[str, Any]) -> dict[str, Any]:
        assert answer["jobs"] == answer.get("succeeded", self._count) == self._count, answer
        return answer


def _finished(cluster: Cluster, path: str) -> dict[str, Any]:
    """A Job, once the cluster has said that it is complete."""
    while True:
        found: dict[str, Any] = cluster.send("GET", path)
        if any(c["type"] == "Complete" for c in found["status"].get("conditions") or ()):
            return found
        time.sleep(0.2)


def _clone(model: dict[str, Any], number: int) -> dict[str, Any]:
    """A copy of a finished Job under another id, which no controller acts on; later numbers are newer."""
    old = str(model["metadata"]["name"])
    new = old[:-6] + "".join(_DIGITS[number >> shift & 31] for shift in range(25, -5, -5))
    copy: dict[str, Any] = json.loads(json.dumps(model).replace(old, new))
    copy["metadata"] = {k: v for k, v in copy["metadata"].items() if k not in _OF_THE_SERVER}
    told = copy["metadata"]["annotations"]
    told[_SUBMITTED] = repr(float(told[_SUBMITTED]) - 1e5 + number)
    spec = copy["spec"]
    spec |= {"suspend": True, "managedBy": "sovlab.dev/benchmarks"}
    del spec["selector"]
    labels = spec["template"]["metadata"]["labels"]
    for name in [
        n for n in labels if n.removeprefix("batch.kubernetes.io/") in ("controller-uid", "job-name")
    ]:
        del labels[name]
    return copy
