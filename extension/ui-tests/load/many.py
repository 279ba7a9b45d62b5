"""Copies the one job of a state folder until there are as many as asked for: ``many.py STATE COUNT``."""

import sys
from pathlib import Path

from benchmarks.rows.job_list import clone

jobs = Path(sys.argv[1]) / "jobs"
(model,) = (each for each in jobs.iterdir() if (each / "exit.json").exists())
for number in range(1, int(sys.argv[2])):
    clone(model, number)
