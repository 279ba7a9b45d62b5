"""The process that samples the power of a job's devices, beside a process that stands for the job.

Its devices are the tests' own: GPUs of a library with NVML's calls, or of files as amdgpu shows them, which
go on counting energy. Or those of this machine, whatever it has.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from serving import serve

from sovlab.runner.process.sampling import Sampling
from sovlab.runner.protocol.order import Order
from sovlab.sensors import machine as machines
from sovlab.sensors.machine import Machine

DEVICES = 8
WATTS = 305.0
_PER_JOULE = 65536
"""What amdgpu's energy accumulator counts in a joule."""
_PATIENCE = 60.0


class AmdGpus:
    """Files of AMD GPUs; ``draw`` has them take some joules."""

    def __init__(self, root: Path) -> None:
        from tests.sensors.vendors import amd_trees

        kind, revision, _ = amd_trees.COUNTING[-1]
        filled = functools.partial(amd_trees.filled, kind, revision, **amd_trees.heat(kind))
        made = amd_trees.machine_of(root, DEVICES, metrics=filled())
        self._tables = [os.open(folder / "gpu_metrics", os.O_WRONLY) for folder in made]
        self._place = kind.energy_accumulator.offset
        self._joules = 1000.0

    def draw(self, seconds: float) -> None:
        self._joules += seconds * WATTS
        counted = int(self._joules * _PER_JOULE).to_bytes(8, "little")
        for table in self._tables:
            os.pwrite(table, counted, self._place)

    def go_on(self) -> None:
        last = time.monotonic()
        while True:
            time.sleep(0.02)
            self.draw(time.monotonic() - last)
            last = time.monotonic()


SAMPLING: Sampling
JOB: subprocess.Popen[bytes]
KEPT: list[Any] = []


def start(devices: str, rate: float) -> dict[str, Any]:
    """Start a sampler as a job's supervisor does, and wait until it has looked.

    Args:
        devices: ``nvml``, ``amdgpu``, or ``own`` for those of this machine.
        rate: looks a second.
    """
    global SAMPLING, JOB
    folder = Path(f"sampled-{devices}-{rate:g}-{os.getpid()}").absolute()
    root = _root(folder)
    go_on = None
    if devices == "nvml":
        if shutil.which("cc") is None:
            raise RuntimeError("there is no C compiler")
        from tests.fake_nvml import FakeNvml

        fake = FakeNvml(folder / "nvml", [WATTS] * DEVICES)
        os.environ.update(fake.environ)
        _look_at(Machine(root=root, nvml=str(folder / "nvml/libnvidia-ml.so.1"), hlml=""))
        go_on = fake.__enter__
    elif devices == "amdgpu":
        gpus = AmdGpus(root)
        _look_at(Machine(root=root, nvml="", hlml=""))
        go_on = threading.Thread(target=gpus.go_on, daemon=True).start
    JOB = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    told = {name: str(folder / name) for name in ("payload", "results", "exit")}
    order = Order(job_id="sampled", nonce="0" * 16, workdir=".", device="cuda", power_rate=rate, **told)
    SAMPLING = Sampling(order)
    SAMPLING.start()
    # Threads come after the fork: the sampler has none of them, as it has none of a supervisor's.
    if go_on is not None:
        KEPT.append(go_on())
    end = time.monotonic() + _PATIENCE
    while not (totals := _totals()):
        if time.monotonic() > end:
            raise RuntimeError(f"the sampler has said nothing for {_PATIENCE:g} s")
        time.sleep(0.05)
    return {"devices": len(totals["devices"]), "pid": SAMPLING.pid}


def spent() -> dict[str, Any]:
    """CPU seconds that the sampler has taken so far, and when that was."""
    _totals()
    assert SAMPLING.pid is not None
    clock = ctypes.c_int()
    failed = ctypes.CDLL(None).clock_getcpuclockid(SAMPLING.pid, ctypes.byref(clock))
    if failed:
        raise OSError(failed, os.strerror(failed))
    return {"cpu": time.clock_gettime(clock.value), "at": time.monotonic()}


def stop() -> dict[str, Any]:
    """End it; joules of each device, and where they are from."""
    totals = SAMPLING.stop() or {}
    return {"energy": [[d["energy"].get("j"), d["energy"]["source"]] for d in totals.get("devices", ())]}


def live(seconds: float, step: float) -> dict[str, Any]:
    """Memory of this process when its sampler has begun, and after so many seconds of a clock that is turned.

    Args:
        seconds: on that clock.
        step: seconds between two looks, each of which is told as a batch is.
    """
    # Not before: a supervisor has nothing of these in memory when it starts a sampler.
    from sovlab.sensors import registry
    from sovlab.sensors.phases import Phases
    from sovlab.sensors.sampler import Sampler

    now = [1000.0]
    root = _root(Path("lived").absolute())
    gpus = AmdGpus(root)
    sampler = Sampler(registry.find(Machine(root=root, nvml="", hlml="")).probes, step, lambda: now[0])
    phases = Phases(sampler)

    def look() -> None:
        now[0] += step
        gpus.draw(step)
        sampler.look()
        phases.feed(b'["begin", "epoch", %f]\n["end", "epoch", %f]\n' % (now[0], now[0] + 1))
        json.dumps([sampler.seconds(), sampler.totals(), phases.told()])

    look()
    before = _resident()
    looks = int(seconds / step)
    for _ in range(looks):
        look()
    (total, *others) = sampler.totals()
    assert len(others) == DEVICES - 1
    assert abs(total["energy"]["j"] / (looks * step * WATTS) - 1) < 0.01, total
    return {"before": before, "after": _resident(), "looks": looks}


def _root(folder: Path) -> Path:
    """A tree with the processes of this machine and none of its devices."""
    root = folder / "root"
    root.mkdir(parents=True)
    (root / "proc").symlink_to("/proc")
    return root


def _look_at(machine: Machine) -> None:
    """Have the sampler take ``machine`` for this one."""
    machines.Machine = functools.partial(  # type: ignore[misc,assignment]
        Machine, root=machine.root, nvml=machine.nvml, hlml=machine.hlml
    )


def _totals() -> Any:
    SAMPLING.ready()
    return SAMPLING._totals


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


if __name__ == "__main__":
    serve({f.__name__: f for f in (start, spent, stop, live)})
