"""``%load_ext sovlab`` in a running kernel, and what the import of a peer costs there.

Each sample is taken in a fresh ipykernel that has executed one cell before, by the clock inside of the
kernel; compiled files are in place and the page cache is warm. Against: the import of the client library that
one would use instead, in a kernel of the peers' environment.
"""

from __future__ import annotations

import functools

from benchmarks.kernel import kernel
from benchmarks.measuring import Hold, Report, take_turns
from benchmarks.surroundings import Surroundings

_TIMED = "begun = time.perf_counter()\n{}\nseconds = time.perf_counter() - begun"

_PEERS = {
    "import torchx's runner": "from torchx.runner import get_runner",
    "import submitit": "import submitit",
    "import kubernetes' client": "from kubernetes import client",
    "import kubeflow's trainer client": "from kubeflow.trainer import TrainerClient",
    "import papermill": "import papermill",
}


def run(surroundings: Surroundings) -> list[Report]:
    def seconds(python: str | None, statement: str) -> float:
        with kernel(python, surroundings.scratch, surroundings.environ) as started:
            return float(started.run(_TIMED.format(statement), "seconds"))

    ours = "get_ipython().run_line_magic('load_ext', 'sovlab')"
    taken = take_turns(
        {
            "%load_ext sovlab": functools.partial(seconds, surroundings.python, ours),
            **{name: functools.partial(seconds, surroundings.peers, code) for name, code in _PEERS.items()},
        },
        surroundings.repeats(7),
    )
    hold = Hold("%load_ext sovlab", taken["%load_ext sovlab"].median, 0.060, "s")
    return [Report("Loading into a running kernel", [*taken.values()], "%load_ext sovlab", [hold])]
