"""What ``sovlab doctor`` looks at."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from sovlab._version import __version__
from sovlab.client import Call, Client
from sovlab.core.finding import Level
from sovlab.core.units import format_bytes
from sovlab.errors import SovlabError, WaitTimeout

_LEAST_FREE = 1 << 30
_PATIENCE = 300.0
"""Seconds that the job may take to come back: a cluster may have to pull its image first."""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        what: what was looked at.
        found: what it is.
        ok: whether jobs can run with it.
        advice: what to do; empty if nothing.
        here: False for what this place does not have, which is no fault.
    """

    what: str
    found: str
    ok: bool = True
    advice: str = ""
    here: bool = True


def run_all(client: Client, target: str | None = None) -> list[Check]:
    """All checks; one that breaks is a finding, not an error.

    Args:
        client: whose settings apply.
        target: where jobs are to run; None is the current target.
    """
    chosen = client.settings.target_named(target)
    found: list[Check] = []
    for check in (_versions, _torch, _state, _settings, _place, _job, _backends, _sensors):
        try:
            some = list(check(client, chosen.name))
        except SovlabError as error:
            some = [Check(check.__name__.strip("_"), error.message, False, error.hint)]
        found += some
        if check is _place and not all(each.ok for each in some):
            break  # a job would only say it once more
    return found


def _versions(_: Client, __: str) -> Iterator[Check]:
    yield Check("sovlab", f"{__version__}, Python {platform.python_version()} at {sys.executable}")


def _torch(_: Client, __: str) -> Iterator[Check]:
    try:
        yield Check("torch", importlib.metadata.version("torch"))
    except importlib.metadata.PackageNotFoundError:
        yield Check(
            "torch", "not installed here", True, "Cells that use it need it: pip install 'sovlab[torch]'"
        )


def _state(client: Client, _: str) -> Iterator[Check]:
    state = client.settings.state
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    writable, free = os.access(state, os.W_OK), shutil.disk_usage(state).free
    yield Check(
        "state directory",
        f"{state}, {format_bytes(free)} free",
        writable and free > _LEAST_FREE,
        ""
        if writable and free > _LEAST_FREE
        else "Make room (sovlab clean), or set SOVLAB_STATE_DIR to a directory on another disk.",
    )


def _settings(client: Client, _: str) -> Iterator[Check]:
    for sentence in (*client.settings.ignored, *client.settings.outdated):
        yield Check("settings", sentence)


def _place(client: Client, target: str) -> Iterator[Check]:
    for finding in client.examine(target):
        title = finding.found if finding.level is not Level.DEGRADED else f"{finding.found} (degraded)"
        yield Check(finding.what, title, finding.level is not Level.MISSING, finding.advice)


def _job(client: Client, target: str) -> Iterator[Check]:
    from sovlab.options.job import from_keywords

    options = from_keywords({"name": "doctor", "timeout": 60, "target": target})
    job = client.submit(Call(abs, (-41,)), options).job
    try:
        value = job.result(timeout=_PATIENCE)
    except SovlabError as error:
        why = job.status.message
        job.cancel()
        if isinstance(error, WaitTimeout) and why:
            error = WaitTimeout(
                f"{error.message.rstrip('.')}: {why}.".replace("..", "."), "It was cancelled."
            )
        raise error
    job.delete()
    yield Check("a job", f"ran on target {job.target} and came back", value == 41)


def _sensors(client: Client, _: str) -> Iterator[Check]:
    report = client.power()
    for device in report.devices:
        known = device.energy.value is not None
        found = f"{device.name or device.id}: {device.energy.method if known else device.energy.why}"
        yield Check(f"sensor of {device.kind}", found, here=known)
    for name, why in report.unavailable.items():
        yield Check(f"sensor {name}", why, here=False)


def _backends(client: Client, target: str) -> Iterator[Check]:
    for item in client.capacity(target):
        models = ", ".join(sorted({d.model for d in item.detection.devices if d.model}))
        here = bool(item.detection.devices)
        yield Check(f"backend {item.detection.backend}", models if here else item.detection.why, here=here)
