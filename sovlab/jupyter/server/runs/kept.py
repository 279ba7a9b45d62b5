"""`Kept`: the runs that this server has begun, and how far their outputs are."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from sovlab.batch.forms.staying import Staying
from sovlab.jupyter.server import models
from sovlab.jupyter.server.runs.places import Places, member, read

_MOST = 200


class Kept:
    """Runs by the path of their output; the oldest that are over are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: OrderedDict[Path, Staying] = OrderedDict()

    def add(self, output: Path, run: Staying) -> None:
        """Keep a run."""
        with self._lock:
            self._runs[output] = run
            over = [path for path, each in self._runs.items() if each.over]
            for path in over[: max(len(self._runs) - _MOST, 0)]:
                del self._runs[path]

    def outcome(self, places: Places, path: str) -> models.Outcome:
        """How far an output is: what is written there counts, whoever has begun the run.

        Raises:
            RequestError: the path may not be named.
        """
        output = places.below(path)
        with self._lock:
            run = self._runs.get(output)
        over = None if run is None else run.over  # before the file is looked at
        problem = run.problem if run is not None and over else ""
        return models.Outcome(
            output=places.told(output),
            written=member(read(output), "metadata", "sovlab", "run", "id") is not None,
            over=over,
            problem=problem,
        )
