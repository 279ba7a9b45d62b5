"""submitit's local executor."""

from __future__ import annotations

import tempfile
import time

import memory
from serving import serve

MISSING = ""
try:
    import numpy
    import submitit
except ModuleNotFoundError as error:
    MISSING = "not installed" if error.name == "submitit" else f"{error.name} is not installed beside it"


def double(number: int) -> int:
    """A trivial function."""
    return 2 * number


def echo(array: numpy.ndarray) -> numpy.ndarray:
    """Send it back, changed, so that nothing can be a copy of what was there before."""
    array[0] += 1
    return array


def trivial() -> float:
    """Seconds from the submit to its result in hand."""
    begun = time.perf_counter()
    assert EXECUTOR.submit(double, 21).result() == 42
    return time.perf_counter() - begun


def tensor(size: int, number: int, folder: str) -> float:
    """Seconds for an array of ``size`` bytes there and back, by files in ``folder``."""
    executor = submitit.AutoExecutor(folder=folder, cluster="local", local_max_pickle_size_gb=64)
    executor.update_parameters(timeout_min=10)
    array = numpy.full(size // 4, number, numpy.float32)
    memory.touch(2 * size)
    begun = time.perf_counter()
    back = executor.submit(echo, array).result()
    taken = time.perf_counter() - begun
    assert back[0] == number + 1
    assert back[-1] == number
    return taken


if __name__ == "__main__":
    if not MISSING:
        FOLDER = tempfile.mkdtemp(dir=".")
        EXECUTOR = submitit.AutoExecutor(folder=FOLDER, cluster="local")
        EXECUTOR.update_parameters(timeout_min=10)
    serve({"trivial": trivial, "tensor": tensor}, MISSING)
