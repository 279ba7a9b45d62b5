"""Create → success known, on a cluster.

sovlab: a trivial function, from the submit until `Job.wait` returns, and until its result is in hand, in a
process that has submitted before; each time with its transfer agent, as for users. Against: a bare Job of
the same image and the same kind of pod that runs ``python3 -c 1``, created through the API and watched until
its condition says that it is complete. The Job controller gathers news of pods for a second before it says
so; sovlab goes by the pod. So, beside: the bare Job, whose pod is watched.
"""

from __future__ import annotations

from typing import Any

from benchmarks.measuring import Hold, Report, Series, ratio, take_turns
from benchmarks.surroundings import Surroundings


def run(surroundings: Surroundings) -> list[Report]:
    cluster = surroundings.cluster
    pod = cluster.pod("1")
    answers: list[dict[str, Any]] = []
    with (
        cluster.namespace() as namespace,
        cluster.sovlab(namespace, state=surroundings.scratch / "kube-submit") as sovlab,
        cluster.other("kube_bare") as bare,
    ):

        def trivial() -> float:
            answers.append(sovlab.call("trivial"))
            return float(answers[-1]["seconds"])

        taken = take_turns(
            {
                "bare Job": lambda: bare.seconds("job", namespace=namespace, pod=pod, until="job"),
                "sovlab, its result in hand": trivial,
                "bare Job, by its pod": lambda: bare.seconds(
                    "job", namespace=namespace, pod=pod, until="pod"
                ),
            },
            surroundings.repeats(12),
        )
    reference, kept = taken["bare Job"], answers[1:]
    known = Series("sovlab, success known", samples=[a["known"] for a in kept])
    submit = Series("sovlab, until submit returns", samples=[a["submit"] for a in kept])
    taken.pop("bare Job")
    result = taken["sovlab, its result in hand"]
    return [
        Report(
            f"Create → success known, on {cluster.name}",
            [reference, known, *taken.values(), submit],
            reference.name,
            [
                Hold("sovlab, success known / bare Job", ratio(known, reference), 1.05),
                Hold("sovlab, result in hand / bare Job", ratio(result, reference), 1.05),
            ],
            [cluster.told],
        )
    ]
