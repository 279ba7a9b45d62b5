"""The list of 10,000 jobs on a cluster: the first, and one update.

One job is really run; copies of its Job, finished and without pods, are then put into a namespace of their
own until there are 10,000. sovlab: `Client.jobs()` in a fresh process that has connected, the first call,
which reads all. Then somebody else changes one Job: the time from sending it until that process has a
list with it in hand; and the memory of that process after both. Against: the same pages read over one
connection and parsed by `json`; and the Kubernetes client's typed models, where the peers have it. On a
slow machine the server alone takes longer than the second in which sovlab's first list is to be there; so
that is held as a ratio, too: to the 0.8 seconds that raw pages took where the second was set.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from benchmarks.cluster import Cluster
from benchmarks.measuring import Hold, Report, Series, ratio, take_turns
from benchmarks.surroundings import Surroundings

JOBS, QUICK = 10_000, 2_000
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_OF_THE_SERVER = {"resourceVersion", "creationTimestamp", "generation", "managedFields"}
_SUBMITTED = "sovlab.dev/submitted"
_LATER = 1e6
"""Seconds by which a job that is changed becomes the newest."""


def run(surroundings: Surroundings) -> list[Report]:
    cluster, count = surroundings.cluster, QUICK if surroundings.quick else JOBS
    with cluster.namespace() as namespace:
        return _Listing(surroundings, namespace, _fill(surroundings, namespace, count)).measure()


def _fill(surroundings: Surroundings, namespace: str, count: int) -> list[str]:
    """Make the jobs; their ids."""
    cluster, state = surroundings.cluster, surroundings.scratch / "kube-model"
    with cluster.sovlab(namespace, state=state) as sovlab:
        job_id = str(sovlab.call("one_job")["id"])
        surroundings.stop_agent(state, keep=sovlab.pid)
    model = _finished(cluster, f"/apis/batch/v1/namespaces/{namespace}/jobs/{job_id}")
    clones = [_clone(model, number) for number in range(1, count)]
    cluster.fill(namespace, clones)
    return [job_id, *(str(clone["metadata"]["name"]) for clone in clones)]


class _Listing:
    """Lists the jobs of a namespace, in turns."""

    def __init__(self, surroundings: Surroundings, namespace: str, ids: list[str]) -> None:
        self._surroundings, self._namespace, self._count = surroundings, namespace, len(ids)
        self._ids = iter(ids)
        self._jobs = f"/apis/batch/v1/namespaces/{namespace}/jobs"
        self._updates = Series("sovlab, one update")
        self._memory = {name: Series(name, "B") for name in ("sovlab", "raw pages", "typed client")}

    def measure(self) -> list[Report]:
        cluster = self._surroundings.cluster

        def ours() -> float:
            changed = next(self._ids)
            with cluster.sovlab(self._namespace) as sovlab:
                first = self._checked(sovlab.call("listing"))
                sovlab.call("await_change", job_id=changed)
                newest = {"metadata": {"annotations": {_SUBMITTED: repr(time.time() + _LATER)}}}
                sent = cluster.patch(f"{self._jobs}/{changed}", newest)
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
            },
            self._surroundings.repeats(7),
        )
        # It takes so long that once is enough.
        typed = {"typed client": lambda: other("typed client", "kube_typed", namespace=self._namespace)}
        taken |= take_turns(typed, 1, warmup=0)
        first, scale, where = taken["sovlab, first list"], f"{self._count:,} jobs", cluster.name
        for series in (self._updates, self._memory["sovlab"], self._memory["raw pages"]):
            series.samples = series.samples[1:]
        memory = self._memory["sovlab"]
        connecting = Series("sovlab, connecting before", samples=cluster.connecting[-len(first.samples) :])
        self._memory["typed client"].note = taken["typed client"].note
        return [
            Report(
                f"The list of {scale}, on {where}",
                [*taken.values(), self._updates, connecting],
                "raw pages",
                [
                    Hold(f"sovlab, first list of {scale}", first.median, 1.0, "s"),
                    Hold("sovlab, first list / raw pages", ratio(first, taken["raw pages"]), 1.25),
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
    meta = model["metadata"]
    old, suffix = str(meta["name"]), "".join(_DIGITS[number >> shift & 31] for shift in range(25, -5, -5))
    text = json.dumps({**model, "metadata": {k: v for k, v in meta.items() if k not in _OF_THE_SERVER}})
    text = text.replace(str(meta["uid"]), str(uuid.uuid4())).replace(old, old[:-6] + suffix)
    copy: dict[str, Any] = json.loads(text)
    told = copy["metadata"]["annotations"]
    told[_SUBMITTED] = repr(float(told[_SUBMITTED]) + number)
    copy["spec"] |= {"suspend": True, "managedBy": "sovlab.dev/benchmarks"}
    return copy
