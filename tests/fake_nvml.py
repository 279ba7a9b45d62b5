"""A machine with NVIDIA GPUs for whole jobs: a library with NVML's calls that the dynamic linker finds."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "sensors" / "vendors" / "nvml_power.c"
UUID = "GPU-8a2f{}c00-1111-2222-3333-444444444444"
_H100 = {
    "name": "NVIDIA H100 80GB HBM3",
    "nvmlDeviceGetCudaComputeCapability": "9.0",
    "nvmlDeviceGetEnforcedPowerLimit": "700000",
    "nvmlDeviceGetPowerManagementDefaultLimit": "700000",
    "nvmlDeviceGetPowerManagementLimit": "700000",
    "nvmlDeviceSetPowerManagementLimit": "ok",
    "nvmlDeviceGetPowerManagementLimitConstraints": "200000 700000",
    "nvmlDeviceGetMarginTemperature": "26",
    "82.0": "uint 54",
    "nvmlDeviceGetSupportedClocksEventReasons": "511",
    "nvmlDeviceGetCurrentClocksEventReasons": "0",
}


class FakeNvml:
    """GPUs that draw what `watts` says from when it is entered until it is left.

    Args:
        folder: for the library and its answers.
        watts: of each GPU.
        celsius: of each GPU.
        counts: whether they have an energy counter.
        more: further answers of each GPU, by call.
    """

    def __init__(self, folder, watts=(300.0,), *, celsius=61, counts=True, more=()):
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler")
        folder.mkdir(exist_ok=True)
        library = folder / "libnvidia-ml.so.1"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SOURCE], check=True, timeout=120)
        self.answers = folder / "answers"
        self.environ = {"LD_LIBRARY_PATH": str(folder), "NVML_ANSWERS": str(self.answers)}
        self.watts, self.celsius, self.counts, self.more = list(watts), celsius, counts, dict(more)
        self._joules = [1000.0 * (n + 1) for n in range(len(watts))]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)
        self._write()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def caps(self):
        """W that each GPU was set to; None of one that nobody has set."""
        paths = [self.answers.with_name(f"{self.answers.name}.limit.{gpu}") for gpu in range(len(self.watts))]
        return [int(path.read_text()) / 1000 if path.exists() else None for path in paths]

    def _draw(self):
        last = time.monotonic()
        while not self._stop.wait(0.02):
            now = time.monotonic()
            self._joules = [j + w * (now - last) for j, w in zip(self._joules, self.watts, strict=True)]
            last = now
            self._write()

    def _write(self):
        lines = [f"gpus {len(self.watts)}"]
        for gpu, (joules, watts) in enumerate(zip(self._joules, self.watts, strict=True)):
            answers = {
                **_H100,
                "uuid": UUID.format(gpu),
                "nvmlDeviceGetPowerUsage": f"{watts * 1000:.0f}",
                "nvmlDeviceGetTemperature": str(self.celsius),
                **self.more,
            }
            if self.counts:
                answers["nvmlDeviceGetTotalEnergyConsumption"] = f"{joules * 1000:.0f}"
            lines += [f"{gpu} {call} {says}" for call, says in answers.items()]
        temporary = self.answers.with_suffix(".tmp")
        temporary.write_text("\n".join(lines) + "\n")
        temporary.replace(self.answers)
