"""The floor under every log: a subprocess whose stdout is a pipe."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from arrivals import Arrivals
from serving import serve


def log(code: str, expected: int) -> dict[str, Any]:
    """Follow what ``code`` prints."""
    arrivals = Arrivals()
    with subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while data := os.read(process.stdout.fileno(), 1 << 16):
            arrivals.feed(data)
    return arrivals.answer(expected)


if __name__ == "__main__":
    serve({"log": log})
