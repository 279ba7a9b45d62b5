"""What this machine draws now."""

from __future__ import annotations

import subprocess
import sys

from sovlab.core.energy.decoding import measured
from sovlab.core.energy.report import EnergyReport
from sovlab.core.untrusted import DamagedRecord, Part, parse
from sovlab.errors import ExecutorError

_START = 30.0
"""Seconds that vendors' libraries may take to start."""


def machine_power(seconds: float = 1.0) -> EnergyReport:
    """Look at this machine's sensors for some seconds, in a process of their own.

    Raises:
        ExecutorError: that process did not end well; the message says how.
    """
    command = [sys.executable, "-m", "sovlab.sensors", str(seconds)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds + _START, check=False)
    except subprocess.TimeoutExpired as error:
        raise ExecutorError(
            f"The sensors of this machine did not answer within {seconds + _START:.0f} s.",
            "A driver may hang: see whether nvidia-smi or its like answers.",
        ) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ExecutorError(
            f"Reading the sensors of this machine failed: {said or f'status {done.returncode}'}.",
            f"Try it by itself: {' '.join(command[1:])}",
        )
    try:
        return measured(Part("", parse(done.stdout)))
    except DamagedRecord as error:
        raise ExecutorError(f"The sensors of this machine said what cannot be read: {error}.") from error
