"""What it costs to read the sensors of 8 GPUs while a job runs: CPU time, and memory.

The sampler is started as a job's supervisor starts it, and reads devices of the tests: GPUs of a library
with NVML's calls, and of files as the amdgpu driver shows them; once a second and ten times a second. Its
CPU time is that of its process, by the system's own clock of it, over the wall time, in windows that hold
one batch of frames each; what it takes to start is before them. All samplers run at the same time: each of
them sleeps nearly always. In it is what the tests' library takes, which reads a file at each call; what a
real driver takes is not, and so the devices of this machine itself are read beside, where it has some.

Memory: the pages that such a process has to itself. And what a process that reads AMD's files has more,
after a week on a clock that is turned, than when it began: it looks each 30 s, and tells at each look what
it has seen as it does in a job each 5 s.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.driving import Driver
from benchmarks.measuring import CaseFailed, Hold, Report, Series
from benchmarks.surroundings import Surroundings

WINDOW = 5.0
"""Seconds: what is seen in so many is told at once."""
WINDOWS, QUICK = 6, 2
DAY, STEP = 86_400, 30.0
DAYS, QUICK_DAYS = 7, 1
_TESTS = str(Path(__file__).parents[2])
_LIMITS = {1: 0.002, 10: 0.01}
_SAMPLED = {"nvml": "8 GPUs by NVML", "amdgpu": "8 GPUs by amdgpu", "own": "those of this machine"}


def run(surroundings: Surroundings) -> list[Report]:
    return [*_costs(surroundings), _grown(surroundings)]


class _Sampler:
    """One that runs.

    Args:
        driver: has it.
        devices: which it reads.
        rate: how often a second.
    """

    def __init__(self, driver: Driver, devices: str, rate: int) -> None:
        self._driver, self._devices, self.rate = driver, devices, rate
        self.share = Series(f"{_SAMPLED[devices]}, {rate} Hz", "%")
        self.memory = Series(self.share.name, "B")
        self._last: dict[str, Any] = {}
        try:
            started = driver.call("start", devices=devices, rate=rate)
        except CaseFailed as failed:
            self.share.note = str(failed)
            return
        self._pid = int(started["pid"])
        if not started["devices"]:
            self.share.note = "it has none that can be read"
            return
        assert devices == "own" or started["devices"] == 8, started
        self._last = driver.call("spent")

    def take(self) -> None:
        """One sample, of the time since the last."""
        if not self._last:
            return
        before, self._last = self._last, self._driver.call("spent")
        wall = self._last["at"] - before["at"]
        self.share.samples.append((self._last["cpu"] - before["cpu"]) / wall)

    def end(self) -> None:
        """Take its memory, and see that what it measured is whole."""
        if not self._last:
            return
        with contextlib.suppress(psutil.Error):
            self.memory.samples.append(psutil.Process(self._pid).memory_full_info().uss)
        energy = self._driver.call("stop")["energy"]
        assert self._devices == "own" or {source for _, source in energy} <= {"counter", "sampled"}, energy

    @property
    def hold(self) -> Hold:
        share = statistics.fmean(self.share.samples) if self.share.samples else None
        return Hold(f"{self.share.name}, of a core", share, _LIMITS[self.rate], "%")


def _costs(surroundings: Surroundings) -> list[Report]:
    windows = QUICK if surroundings.quick else WINDOWS
    with contextlib.ExitStack() as stack:
        samplers = []
        for devices in _SAMPLED:
            for rate in _LIMITS:
                driver = stack.enter_context(surroundings.driver("sampler", PYTHONPATH=_TESTS))
                samplers.append(_Sampler(driver, devices, rate))
        for _ in range(windows):
            time.sleep(WINDOW)
            for sampler in samplers:
                sampler.take()
        for sampler in samplers:
            sampler.end()
    return [
        Report(
            "Reading the sensors of 8 GPUs: CPU time over wall time",
            [sampler.share for sampler in samplers],
            holds=[sampler.hold for sampler in samplers if "8 GPUs" in sampler.share.name],
            notes=["devices are the tests' own: what a driver takes to answer is only in this machine's"],
        ),
        Report(
            "Memory that the sampler has to itself",
            [sampler.memory for sampler in samplers if sampler.memory.samples],
        ),
    ]


def _grown(surroundings: Surroundings) -> Report:
    days = QUICK_DAYS if surroundings.quick else DAYS
    began, grown = Series("when it began", "B"), Series(f"more after {days} days", "B")
    with surroundings.driver("sampler", PYTHONPATH=_TESTS) as driver:
        try:
            told = driver.call("live", seconds=days * DAY, step=STEP)
        except CaseFailed as failed:
            grown.note = str(failed)
        else:
            began.samples.append(told["before"])
            grown.samples.append(told["after"] - told["before"])
            grown.note = f"{told['looks']:,} looks"
    return Report(
        f"Memory of the sampler of 8 GPUs after {days} days",
        [began, grown],
        holds=[Hold(f"more after {days} days", grown.median, 4e6, "B")],
    )
