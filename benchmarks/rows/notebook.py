"""A notebook as a job on this machine, by papermill with our engine, against papermill's own, in turn.

One cell; fifty cells; ten cells that print 1 MB each; and the outcome of a run that has ended, by the same
command again. ``sovlab run --help`` against ``papermill --help``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial

from benchmarks.measuring import Hold, Report, ratio, take_turns
from benchmarks.surroundings import Surroundings

KINDS = (("one", "one cell", 1.1), ("fifty", "50 cells", 0.8), ("large", "10 MB of outputs", 1.1))


def run(surroundings: Surroundings) -> list[Report]:
    reports = []
    with surroundings.driver("papermill_engines") as engines:
        for name, words, most in KINDS:
            cases = {
                "papermill's own engine": partial(engines.seconds, "execute", engine="own", notebook=name),
                "sovlab": partial(engines.seconds, "execute", engine="sovlab", notebook=name),
            }
            if name == "one":
                cases["sovlab, the run is there"] = partial(engines.seconds, "again", notebook=name)
            taken = take_turns(cases, surroundings.repeats(7), warmup=2)
            held = ratio(taken["sovlab"], taken["papermill's own engine"])
            hold = Hold("sovlab / papermill's own engine", held, most)
            reports.append(
                Report(f"A notebook of {words}", [*taken.values()], "papermill's own engine", [hold])
            )
    taken = take_turns(
        {
            "papermill --help": lambda: _seconds("papermill"),
            "sovlab run --help": lambda: _seconds("sovlab", "run"),
        },
        surroundings.repeats(7),
        warmup=1,
    )
    hold = Hold("sovlab run --help", taken["sovlab run --help"].median, 0.15, "s")
    reports.append(Report("Help on the command line", [*taken.values()], "papermill --help", [hold]))
    return reports


def _seconds(*words: str) -> float:
    begun = time.perf_counter()
    command = [sys.executable, "-m", *words, "--help"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun
