"""A real kernel: what Interrupt offers, and what its death does to jobs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sovlab.core.job import JobState

SLEEP = "import time\nprint('began', flush=True)\ntime.sleep(600)"


def drive(*steps: dict[str, Any]) -> str:
    """What the cells of the steps printed and showed, as text."""
    steps = ({"run": "%load_ext sovlab"}, *steps)
    driver = Path(__file__).with_name("kernel_driver.py")
    done = subprocess.run(
        [sys.executable, str(driver), json.dumps(steps)], capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize(
    ("name", "answer", "says", "state"),
    [
        ("interrupted", "c", "Cancelling interrupted", JobState.CANCELLED),
        ("detached", "", "Detached: detached goes on.", JobState.RUNNING),
        ("unattended", None, "Detached: unattended goes on.", JobState.RUNNING),
    ],
)
def test_interrupt_while_waiting_offers_to_cancel_or_to_detach(client, name, answer, says, state):
    cell = f"%%sovsubmit --wait --name {name}\n{SLEEP}"
    text = drive({"run": cell, "answer": answer, "interrupt": name})
    assert says in text
    job = client.job(name)
    assert job.state is state
    job.cancel()
    assert job.wait(60).state is JobState.CANCELLED


def test_one_who_detaches_detaches_from_all(client):
    for name in ("left", "other"):
        drive({"run": f"%%sovsubmit --name {name}\n{SLEEP}"})
    text = drive({"run": "%sovwait left other\n", "interrupt": "left"}, {"run": "print('at once')"})
    assert "Detached: left goes on." in text
    assert "at once" in text
    for job in map(client.job, ("left", "other")):
        assert job.state is JobState.RUNNING
        job.cancel()
        assert job.wait(60).state is JobState.CANCELLED


def test_a_job_outlives_its_kernel_and_another_one_finds_it(client, tmp_path):
    gate = tmp_path / "gate"
    submit = (
        "%%sovsubmit --name survivor --out value\nimport os, time\n"
        f"while not os.path.exists({str(gate)!r}):\n    time.sleep(0.02)\nprint('went on')\nvalue = 7"
    )
    find = (
        f"import sovlab\nopen({str(gate)!r}, 'w').close()\njob = sovlab.job('survivor')\n"
        "job.wait(60)\nprint(job.result('value'), job.logs())"
    )
    assert "7 went on" in drive({"run": submit}, {"kill": True}, {"run": find})


def test_a_job_is_awaited_in_a_kernel_whose_loop_goes_on(client, tmp_path):
    gate = tmp_path / "gate"
    cell = (
        "import asyncio, os, sovlab\n"
        "def hold(gate):\n    with open(gate) as file:\n        return file.read()\n"
        f"os.mkfifo({str(gate)!r})\njob = sovlab.submit(hold, {str(gate)!r})\n"
        # Only a loop that goes on lets the job end.
        f"asyncio.get_running_loop().call_later(0, lambda: open({str(gate)!r}, 'w').write('let go'))\n"
        "print('awaited:', await job)"
    )
    assert "awaited: let go" in drive({"run": cell})
