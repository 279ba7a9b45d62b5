"""A local cell that imports torch, the second time on.

sovlab: submit → result of a cell ``import torch; …`` once the agent has had time to prepare a parent
process with torch in it, which it does after the first such job; that first job is reported apart. Against: a
bare ``python -c "import torch; …"``, with torch's files in the page cache: what every job that starts a
new interpreter pays each time.
"""

from __future__ import annotations

import time

from benchmarks.measuring import Hold, Report, Series, ratio, take_turns
from benchmarks.surroundings import Surroundings

_PREPARATION = 8.0
"""Seconds given to the agent after the first job, before the second is measured."""


def run(surroundings: Surroundings) -> list[Report]:
    state = surroundings.scratch / "torch"
    bare = "import torch; assert float(torch.ones(3).sum()) == 3.0"
    with surroundings.driver("sovlab_client", state=state) as sovlab:
        surroundings.bare(bare)
        first = Series("sovlab, first such cell", samples=[sovlab.seconds("torch_cell")])
        time.sleep(_PREPARATION)
        taken = take_turns(
            {
                "bare python, import torch": lambda: surroundings.bare(bare),
                "sovlab": lambda: sovlab.seconds("torch_cell"),
            },
            surroundings.repeats(10),
        )
        surroundings.stop_agent(state, keep=sovlab.pid)
    cold = taken["bare python, import torch"]
    hold = Hold("sovlab / cold import of torch", ratio(taken["sovlab"], cold), 0.5)
    return [Report("A cell that imports torch", [*taken.values(), first], cold.name, [hold])]
