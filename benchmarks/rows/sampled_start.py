"""The start of a job whose devices are measured: submit → its first line in hand, with and without.

With: a job on 8 GPUs of a library of the tests with NVML's calls, sampled ten times a second. Without: the
same cell on a machine without a sensor, with energy counters only (``--power-rate 0``). Each in a process
that has submitted before, with an agent of its own. A sampler starts a moment after its job, so a cell that
prints at once does not meet it; beside, a cell that works for some tenths of a second before it prints:
while it does, the sampler starts.
"""

from __future__ import annotations

import functools
import shutil
import statistics

from benchmarks.measuring import CaseFailed, Hold, Report, Series, take_turns
from benchmarks.surroundings import Surroundings

_AT_ONCE = 'print("here")'
_AFTER_WORK = "total = 0\nfor number in range(6_000_000):\n    total += number\n" + _AT_ONCE
_MORE = 0.003
_WITHOUT, _WITH = "without sensors", "8 GPUs, 10 Hz"


def run(surroundings: Surroundings) -> list[Report]:
    place = surroundings.scratch / "sampled-start"
    place.mkdir()
    options = {
        _WITHOUT: {"backend": "cpu", "power_rate": 0.0},
        _WITH: {"backend": "cuda", "gpus": 8, "procs": 1, "power_rate": 10.0},
    }
    try:
        environ, why = _gpus(surroundings), ""
    except CaseFailed as failed:
        environ, why = {}, str(failed)
    with (
        surroundings.driver("sovlab_client", state=place / "without", LD_LIBRARY_PATH="") as without,
        surroundings.driver("sovlab_client", state=place / "with", **environ) as sampled,
    ):
        drivers = {_WITHOUT: without, _WITH: sampled}

        def seconds(name: str, code: str) -> float:
            if why and name == _WITH:
                raise CaseFailed(why)
            return drivers[name].seconds("first_line", code=code, **options[name])

        def taken(code: str, repeats: int) -> list[Series]:
            cases = {name: functools.partial(seconds, name, code) for name in drivers}
            return list(take_turns(cases, surroundings.repeats(repeats), warmup=2).values())

        at_once, worked = taken(_AT_ONCE, 25), taken(_AFTER_WORK, 15)
    return [
        Report(
            "Submit → first line of a job whose devices are measured",
            at_once,
            _WITHOUT,
            [Hold("more with sensors", _more(at_once), _MORE, "s")],
        ),
        Report("The same after some tenths of a second of work, while the sampler starts", worked, _WITHOUT),
    ]


def _gpus(surroundings: Surroundings) -> dict[str, str]:
    """The environment of a machine with 8 GPUs."""
    if shutil.which("cc") is None:
        raise CaseFailed("there is no C compiler")
    try:
        from tests.fake_nvml import FakeNvml
    except ModuleNotFoundError as error:
        raise CaseFailed(f"{error.name} is not installed") from None
    environ: dict[str, str] = FakeNvml(surroundings.scratch / "nvml", [300.0] * 8).environ
    return environ


def _more(series: list[Series]) -> float | None:
    """Seconds that the second takes more than the first: the median over the rounds."""
    without, sampled = series
    if not without.samples or len(without.samples) != len(sampled.samples):
        return None
    return statistics.median(b - a for a, b in zip(without.samples, sampled.samples, strict=True))
