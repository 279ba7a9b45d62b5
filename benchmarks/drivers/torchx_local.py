"""torchx's local_cwd scheduler. It runs programs, not functions: its result is that one has ended."""

from __future__ import annotations

import sys
import tempfile
import time
from typing import Any

from arrivals import Arrivals
from serving import serve

MISSING = ""
try:
    from torchx import specs
    from torchx.runner import get_runner
except ModuleNotFoundError as error:
    MISSING = "not installed" if error.name == "torchx" else f"{error.name} is not installed beside it"


def _run(code: str) -> str:
    role = specs.Role(name="r", image=".", entrypoint=sys.executable, args=["-u", "-c", code])
    return RUNNER.run(specs.AppDef(name="app", roles=[role]), "local_cwd", {"log_dir": LOGS})


def _wait(handle: str) -> None:
    status = RUNNER.wait(handle, wait_interval=0.001)
    assert status is not None
    assert status.state == specs.AppState.SUCCEEDED, status


def trivial() -> float:
    """Seconds from the submit until it is known to have succeeded."""
    begun = time.perf_counter()
    _wait(_run("print(2 * 21)"))
    return time.perf_counter() - begun


def log(code: str, expected: int) -> dict[str, Any]:
    """Follow what ``code`` prints."""
    arrivals = Arrivals()
    handle = _run(code)
    for piece in RUNNER.log_lines(handle, "r", 0, should_tail=True):
        arrivals.feed(piece.encode())
    _wait(handle)
    return arrivals.answer(expected)


if __name__ == "__main__":
    if not MISSING:
        LOGS = tempfile.mkdtemp(dir=".")
        RUNNER = get_runner()
    serve({"trivial": trivial, "log": log}, MISSING)
