"""The list of 10,000 finished jobs: the first, and one after something has changed.

One job is really run; its directory is then copied until there are 10,000, each copy with an id and times
of its own in all its records (packs and logs are hard links). sovlab: `Client.jobs()` in a fresh process,
then again in that process after one more finished job has appeared, and the memory of that process after
both; the page cache is warm. Against: reading and parsing the spec and the exit record of each job, and
nothing else. The peers compared here keep no list across processes.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring import Hold, Report, Series, take_turns
from benchmarks.surroundings import Surroundings

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"


def run(surroundings: Surroundings) -> list[Report]:
    count = 1_000 if surroundings.quick else 10_000
    state = surroundings.scratch / "many"
    with surroundings.driver("sovlab_client", state=state) as sovlab:
        model = state / "jobs" / str(sovlab.call("one_job")["id"])
        surroundings.stop_agent(state, keep=sovlab.pid)
    ids = iter(range(1, 1 << 30))
    for _ in range(count - 1):
        clone(model, next(ids))
    expected = count
    updates, memory = Series("sovlab, one update", "s"), Series("memory of that process", "B")

    def listed() -> float:
        nonlocal expected
        with surroundings.driver("sovlab_client", state=state) as sovlab:
            first = _checked(sovlab.call("listing"), expected)
            changed = clone(model, next(ids))
            expected += 1
            update = _checked(sovlab.call("listing"), expected, changed)
        updates.samples.append(float(update["seconds"]))
        memory.samples.append(float(update["memory"]))
        return float(first["seconds"])

    taken = take_turns(
        {"bare read and parse": lambda: _read(state), "sovlab, first list": listed}, surroundings.repeats(7)
    )
    updates.samples, memory.samples = updates.samples[1:], memory.samples[1:]
    first = taken["sovlab, first list"]
    scale = f"{count:,} jobs"
    return [
        Report(
            f"The list of {scale}",
            [*taken.values(), updates],
            "bare read and parse",
            [Hold(f"{s.name} of {scale}", s.median, t, "s") for s, t in ((first, 1.0), (updates, 0.05))],
        ),
        Report(
            f"Memory of a process that lists {scale}",
            [memory],
            holds=[Hold(f"resident, {scale}", memory.median, 150e6, "B")],
        ),
    ]


def clone(model: Path, number: int) -> str:
    """Copy a finished job's directory, under another id; later numbers are newer jobs."""
    suffix = "".join(_DIGITS[number >> shift & 31] for shift in range(25, -5, -5))
    job_id = f"{model.name[:-6]}{suffix}"
    scratch = model.parent / f".{job_id}"
    scratch.mkdir(mode=0o700)
    for source in model.iterdir():
        if source.is_dir():
            (scratch / source.name).mkdir()
        elif source.suffix == ".json":
            record = json.loads(source.read_text().replace(model.name, job_id))
            if isinstance(record, dict):
                for key in {"submitted", "started", "ended"} & set(record):
                    record[key] += number * 1e-3
            (scratch / source.name).write_text(json.dumps(record))
        else:
            (scratch / source.name).hardlink_to(source)
    # A job is there when its directory has its name, whole: that is how one is submitted, too.
    scratch.rename(model.parent / job_id)
    return job_id


def _checked(answer: dict[str, Any], count: int, newest: str = "") -> dict[str, Any]:
    assert answer["jobs"] == answer["succeeded"] == count, f"{answer} instead of {count}"
    assert newest in ("", answer["newest"]), f"{answer} instead of {newest}"
    return answer


def _read(state: Path) -> float:
    begun = time.perf_counter()
    records = []
    with os.scandir(state / "jobs") as entries:
        for entry in entries:
            for name in ("spec.json", "exit.json"):
                with open(f"{entry.path}/{name}", "rb") as file:  # noqa: PTH123
                    records.append(json.loads(file.read()))
    return time.perf_counter() - begun
