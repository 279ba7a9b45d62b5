"""A tensor of 1 GiB sent to a local job and back.

sovlab: from the submit of a function that changes one element and returns the tensor, to the tensor in
hand; each round other bytes, so that nothing was sent before. A result lies in the page cache and is read
when it is touched, as a copied file is; the time until every byte has been read is reported beside. The
tensor is made outside of the time. Against: `shutil.copyfile` of a file of that size in the page cache,
twice, in the same file system; and submitit with a numpy array of that size. All of it once in a file system
in memory, where nothing but the programs' own work counts, and once on the disk, whose own pace may be what
is seen; before each sample there, dirty pages are written out, and the memory that a sample needs has just
been in use, for all of them alike. Memory: the most that the client and the job
have had resident, less what each has without a tensor, as a multiple of the tensor.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.drivers import memory
from benchmarks.measuring import Hold, Report, Series, ratio, take_turns
from benchmarks.surroundings import Surroundings


def run(surroundings: Surroundings) -> list[Report]:
    size = 64 << 20 if surroundings.quick else 1 << 30
    reports = []
    for medium, directory in (("in memory", surroundings.memory), ("on the disk", surroundings.scratch)):
        if directory is not None:
            reports += _There(surroundings, directory, size).measure(
                f"a tensor of {size >> 20} MiB, {medium}"
            )
    return reports


class _There:
    """One round of measurements in one file system."""

    def __init__(self, surroundings: Surroundings, directory: Path, size: int) -> None:
        self._surroundings, self._size = surroundings, size
        self._state = directory / "tensor-state"
        self._folder = directory / "submitit"
        self._original = directory / "original"
        self._copies = [directory / f"copy{number}" for number in (1, 2)]
        self._answers: list[dict[str, Any]] = []

    def measure(self, what: str) -> list[Report]:
        with self._original.open("wb") as file:
            for _ in range(self._size >> 20):
                file.write(os.urandom(1 << 20))
        with self._surroundings.driver("submitit_local", peer=True) as submitit:
            taken = take_turns(
                {
                    "2 file copies": self._copy,
                    "sovlab": self._there_and_back,
                    "submitit local": lambda: submitit.seconds(
                        "tensor", size=self._size, number=1, folder=str(self._folder)
                    ),
                },
                self._surroundings.repeats(5),
                before=self._tidy,
            )
        with self._surroundings.driver("sovlab_client", state=self._state) as sovlab:
            empty = sovlab.call("torch_job_memory")["job"] if self._answers else None
            self._surroundings.stop_agent(self._state, keep=-1)
        self._tidy()
        self._original.unlink()
        return [self._times(what, taken), self._memory(what, empty)]

    def _copy(self) -> float:
        memory.touch(2 * self._size)
        begun = time.perf_counter()
        for target in self._copies:
            shutil.copyfile(self._original, target)
        return time.perf_counter() - begun

    def _there_and_back(self) -> float:
        # A process of its own for each sample: the peak of its memory is that of this one tensor.
        with self._surroundings.driver("sovlab_client", state=self._state) as sovlab:
            sovlab.call("torch_job_memory")
            answer = sovlab.call("tensor", size=self._size, number=len(self._answers))
        self._answers.append(answer)
        return float(answer["seconds"])

    def _tidy(self) -> None:
        """What one sample has left must neither fill the disk nor be written to it during the next."""
        for path in (*self._copies, *self._state.glob("objects/*.pack")):
            path.unlink(missing_ok=True)
        shutil.rmtree(self._folder, ignore_errors=True)
        os.sync()

    def _times(self, what: str, taken: dict[str, Series]) -> Report:
        kept = self._answers[1:]
        copied, sent = taken["2 file copies"], taken["sovlab"]
        read = Series("sovlab, and all of it read", samples=[a["read"] for a in kept])
        submitted = Series("sovlab, until submit returns", samples=[a["submit"] for a in kept])
        slower = ratio(sent, copied)
        return Report(
            f"There and back: {what}",
            [copied, sent, read, submitted, taken["submitit local"]],
            copied.name,
            [Hold("throughput, sovlab / file copy", 1 / slower if slower else None, 0.5, at_most=False)],
            [f"sovlab moves {2 * self._size / sent.median / 1e9:.2f} GB/s"] if sent.median else [],
        )

    def _memory(self, what: str, empty: int | None) -> Report:
        kept = self._answers[1:]
        client = Series("client", "B", [a["client"] for a in kept])
        job = Series("job", "B", [a["job"] - empty for a in kept if empty is not None and a["job"]])
        holds = [
            Hold(f"peak of the {s.name} / tensor", s.median / self._size if s.samples else None, 1.3)
            for s in (client, job)
        ]
        return Report(f"Memory added by {what}", [client, job], holds=holds)
