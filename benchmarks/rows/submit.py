"""Submit → result of a trivial function, on this machine.

sovlab: `sovlab.submit(double, 21).result()` in a process that has submitted before, with its agent
running; and apart from that with no agent running, so that the submit has to start it. Against: a bare
``python -c`` (the floor: one interpreter started and ended); submitit's local executor, submit to result;
torchx's local_cwd, run to the known end of ``python -c`` (it returns no values); papermill in process, a
notebook of one cell (it starts a kernel).
"""

from __future__ import annotations

from benchmarks.measuring import Hold, Report, ratio, take_turns
from benchmarks.surroundings import Surroundings


def run(surroundings: Surroundings) -> list[Report]:
    cold_state = surroundings.scratch / "cold"
    with (
        surroundings.driver("sovlab_client") as sovlab,
        surroundings.driver("sovlab_client", state=cold_state) as cold,
        surroundings.driver("submitit_local", peer=True) as submitit,
        surroundings.driver("torchx_local", peer=True) as torchx,
        surroundings.driver("papermill_inprocess", peer=True) as papermill,
    ):

        def without_agent() -> float:
            surroundings.stop_agent(cold_state, keep=cold.pid)
            seconds = cold.seconds("trivial")
            surroundings.stop_agent(cold_state, keep=cold.pid)
            return seconds

        taken = take_turns(
            {
                "bare python -c": lambda: surroundings.bare("pass"),
                "sovlab": lambda: sovlab.seconds("trivial"),
                "sovlab, no agent yet": without_agent,
                "torchx local_cwd": lambda: torchx.seconds("trivial"),
                "papermill, one cell": lambda: papermill.seconds("trivial"),
                "submitit local": lambda: submitit.seconds("trivial"),
            },
            surroundings.repeats(15),
            warmup=2,
        )
    hold = Hold("sovlab / bare python -c", ratio(taken["sovlab"], taken["bare python -c"]), 5)
    return [Report("Submit → result of a trivial function", [*taken.values()], "bare python -c", [hold])]
